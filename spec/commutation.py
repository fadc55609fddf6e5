"""
Transitions whose order does not matter: whichever comes first, the same state follows, up to hidden names.

The rules of `EAGER` run no code and stay enabled until they fire. Each of them commutes with every transition but
those that its rows in `OVERTAKING` name. Who looks for all that can happen may therefore take an eager transition at
once, and try no other order, if no transition of its rows can come first: that is what `is_undisturbed` says.
"""

from collections.abc import Callable, Iterator
from typing import Final

from attrs import field, frozen

from spec.rules.modules import code_of, module_of
from spec.rules.spontaneous.resources import admins_of
from spec.state.canister import Canister, Code, HookStatus, Running
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, Message, ResponseMessage
from spec.state.origin import Deadline, FromCanister, FromUser
from spec.state.request import Received
from spec.state.state import State
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MessageId, MethodName, Principal, Text
from spec.values.management import decode_arguments

EAGER: Final[tuple[Text, ...]] = (
    "initiate_call",
    "respond_to_user",
    "call_context_removal",
    "callback_of_deleted_context",
    "call_context_starvation",
    "stop_completion",
)
"""In the order in which they are taken."""


@frozen
class Overtaking:
    """Transitions that do not commute with an eager one."""

    rules: frozenset[Text] | None
    """By these rules; None if by any rule."""
    when: Text
    """Completes the sentence "the order matters if the other transition ..."."""
    holds: Callable[[State, Label, Label], bool] = field(repr=False)
    """Of the state, the eager label and the other one."""


def concerns_the_canister(state: State, eager: Label, other: Label) -> bool:
    """The other label reads or changes a canister that the eager one changes."""
    return not concerned(state, eager).isdisjoint(concerned(state, other))


def concerns_the_canister_of_the_context(state: State, eager: Label, other: Label) -> bool:
    """The other label reads or changes the canister of the call context that the eager one changes."""
    return state.call_contexts[eager.arguments()["context_id"]].canister in concerned(state, other)


def concerns_the_same(variable: Text) -> Callable[[State, Label, Label], bool]:
    """Both labels have the same value for a free variable."""
    return lambda _, eager, other: eager.arguments()[variable] == other.arguments()[variable]


def is_after_the_expiry(state: State, eager: Label, other: Label) -> bool:
    """The other label lets so much time pass that the request expires."""
    expiry = state.requests[eager.arguments()["request_id"]].request.ingress_expiry
    return bool(other.arguments()["time"] > expiry)


OVERTAKING: Final[dict[Text, tuple[Overtaking, ...]]] = {
    "initiate_call": (
        Overtaking(frozenset({"request_rejection"}), "rejects the request", concerns_the_same("request_id")),
        Overtaking(frozenset({"system_time_progress"}), "lets the request expire", is_after_the_expiry),
    ),
    "respond_to_user": (),
    "call_context_removal": (),
    "callback_of_deleted_context": (
        Overtaking(None, "reads or changes the canister that gets the cycles", concerns_the_canister),
        Overtaking(frozenset({"call_expiry_of_message"}), "lets the call expire", concerns_the_same("message_id")),
    ),
    "call_context_starvation": (
        Overtaking(
            frozenset({"uninstall_code", "canister_out_of_cycles"}),
            "takes the code of the canister away, and so answers the call itself",
            concerns_the_canister_of_the_context,
        ),
        Overtaking(frozenset({"call_expiry_of_call_context"}), "lets the call expire", concerns_the_same("context_id")),
    ),
    "stop_completion": (Overtaking(None, "reads or changes the canister that stops", concerns_the_canister),),
}
"""For each eager rule, with which transitions it does not commute."""


def commute(state: State, eager: Label, other: Label) -> bool:
    """Whichever of two enabled labels comes first, the other stays enabled and the same state follows."""
    return not any(
        (row.rules is None or other.rule in row.rules) and row.holds(state, eager, other)
        for row in OVERTAKING[eager.rule]
    )


def concerned(state: State, label: Label) -> frozenset[CanisterId]:
    """The canisters that a label reads or changes; a call context is no part of its canister, nor is a message."""
    choices = label.arguments()
    found: set[CanisterId] = set()
    if "canister_id" in choices:
        found.add(choices["canister_id"])
    if "message_id" in choices and choices["message_id"] in state.messages:
        message = state.messages[choices["message_id"]]
        found |= concerned_by(state, message)
        if label.rule == "drop_expired_message":
            found |= makers_of(message)
    return frozenset(found)


def makers_of(message: Message) -> frozenset[CanisterId]:
    """The canister that made the call to which a message belongs, which gets back what comes too late."""
    origin = None if isinstance(message, FuncMessage) else message.origin
    return frozenset({origin.maker}) if isinstance(origin, FromCanister) else frozenset()


def concerned_by(state: State, message: Message) -> frozenset[CanisterId]:
    """The canisters that are read or changed where a message is handled."""
    match message:
        case CallMessage(callee=callee):
            return named(message) if callee == MANAGEMENT_CANISTER else frozenset({callee})
        case FuncMessage(receiver=receiver):
            return frozenset({receiver})
        case ResponseMessage(origin=FromCanister(maker=maker)):
            return frozenset({maker})
        case _:
            return frozenset()


@frozen
class WaitingCall:
    """A call that was not started yet, or a request that will become one."""

    of_a_user: bool
    callee: CanisterId
    method_name: MethodName
    argument: Blob


def named(call: CallMessage | WaitingCall) -> frozenset[CanisterId]:
    """The canisters that the argument of a management call names."""
    arguments = decode_arguments(call.method_name, call.argument)
    fields = ("canister_id", "target_canister", "store_canister", "specified_id")
    ids = (getattr(arguments, name, None) for name in fields)
    return frozenset(canister_id for canister_id in ids if canister_id is not None)


def is_undisturbed(state: State, eager: Label) -> bool:
    """
    No transition with which an enabled eager one does not commute can come before it.

    Left out of account is what the system may do at any time without a reason (`spec.machine.SPONTANEOUS`), but for the
    expiry of calls.
    """
    match eager.rule:
        case "callback_of_deleted_context" | "stop_completion":
            return is_left_alone(state, concerned(state, eager), eager.arguments().get("message_id"))
        case "call_context_starvation":
            context = state.call_contexts[eager.arguments()["context_id"]]
            return not has_bound(context.origin) and keeps_its_code(state, context.canister)
        case _:
            return True


def has_bound(origin: object) -> bool:
    """The call may expire."""
    return isinstance(origin, FromCanister) and isinstance(origin.deadline, Deadline)


def is_left_alone(state: State, canister_ids: frozenset[CanisterId], but: MessageId | None) -> bool:
    """No code runs any more, and nothing that waits concerns these canisters, but for one message."""
    return (
        all(is_plain_management(call, canister_ids) for call in waiting_calls(state))
        and all(
            isinstance(message.origin, FromUser) or (message_id == but and not has_bound(message.origin))
            for message_id, message in state.messages.entries
            if isinstance(message, ResponseMessage)
        )
        and not any(may_run_by_itself(state, canister) for _, canister in state.canisters.items())
    )


def is_plain_management(call: WaitingCall, canister_ids: frozenset[CanisterId]) -> bool:
    """It is a user's management call that concerns none of these canisters: no code runs when it is answered."""
    return call.of_a_user and call.callee == MANAGEMENT_CANISTER and canister_ids.isdisjoint(named(call))


def may_run_by_itself(state: State, canister: Canister) -> bool:
    """A system task may begin without a message."""
    if not isinstance(canister.code, Code) or not isinstance(canister.status, Running):
        return False
    module = module_of(state.profile, code_of(canister))
    return module.has_heartbeat or canister.global_timer != 0 or canister.low_memory_hook is HookStatus.READY


UNINSTALLING: Final = frozenset({"uninstall_code", "update_settings"})
"""Methods that take the code of a canister away, or let others do so."""


def keeps_its_code(state: State, canister_id: CanisterId) -> bool:
    """Nobody asks to uninstall the canister, and no other canister may."""
    canister = state.canisters[canister_id]
    mighty = [*canister.settings.controllers, *admins_of(state, canister.subnet.subnet_id)]
    return not any(Principal(each) in state.canisters for each in mighty) and not any(
        call.callee == MANAGEMENT_CANISTER and call.method_name in UNINSTALLING and canister_id in named(call)
        for call in waiting_calls(state)
    )


def waiting_calls(state: State) -> Iterator[WaitingCall]:
    """The calls that were not started yet, those of requests that were not either included."""
    for message in state.messages:
        if isinstance(message, CallMessage):
            yield WaitingCall(
                isinstance(message.origin, FromUser), message.callee, message.method_name, message.argument
            )
    for _, known in state.requests.items():
        if isinstance(known.status, Received):
            yield WaitingCall(True, known.request.canister_id, known.request.method_name, known.request.argument)
