"""Taking the code from a canister, whoever or whatever wants it gone."""

from reference_impl.management.verdicts import ManagementCall, change_origin
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.history import Change, CodeUninstall
from spec.state.message import ResponseMessage
from spec.values.quantities import CanisterVersion
from spec.values.rejects import RejectCode, RejectReason, system_reject


def uninstall_change(
    call: ManagementCall, canister: CanisterRecord, sender_canister_version: CanisterVersion | None
) -> Change:
    """What the history of the canister gains if its code is uninstalled now."""
    origin = change_origin(call, sender_canister_version)
    return Change(canister.time, canister.version + 1, origin, CodeUninstall())


def forget_code(instance: SubnetInstance, canister: CanisterRecord) -> None:
    """The canister is empty. Its version and its memory's account are left to the caller."""
    instance.set_code(canister, None)
    canister.installed_at = None
    canister.certified_data = b""
    canister.global_timer = 0
    canister.logs.clear()


def reject_open_calls(instance: SubnetInstance, canister: CanisterRecord) -> None:
    """Answers all calls that the canister has begun to process; the code that could is gone."""
    reject = system_reject(RejectCode.CANISTER_REJECT, RejectReason.CODE_UNINSTALLED)
    for context_id in instance.contexts.of_canister(canister.canister_id):
        context = instance.contexts[context_id]
        if context.needs_to_respond:
            instance.messages.append(ResponseMessage(context.origin, reject, context.available_cycles))
        instance.contexts.close(context)
        context.deleted = True
