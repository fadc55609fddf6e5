"""The methods of the management canister, apart from installing code."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from reference_impl.management import chunk_store, information, outside_calls, snapshot_transfer, snapshots
from reference_impl.management import settings as canister_settings
from reference_impl.management.installation import GROWTHS, install_code
from reference_impl.management.status import status_reply
from reference_impl.management.uninstallation import forget_code, reject_open_calls, uninstall_change
from reference_impl.management.verdicts import (
    Applies,
    DoesNotFit,
    ManagementCall,
    Verdict,
    administered_canister,
    change_origin,
    controlled_canister,
    finish,
    rejection,
)
from reference_impl.messages.delivery import waiting_call
from reference_impl.messages.requests import may_see_status
from reference_impl.subnet.canister_record import CanisterRecord, change_size
from reference_impl.subnet.ledger import liquid_balance
from reference_impl.subnet.low_memory import look_at_hook
from reference_impl.subnet.observations import NotTaken, Purpose
from reference_impl.subnet.subnet_instance import SubnetInstance, heap_size
from reference_impl.subnet.system_ids import is_system_assigned
from spec.state.canister import Running, Settings, StopCall, Stopped, Stopping
from spec.state.history import Change, ControllersChange, Creation
from spec.state.message import CallMessage, ResponseMessage
from spec.values.containers import List
from spec.values.identifiers import (
    MANAGEMENT_CANISTER,
    Blob,
    CanisterId,
    MethodName,
    Text,
)
from spec.values.management import (
    EMPTY_RESULT,
    CanisterIdArguments,
    CreateCanisterArguments,
    ProvisionalCreateArguments,
    ProvisionalTopUpArguments,
    RawRandArguments,
    UninstallCodeArguments,
    UpdateSettingsArguments,
    decode_arguments,
    encode_blob_result,
    encode_canister_id_result,
)
from spec.values.quantities import MAXIMUM_CYCLES, Cycles
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, system_reject

RANDOMNESS_LENGTH = 32


def next_randomness(instance: SubnetInstance) -> Blob:
    """32 bytes that depend on all messages so far. The engine is a development instance: nothing here is secret."""
    seed = instance.root_key + instance.system_time.to_bytes(16, "big") + instance.messages.next_id.to_bytes(16, "big")
    return hashlib.sha256(b"randomness" + seed).digest()


def _create(
    instance: SubnetInstance,
    call: ManagementCall,
    arguments: CreateCanisterArguments | ProvisionalCreateArguments,
    canister_id: CanisterId,
    cycles: Cycles,
) -> CanisterRecord | Reject:
    """The new canister with so many cycles; it is not part of the instance yet."""
    given = arguments.settings
    defect = canister_settings.code_of_defect(instance.profile, given)
    if defect is not None:
        return rejection(RejectReason.INVALID_SETTINGS, defect)
    settings = canister_settings.changed(Settings.of_creator(call.caller, instance.profile.defaults), given)
    home, now = instance.home_of(call.message), instance.system_time
    canister = CanisterRecord(canister_id, settings, home, time=now, created_at=now, balance=cycles)
    creation = Creation(settings.controllers, canister_settings.environment_variables_hash(given))
    canister.history.record(
        Change(now, canister.version, change_origin(call, arguments.sender_canister_version), creation)
    )
    usage = canister.memory_usage()
    reserved = instance.reservation(canister, settings.memory_allocation, usage, canister.history.size)
    if reserved > cycles:
        return rejection(RejectReason.CANISTER_OUT_OF_CYCLES)
    canister.balance -= reserved
    canister.reserved_balance = reserved
    if reserved > settings.reserved_balance_limit:
        return rejection(RejectReason.RESERVATION_LIMIT_EXCEEDED)
    must_be_liquid = settings.compute_allocation or settings.memory_allocation or reserved
    if must_be_liquid and instance.liquid(canister) < 0:
        return rejection(RejectReason.CANISTER_OUT_OF_CYCLES)
    return canister


def _create_canister(instance: SubnetInstance, call: ManagementCall, arguments: CreateCanisterArguments) -> Verdict:
    home = instance.home_of(call.message)
    fee = 0 if instance.subnet_admins.get(home.subnet_id) else instance.ledger_on(home).creation()
    if call.message.transferred_cycles < fee:
        return rejection(RejectReason.INSUFFICIENT_CYCLES_ATTACHED)
    canister_id = call.choices["canister_id"] if call.choices else instance.next_canister_id(home)
    if not is_system_assigned(canister_id) or not instance.is_free(canister_id):
        return DoesNotFit("the canister id is not free for the system to assign")
    endowment = call.message.transferred_cycles - fee
    canister = _create(instance, call, arguments, canister_id, min(endowment, MAXIMUM_CYCLES))
    if isinstance(canister, Reject):
        return canister

    def apply() -> None:
        instance.add_canister(canister)
        instance.burn(canister, fee, Purpose.CREATION)
        instance.recorder.burned(max(endowment - MAXIMUM_CYCLES, 0), Purpose.LOST)
        finish(instance, call, encode_canister_id_result(canister_id), refund=0)

    return Applies("create_canister", apply, (("canister_id", canister_id),))


def _provisional_create(
    instance: SubnetInstance, call: ManagementCall, arguments: ProvisionalCreateArguments
) -> Verdict:
    wanted, home = arguments.specified_id, instance.home_of(call.message)
    is_elsewhere = wanted is not None and not instance.network[home.subnet_id].may_create(wanted)
    if wanted is not None and (is_elsewhere or not is_system_assigned(wanted)):
        return rejection(RejectReason.CANISTER_ID_TAKEN, RejectCode.CANISTER_REJECT)
    if wanted is not None and not instance.is_free(wanted):
        return rejection(RejectReason.CANISTER_ID_TAKEN)
    canister_id = call.choices["canister_id"] if call.choices else wanted or instance.next_canister_id(home)
    if wanted is not None and canister_id != wanted:
        return DoesNotFit("the canister id is not the specified one")
    if not is_system_assigned(canister_id) or not instance.is_free(canister_id):
        return DoesNotFit("the canister id is not free for the system to assign")
    amount = instance.profile.defaults.provisional_cycles if arguments.amount is None else arguments.amount
    canister = _create(instance, call, arguments, canister_id, min(amount, MAXIMUM_CYCLES))
    if isinstance(canister, Reject):
        return canister

    def apply() -> None:
        instance.add_canister(canister)
        instance.recorder.minted(amount, Purpose.PROVISIONAL)
        instance.recorder.burned(max(amount - MAXIMUM_CYCLES, 0), Purpose.LOST)
        finish(instance, call, encode_canister_id_result(canister_id))

    return Applies("provisional_create_canister_with_cycles", apply, (("canister_id", canister_id),))


def _provisional_top_up(
    instance: SubnetInstance, call: ManagementCall, arguments: ProvisionalTopUpArguments
) -> Verdict:
    canister = instance.canisters.get(arguments.canister_id)
    if canister is None:
        return rejection(RejectReason.CANISTER_NOT_FOUND)

    def apply() -> None:
        instance.recorder.minted(arguments.amount, Purpose.PROVISIONAL)
        instance.credit(canister, arguments.amount)
        finish(instance, call)

    return Applies("provisional_top_up_canister", apply)


def _deposit_cycles(instance: SubnetInstance, call: ManagementCall, arguments: CanisterIdArguments) -> Verdict:
    canister = instance.canisters.get(arguments.canister_id)
    if canister is None:
        return rejection(RejectReason.CANISTER_NOT_FOUND)

    def apply() -> None:
        instance.credit(canister, call.message.transferred_cycles)
        finish(instance, call, refund=0)

    return Applies("deposit_cycles", apply)


def _update_settings(instance: SubnetInstance, call: ManagementCall, arguments: UpdateSettingsArguments) -> Verdict:
    canister = controlled_canister(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    given = arguments.settings
    defect = canister_settings.code_of_defect(instance.profile, given)
    if defect is not None:
        return rejection(RejectReason.INVALID_SETTINGS, defect)
    new = canister_settings.changed(canister.settings, given)
    heap = 0 if canister.code is None else heap_size(canister.code.wasm_state)
    if 0 < new.wasm_memory_limit < heap:
        return rejection(RejectReason.INVALID_SETTINGS)
    change = None
    if given.controllers is not None:
        origin = change_origin(call, arguments.sender_canister_version)
        change = Change(canister.time, canister.version + 1, origin, ControllersChange(new.controllers))
    history_growth = 0 if change is None else change_size(change)
    usage = canister.memory_usage() + history_growth
    reserved = instance.reservation(canister, new.memory_allocation, usage, history_growth)
    if reserved > canister.balance:
        return rejection(RejectReason.CANISTER_OUT_OF_CYCLES)
    if canister.reserved_balance + reserved > new.reserved_balance_limit:
        return rejection(RejectReason.RESERVATION_LIMIT_EXCEEDED)
    if not _can_afford(instance, canister, new, usage, reserved):
        return rejection(RejectReason.CANISTER_OUT_OF_CYCLES)

    def apply() -> None:
        canister.settings = new
        canister.version += 1
        canister.balance -= reserved
        canister.reserved_balance += reserved
        if change is not None:
            canister.history.record(change)
        instance.recount_memory(canister)
        look_at_hook(instance, canister)
        finish(instance, call)

    return Applies("update_settings", apply)


def _can_afford(
    instance: SubnetInstance, canister: CanisterRecord, new: Settings, usage: int, reserved: Cycles
) -> bool:
    """More resources are only given to a canister that is not frozen with them."""
    old = canister.settings
    grows = new.compute_allocation > old.compute_allocation or new.memory_allocation > old.memory_allocation
    if not grows and not reserved:
        return True
    limit = instance.ledger_of(canister).freezing_limit(
        new.compute_allocation, new.memory_allocation, usage, new.freezing_threshold
    )
    return liquid_balance(canister.balance - reserved, canister.reserved_balance + reserved, limit) >= 0


def _canister_status(instance: SubnetInstance, call: ManagementCall, arguments: CanisterIdArguments) -> Verdict:
    canister = instance.canisters.get(arguments.canister_id)
    if canister is None:
        return rejection(RejectReason.CANISTER_NOT_FOUND)
    if call.caller != canister.canister_id and not may_see_status(instance, canister, call.caller):
        return rejection(RejectReason.NOT_AUTHORIZED)
    return Applies("canister_status", lambda: finish(instance, call, status_reply(instance, canister)))


def _uninstall_code(instance: SubnetInstance, call: ManagementCall, arguments: UninstallCodeArguments) -> Verdict:
    canister = administered_canister(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister

    def apply() -> None:
        canister.history.record(uninstall_change(call, canister, arguments.sender_canister_version))
        canister.version += 1
        forget_code(instance, canister)
        canister.chunk_store.clear()
        instance.recount_memory(canister)
        look_at_hook(instance, canister)
        finish(instance, call)
        reject_open_calls(instance, canister)

    return Applies("uninstall_code", apply)


def _answer_stop_calls(instance: SubnetInstance, calls: List[StopCall], response: Reply | Reject) -> None:
    for waiting in calls:
        instance.messages.append(ResponseMessage(waiting.origin, response, waiting.cycles))


def _start_canister(instance: SubnetInstance, call: ManagementCall, arguments: CanisterIdArguments) -> Verdict:
    canister = administered_canister(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    status = canister.status

    def apply() -> None:
        instance.set_status(canister, Running())
        canister.stop_calls_since.clear()
        canister.version += 1
        finish(instance, call)
        if isinstance(status, Stopping):
            reject = system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_RESTARTED)
            _answer_stop_calls(instance, status.stop_calls, reject)

    return Applies("start_stopping_canister" if isinstance(status, Stopping) else "start_canister", apply)


def _stop_canister(instance: SubnetInstance, call: ManagementCall, arguments: CanisterIdArguments) -> Verdict:
    canister = administered_canister(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    stop_call = StopCall(call.message.origin, call.message.transferred_cycles)
    match canister.status:
        case Running():
            rule, status = "stop_running_canister", Stopping(List.of(stop_call))
        case Stopping(stop_calls=waiting):
            rule, status = "stop_stopping_canister", Stopping(waiting.append(stop_call))
        case Stopped():
            return Applies("stop_stopped_canister", lambda: _stop_again(instance, canister, call))

    def apply() -> None:
        instance.set_status(canister, status)
        canister.stop_calls_since.append(instance.system_time)
        canister.version += 1
        instance.messages.remove(call.message_id)

    return Applies(rule, apply)


def _stop_again(instance: SubnetInstance, canister: CanisterRecord, call: ManagementCall) -> None:
    canister.version += 1
    instance.to_keep[canister.canister_id] = None
    finish(instance, call)


def stop_completion(instance: SubnetInstance, canister_id: CanisterId) -> NotTaken | None:
    """A stopping canister without call contexts is stopped, and who asked for it is told."""
    canister = instance.canisters.get(canister_id)
    if canister is None or not isinstance(canister.status, Stopping):
        return NotTaken("the canister is not stopping")
    if instance.contexts.has_open(canister_id):
        return NotTaken("the canister has open call contexts")
    stop_calls = canister.status.stop_calls
    instance.set_status(canister, Stopped())
    canister.stop_calls_since.clear()
    canister.version += 1
    _answer_stop_calls(instance, stop_calls, Reply(EMPTY_RESULT))
    return None


def stop_call_rejection(instance: SubnetInstance, canister_id: CanisterId, index: int) -> NotTaken | None:
    """A call that waits for the canister to stop is told that this takes too long."""
    canister = instance.canisters.get(canister_id)
    if canister is None or not isinstance(canister.status, Stopping):
        return NotTaken("the canister is not stopping")
    if not 0 <= index < len(canister.status.stop_calls):
        return NotTaken("there is no such stop call")
    waiting, others = canister.status.stop_calls.take(index)
    instance.set_status(canister, Stopping(others))
    del canister.stop_calls_since[index]
    reject = system_reject(RejectCode.SYS_TRANSIENT, RejectReason.CALL_TIMED_OUT)
    instance.messages.append(ResponseMessage(waiting.origin, reject, waiting.cycles))
    return None


def _delete_canister(instance: SubnetInstance, call: ManagementCall, arguments: CanisterIdArguments) -> Verdict:
    canister = administered_canister(instance, call, arguments.canister_id)
    if isinstance(canister, Reject):
        return canister
    if not isinstance(canister.status, Stopped):
        return rejection(RejectReason.CANISTER_NOT_STOPPED)
    if call.caller == arguments.canister_id:
        return rejection(RejectReason.NOT_AUTHORIZED)

    def apply() -> None:
        instance.delete_canister(canister)
        instance.recorder.burned(canister.balance + canister.reserved_balance, Purpose.LOST)
        finish(instance, call)

    return Applies("delete_canister", apply)


def _raw_rand(instance: SubnetInstance, call: ManagementCall, arguments: RawRandArguments) -> Verdict:
    randomness = call.choices["randomness"] if call.choices else next_randomness(instance)
    if len(randomness) != RANDOMNESS_LENGTH:
        return DoesNotFit("32 random bytes are needed")
    return Applies(
        "raw_rand",
        lambda: finish(instance, call, encode_blob_result(randomness)),
        (("randomness", randomness),),
    )


Method = Callable[[SubnetInstance, ManagementCall, Any], Verdict]

METHODS: Mapping[MethodName, Method] = {
    "create_canister": _create_canister,
    "provisional_create_canister_with_cycles": _provisional_create,
    "provisional_top_up_canister": _provisional_top_up,
    "deposit_cycles": _deposit_cycles,
    "update_settings": _update_settings,
    "install_code": install_code,
    "uninstall_code": _uninstall_code,
    "canister_status": _canister_status,
    "start_canister": _start_canister,
    "stop_canister": _stop_canister,
    "delete_canister": _delete_canister,
    "raw_rand": _raw_rand,
    **chunk_store.METHODS,
    **snapshots.METHODS,
    **snapshot_transfer.METHODS,
    **information.METHODS,
    **outside_calls.METHODS,
}

TRANSITIONS = frozenset(
    {
        *(METHODS.keys() - {"stop_canister"}),
        "upgrade_code",
        "take_canister_snapshot_and_uninstall",
        "start_stopping_canister",
        "stop_running_canister",
        "stop_stopping_canister",
        "stop_stopped_canister",
    }
)
"""The transitions of the management canister that succeed; `management_call_rejection` is the one that does not."""


CHOICES: Mapping[Text, tuple[Text, ...]] = {
    "create_canister": ("canister_id",),
    "provisional_create_canister_with_cycles": ("canister_id",),
    "raw_rand": ("randomness",),
    **snapshots.CHOICES,
    **snapshot_transfer.CHOICES,
    **information.CHOICES,
    **outside_calls.CHOICES,
    "install_code": GROWTHS,
    "upgrade_code": GROWTHS,
}
"""The free variables of each of these transitions besides the message, where there are any."""


def verdict_on(instance: SubnetInstance, call: ManagementCall) -> Verdict:
    """What becomes of a call; nothing changes before the verdict is applied."""
    method = METHODS.get(call.message.method_name)
    if method is None:
        return rejection(RejectReason.MANAGEMENT_METHOD_NOT_FOUND)
    arguments = decode_arguments(call.message.method_name, call.message.argument)
    if arguments is None:
        return rejection(RejectReason.INVALID_ARGUMENT)
    return method(instance, call, arguments)


def reject_management_call(instance: SubnetInstance, call: ManagementCall, reject: Reject) -> None:
    """Takes the call out and rejects it; all its cycles go back."""
    instance.messages.remove(call.message_id)
    instance.messages.append(ResponseMessage(call.message.origin, reject, call.message.transferred_cycles))


def management_call(instance: SubnetInstance, message_id: int, choices: Mapping[Text, object]) -> ManagementCall | None:
    """The call with this id, if it is for the management canister and may be taken, with what was chosen for it."""
    message: CallMessage | None = waiting_call(instance, message_id)
    if message is None or message.callee != MANAGEMENT_CANISTER:
        return None
    return ManagementCall(message_id, message, choices)
