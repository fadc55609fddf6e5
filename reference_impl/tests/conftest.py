"""A stage for tests of the engine: modules written as Python functions, users, and a look at the result."""

from collections.abc import Callable

import pytest
from attrs import evolve, field, frozen

from reference_impl.engine import Engine
from reference_impl.subnet.observations import Accepted, NotTaken
from spec.canister.module import MalformedModule
from spec.canister.outcome import Callback, Closure, Inspected, MethodCall, Returned, Trapped, TrapReason
from spec.canister.wasm_state import WasmState
from spec.profile import load_profile
from spec.state.canister import Subnet
from spec.state.label import Label
from spec.state.request import Rejected, Replied, Request
from spec.state.state import total_cycles
from spec.values.canister_terms import GlobalType
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, self_authenticating_id
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    decode_canister_id_result,
    encode_arguments,
)
from spec.values.memory import LinearMemory
from spec.values.rejects import Reply

START = 1_700_000_000_000_000_000
MINUTE = 60 * 10**9
SUBNET = Subnet(self_authenticating_id(b"subnet"), 13)
USER = self_authenticating_id(b"user")
MISSING = Trapped(0, TrapReason.NO_SUCH_METHOD)


@frozen
class Script:
    """A module whose functions are Python functions of an `Entry`. A number in `globals[0]` is its state."""

    updates: dict = field(factory=dict)
    queries: dict = field(factory=dict)
    callbacks: dict = field(factory=dict)
    """By the function index of the closure."""
    hooks: dict = field(factory=dict)
    has_64_bit_memory: bool = False
    instructions_to_compile: int = 1000
    private_custom_sections: Map = field(factory=Map)
    public_custom_sections: Map = field(factory=Map)
    composite_query_methods: frozenset = frozenset()
    heap_pages: range = range(65537)
    """How many pages the heap may have."""

    @property
    def update_methods(self):
        return frozenset(self.updates)

    @property
    def query_methods(self):
        return frozenset(self.queries)

    @property
    def has_heartbeat(self):
        return "heartbeat" in self.hooks

    @property
    def has_global_timer(self):
        return "global_timer" in self.hooks

    @property
    def has_on_low_wasm_memory(self):
        return "on_low_wasm_memory" in self.hooks

    @property
    def global_types(self):
        return List.of(GlobalType.I64)

    def admits_heap(self, wasm_pages):
        return wasm_pages in self.heap_pages

    @property
    def has_inspect_message(self):
        return "inspect_message" in self.hooks

    def initial_state(self, self_id):
        return WasmState(self_id, globals=(0,))

    def upgraded_state(self, before, keep_wasm_memory):
        return evolve(before, globals=(0,)) if not keep_wasm_memory else before

    def _run(self, function, wasm_state, **more):
        return MISSING if function is None else function(Entry(wasm_state, **more))

    def _hook(self, name, wasm_state, **more):
        if name not in self.hooks:
            return Returned(wasm_state, 0)
        return self._run(self.hooks[name], wasm_state, **more)

    def init(self, wasm_state, argument, caller, environment):
        return self._hook("init", wasm_state, argument=argument, caller=caller, environment=environment)

    def pre_upgrade(self, wasm_state, caller, environment):
        return self._hook("pre_upgrade", wasm_state, caller=caller, environment=environment)

    def post_upgrade(self, wasm_state, argument, caller, environment):
        return self._hook("post_upgrade", wasm_state, argument=argument, caller=caller, environment=environment)

    def update(self, name, wasm_state, argument, caller, deadline, environment, available, needs_to_respond=True):
        return self._run(
            self.updates.get(name),
            wasm_state,
            argument=argument,
            caller=caller,
            environment=environment,
            available=available,
        )

    def query(self, name, wasm_state, argument, caller, environment, available):
        return self._run(
            self.queries.get(name),
            wasm_state,
            argument=argument,
            caller=caller,
            environment=environment,
            available=available,
        )

    def callback(
        self, callback, response, refunded, wasm_state, caller, deadline, environment, available, needs_to_respond
    ):
        closure = callback.on_reply if isinstance(response, Reply) else callback.on_reject
        return self._run(
            self.callbacks.get(closure.function),
            wasm_state,
            caller=caller,
            environment=environment,
            available=available,
            response=response,
            refunded=refunded,
            needs_to_respond=needs_to_respond,
        )

    def heartbeat(self, wasm_state, environment):
        return self._hook("heartbeat", wasm_state, environment=environment)

    def global_timer(self, wasm_state, environment):
        return self._hook("global_timer", wasm_state, environment=environment)

    def on_low_wasm_memory(self, wasm_state, environment):
        return self._run(self.hooks.get("on_low_wasm_memory"), wasm_state, environment=environment)

    def inspect_message(self, name, wasm_state, argument, caller, environment):
        return Inspected(self.hooks.get("inspect_message", lambda entry: True)(Entry(wasm_state, argument=argument)))


@frozen
class Entry:
    """What a function of a script sees, and how it returns."""

    wasm_state: WasmState
    argument: bytes = b""
    caller: object = None
    environment: object = None
    available: int = 0
    response: object = None
    refunded: int = 0
    needs_to_respond: bool = True

    @property
    def number(self):
        return self.wasm_state.globals[0]

    def returns(self, response=None, *, number=None, pages=None, calls=(), instructions=1000, **more):
        state = self.wasm_state if number is None else evolve(self.wasm_state, globals=(number,))
        if pages is not None:
            state = evolve(state, wasm_memory=LinearMemory(pages))
        if isinstance(response, bytes):
            response = Reply(response)
        return Returned(state, instructions, new_calls=List(tuple(calls)), response=response, **more)

    def traps(self, message="", instructions=500):
        return Trapped(instructions, TrapReason.TRAPPED, message)

    def call(self, callee, method, argument=b"", *, cycles=0, on_reply=1, on_reject=2, reserved=10**10, timeout=None):
        callback = Callback(Closure(on_reply, 0), Closure(on_reject, 0), None, reserved)
        return MethodCall(callee, method, argument, cycles, callback, 260_000, timeout)


CALLS = []
"""The calls that relays are told to make, by their number, from 1."""
RESPONSES = []
"""What relays got, with the cycles that came back."""


def _make_call(entry):
    method, argument, cycles = CALLS[int.from_bytes(entry.argument, "big") - 1]
    return entry.returns(calls=[entry.call(MANAGEMENT_CANISTER, method, argument, cycles=cycles)])


def _hand_back(entry):
    RESPONSES.append((entry.response, entry.refunded))
    return entry.returns(b"")


RELAY = Script(
    updates={"relay": _make_call},
    queries={"transform": lambda entry: entry.returns(b"")},
    callbacks={1: _hand_back, 2: _hand_back},
)
"""A module that calls the management canister."""


@frozen
class Stage:
    """An engine with scripted modules, and a user."""

    engine: Engine
    scripts: dict[bytes, Script]
    nonces: list = field(factory=list)

    def submit(self, canister_id, method, argument=b"", *, sender=USER, effective_id=None, expires_in=MINUTE):
        self.nonces.append(None)
        nonce = len(self.nonces).to_bytes(8, "big")
        expiry = self.engine.instance.system_time + expires_in
        request = Request(nonce, expiry, sender, canister_id, method, argument)
        return self.engine.submit(request, canister_id if effective_id is None else effective_id)

    def start(self, canister_id, method, argument=b"", **more):
        """Submits, and gives the request id."""
        outcome = self.submit(canister_id, method, argument, **more)
        assert isinstance(outcome, Accepted), outcome
        return outcome.request_id

    def answer(self, request_id):
        """The reply's bytes, or the reject, or the status."""
        match self.engine.request_status(request_id):
            case Replied(data=data):
                return data
            case Rejected(reject=reject):
                return reject
            case status:
                return status

    def call(self, canister_id, method, argument=b"", **more):
        """Submits, lets everything happen, and gives the answer."""
        request_id = self.start(canister_id, method, argument, **more)
        self.engine.drain()
        return self.answer(request_id)

    def manage(self, method, arguments, *, sender=USER, drains=True):
        about = getattr(arguments, "canister_id", getattr(arguments, "target_canister", Principal(b"")))
        request_id = self.start(
            MANAGEMENT_CANISTER, method, encode_arguments(arguments), sender=sender, effective_id=about
        )
        if drains:
            self.engine.drain()
        return self.answer(request_id)

    def relay(self, method, arguments, *, cycles=0, relay=None):
        """A new canister makes the call: its id, and the reply or the reject that it got. `relay` is an old one."""
        call = (method, encode_arguments(arguments), cycles)
        relays = self.create(RELAY) if relay is None else relay
        CALLS.append(call)
        self.call(relays, "relay", len(CALLS).to_bytes(4, "big"))
        return relays, RESPONSES[-1]

    def take(self, rule, **choices):
        """Whether the transition was taken."""
        return not isinstance(self.engine.take(Label(rule, choices)), NotTaken)

    def refusal(self, *given, **more):
        outcome = self.submit(*given, **more)
        assert isinstance(outcome, NotTaken), outcome
        return outcome

    def create(self, script=None, cycles=10**14, **settings):
        arguments = ProvisionalCreateArguments(amount=cycles, **settings)
        canister_id = decode_canister_id_result(self.manage("provisional_create_canister_with_cycles", arguments))
        if script is not None:
            assert self.install(canister_id, script) == b"DIDL\0\0"
        return canister_id

    def module_of(self, script):
        raw_module = b"module %d" % len(self.scripts)
        self.scripts[raw_module] = script
        return raw_module

    def install(self, canister_id, script, mode=None, argument=b""):
        mode = InstallMode() if mode is None else mode
        return self.manage("install_code", InstallCodeArguments(mode, canister_id, self.module_of(script), argument))

    def canister(self, canister_id):
        """The canister as the specification sees it."""
        return self.engine.abstract().canisters[canister_id]

    def number(self, canister_id):
        return self.canister(canister_id).code.wasm_state.globals[0]

    def total_cycles(self):
        return total_cycles(self.engine.abstract())


@pytest.fixture(scope="session")
def new_stage() -> Callable[[], Stage]:
    """Makes stages without canisters."""

    def make(root_key: bytes = b"root key", **more) -> Stage:
        scripts: dict[bytes, Script] = {}

        def load(raw_module, profile):
            return scripts.get(raw_module, MalformedModule("no such script"))

        engine = Engine(load_profile(), SUBNET, START, root_key, loader=load, **more)
        return Stage(engine, scripts)

    return make


@pytest.fixture
def stage(new_stage) -> Stage:
    """A stage without canisters."""
    return new_stage()


@pytest.fixture(scope="session")
def script() -> type[Script]:
    """Makes modules of Python functions."""
    return Script


COUNTER = Script(
    updates={"increment": lambda entry: entry.returns(b"%d" % (entry.number + 1), number=entry.number + 1)},
    queries={
        "get": lambda entry: entry.returns(b"%d" % entry.number),
        "forget": lambda entry: entry.returns(b"gone", number=0),
        "fail": lambda entry: entry.traps("query"),
        "silent": lambda entry: entry.returns(),
    },
)


@pytest.fixture
def counter() -> Script:
    """A module that counts."""
    return COUNTER
