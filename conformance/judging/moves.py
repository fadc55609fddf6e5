"""
The transitions that the judge has to consider in a state.

Those that commute with everything else that can happen (`spec.commutation`) are `forced`: they are taken at once and
alone. Of the others, the `work`, each order may matter. `trouble` is what the system may do of its own accord.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from attrs import asdict, frozen

from conformance.judging.candid_text import shown_principal
from conformance.judging.wording import shown_blob, shown_code
from conformance.judging.words import in_these_words
from conformance.protocol.interface import Answer, Rejected, Replied
from spec.commutation import EAGER, is_undisturbed
from spec.machine import candidates, choices_of, free_variables, handled_by, step
from spec.production.choices import POLICIES, as_production
from spec.reads.answers import Wording, as_usual
from spec.rules.management.answers import ANSWERS
from spec.rules.modules import code_of, module_of
from spec.settling import ORDER
from spec.state.canister import Code, Empty, StopCall, Stopping
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, ResponseMessage
from spec.state.origin import Deadline, Expired, FromCanister
from spec.state.request import KnownRequest, Received
from spec.state.state import State
from spec.transition import RULES, Step, Unspecified
from spec.values import management
from spec.values.containers import Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MessageId, RequestId, Text
from spec.values.rejects import RejectCode
from spec.values.remembering import RememberingLast

Move = tuple[Label, Step]
"""A label and what it does."""

WAITING: Final = "reject_call_to_canister_out_of_cycles"
"""The rule that rejects calls which by the text may wait as well. Checklist: `unspec.error.low-liquid-balance`."""

WORK: Final = tuple(name for name in ORDER if name not in ("message_execution", WAITING, *EAGER))
"""Rules that process what waits. A system at rest can take none of them."""

WITHOUT_MESSAGES: Final = frozenset(
    name for name, rule in RULES.items() if MessageId not in free_variables(rule.body).values()
)
"""Rules that handle no message. Where there is none that they may handle, the others cannot be taken."""

TROUBLE: Final = frozenset({"request_rejection", "spontaneous_call_rejection", "stop_call_rejection"})
"""Rules that the environment has to admit. It promises nothing about the world outside, where any call may fail."""

LOGGED: Final = frozenset({"system_records", "keeps_logs"})
"""The choices about executions and failed installations that concern the log alone."""

RANDOM_REPLY: Final = re.compile(rb"DIDL\x01\x6d\x7b\x01\x00\x20(.{32})", re.DOTALL)
"""Candid of a blob of 32 bytes, as `raw_rand` replies it."""


@frozen
class Bindings:
    """Values of free variables that the implementation chose and showed."""

    canister_ids: tuple[CanisterId, ...] = ()
    randomness: tuple[Blob, ...] = ()
    replies: tuple[Blob, ...] = ()
    """Any of them may be the answer of the outside world, or tell the id of a snapshot."""
    codes: tuple[RejectCode, ...] = ()
    """Of the rejects."""
    wordings: tuple[Wording, ...] = (as_usual,)
    """What the system may have said where code heard its rejects."""


ANYTHING: Final = Bindings()


def bindings_from(answers: Iterable[Answer]) -> Bindings:
    """The canister ids and random bytes that replies show; a canister may have relayed them. The codes of rejects."""
    canister_ids: list[CanisterId] = []
    seen = list(answers)
    shown_replies = [answer.data for answer in seen if isinstance(answer, Replied)]
    codes = [answer.reject.code for answer in seen if isinstance(answer, Rejected)]
    randomness: list[Blob] = []
    for reply in shown_replies:
        randomness += RANDOM_REPLY.findall(reply)
        if len(reply) == 32:
            randomness.append(reply)
        try:
            canister_ids.append(management.decode_canister_id_result(reply))
        except ValueError:
            continue
    return Bindings(
        tuple(dict.fromkeys(canister_ids)),
        tuple(dict.fromkeys(randomness)),
        tuple(dict.fromkeys(shown_replies)),
        tuple(RejectCode(code) for code in dict.fromkeys(codes) if code in set(RejectCode)),
    )


TAKING: Final = ("take_canister_snapshot", "take_canister_snapshot_and_uninstall")

RECORDS: Final = ("ecdsa_public_key", "schnorr_public_key", "subnet_info")
"""Methods whose result is a record of several free variables; that of the others is one free variable."""


def _chosen(rule: Text, reply: Blob) -> dict[str, Any] | None:
    """The free variables with which a rule would have given a reply; None if it could not."""
    method_name = "take_canister_snapshot" if rule in TAKING else rule
    try:
        result = management.decode_result(method_name, reply)
    except (KeyError, ValueError):
        return None
    if rule in TAKING:
        return {"snapshot_id": result.id}
    if rule == "upload_canister_snapshot_metadata":
        return {"snapshot_id": result}
    if rule in RECORDS:
        return asdict(result, recurse=False)
    names = list(ANSWERS.get(rule, {}))
    return {names[0]: result} if names else None


def _as_replied(labels: Iterable[Label], rule: Text, replies: tuple[Blob, ...]) -> Iterator[Label]:
    """The labels, with the values that replies show in front of the one that stands for all others."""
    for label in labels:
        for reply in replies:
            chosen = _chosen(rule, reply)
            if chosen is not None:
                yield Label(label.rule, {**label.arguments(), **chosen})
        yield label


class Silence(Exception):
    """The specification is silent about something that may have happened."""


def taken(state: State, labels: Iterable[Label]) -> Iterator[Move]:
    """The labels that can be taken, with what they do. Raises `Silence` where the specification is silent."""
    for label in labels:
        match step(state, label):
            case Step() as fired:
                yield label, fired
            case Unspecified(because):
                raise Silence(f"{label.rule}: {because}")


def forced_move(state: State) -> Move | None:
    """A transition that can be taken at once without loss, if there is one."""
    executions = list(execution_moves(state))
    if executions:
        return executions[0] if len(executions) == 1 else None
    return next((move for move in eager_moves(state) if is_undisturbed(state, move[0])), None)


def execution_moves(state: State) -> Iterator[Move]:
    """
    The pending execution, if there is one: as production does it, then without its choices, where that differs.

    What the system writes to the log is no matter of moves; what may be told of a log is (`logs`).
    """
    for message_id, message in state.messages.entries:
        if isinstance(message, FuncMessage):
            for move in taken(state, [Label("message_execution", {"message_id": message_id})]):
                yield from taken(state, choosing_labels(state, *move))
                yield move


def choosing_labels(state: State, label: Label, fired: Step) -> list[Label]:
    """The same execution with the choices of production about its calls; none if it makes no difference."""
    sent = [message for message_id, message in fired.state.messages.entries if message_id not in state.messages]
    origins = [message.origin for message in sent if isinstance(message, CallMessage)]
    has_deadline = any(isinstance(each, FromCanister) and isinstance(each.deadline, Deadline) for each in origins)
    if not has_deadline and len(fired.state.messages.ids()) <= state.profile.limits.open_calls:
        return []
    production = as_production(state, label).arguments()
    chosen = Label(label.rule, {name: value for name, value in production.items() if name not in LOGGED})
    differs = [one.state != fired.state for _, one in taken(state, [chosen])]
    return [chosen] if any(differs) else []


def eager_moves(state: State) -> Iterator[Move]:
    """The eager transitions that are possible."""
    for name in EAGER:
        if may_be_possible(state, name):
            yield from taken(state, candidates(state, RULES[name]))


def may_be_possible(state: State, rule: Text) -> bool:
    """The state has what the rule works on; where that is rare and quickly seen, the rule need not be tried."""
    if rule not in WITHOUT_MESSAGES and not handled_by(state, RULES[rule]):
        return False
    match rule:
        case "initiate_call":
            return has_received(state.requests)
        case "stop_completion":
            return any(isinstance(canister.status, Stopping) for _, canister in state.canisters.items())
        case "reject_call_to_missing_canister":
            return any(callee not in state.canisters for callee in callees(state))
        case "reject_call_to_empty_canister":
            known = (state.canisters[callee] for callee in callees(state) if callee in state.canisters)
            return any(isinstance(canister.code, Empty) for canister in known)
        case _:
            return True


@RememberingLast
def has_received(requests: Map[RequestId, KnownRequest]) -> bool:
    """A request waits for the system."""
    return not requests.none(lambda _, known: isinstance(known.status, Received))


def callees(state: State) -> Iterator[CanisterId]:
    """Whom the calls that wait are made to."""
    return (message.callee for _, message in state.messages.entries if isinstance(message, CallMessage))


def _bound(labels: Iterable[Label], variable: Text, values: tuple[bytes, ...]) -> Iterator[Label]:
    """The labels, with the values that were seen in front of the one that stands for all others."""
    for label in labels:
        for value in values:
            yield Label(label.rule, {**label.arguments(), variable: value})
        yield label


def _labels(state: State, rule: Text, bindings: Bindings) -> Iterable[Label]:
    labels = candidates(state, RULES[rule])
    match rule:
        case "create_canister" | "provisional_create_canister_with_cycles":
            return dict.fromkeys(_bound(labels, "canister_id", bindings.canister_ids))
        case "raw_rand":
            return _bound(labels, "randomness", bindings.randomness)
        case "callback_invocation":
            return in_these_words(state, labels, bindings.wordings)
        case _ if rule in (*TAKING, "upload_canister_snapshot_metadata") or rule in ANSWERS:
            return dict.fromkeys(_as_replied(labels, rule, bindings.replies))
        case _ if "code" in POLICIES.get(rule, {}):
            return by_likelihood(state, labels, bindings)
        case _:
            return labels


def by_likelihood(state: State, labels: Iterable[Label], bindings: Bindings) -> list[Label]:
    """Labels that choose a code: with production's first, then those with codes that were seen, then all others."""

    def rank(label: Label) -> int:
        choices = choices_of(label)
        if POLICIES[label.rule]["code"].choose(state, choices) in (None, choices["code"]):
            return 0
        return 1 if choices["code"] in bindings.codes else 2

    return sorted(labels, key=rank)


def calls_of_missing_methods(state: State) -> Iterator[Label]:
    """Rejections of calls to methods that there are not, which the text lets any reject answer."""
    for message_id, message in state.messages.entries:
        if isinstance(message, CallMessage) and lacks_method(state, message):
            for code in RejectCode:
                yield Label("spontaneous_call_rejection", {"message_id": message_id, "code": code})


def lacks_method(state: State, call: CallMessage) -> bool:
    """The callee has code, but no such method. Checklist: `unspec.error.unknown-method`."""
    if call.callee not in state.canisters or not isinstance(state.canisters[call.callee].code, Code):
        return False
    module = module_of(state.profile, code_of(state.canisters[call.callee]))
    return call.method_name not in module.update_methods | module.query_methods


def by_itself(state: State, bindings: Bindings = ANYTHING) -> Iterator[Move]:
    """
    What may happen without need, in an idle system too.

    Calls expire that have waited too long; those that the callee cannot set cycles aside for are rejected; canisters
    without cycles lose their code.
    """
    yield from taken(state, _labels(state, WAITING, bindings))
    yield from taken(state, candidates(state, RULES["canister_out_of_cycles"]))
    yield from taken(state, calls_of_missing_methods(state))
    yield from (move for move in taken(state, expiries(state)) if is_overdue(state, move[0]))


def expiries(state: State) -> Iterator[Label]:
    """Bounded-wait calls expire, which they may at any time."""
    for rule, variable, numbers in (
        ("call_expiry_of_message", "message_id", state.messages.ids()),
        ("call_expiry_of_call_context", "context_id", state.call_contexts.keys()),
    ):
        for number in numbers:
            yield Label(rule, {variable: number})
    yield from candidates(state, RULES["call_expiry_of_stop_call"])


def refunds(state: State) -> Iterator[Move]:
    """The drops of messages that come too late, with which their cycles come back to whoever made the call."""
    for message_id, message in state.messages.entries:
        if isinstance(message, CallMessage | ResponseMessage) and is_expired(message.origin):
            choices = {"message_id": message_id, "refunds_cycles": True}
            for label, fired in taken(state, [Label("drop_expired_message", choices)]):
                if fired.state.canisters != state.canisters:
                    yield label, fired


def is_expired(origin: object) -> bool:
    """The call has expired, and whoever made it was told so."""
    return isinstance(origin, FromCanister) and isinstance(origin.deadline, Expired)


def is_overdue(state: State, label: Label) -> bool:
    """The deadline of the call that expires has come."""
    choices = label.arguments()
    if "message_id" in choices:
        origin = getattr(state.messages[choices["message_id"]], "origin", None)
    elif "context_id" in choices:
        origin = state.call_contexts[choices["context_id"]].origin
    else:
        status = state.canisters[choices["canister_id"]].status
        origin = status.stop_calls.items[choices["index"]].origin if isinstance(status, Stopping) else None
    deadline = origin.deadline if isinstance(origin, FromCanister) else None
    return isinstance(deadline, Deadline) and deadline.time <= state.system_time


def work(state: State, bindings: Bindings) -> Iterator[Move]:
    """The transitions that process what waits, in any order; nothing comes before a pending execution."""
    executions = list(execution_moves(state))
    if executions:
        yield from executions
        return
    yield from eager_moves(state)
    for name in WORK:
        if may_be_possible(state, name):
            yield from taken(state, _labels(state, name, bindings))


def trouble(state: State) -> Iterator[Move]:
    """The rejections for which the system needs no reason, and calls that expire before their deadlines."""
    if any(isinstance(message, CallMessage) for message in state.messages):
        yield from taken(state, candidates(state, RULES["spontaneous_call_rejection"]))
    if any(isinstance(canister.status, Stopping) for _, canister in state.canisters.items()):
        yield from taken(state, candidates(state, RULES["stop_call_rejection"]))
    yield from (move for move in taken(state, expiries(state)) if not is_overdue(state, move[0]))


def stop_calls(state: State) -> Iterator[tuple[CanisterId, StopCall]]:
    """The calls that wait for a canister to stop, with its id."""
    for canister_id, canister in state.canisters.items():
        if isinstance(canister.status, Stopping):
            yield from ((canister_id, call) for call in canister.status.stop_calls)


def rejections_of_stop_calls(state: State, overdue: Sequence[tuple[CanisterId, StopCall]]) -> Iterator[Move]:
    """The rejections of stop calls that have waited: how long is too long the text leaves open."""
    if overdue:
        labels = candidates(state, RULES["stop_call_rejection"])
        yield from taken(state, (label for label in labels if is_of_stop_call(state, label, overdue)))


def is_of_stop_call(state: State, label: Label, overdue: Sequence[tuple[CanisterId, StopCall]]) -> bool:
    """The label rejects one of these stop calls. Checklist: `unspec.env.stop-timeout`."""
    if label.rule != "stop_call_rejection" or label.arguments()["canister_id"] not in state.canisters:
        return False
    canister_id, index = label.arguments()["canister_id"], label.arguments()["index"]
    status = state.canisters[canister_id].status
    calls = status.stop_calls.items if isinstance(status, Stopping) else ()
    return 0 <= index < len(calls) and (canister_id, calls[index]) in overdue


def failures_outside(state: State) -> Iterator[Move]:
    """The failures of calls that the outside world does not answer, if there are such calls."""
    if any(is_for_management(message) for message in state.messages):
        yield from taken(state, candidates(state, RULES["outside_call_failure"]))


def is_for_management(message: object) -> bool:
    """The message is a call to the management canister."""
    return isinstance(message, CallMessage) and message.callee == MANAGEMENT_CANISTER


def rejections_of_expired(state: State) -> Iterator[Move]:
    """The rejections of requests whose time was over before they were started: for these there is a reason."""
    if any(isinstance(known.status, Received) for _, known in state.requests.items()):
        labels = candidates(state, RULES["request_rejection"])
        yield from taken(state, (label for label in labels if is_of_expired(state, label)))


def is_of_expired(state: State, label: Label) -> bool:
    """The label rejects a request that has expired."""
    if label.rule != "request_rejection":
        return False
    request_id = label.arguments()["request_id"]
    return request_id in state.requests and state.requests[request_id].request.ingress_expiry < state.system_time


MOST_HEARTBEATS: Final = 20
"""
How often the judge lets a heartbeat run for each time that the system comes to rest, counted over all of them. The text
names no bound; it is the number of rounds for which the judge asks at a time.
"""

FEW_HEARTBEATS: Final = 4
"""So many are tried at first; beside more of them the judge tries nothing that is rare, or the search has no end."""


def heartbeats(state: State) -> Iterator[tuple[CanisterId, Label, Step]]:
    """The heartbeats that may begin, which nothing obliges the system to."""
    for label, fired in taken(state, candidates(state, RULES["heartbeat_context_creation"])):
        yield label.arguments()["canister_id"], label, fired


def something_to_do(state: State) -> Label | None:
    """A transition that something waits for; None if the system is at rest."""
    move = next(work(state, Bindings()), None)
    # Reason: what is forced is work too, so at rest, which is asked most often, one search is enough.
    return None if move is None else (forced_move(state) or move)[0]


PRINCIPALS: Final = frozenset({"caller", "canister_id", "effective_id", "new_canister_id", "orchestrator", "subnet_id"})
"""Free variables whose values are principals."""


def shown_label(label: Label) -> Text:
    """A label in words: its rule and choices, principals as text, reject codes by name, blobs shortened."""

    def value(name: Text, choice: object) -> str:
        if isinstance(choice, bytes):
            return shown_principal(choice) if name in PRINCIPALS else shown_blob(choice)
        if isinstance(choice, RejectCode):
            return shown_code(choice)
        return str(choice) if isinstance(choice, int) else "(...)"

    return f"{label.rule}({', '.join(f'{name}={value(name, choice)}' for name, choice in label.choices)})"
