"""Calls to the management canister: taking one, decoding its argument, finding the canister it is about."""

from typing import TypeVar

from attrs import frozen

from spec.rules.conditions import answered, eligible_call, existing_canister
from spec.state.canister import Canister
from spec.state.history import ChangeFromCanister, ChangeFromUser, ChangeOrigin
from spec.state.message import CallMessage
from spec.state.origin import FromUser
from spec.state.state import State
from spec.transition import Step, opaque, require, require_present
from spec.values import management
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MessageId, MethodName, Principal
from spec.values.quantities import CanisterVersion
from spec.values.rejects import RejectCode, RejectReason, Reply


def management_call(state: State, message_id: MessageId, method_name: MethodName) -> CallMessage:
    """An eligible call to this method of the management canister."""
    call = eligible_call(state, message_id)
    require(call.callee == MANAGEMENT_CANISTER, "the callee is the management canister")
    require(call.method_name == method_name, "the call is to this method")
    return call


Arguments = TypeVar("Arguments")


def decoded(arguments: Arguments | None) -> Arguments:
    """The argument of a management call, which must decode."""
    return require_present(arguments, "the argument decodes", RejectReason.INVALID_ARGUMENT)


@opaque
def canister_id_arguments(method_name: MethodName, argument: Blob) -> management.CanisterIdArguments | None:
    """The argument of a method that takes a canister id only."""
    arguments = management.decode_arguments(method_name, argument)
    return arguments if isinstance(arguments, management.CanisterIdArguments) else None


@frozen
class ManagedCall:
    """A management call about a canister that exists."""

    call: CallMessage
    canister_id: CanisterId
    canister: Canister


@defines("error.canister-not-found")
def managed_call(state: State, message_id: MessageId, method_name: MethodName) -> ManagedCall:
    """A call to a method that takes the id of an existing canister and nothing else."""
    call = management_call(state, message_id, method_name)
    arguments = decoded(canister_id_arguments(method_name, call.argument))
    return ManagedCall(call, arguments.canister_id, existing_canister(state, arguments.canister_id))


@defines(
    "error.invalid-controller", "seed2.controllers-only", "seed2.controllers-kinds", "seed2.no-controllers-immutable"
)
def require_controller(call: CallMessage, canister: Canister, code: RejectCode | None = None) -> None:
    """States that the caller is a controller of the canister; `code` as in `require`."""
    require(
        canister.settings.controllers.contains(call.caller.principal),
        "the caller is a controller",
        RejectReason.NOT_AUTHORIZED,
        code,
    )


@defines("mgmt-general.subnet-admins", "seed2.controllers-only")
def require_controller_or_admin(state: State, call: CallMessage, canister: Canister) -> None:
    """States that the caller is a controller of the canister or an admin of its subnet."""
    require(
        canister.settings.controllers.contains(call.caller.principal)
        or is_subnet_admin(state, canister, call.caller.principal),
        "the caller is a controller or an admin of the subnet",
        RejectReason.NOT_AUTHORIZED,
    )


def is_subnet_admin(state: State, canister: Canister, principal: Principal) -> bool:
    """The principal administers the subnet of the canister."""
    subnet_id = canister.subnet.subnet_id
    return subnet_id in state.subnet_admins and state.subnet_admins[subnet_id].contains(principal)


def replied(state: State, message_id: MessageId, call: CallMessage, result: Blob = management.EMPTY_RESULT) -> State:
    """The state in which a management call is answered with a reply and a full refund."""
    return answered(state, message_id, call, Reply(result))


def reply(state: State, message_id: MessageId, call: CallMessage, result: Blob = management.EMPTY_RESULT) -> Step:
    """The step that only answers a management call with a reply and a full refund."""
    return Step(replied(state, message_id, call, result))


@defines("def.change-origin", "mgmt-general.sender-canister-version")
def change_origin(call: CallMessage, sender_canister_version: CanisterVersion | None) -> ChangeOrigin:
    """Who a change is recorded for. Source: abstract-behavior, `change_origin`."""
    if isinstance(call.origin, FromUser):
        return ChangeFromUser(call.caller.principal)
    return ChangeFromCanister(call.caller.principal, sender_canister_version)
