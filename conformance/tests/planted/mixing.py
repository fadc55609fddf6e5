"""
Implementations that do too much or too little to a canister in one of its transitions, as black boxes.

Each is a rule after which something is wrong, and what; a table says which scenario catches it.
"""

from collections.abc import Callable
from typing import Final

from attrs import evolve

from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.meetings import changed, with_canister
from spec.canister.wasm_state import WasmState
from spec.state.canister import Canister, Code, Running, Stopped
from spec.state.label import Label
from spec.state.message import CallbackInvocation, CallMessage, FuncMessage, GlobalTimer, PublicMethod
from spec.state.state import State
from spec.transition import Step
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import CanisterId
from spec.values.quantities import NANOSECONDS_PER_SECOND

Wrong = Callable[[Canister, Canister], Canister]
"""From a canister before and after a transition to what it should not be."""


class AfterRules(BlackBox):
    """After some transitions, the canisters that they changed are other than they should be."""

    def __init__(self, wrong: Wrong, *rules: str) -> None:
        super().__init__()
        self.wrong = wrong
        self.rules = rules

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule in self.rules:
            for canister_id, before, after in changed(self.current, state):
                state = with_canister(state, canister_id, self.wrong(before, after))
        return state


class AfterRejection(BlackBox):
    """A management method that fails does something to the canister that it is about."""

    def __init__(self, method_name: str, wrong: Callable[[Canister, management.AnyArguments], Canister]) -> None:
        super().__init__()
        self.method_name = method_name
        self.wrong = wrong

    def taken(self, label: Label, fired: Step) -> State:
        if label.rule != "management_call_rejection":
            return fired.state
        call = self.current.messages[label.arguments()["message_id"]]
        arguments = management.decode_arguments(call.method_name, call.argument)
        canister_id = CanisterId(getattr(arguments, "canister_id", b""))
        if call.method_name != self.method_name or canister_id not in fired.state.canisters:
            return fired.state
        wrong = self.wrong(fired.state.canisters[canister_id], arguments)
        return with_canister(fired.state, canister_id, wrong)


class AfterExecution(BlackBox):
    """What an execution of some kind leaves behind is not what it should be."""

    def __init__(self, kind: Callable[[FuncMessage], bool], wrong: Wrong, failed: bool) -> None:
        super().__init__()
        self.kind = kind
        self.wrong = wrong
        self.failed = failed

    def taken(self, label: Label, fired: Step) -> State:
        if label.rule != "message_execution":
            return fired.state
        message = self.current.messages[label.arguments()["message_id"]]
        before, after = self.current.canisters[message.receiver], fired.state.canisters[message.receiver]
        if not self.kind(message) or self.failed != (before.version == after.version):
            return fired.state
        return with_canister(fired.state, message.receiver, self.wrong(before, after))


def _is_timer(message: FuncMessage) -> bool:
    return isinstance(message.entry_point, GlobalTimer)


def _is_callback(message: FuncMessage) -> bool:
    return isinstance(message.entry_point, CallbackInvocation)


def _is_query_method(message: FuncMessage) -> bool:
    return isinstance(message.entry_point, PublicMethod) and message.entry_point.method_name == "query"


def _state_of(canister: Canister) -> WasmState | None:
    return canister.code.wasm_state if isinstance(canister.code, Code) else None


def _with_state(canister: Canister, **parts: object) -> Canister:
    if not isinstance(canister.code, Code):
        return canister
    return evolve(canister, code=evolve(canister.code, wasm_state=evolve(canister.code.wasm_state, **parts)))


def _part_of_before(part: str) -> Wrong:
    def wrong(before: Canister, after: Canister) -> Canister:
        state = _state_of(before)
        return after if state is None else _with_state(after, **{part: getattr(state, part)})

    return wrong


def _as_before(*names: str) -> Wrong:
    return lambda before, after: evolve(after, **{name: getattr(before, name) for name in names})


def _setting(name: str, value: object) -> Wrong:
    return lambda before, after: evolve(after, settings=evolve(after.settings, **{name: value}))


def _put(**values: object) -> Wrong:
    return lambda before, after: evolve(after, **values)


def _applied(canister: Canister, arguments: management.AnyArguments) -> Canister:
    threshold = getattr(getattr(arguments, "settings", None), "freezing_threshold", None)
    if threshold is None:
        return canister
    return evolve(canister, settings=evolve(canister.settings, freezing_threshold=threshold))


def _last_chunk_alone(before: Canister, after: Canister) -> Canister:
    new = {key: value for key, value in after.chunk_store.items() if key not in before.chunk_store}
    return evolve(after, chunk_store=Map.of(new.items())) if new else after


def _started(before: Canister, after: Canister) -> Canister:
    return evolve(after, status=Running()) if isinstance(after.status, Stopped) else after


def _a_minute_later(before: Canister, after: Canister) -> Canister:
    return evolve(after, global_timer=after.time + 60 * NANOSECONDS_PER_SECOND)


def _less(before: Canister, after: Canister) -> Canister:
    return evolve(after, balance=after.balance - 1)


class SwapsCalls(BlackBox):
    """The last two calls of executions of some kind change places."""

    def __init__(self, kind: Callable[[FuncMessage], bool]) -> None:
        super().__init__()
        self.kind = kind

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "message_execution" or not self.kind(self.current.messages[label.arguments()["message_id"]]):
            return state
        known = set(self.current.messages.ids())
        new = [
            number
            for number, message in state.messages.entries
            if number not in known and isinstance(message, CallMessage)
        ]
        if len(new) < 2:
            return state
        one, other = state.messages[new[-2]], state.messages[new[-1]]
        if one.queue != other.queue:
            return state
        return evolve(state, messages=state.messages.replace(new[-2], other).replace(new[-1], one))


class SomeCallsOvertake(BlackBox):
    """Of two calls of an execution to the same canister, one of a kind goes first."""

    def __init__(self, is_faster: Callable[[CallMessage], bool]) -> None:
        super().__init__()
        self.is_faster = is_faster

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "message_execution":
            return state
        known = set(self.current.messages.ids())
        queues: dict[object, list[int]] = {}
        for number, message in state.messages.entries:
            if number not in known and isinstance(message, CallMessage):
                queues.setdefault(message.queue, []).append(number)
        for numbers in queues.values():
            ordered = sorted((state.messages[number] for number in numbers), key=lambda each: not self.is_faster(each))
            for number, message in zip(numbers, ordered, strict=True):
                state = evolve(state, messages=state.messages.replace(number, message))
        return state


TAKING: Final = ("take_canister_snapshot", "take_canister_snapshot_and_uninstall")
LOADING: Final = "load_canister_snapshot"

Make = Callable[[], BlackBox]

MIXED: Final[dict[str, tuple[Make, str]]] = {
    "taking a snapshot resets the certified data": (
        lambda: AfterRules(_put(certified_data=b""), TAKING[0]),
        "kept_through/harmless_management",
    ),
    "taking a snapshot clears the timer": (
        lambda: AfterRules(_put(global_timer=0), TAKING[0]),
        "kept_through/harmless_management",
    ),
    "taking a snapshot and uninstalling keeps the timer": (
        lambda: AfterRules(_as_before("global_timer"), TAKING[1]),
        "kept_or_lost/taking_and_uninstalling",
    ),
    "loading a snapshot clears the logs": (lambda: AfterRules(_put(logs=List()), LOADING), "kept_or_lost/loading"),
    "loading a snapshot resets a setting": (
        lambda: AfterRules(_setting("freezing_threshold", 2_592_000), LOADING),
        "kept_or_lost/loading",
    ),
    "loading a snapshot keeps the stable memory": (
        lambda: AfterRules(_part_of_before("stable_memory"), LOADING),
        "kept_or_lost/loading",
    ),
    "loading a snapshot keeps the chunks": (
        lambda: AfterRules(_as_before("chunk_store"), LOADING),
        "kept_or_lost/loading",
    ),
    "loading a snapshot starts the canister": (
        lambda: AfterRules(_started, LOADING),
        "changes_that_count/loaded_while_stopped",
    ),
    "deleting a snapshot clears the chunks": (
        lambda: AfterRules(_put(chunk_store=Map()), "delete_canister_snapshot"),
        "kept_through/harmless_management",
    ),
    "clearing the chunks deletes the snapshots": (
        lambda: AfterRules(_put(snapshots=Map()), "clear_chunk_store"),
        "kept_or_lost/chunks",
    ),
    "uploading a chunk drops the others": (
        lambda: AfterRules(_last_chunk_alone, "upload_chunk"),
        "changes_that_count/upgraded_from_chunks",
    ),
    "uploading a chunk resets the certified data": (
        lambda: AfterRules(_put(certified_data=b""), "upload_chunk"),
        "changes_that_count/upgraded_from_chunks",
    ),
    "reinstalling keeps the timer": (
        lambda: AfterRules(_as_before("global_timer"), "install_code"),
        "kept_or_lost/reinstall",
    ),
    "reinstalling drops the environment variables": (
        lambda: AfterRules(_setting("environment_variables", List()), "install_code"),
        "kept_or_lost/reinstall",
    ),
    "upgrading a stopped canister starts it": (
        lambda: AfterRules(_started, "upgrade_code"),
        "changes_that_count/upgraded_while_stopped",
    ),
    "upgrading clears the logs": (lambda: AfterRules(_put(logs=List()), "upgrade_code"), "kept_or_lost/upgrade"),
    "uninstalling keeps the timer": (
        lambda: AfterRules(_as_before("global_timer"), "uninstall_code"),
        "changes_that_count/uninstalled_and_loaded",
    ),
    "starting clears the timer": (lambda: AfterRules(_put(global_timer=0), "start_canister"), "kept_or_lost/stop"),
    "stopping clears the logs": (lambda: AfterRules(_put(logs=List()), "stop_running_canister"), "kept_or_lost/stop"),
    "topping up loses a cycle": (
        lambda: AfterRules(_less, "provisional_top_up_canister"),
        "kept_through/harmless_management",
    ),
    "topping up resets the certified data": (
        lambda: AfterRules(_put(certified_data=b""), "provisional_top_up_canister"),
        "kept_through/harmless_management",
    ),
    "settings that are refused are applied in part": (
        lambda: AfterRejection("update_settings", _applied),
        "kept_through/refused_management",
    ),
    "an installation that fails clears the timer": (
        lambda: AfterRejection("install_code", lambda canister, _: evolve(canister, global_timer=0)),
        "kept_or_lost/failed_reinstall",
    ),
    "an installation that fails clears the chunks": (
        lambda: AfterRejection("install_code", lambda canister, _: evolve(canister, chunk_store=Map())),
        "kept_or_lost/failed_reinstall",
    ),
    "a deletion that is refused stops the canister": (
        lambda: AfterRejection("delete_canister", lambda canister, _: evolve(canister, status=Stopped())),
        "kept_through/refused_management",
    ),
    "a load that fails resets the certified data": (
        lambda: AfterRejection(LOADING, lambda canister, _: evolve(canister, certified_data=b"")),
        "kept_through/refused_management",
    ),
    "a snapshot that cannot be replaced costs the others": (
        lambda: AfterRejection(TAKING[0], lambda canister, _: evolve(canister, snapshots=Map())),
        "kept_through/refused_management",
    ),
    "a timer that traps is tried again": (
        lambda: AfterExecution(_is_timer, _a_minute_later, failed=True),
        "kept_through/failing_timers",
    ),
    "a callback keeps no certified data": (
        lambda: AfterExecution(_is_callback, _as_before("certified_data"), failed=False),
        "changes_that_count/in_reply_callback",
    ),
    "a callback keeps no global": (
        lambda: AfterExecution(_is_callback, _part_of_before("globals"), failed=False),
        "changes_that_count/in_reply_callback",
    ),
    "a callback does not set the timer": (
        lambda: AfterExecution(_is_callback, _as_before("global_timer"), failed=False),
        "changes_that_count/in_reply_callback",
    ),
    "a timer keeps no stable memory": (
        lambda: AfterExecution(_is_timer, _part_of_before("stable_memory"), failed=False),
        "acts_everywhere/timer",
    ),
    "a timer cannot be set by a timer": (
        lambda: AfterExecution(_is_timer, _put(global_timer=0), failed=False),
        "acts_everywhere/timer",
    ),
    "an execution that fails costs a cycle more": (
        lambda: AfterExecution(_is_callback, _less, failed=True),
        "acts_everywhere/cleanup",
    ),
    "calls of timers are swapped": (lambda: SwapsCalls(_is_timer), "orders/made_elsewhere"),
    "calls of callbacks are swapped": (lambda: SwapsCalls(_is_callback), "orders/made_elsewhere"),
    "calls with cycles overtake": (lambda: SomeCallsOvertake(lambda call: call.transferred_cycles > 0), "orders/call"),
    "short calls overtake": (
        lambda: SomeCallsOvertake(lambda call: len(call.argument) < 1_000),
        "orders/call_with_a_large_argument",
    ),
    "calls of another method overtake": (
        lambda: SomeCallsOvertake(lambda call: call.method_name != "update"),
        "orders/call",
    ),
}
"""By what is wrong: how it is made, and the scenario that catches it."""
