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

from spec.rules.conditions import answer, eligible_call, require_admitted_code
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
from spec.rules.management.installation import install_code
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
from spec.state.message import CallMessage
from spec.state.state import State
from spec.transition import NotEnabled, Rule, Step, opaque, require, require_present, transition
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, MessageId, MethodName, Principal
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
`mgmt-general.facade`, `mgmt-general.candid-interface`.
"""

SNAPSHOT_MAKERS: Final = (
    take_canister_snapshot,
    take_canister_snapshot_and_uninstall,
    upload_canister_snapshot_metadata,
)
"""The rules that give a snapshot its id."""


@transition(title="Management calls that fail are rejected", source="ours#management-call-rejection")
@defines("inv.atomic.install-code", "unspec.error.management-conditions", "unspec.error.incomplete")
def management_call_rejection(state: State, *, message_id: MessageId, code: RejectCode) -> Step:
    """A call to the management canister that cannot succeed is rejected; the first condition that fails says why."""
    # CONDITIONS
    call = eligible_call(state, message_id)
    require(call.callee == MANAGEMENT_CANISTER, "the callee is the management canister")
    reject = require_present(
        first_reject(state, message_id, call.method_name), "a condition of the method does not hold"
    )
    require_admitted_code(call, code)

    # STATE AFTER
    return answer(state, message_id, Reject(code, reject.message, reject.reason))


@opaque
def first_reject(state: State, message_id: MessageId, method_name: MethodName) -> Reject | None:
    """Why no rule for the method is enabled, with the code that production gives; None if one is."""
    for name, rules in METHODS.items():
        if method_name == name:
            results = [rule(state, message_id=message_id, **some_choices(state, message_id, rule)) for rule in rules]
            if any(isinstance(result, Step) for result in results):
                return None
            rejects = [result.reject for result in results if isinstance(result, NotEnabled)]
            return next((reject for reject in rejects if reject is not None), None)
    return system_reject(RejectCode.CANISTER_ERROR, RejectReason.MANAGEMENT_METHOD_NOT_FOUND)


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
        candidate = Principal(number.to_bytes(8, "big") + b"\x01\x01")
        if candidate not in state.canisters and not state.deleted_canisters.contains(candidate):
            return candidate
        number += 1
