"""Uninstalling code and deleting canisters."""

from attrs import evolve

from spec.rules.conditions import existing_canister
from spec.rules.management.arguments import (
    change_origin,
    decoded,
    managed_call,
    management_call,
    replied,
    require_controller_or_admin,
)
from spec.state.call_context import CallContext
from spec.state.canister import Canister, Empty, HookStatus, Stopped
from spec.state.history import Change, ChangeOrigin, CodeUninstall, recorded
from spec.state.message import Message, ResponseMessage
from spec.state.state import State, cycles_of_canister
from spec.transition import Burned, BurnReason, Step, opaque, require, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.containers import List, Map
from spec.values.identifiers import Blob, CanisterId, MessageId
from spec.values.rejects import RejectCode, RejectReason, system_reject


@opaque
def uninstall_code_arguments(argument: Blob) -> management.UninstallCodeArguments | None:
    """The argument of `uninstall_code`."""
    arguments = management.decode_arguments("uninstall_code", argument)
    return arguments if isinstance(arguments, management.UninstallCodeArguments) else None


@transition(title="Code uninstallation", source="abstract-behavior#rule-uninstall")
def uninstall_code(state: State, *, message_id: MessageId) -> Step:
    """
    The code of a canister and its state are removed.

    Everybody who waits for a response of this canister gets a reject, and callbacks of its calls will run no code.
    """
    # CONDITIONS
    call = management_call(state, message_id, "uninstall_code")
    arguments = decoded(uninstall_code_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    require_controller_or_admin(state, call, canister)
    origin = change_origin(call, arguments.sender_canister_version)
    after = replied(state, message_id, call)

    # STATE AFTER
    return Step(
        evolve(
            after,
            canisters=state.canisters.set(arguments.canister_id, uninstalled(canister, origin)),
            messages=after.messages.extend(rejects_of_contexts(state, arguments.canister_id)),
            call_contexts=state.call_contexts.change_where(
                lambda _, context: context.canister == arguments.canister_id, deleted_context
            ),
        )
    )


@defines("inv.logs-replicated-only")
def uninstalled(canister: Canister, origin: ChangeOrigin) -> Canister:
    """The canister without code."""
    version = canister.version + 1
    return evolve(
        canister,
        code=Empty(),
        low_memory_hook=HookStatus.CONDITION_NOT_SATISFIED,
        version=version,
        certified_data=b"",
        global_timer=0,
        installed_at=None,
        chunk_store=Map(),
        logs=List(),
        history=recorded(canister.history, Change(canister.time, version, origin, CodeUninstall())),
    )


@defines("unspec.order.stop-replies")
def rejects_of_contexts(state: State, canister_id: CanisterId) -> List[Message]:
    """A reject for each call that the canister still had to answer, with the cycles that were available to it."""
    return state.call_contexts.collect_where(
        lambda _, context: context.canister == canister_id and context.needs_to_respond,
        reject_of_uninstalled,
    )


def reject_of_uninstalled(context: CallContext) -> Message:
    """The reject for a call whose canister lost its code."""
    return ResponseMessage(
        context.origin,
        system_reject(RejectCode.CANISTER_REJECT, RejectReason.CODE_UNINSTALLED),
        context.available_cycles,
    )


def deleted_context(context: CallContext) -> CallContext:
    """The call context marked as deleted: it was answered, and its callbacks run no code."""
    return evolve(context, deleted=True, needs_to_respond=False, available_cycles=0)


@transition(title="Canister deletion", source="abstract-behavior#ic-management-canister-canister-deletion")
@defines("error.delete-not-stopped", "error.delete-self")
def delete_canister(state: State, *, message_id: MessageId) -> Step:
    """A stopped canister disappears with everything that belongs to it. Its id is never used again."""
    # CONDITIONS
    managed = managed_call(state, message_id, "delete_canister")
    require_controller_or_admin(state, managed.call, managed.canister)
    require(isinstance(managed.canister.status, Stopped), "the canister is stopped", RejectReason.CANISTER_NOT_STOPPED)
    require(
        managed.call.caller.principal != managed.canister_id,
        "the canister does not delete itself",
        RejectReason.NOT_AUTHORIZED,
    )

    # STATE AFTER
    return Step(
        evolve(
            replied(state, message_id, managed.call),
            canisters=state.canisters.remove(managed.canister_id),
            deleted_canisters=state.deleted_canisters.append(managed.canister_id),
        ),
        burned=(Burned(cycles_of_canister(managed.canister), BurnReason.LOST),),
    )
