"""What `worlds.WRITES` says that rules may change is what the checklist of the interface specification says."""

import json
from pathlib import Path

import pytest

from spec.rules.tests.worlds import WRITES
from spec.transition import RULES

CHECKLIST = Path(__file__).parents[3] / "docs" / "facts" / "checklist.json"
ROWS = {
    "submit_request": ["rule.submit-call.canister-endpoint"],
    "submit_management_request": ["rule.submit-call.canister-endpoint", "rule.submit-call.subnet-endpoint"],
    "request_rejection": ["rule.request-rejection"],
    "initiate_call": ["rule.initiate-call"],
    "reject_call_to_stopped_canister": ["rule.reject-call.stopped-or-stopping"],
    "reject_call_to_frozen_canister": ["rule.reject-call.frozen"],
    "reject_call_with_insufficient_cycles": ["rule.reject-call.insufficient-cycles"],
    "spontaneous_call_rejection": ["rule.spontaneous-call-rejection"],
    "call_context_creation": ["rule.call-context-creation.public-method"],
    "heartbeat_context_creation": ["rule.call-context-creation.heartbeat"],
    "global_timer_context_creation": ["rule.call-context-creation.global-timer"],
    "message_execution": ["rule.message-execution.update-method", "rule.message-execution.callback"],
    "callback_invocation": ["rule.callback-invocation.live-context"],
    "callback_of_deleted_context": ["rule.callback-invocation.deleted-context"],
    "call_context_starvation": ["rule.call-context-starvation"],
    "call_context_removal": ["rule.call-context-removal"],
    "respond_to_user": ["rule.respond-to-user"],
    "request_done": ["rule.request-cleanup.done"],
    "request_deletion": ["rule.request-cleanup.delete"],
    "call_expiry_of_message": ["rule.call-expiry.message"],
    "call_expiry_of_call_context": ["rule.call-expiry.call-context"],
    "call_expiry_of_stop_call": ["rule.call-expiry.stop-canister"],
    "drop_expired_message": ["rule.drop-expired-message"],
    "payment_from_reserved_balance": ["rule.resource-payment.reserved-balance"],
    "payment_from_main_balance": ["rule.resource-payment.main-balance"],
    "canister_out_of_cycles": ["rule.canister-out-of-cycles"],
    "canister_version_increment": ["rule.version-increment"],
    "subnet_admins_change": ["rule.subnet-admins-change"],
    "canister_history_trimming": ["rule.trim-history"],
    "canister_log_trimming": ["rule.trim-logs"],
    "canister_time_progress": ["rule.time-progress.canister"],
    "system_time_progress": ["rule.time-progress.system"],
    "provisional_top_up_canister": ["rule.mgmt.provisional-top-up"],
    "deposit_cycles": ["rule.mgmt.deposit-cycles"],
    "raw_rand": ["rule.mgmt.raw-rand"],
    "canister_status": ["rule.mgmt.canister-status.update"],
    "update_settings": ["rule.mgmt.update-settings.effects"],
    "install_code": ["rule.mgmt.install-code.effects"],
    "upgrade_code": ["rule.mgmt.upgrade.effects"],
    "uninstall_code": ["rule.mgmt.uninstall-code"],
    "stop_running_canister": ["rule.mgmt.stop-canister.from-running"],
    "stop_stopping_canister": ["rule.mgmt.stop-canister.while-stopping"],
    "stop_stopped_canister": ["rule.mgmt.stop-canister.when-stopped"],
    "stop_completion": ["rule.mgmt.stop-canister.completion"],
    "stop_call_rejection": ["rule.mgmt.stop-canister.reject-pending"],
    "start_canister": ["rule.mgmt.start-canister.running-or-stopped"],
    "start_stopping_canister": ["rule.mgmt.start-canister.stopping"],
}
"""The rows that describe a rule. Rules of ours have none; those that create or delete a canister touch every part."""

ALSO = {"on_low_wasm_memory_hook_status"}
"""Changed by a transition of its own in the interface specification, together with what makes it due in ours."""

BY_CHOICE = {"drop_expired_message": {"balances"}}
"""Changed only by a choice of ours, which the interface specification tells in prose alone."""


@pytest.mark.parametrize("rule", ROWS)
def test_a_rule_may_change_what_its_rows_say(rule):
    rows = {row["id"]: set(row["writes"]) for row in json.loads(CHECKLIST.read_text())["rules"]}
    assert WRITES[rule] - ALSO - BY_CHOICE.get(rule, set()) == set().union(*(rows[row] for row in ROWS[rule]))


def test_rules_whose_writes_are_told_exist():
    assert WRITES.keys() <= RULES.keys()
    assert ROWS.keys() <= WRITES.keys()
