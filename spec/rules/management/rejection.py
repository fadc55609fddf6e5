"""
The methods of the management canister, and what becomes of calls that fail.

| method | who may call it | answered at once |
| --- | --- | --- |
| bitcoin_get_utxos and the other four of Bitcoin | canisters | when the outside world does |
| canister_info, canister_metadata, node_metrics_history, subnet_info | canisters | yes |
| canister_metrics | controllers and subnet admins | yes |
| canister_status | the canister, subnet admins, whom the status visibility admits | yes |
| clear_chunk_store, stored_chunks, upload_chunk | controllers, the canister | yes |
| create_canister | canisters; as ingress, subnet admins | yes |
| delete_canister, start_canister, uninstall_code | controllers and subnet admins | yes |
| deposit_cycles | canisters | yes |
| ecdsa_public_key, schnorr_public_key, vetkd_public_key | canisters | when the outside world does |
| http_request, sign_with_ecdsa, sign_with_schnorr, vetkd_derive_key | canisters | when the outside world does |
| install_chunked_code | controllers | becomes a call to install_code |
| install_code, update_settings | controllers | yes |
| list_canister_snapshots, read_canister_snapshot_data, read_canister_snapshot_metadata | snapshot visibility | yes |
| the other five about snapshots | controllers | yes |
| provisional_create_canister_with_cycles, provisional_top_up_canister | anyone, on development instances | yes |
| raw_rand | canisters | yes |
| stop_canister | controllers and subnet admins | when the canister has stopped |
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, frozen

from spec.canister.outcome import LogEntry
from spec.rules.conditions import answered, eligible_call, existing_canister, require_admitted_code
from spec.rules.management.answers import ANSWERS, free_snapshot_id
from spec.rules.management.bitcoin import (
    bitcoin_get_balance,
    bitcoin_get_block_headers,
    bitcoin_get_current_fee_percentiles,
    bitcoin_get_utxos,
    bitcoin_send_transaction,
)
from spec.rules.management.chunk_store import clear_chunk_store, install_chunked_code, stored_chunks, upload_chunk
from spec.rules.management.creation import (
    create_canister,
    provisional_create_arguments,
    provisional_create_canister_with_cycles,
)
from spec.rules.management.deletion import delete_canister, uninstall_code
from spec.rules.management.information import (
    canister_info,
    canister_metadata,
    canister_metrics,
    node_metrics_history,
    subnet_info,
)
from spec.rules.management.installation import install_code, install_code_arguments
from spec.rules.management.lifecycle import (
    start_canister,
    start_stopping_canister,
    stop_running_canister,
    stop_stopped_canister,
    stop_stopping_canister,
)
from spec.rules.management.miscellaneous import (
    deposit_cycles,
    provisional_top_up_canister,
    raw_rand,
)
from spec.rules.management.outcalls import http_request
from spec.rules.management.settings import update_settings
from spec.rules.management.snapshot_contents import (
    read_canister_snapshot_data,
    read_canister_snapshot_metadata,
    upload_canister_snapshot_data,
    upload_canister_snapshot_metadata,
)
from spec.rules.management.snapshots import (
    delete_canister_snapshot,
    list_canister_snapshots,
    load_canister_snapshot,
    take_canister_snapshot,
    take_canister_snapshot_and_uninstall,
)
from spec.rules.management.status import canister_status
from spec.rules.management.threshold_keys import (
    ecdsa_public_key,
    schnorr_public_key,
    sign_with_ecdsa,
    sign_with_schnorr,
    vetkd_derive_key,
    vetkd_public_key,
)
from spec.rules.management.upgrade import upgrade_code
from spec.rules.messages.effects import may_be_recorded, with_logs
from spec.state.message import CallMessage
from spec.state.state import State
from spec.transition import NotEnabled, Rule, Step, opaque, require, require_present, transition
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MessageId, MethodName, numbered_canister_id
from spec.values.quantities import Count
from spec.values.rejects import Reject, RejectCode, RejectReason, system_reject

METHODS: Final[Mapping[MethodName, tuple[Rule, ...]]] = {
    "bitcoin_get_balance": (bitcoin_get_balance,),
    "bitcoin_get_block_headers": (bitcoin_get_block_headers,),
    "bitcoin_get_current_fee_percentiles": (bitcoin_get_current_fee_percentiles,),
    "bitcoin_get_utxos": (bitcoin_get_utxos,),
    "bitcoin_send_transaction": (bitcoin_send_transaction,),
    "canister_info": (canister_info,),
    "canister_metadata": (canister_metadata,),
    "canister_metrics": (canister_metrics,),
    "canister_status": (canister_status,),
    "clear_chunk_store": (clear_chunk_store,),
    "create_canister": (create_canister,),
    "delete_canister": (delete_canister,),
    "delete_canister_snapshot": (delete_canister_snapshot,),
    "deposit_cycles": (deposit_cycles,),
    "ecdsa_public_key": (ecdsa_public_key,),
    "http_request": (http_request,),
    "install_chunked_code": (install_chunked_code,),
    "install_code": (install_code, upgrade_code),
    "list_canister_snapshots": (list_canister_snapshots,),
    "load_canister_snapshot": (load_canister_snapshot,),
    "node_metrics_history": (node_metrics_history,),
    "provisional_create_canister_with_cycles": (provisional_create_canister_with_cycles,),
    "provisional_top_up_canister": (provisional_top_up_canister,),
    "raw_rand": (raw_rand,),
    "read_canister_snapshot_data": (read_canister_snapshot_data,),
    "read_canister_snapshot_metadata": (read_canister_snapshot_metadata,),
    "schnorr_public_key": (schnorr_public_key,),
    "sign_with_ecdsa": (sign_with_ecdsa,),
    "sign_with_schnorr": (sign_with_schnorr,),
    "start_canister": (start_canister, start_stopping_canister),
    "stop_canister": (stop_running_canister, stop_stopping_canister, stop_stopped_canister),
    "stored_chunks": (stored_chunks,),
    "subnet_info": (subnet_info,),
    "take_canister_snapshot": (take_canister_snapshot, take_canister_snapshot_and_uninstall),
    "uninstall_code": (uninstall_code,),
    "update_settings": (update_settings,),
    "upload_canister_snapshot_data": (upload_canister_snapshot_data,),
    "upload_canister_snapshot_metadata": (upload_canister_snapshot_metadata,),
    "upload_chunk": (upload_chunk,),
    "vetkd_derive_key": (vetkd_derive_key,),
    "vetkd_public_key": (vetkd_public_key,),
}
"""
The rules that answer calls to each method; of those of one method at most one is enabled. Checklist:
`mgmt-general.facade`, `mgmt-general.candid-interface`, `seed2.system-apis`.
"""

SNAPSHOT_MAKERS: Final = (
    take_canister_snapshot,
    take_canister_snapshot_and_uninstall,
    upload_canister_snapshot_metadata,
)
"""The rules that give a snapshot its id."""


@transition(title="Management calls that fail are rejected", source="ours#management-call-rejection")
@defines("inv.atomic.install-code", "unspec.error.management-conditions", "unspec.error.incomplete")
def management_call_rejection(
    state: State,
    *,
    message_id: MessageId,
    code: RejectCode,
    refused_growths: tuple[Count, ...] = (),
    trapping_growths: tuple[Count, ...] = (),
    keeps_logs: bool = False,
    system_records: tuple[Blob | None, ...] = (),
) -> Step:
    """
    A call to the management canister that cannot succeed is rejected; the first condition that fails says why.

    An installation may fail because growths of memories are refused to its hooks, or end one. What its hooks wrote to
    the log may be kept, with records of the system. Source of the choices: ours#failed-installation.
    """
    # CONDITIONS
    call = eligible_call(state, message_id)
    require(call.callee == MANAGEMENT_CANISTER, "the callee is the management canister")
    failure = require_present(
        first_failure(state, message_id, call.method_name, refused_growths, trapping_growths),
        "a condition of the method does not hold",
    )
    require_admitted_code(call, code)
    entries = failure.logs if keeps_logs else ()
    require(may_be_recorded(entries, system_records), "the system writes where it may")
    after = answered(state, message_id, call, Reject(code, failure.reject.message, failure.reject.reason))

    # STATE AFTER
    if not keeps_logs or failure.canister_id is None:
        return Step(after)
    logged = with_logs(existing_canister(state, failure.canister_id), entries, system_records)
    return Step(evolve(after, canisters=state.canisters.set(failure.canister_id, logged)))


@frozen
class FailedCall:
    """Why a call to the management canister cannot succeed."""

    reject: Reject
    """With the code that production gives."""
    logs: tuple[LogEntry, ...] = ()
    """What hooks of an installation had written to the log."""
    canister_id: CanisterId | None = None
    """On which canister they ran."""


INSTALLING: Final = (install_code, upgrade_code)
"""The rules that run hooks."""


@opaque
def first_failure(
    state: State,
    message_id: MessageId,
    method_name: MethodName,
    refused_growths: tuple[Count, ...],
    trapping_growths: tuple[Count, ...],
) -> FailedCall | None:
    """Why no rule for the method is enabled, if hooks are refused these growths; None if one is."""
    if method_name not in METHODS:
        return FailedCall(system_reject(RejectCode.CANISTER_ERROR, RejectReason.MANAGEMENT_METHOD_NOT_FOUND))
    refused = {"refused_growths": refused_growths, "trapping_growths": trapping_growths}
    results = [
        rule(
            state,
            message_id=message_id,
            **(refused if rule in INSTALLING else some_choices(state, message_id, rule)),
        )
        for rule in METHODS[method_name]
    ]
    if any(isinstance(result, Step) for result in results):
        return None
    failed = next((each for each in results if isinstance(each, NotEnabled) and each.reject is not None), None)
    if failed is None or failed.reject is None:
        return None
    return FailedCall(failed.reject, failed.logs, installed_canister(state, message_id) if failed.logs else None)


def installed_canister(state: State, message_id: MessageId) -> CanisterId | None:
    """The canister on which a call to `install_code` installs code."""
    call = state.messages[message_id]
    arguments = install_code_arguments(call.argument) if isinstance(call, CallMessage) else None
    return None if arguments is None else arguments.canister_id


def first_reject(state: State, message_id: MessageId, method_name: MethodName) -> Reject | None:
    """Why no rule for the method is enabled, with the code that production gives; None if one is."""
    failure = first_failure(state, message_id, method_name, (), ())
    return None if failure is None else failure.reject


def some_choices(state: State, message_id: MessageId, rule: Rule) -> dict[str, Any]:
    """Values for the free variables of a rule that spoil none of its conditions if that can be avoided."""
    if rule in (create_canister, provisional_create_canister_with_cycles):
        return {"canister_id": free_canister_id(state, message_id)}
    if rule in SNAPSHOT_MAKERS:
        return {"snapshot_id": free_snapshot_id(state)}
    return {name: values[0] for name, values in ANSWERS.get(rule.name, {}).items()}


@opaque
def free_canister_id(state: State, message_id: MessageId) -> CanisterId:
    """The id that a creation call asks for, or else one that no canister has or had."""
    call = state.messages[message_id]
    assert isinstance(call, CallMessage)
    if call.method_name == "provisional_create_canister_with_cycles":
        arguments = provisional_create_arguments(call.argument)
        if arguments is not None and arguments.specified_id is not None:
            return arguments.specified_id
    return first_free_canister_id(state)


def first_free_canister_id(state: State) -> CanisterId:
    """The first id, counting up, that no canister has or had."""
    number = 0
    while True:
        candidate = numbered_canister_id(number)
        if candidate not in state.canisters and not state.deleted_canisters.contains(candidate):
            return candidate
        number += 1
