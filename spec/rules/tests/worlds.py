"""Small worlds for tests of the rules: canisters whose code is a Python object, states, and steps that are checked."""

from collections.abc import Callable
from typing import Any

from attrs import define, evolve, field, fields

from spec.canister.environment import Caller
from spec.canister.outcome import Callback, Closure, Inspected, MethodCall, Returned, Trapped, TrapReason
from spec.canister.wasm_state import WasmState
from spec.invariants import INVARIANTS, STEP_INVARIANTS
from spec.machine import initial_state, step
from spec.profile import load_profile
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.management.settings import default_settings
from spec.rules.tests.writes import CANISTER_TERMS, WRITES
from spec.state.call_context import CallContext
from spec.state.canister import Canister, Code, Empty, Running, Subnet
from spec.state.history import CanisterHistory
from spec.state.label import Label
from spec.state.message import Between, CallbackInvocation, CallMessage, FuncMessage, PublicMethod, Unordered
from spec.state.origin import FromCanister, FromUser, NoDeadline
from spec.state.request import KnownRequest, Processing, Received, Request
from spec.state.state import State, total_cycles
from spec.transition import Burned, BurnReason, NotEnabled, Step
from spec.values import management
from spec.values.containers import Map, Queue
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, self_authenticating_id
from spec.values.memory import LinearMemory

PROFILE = load_profile()
NOW = 1_700_000_000 * 10**9
A, B, C = (Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(3))
USER, STRANGER, ADMIN = (self_authenticating_id(name) for name in (b"user", b"stranger", b"admin"))
SUBNET = Subnet(Principal(b"subnet"), 13)
RICH = 10**15
"""A balance with which a canister can do whatever a test asks of it."""
SET_ASIDE = 40_005_000_000
"""MAX_CYCLES_PER_MESSAGE of an update or a task: 40 * 10^9 instructions and the fixed part."""
SET_ASIDE_FOR_QUERY = 5_005_000_000
RESERVED_FOR_RESPONSE = 42_102_152_000
FIXED = 5_000_000
"""The fixed part of the price of an execution; each instruction costs one cycle more."""
NOTHING_LOST = Burned(0, BurnReason.LOST)
"""Where cycles were added to a balance that had room for them."""

# Code that is a Python object.

FAKES: dict[bytes, "Fake"] = {}
"""The fake modules by the bytes that stand for them."""

Outcomes = Callable[[WasmState], Returned | Trapped]


def returns(instructions: int = 1_000, heap: bytes | None = None, **effects: Any) -> Outcomes:
    """Returns with these effects; `heap` is written at the beginning of the heap."""

    def outcome(before: WasmState) -> Returned:
        after = (
            before if heap is None else evolve(before, wasm_memory=LinearMemory.from_bytes(heap.ljust(65536, b"\0")))
        )
        return Returned(after, instructions, **effects)

    return outcome


def traps(instructions: int = 1_000, reason: TrapReason = TrapReason.TRAPPED, **rest: Any) -> Outcomes:
    """Traps after so many instructions."""
    return lambda before: Trapped(instructions, reason, **rest)


@define
class Fake:
    """A module of which a test says what each entry point gives. Entry points are named as exports are."""

    gives: dict[str, Outcomes] = field(factory=dict)
    """By `update NAME`, `query NAME`, `callback`, `heartbeat`, `global_timer`, `init`, ... ."""
    inspected: Inspected = Inspected(accepts=True)
    """What the inspection of messages says."""
    has_64_bit_memory: bool = False
    instructions_to_compile: int = 0
    composite_query_methods: frozenset[str] = frozenset()
    private_custom_sections: Map[str, bytes] = field(factory=Map)
    public_custom_sections: Map[str, bytes] = field(factory=Map)
    largest_heap: int = 65_536
    """In pages."""
    seen: list[tuple[str, dict[str, Any]]] = field(factory=list)
    """The entry points that ran, with their arguments."""

    def _names(self, kind: str) -> frozenset[str]:
        return frozenset(name.split(" ", 1)[1] for name in self.gives if name.startswith(kind + " "))

    update_methods = property(lambda self: self._names("update"))
    query_methods = property(lambda self: self._names("query"))
    has_heartbeat = property(lambda self: "heartbeat" in self.gives)
    has_global_timer = property(lambda self: "global_timer" in self.gives)
    has_on_low_wasm_memory = property(lambda self: "on_low_wasm_memory" in self.gives)
    has_inspect_message = True

    def _run(self, name: str, wasm_state: WasmState, **arguments: Any) -> Returned | Trapped:
        self.seen.append((name, {"wasm_state": wasm_state, **arguments}))
        if name in self.gives:
            return self.gives[name](wasm_state)
        if name in ("init", "pre_upgrade", "post_upgrade"):
            return Returned(wasm_state, 0)
        return Trapped(0, TrapReason.NO_SUCH_METHOD)

    def initial_state(self, self_id):
        return WasmState(self_id)

    def upgraded_state(self, before, keep_wasm_memory):
        heap = before.wasm_memory if keep_wasm_memory else LinearMemory()
        return WasmState(before.self_id, heap, before.stable_memory)

    def admits_heap(self, wasm_pages):
        return wasm_pages <= self.largest_heap

    def init(self, wasm_state, argument, caller, environment):
        return self._run("init", wasm_state, argument=argument, caller=caller, environment=environment)

    def pre_upgrade(self, wasm_state, caller, environment):
        return self._run("pre_upgrade", wasm_state, caller=caller, environment=environment)

    def post_upgrade(self, wasm_state, argument, caller, environment):
        return self._run("post_upgrade", wasm_state, argument=argument, caller=caller, environment=environment)

    def update(
        self,
        method_name,
        wasm_state,
        argument,
        caller,
        deadline,
        environment,
        available_cycles,
        needs_to_respond=True,
    ):
        return self._run(
            f"update {method_name}",
            wasm_state,
            argument=argument,
            caller=caller,
            deadline=deadline,
            environment=environment,
            available_cycles=available_cycles,
        )

    def query(self, method_name, wasm_state, argument, caller, environment, available_cycles):
        return self._run(
            f"query {method_name}",
            wasm_state,
            argument=argument,
            caller=caller,
            environment=environment,
            available_cycles=available_cycles,
        )

    def callback(
        self,
        callback,
        response,
        refunded_cycles,
        wasm_state,
        caller,
        deadline,
        environment,
        available_cycles,
        needs_to_respond,
    ):
        return self._run(
            "callback",
            wasm_state,
            callback=callback,
            response=response,
            refunded_cycles=refunded_cycles,
            caller=caller,
            deadline=deadline,
            environment=environment,
            available_cycles=available_cycles,
        )

    def composite_query(self, method_name, wasm_state, argument, caller, environment):
        return self._run(
            f"composite_query {method_name}", wasm_state, argument=argument, caller=caller, environment=environment
        )

    def composite_callback(self, callback, response, wasm_state, caller, environment, needs_to_respond):
        """Which closure is asked for decides: `callback NUMBER` in the test's words."""
        return self._run(
            f"callback {callback.on_reply.function}",
            wasm_state,
            response=response,
            caller=caller,
            environment=environment,
        )

    def heartbeat(self, wasm_state, environment):
        return self._run("heartbeat", wasm_state, environment=environment)

    def global_timer(self, wasm_state, environment):
        return self._run("global_timer", wasm_state, environment=environment)

    def on_low_wasm_memory(self, wasm_state, environment):
        return self._run("on_low_wasm_memory", wasm_state, environment=environment)

    def inspect_message(self, method_name, wasm_state, argument, caller, environment):
        arguments = {"argument": argument, "caller": caller, "environment": environment}
        self.seen.append((f"inspect_message {method_name}", {"wasm_state": wasm_state, **arguments}))
        return self.inspected


def module(**given: Any) -> bytes:
    """The bytes that stand for a new fake module."""
    raw_module = b"fake module %d" % len(FAKES)
    FAKES[raw_module] = Fake(**given)
    return raw_module


# Parts of a state.


def code(canister_id: Principal, raw_module: bytes | None = None) -> Code:
    """Installed code whose state is empty."""
    return Code(module() if raw_module is None else raw_module, WasmState(canister_id))


def canister(canister_id: Principal, installed: Code | Empty | None = None, **changes: Any) -> Canister:
    """A rich running canister of the user with some code; settings may be given by their names."""
    names = {one.name for one in fields(type(default_settings(PROFILE, USER)))}
    settings = {name: changes.pop(name) for name in list(changes) if name in names}
    plain = Canister(
        code=code(canister_id) if installed is None else installed,
        settings=evolve(default_settings(PROFILE, USER), **settings),
        status=Running(),
        version=7,
        subnet=SUBNET,
        time=NOW,
        global_timer=0,
        balance=RICH,
        reserved_balance=0,
        certified_data=b"",
        created_at=NOW - 5,
        installed_at=None if isinstance(installed, Empty) else NOW - 3,
        history=CanisterHistory(),
    )
    if changes.get("logs"):
        changes.setdefault("next_log_index", changes["logs"].items[-1].index + 1)
    return evolve(plain, **changes)


def world(*canisters: tuple[Principal, Canister], messages: tuple[Any, ...] = (), **changes: Any) -> State:
    """A state with these canisters and messages; the messages have the ids 0, 1, ..."""
    empty = initial_state(PROFILE, SUBNET, NOW, b"root key")
    return evolve(empty, canisters=Map.of(canisters), messages=Queue().append(*messages), **changes)


def with_user_call(state: State, called: CallMessage, request: Request) -> State:
    """The state in which a request is being processed, its call the youngest message."""
    known = KnownRequest(request, Processing(), called.callee)
    return evolve(
        state,
        requests=state.requests.set(request_id_of(request), known),
        messages=state.messages.append(called),
    )


def a_request(canister_id: Principal = A, method_name: str = "go", argument: bytes = b"", **changes: Any) -> Request:
    """A request of the user that expires in five minutes."""
    return evolve(Request(b"", NOW + 300 * 10**9, USER, canister_id, method_name, argument), **changes)


def received(request: Request, effective_id: Principal = A) -> tuple[Any, KnownRequest]:
    """An entry of the requests."""
    return request_id_of(request), KnownRequest(request, Received(), effective_id)


CALLBACK = Callback(Closure(1, 2), Closure(3, 4), None, RESERVED_FOR_RESPONSE)


def from_canister(
    context_id: int = 0, deadline: Any = None, caller: Principal = USER, callee: Principal = B, maker: Principal = A
) -> FromCanister:
    """The origin of a call made in a call context."""
    waits = NoDeadline() if deadline is None else deadline
    return FromCanister(context_id, CALLBACK, waits, Caller(caller), callee, maker)


def a_call(callee: Principal = B, caller: Principal = A, **changes: Any) -> CallMessage:
    """A call of one canister to another, made in context 0, with a million cycles."""
    plain = CallMessage(
        origin=from_canister(),
        caller=Caller(caller),
        callee=callee,
        method_name="go",
        argument=b"argument",
        transferred_cycles=1_000_000,
        queue=Between(caller, callee),
    )
    return evolve(plain, **changes)


def a_user_call(request: Request) -> CallMessage:
    """The call of a request."""
    return CallMessage(
        origin=FromUser(request_id_of(request)),
        caller=Caller(request.sender),
        callee=request.canister_id,
        method_name=request.method_name,
        argument=request.argument,
        transferred_cycles=0,
        queue=Unordered(),
    )


def a_context(canister_id: Principal = A, origin: Any = None, **changes: Any) -> CallContext:
    """An open call context of a user's call without cycles."""
    plain = CallContext(
        canister=canister_id,
        origin=FromUser(request_id_of(a_request(canister_id))) if origin is None else origin,
        caller=Caller(USER),
        needs_to_respond=True,
        deleted=False,
        available_cycles=0,
    )
    return evolve(plain, **changes)


def contexts(*given: CallContext) -> Map[Any, CallContext]:
    """Call contexts with the ids 0, 1, ..."""
    return Map.of(enumerate(given))


def execution(canister_id: Principal = A, entry_point: Any = None, context_id: int = 0, **changes: Any) -> FuncMessage:
    """The execution of `go` in a call context, for which cycles are set aside."""
    plain = FuncMessage(
        call_context=context_id,
        caller=Caller(USER),
        receiver=canister_id,
        entry_point=PublicMethod("go", b"argument") if entry_point is None else entry_point,
        queue=Unordered(),
        reserved_cycles=RESERVED_FOR_RESPONSE if isinstance(entry_point, CallbackInvocation) else SET_ASIDE,
    )
    return evolve(plain, **changes)


def performed(callee: Principal = B, method_name: str = "go", argument: bytes = b"", **changes: Any) -> MethodCall:
    """A call that an execution made, with a thousand cycles, for a fee of 50."""
    return evolve(MethodCall(callee, method_name, argument, 1_000, CALLBACK, 50), **changes)


def asked(arguments: Any, method_name: str | None = None, caller: Principal = USER, **changes: Any) -> CallMessage:
    """A call of a canister or user to the management canister, with a million cycles."""
    names = {
        management.CreateCanisterArguments: "create_canister",
        management.ProvisionalCreateArguments: "provisional_create_canister_with_cycles",
        management.ProvisionalTopUpArguments: "provisional_top_up_canister",
        management.UpdateSettingsArguments: "update_settings",
        management.InstallCodeArguments: "install_code",
        management.UninstallCodeArguments: "uninstall_code",
        management.RawRandArguments: "raw_rand",
    }
    return a_call(
        callee=MANAGEMENT_CANISTER,
        caller=caller,
        method_name=names[type(arguments)] if method_name is None else method_name,
        argument=arguments if isinstance(arguments, bytes) else management.encode_arguments(arguments),
        **changes,
    )


def managing(*canisters: tuple[Principal, Canister], call: CallMessage, **changes: Any) -> State:
    """A state in which a call to the management canister, message 0, was made in context 0 of canister C."""
    given = {"call_contexts": contexts(a_context(C))} | changes
    return world((C, canister(C)), *canisters, messages=(call,), **given)


# Steps.


def changed(before: State, after: State) -> set[str]:
    """The names of what differs."""
    found = {one.name for one in fields(State) if getattr(before, one.name) != getattr(after, one.name)}
    if "canisters" not in found:
        return found
    found.remove("canisters")
    if before.canisters.keys() != after.canisters.keys():
        found.add("canister")
    for canister_id in set(before.canisters.keys()) & set(after.canisters.keys()):
        found |= changed_in_canister(before.canisters[canister_id], after.canisters[canister_id])
    return found


def changed_in_canister(before: Canister, after: Canister) -> set[str]:
    """The names of what differs in one canister."""
    pairs = [(before, after), (before.settings, after.settings)]
    return {
        CANISTER_TERMS.get(one.name, one.name)
        for mine, theirs in pairs
        for one in fields(type(mine))
        if one.name != "settings" and getattr(mine, one.name) != getattr(theirs, one.name)
    }


def fire(state: State, rule: str, **choices: Any) -> Step:
    """
    Takes a rule that is enabled, and checks what holds of every step.

    Cycles are conserved; only what the rule may change changes; invariants that held still hold.
    """
    fired = step(state, Label(rule, choices))
    assert isinstance(fired, Step), fired
    minted, burned = (sum(one.cycles for one in amounts) for amounts in (fired.minted, fired.burned))
    assert total_cycles(state) + minted == total_cycles(fired.state) + burned
    assert changed(state, fired.state) <= WRITES[rule]
    broken = [one.name for one in INVARIANTS.values() if one.holds(state) and not one.holds(fired.state)]
    broken += [one.name for one in STEP_INVARIANTS.values() if not one.holds(state, fired)]
    assert broken == []
    return fired


def refusal(state: State, rule: str, **choices: Any) -> NotEnabled:
    """Why a rule is not enabled."""
    result = step(state, Label(rule, choices))
    assert isinstance(result, NotEnabled), result
    return result


def is_refused(state: State, rule: str, because: str, **choices: Any) -> bool:
    """The rule is not enabled, for this condition."""
    found = refusal(state, rule, **choices).condition
    assert found == because, found
    return True
