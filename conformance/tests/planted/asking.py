"""
Implementations that tell code, users or other canisters something wrong, or let the wrong ones ask, as black boxes.

Most take a transition in a state that differs from the true one in what they get wrong, and put that right again.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

from attrs import evolve

from conformance.judging.moves import Move
from conformance.protocol.interface import Accepted, Query, QueryAnswer, Refused
from conformance.suite.candid_forms import LARGEST_ID, typed
from conformance.tests.planted.bugs import BlackBox
from spec.machine import step
from spec.state.canister import Canister, Running, Settings, Stopping
from spec.state.label import Label
from spec.state.message import CallbackInvocation, CallMessage, FuncMessage
from spec.state.request import Endpoint, Request
from spec.state.state import State
from spec.transition import Step
from spec.values.candid import CandidError, Record, read_as_sent
from spec.values.canister_terms import AllowedViewers, Controllers, Public
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Blob, Principal

Change = Callable[[Canister], Canister]


def everywhere(state: State, change: Change) -> State:
    """The state in which every canister is changed."""
    for canister_id, canister in state.canisters.items():
        state = evolve(state, canisters=state.canisters.set(canister_id, change(canister)))
    return state


def put_right(wrong: State, true: State, names: tuple[str, ...]) -> State:
    """The state in which canisters have these parts as they truly were."""
    for canister_id, canister in wrong.canisters.items():
        if canister_id in true.canisters:
            parts = {name: getattr(true.canisters[canister_id], name) for name in names}
            wrong = evolve(wrong, canisters=wrong.canisters.set(canister_id, evolve(canister, **parts)))
    return wrong


class Sees(BlackBox):
    """Some executions see canisters otherwise than they are."""

    def __init__(self, change: Change, *names: str, kind: Callable[[FuncMessage], bool] = lambda _: True) -> None:
        super().__init__()
        self.change = change
        self.names = names
        self.kind = kind

    def next(self) -> Move | None:
        move = super().next()
        if move is None or move[0].rule != "message_execution":
            return move
        if not self.kind(self.current.messages[move[0].arguments()["message_id"]]):
            return move
        fired = step(everywhere(self.current, self.change), move[0])
        if not isinstance(fired, Step):
            return move
        return move[0], evolve(fired, state=put_right(fired.state, self.current, self.names))


class AsksOtherwise(BlackBox):
    """Queries, submissions or management calls meet canisters that are otherwise than they are."""

    def __init__(self, change: Change, *places: str, rules: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.change = change
        self.places = places
        self.rules = rules

    def _elsewhere(self) -> State:
        true = self.current
        self._state = everywhere(true, self.change)
        return true

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        if "queries" not in self.places:
            return super().query(query, effective_id)
        true = self._elsewhere()
        try:
            return super().query(query, effective_id)
        finally:
            self._state = true

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        if "submissions" not in self.places:
            return super().submit(request, effective_id, endpoint)
        true = self._elsewhere()
        seen = super().submit(request, effective_id, endpoint)
        self._state = true
        return super().submit(request, effective_id, endpoint) if isinstance(seen, Accepted) else seen

    def next(self) -> Move | None:
        if not self.rules:
            return super().next()
        true = self._elsewhere()
        move = super().next()
        self._state = true
        if move is None or move[0].rule not in self.rules:
            return super().next()
        return move[0], evolve(move[1], state=put_right(move[1].state, true, ("settings",)))


class RefusesSome(BlackBox):
    """Some requests are refused that are not to be refused."""

    def __init__(self, refused: Callable[[State, Request], bool]) -> None:
        super().__init__()
        self.refused = refused

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        if self.refused(self.current, request):
            return Refused()
        return super().submit(request, effective_id, endpoint)


class ReadsOtherwise(BlackBox):
    """Arguments of management calls that canisters make are read otherwise."""

    def __init__(self, reads: Callable[[Blob], Blob]) -> None:
        super().__init__()
        self.reads = reads

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "message_execution":
            return state
        for number, message in state.messages.entries:
            if isinstance(message, CallMessage) and message.callee == MANAGEMENT_CANISTER:
                read = evolve(message, argument=self.reads(message.argument))
                state = evolve(state, messages=state.messages.replace(number, read))
        return state


class Draws(BlackBox):
    """Random bytes, or what else the outside world answers, are these."""

    def __init__(self, rule: str, variable: str, draw: Callable[[State, CallMessage], object]) -> None:
        super().__init__()
        self.rule = rule
        self.variable = variable
        self.draw = draw

    def next(self) -> Move | None:
        move = super().next()
        if move is None or move[0].rule != self.rule:
            return move
        call = self.current.messages[move[0].arguments()["message_id"]]
        label = Label(self.rule, {**move[0].arguments(), self.variable: self.draw(self.current, call)})
        fired = step(self.current, label)
        return (label, fired) if isinstance(fired, Step) else move


class Garbles(BlackBox):
    """The replies of a management method are not what they should be."""

    def __init__(self, rule: str, garbled: Callable[[Blob], Blob]) -> None:
        super().__init__()
        self.rule = rule
        self.garbled = garbled

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != self.rule:
            return state
        number, message = state.messages.entries[-1]
        response = evolve(message.response, data=self.garbled(message.response.data))
        return evolve(state, messages=state.messages.replace(number, evolve(message, response=response)))


class KeepsRefunds(BlackBox):
    """Of the cycles of calls that the outside world answers, nothing comes back."""

    def __init__(self, *rules: str) -> None:
        super().__init__()
        self.rules = rules

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule not in self.rules:
            return state
        number, message = state.messages.entries[-1]
        return evolve(state, messages=state.messages.replace(number, evolve(message, refunded_cycles=0)))


def _settings(**settings: Any) -> Change:
    return lambda canister: evolve(canister, settings=evolve(canister.settings, **settings))


def _from(**names: str) -> Change:
    def change(canister: Canister) -> Canister:
        values = {name: getattr(canister.settings, other) for name, other in names.items()}
        return evolve(canister, settings=evolve(canister.settings, **values))

    return change


def _with(change: Callable[[Settings], Settings]) -> Change:
    return lambda canister: evolve(canister, settings=change(canister.settings))


def _viewers_only(settings: Settings) -> Settings:
    """Where there are viewers, controllers are not admitted."""
    shows_some = isinstance(settings.status_visibility, AllowedViewers)
    return evolve(settings, status_visibility=Controllers()) if shows_some else settings


def _is_callback(message: FuncMessage) -> bool:
    return isinstance(message.entry_point, CallbackInvocation)


def _runs(canister: Canister) -> Canister:
    return evolve(canister, status=Running()) if isinstance(canister.status, Stopping) else canister


def _no_threshold(canister: Canister) -> Canister:
    return evolve(canister, settings=evolve(canister.settings, freezing_threshold=0))


def _is_for(request: Request, *method_names: str) -> bool:
    return request.canister_id == MANAGEMENT_CANISTER and request.method_name in method_names


def _of_admin(state: State, request: Request, *method_names: str) -> bool:
    is_admin = any(admins.contains(request.sender) for _, admins in state.subnet_admins.items())
    return is_admin and _is_for(request, *method_names)


def _is_read(argument: Blob) -> bool:
    return not isinstance(read_as_sent(argument), CandidError)


def _without_extra_fields(argument: Blob) -> Blob:
    """Arguments with a field of the largest id are not read."""
    if not _is_read(argument):
        return argument
    fields = [label for part in typed(argument)[:1] if isinstance(part.type, Record) for label, _ in part.type.fields]
    return b"" if LARGEST_ID in fields else argument


def _one_argument(argument: Blob) -> Blob:
    return b"" if _is_read(argument) and len(typed(argument)) > 1 else argument


def _cut(argument: Blob) -> Blob:
    """Bytes after the last value are overlooked."""
    if not _is_read(argument) and _is_read(argument[:-1]):
        return argument[:-1]
    return argument


def _few_types(argument: Blob) -> Blob:
    return b"" if len(argument) > 4 and argument[4] > 10 else argument


PERFORMED: Final = ("sign_with_ecdsa", "sign_with_schnorr", "vetkd_derive_key")

Make = Callable[[], BlackBox]

ASKING: Final[dict[str, tuple[Make, str]]] = {
    "a callback of a stopping canister is told that it runs": (
        lambda: Sees(_runs, "status", kind=_is_callback),
        "asked_in_states/stopping",
    ),
    "callbacks see no environment variables": (
        lambda: Sees(_settings(environment_variables=List()), "settings", kind=_is_callback),
        "asked_everywhere/reply_callback",
    ),
    "callbacks see no controllers": (
        lambda: Sees(_settings(controllers=List()), "settings", kind=_is_callback),
        "asked_in_states/changed_meanwhile",
    ),
    "the freezing threshold does not count in callbacks": (
        lambda: Sees(_no_threshold, "settings", kind=_is_callback),
        "asked_in_states/frozen",
    ),
    "code sees the time at which its canister was made": (
        lambda: Sees(lambda canister: evolve(canister, time=canister.created_at), "time"),
        "asked_everywhere/update",
    ),
    "queries see no environment variables": (
        lambda: AsksOtherwise(_settings(environment_variables=List()), "queries"),
        "asked_everywhere/in_query",
    ),
    "queries see one cycle too few": (
        lambda: AsksOtherwise(lambda canister: evolve(canister, balance=canister.balance - 1), "queries"),
        "asked_everywhere/in_query",
    ),
    "inspections see no environment variables": (
        lambda: AsksOtherwise(_settings(environment_variables=List()), "submissions"),
        "asked_everywhere/inspect_message",
    ),
    "inspections see one cycle too few": (
        lambda: AsksOtherwise(lambda canister: evolve(canister, balance=canister.balance - 1), "submissions"),
        "asked_everywhere/inspect_message",
    ),
    "who may see snapshots may see the status": (
        lambda: AsksOtherwise(
            _from(status_visibility="snapshot_visibility"), "submissions", "queries", rules=("canister_status",)
        ),
        "who_may/list_canister_snapshots",
    ),
    "who may see the logs may read snapshots": (
        lambda: AsksOtherwise(
            _from(snapshot_visibility="log_visibility"),
            rules=("list_canister_snapshots", "read_canister_snapshot_data", "read_canister_snapshot_metadata"),
        ),
        "who_may/read_canister_snapshot_metadata",
    ),
    "who may see the status may see the logs": (
        lambda: AsksOtherwise(_from(log_visibility="status_visibility"), "queries"),
        "who_may/queries",
    ),
    "the data of snapshots are public": (
        lambda: AsksOtherwise(_settings(snapshot_visibility=Public()), rules=("read_canister_snapshot_data",)),
        "who_may/read_canister_snapshot_data",
    ),
    "viewers do not count": (
        lambda: AsksOtherwise(_with(_viewers_only), "submissions", "queries"),
        "who_may/canister_status",
    ),
    "the anonymous user sees nothing": (
        lambda: RefusesSome(lambda _, request: request.sender == ANONYMOUS and _is_for(request, "canister_status")),
        "who_may/canister_status",
    ),
    "admins cannot start canisters": (
        lambda: RefusesSome(lambda state, request: _of_admin(state, request, "start_canister")),
        "who_may/by_admin",
    ),
    "admins cannot delete canisters": (
        lambda: RefusesSome(lambda state, request: _of_admin(state, request, "delete_canister")),
        "who_may/by_admin",
    ),
    "admins cannot ask for metrics": (
        lambda: RefusesSome(lambda state, request: _of_admin(state, request, "canister_metrics")),
        "who_may/by_admin",
    ),
    "random bytes are always the same": (
        lambda: Draws("raw_rand", "randomness", lambda *_: b"\4" * 32),
        "outside_answers/random_bytes",
    ),
    "random bytes depend on the time alone": (
        lambda: Draws(
            "raw_rand", "randomness", lambda state, _: hashlib.sha256(str(state.system_time).encode()).digest()
        ),
        "outside_answers/random_bytes",
    ),
    "every canister has random bytes of its own": (
        lambda: Draws("raw_rand", "randomness", lambda _, call: hashlib.sha256(call.caller.principal).digest()),
        "outside_answers/random_bytes",
    ),
    "random bytes are too few": (
        lambda: Garbles("raw_rand", lambda data: data[:-33] + b"\x1f" + data[-31:]),
        "outside_answers/random_bytes",
    ),
    "signatures are too short": (
        lambda: Garbles("sign_with_ecdsa", lambda data: data.replace(b"\x40" + bytes(64), b"\x3f" + bytes(63))),
        "outside_answers/signatures",
    ),
    "public keys are of the other kind": (
        lambda: Garbles("schnorr_public_key", lambda data: data.replace(b"\x20" + bytes(32), b"\x21\x02" + bytes(32))),
        "outside_answers/keys",
    ),
    "what a signature leaves of the cycles is kept": (lambda: KeepsRefunds(*PERFORMED), "outside_answers/signatures"),
    "all cycles of an outcall are kept": (lambda: KeepsRefunds("http_request"), "outside_answers/outcalls"),
    "all cycles of a Bitcoin call are kept": (
        lambda: KeepsRefunds("bitcoin_get_balance", "bitcoin_get_utxos"),
        "outside_answers/bitcoin",
    ),
    "canisters' arguments may not have further fields": (
        lambda: ReadsOtherwise(_without_extra_fields),
        "outside_answers/signatures",
    ),
    "canisters' arguments may not have further arguments": (
        lambda: ReadsOtherwise(_one_argument),
        "outside_answers/nodes",
    ),
    "bytes after the last value are overlooked": (lambda: ReadsOtherwise(_cut), "outside_answers/nodes"),
    "there may be ten types at most": (lambda: ReadsOtherwise(_few_types), "outside_answers/nodes"),
}
"""By what is wrong: how it is made, and the scenario that catches it."""
