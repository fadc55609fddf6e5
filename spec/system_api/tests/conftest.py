"""Small canisters in WebAssembly text, and the environment that they run in."""

from collections.abc import Callable
from typing import Any

import pytest
import wasmtime
from attrs import evolve

from spec.canister.environment import Caller, Environment, SimpleStatus
from spec.canister.module import MalformedModule
from spec.canister.outcome import Callback, Closure, Outcome, Returned
from spec.profile import load_profile
from spec.system_api.module import WasmCanisterModule, parse_module
from spec.system_api.table import IMPORTS
from spec.values.containers import List
from spec.values.identifiers import CanisterId, Principal, SubnetId

PROFILE = load_profile()
SELF = CanisterId(b"\x00\x00\x00\x00\x00\x00\x00\x07\x01\x01")
CALLER = Principal(b"caller")

ENVIRONMENT = Environment(
    profile=PROFILE,
    instruction_limit=PROFILE.limits.message_instructions,
    time=1_234,
    controllers=List.of(Principal(b"controller")),
    global_timer=55,
    balance=10**15,
    reserved_balance=0,
    reserved_balance_limit=5 * 10**12,
    compute_allocation=0,
    memory_allocation=0,
    memory_usage_raw_module=1_000,
    memory_usage_canister_history=200,
    memory_usage_chunk_store=30,
    memory_usage_snapshots=4,
    freezing_threshold=2_592_000,
    subnet_id=SubnetId(b"subnet"),
    subnet_size=13,
    root_key=b"root key",
    certificate=None,
    status=SimpleStatus.STOPPING,
    canister_version=9,
)

HELPERS = """
(memory (export "memory") 1)
(func $reply (param $source {I}) (param $size {I})
  (call $msg_reply_data_append (local.get $source) (local.get $size)) (call $msg_reply))
(func $reply_i64 (param $value i64)
  (i64.store ({I}.const 0) (local.get $value)) (call $reply ({I}.const 0) ({I}.const 8)))
(func $reply_i32 (param $value i32)
  (i32.store ({I}.const 0) (local.get $value)) (call $reply ({I}.const 0) ({I}.const 4)))
"""


def import_lines(wasm64: bool) -> str:
    """Imports of all system functions, each under its own name."""
    lines = []
    for row in IMPORTS.values():
        if row.only_32_bit and wasm64:
            continue
        signature = row.type(wasm64)
        parameters = " ".join(kind.value for kind in signature.parameters)
        results = " ".join(kind.value for kind in signature.results)
        lines.append(f'(import "ic0" "{row.name}" (func ${row.name} (param {parameters}) (result {results})))')
    return "\n".join(lines)


def wat(body: str, wasm64: bool = False) -> str:
    """A module with all imports and a few helpers; `{I}` in the body stands for the type of pointers."""
    pointer = "i64" if wasm64 else "i32"
    helpers = HELPERS.replace("{I}", pointer)
    if wasm64:
        helpers = helpers.replace('(memory (export "memory") 1)', '(memory (export "memory") i64 1)')
    return f"(module {import_lines(wasm64)} {helpers} {body.replace('{I}', pointer)})"


def compiled(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def parse(text: str) -> WasmCanisterModule:
    module = parse_module(compiled(text), PROFILE)
    assert not isinstance(module, MalformedModule), module.because
    return module


class Canister:
    """A module and its state, with short ways to run it."""

    def __init__(self, body: str, wasm64: bool = False) -> None:
        self.module = parse(wat(body, wasm64))
        self.state = self.module.initial_state(SELF)

    def update(self, name: str = "go", argument: bytes = b"", cycles: int = 0, **given: Any) -> Outcome:
        keywords = {key: given.pop(key) for key in ("caller", "deadline", "needs_to_respond") if key in given}
        keywords = {"caller": Caller(CALLER), "deadline": None, **keywords}
        environment = evolve(ENVIRONMENT, **given)
        return self.module.update(
            name, self.state, argument, environment=environment, available_cycles=cycles, **keywords
        )

    def query(self, name: str = "go", argument: bytes = b"", cycles: int = 0, **given: Any) -> Outcome:
        return self.module.query(name, self.state, argument, Caller(CALLER), evolve(ENVIRONMENT, **given), cycles)

    def callback(
        self,
        response: Any,
        on_reply: int = 0,
        on_reject: int = 0,
        on_cleanup: int | None = None,
        argument: int = 0,
        refunded: int = 0,
        cycles: int = 0,
        needs_to_respond: bool = True,
        deadline: int | None = None,
        **given: Any,
    ) -> Outcome:
        cleanup = None if on_cleanup is None else Closure(on_cleanup, argument)
        callback = Callback(Closure(on_reply, argument), Closure(on_reject, argument), cleanup)
        return self.module.callback(
            callback,
            response,
            refunded,
            self.state,
            Caller(CALLER),
            deadline,
            evolve(ENVIRONMENT, **given),
            cycles,
            needs_to_respond,
        )


@pytest.fixture
def canister() -> Callable[..., Canister]:
    """Makes a canister from the body of its module."""
    return Canister


@pytest.fixture
def go() -> Callable[..., Outcome]:
    """Runs instructions as an update method."""

    def run(instructions: str, more: str = "", wasm64: bool = False, **given: Any) -> Outcome:
        return Canister(f'(func (export "canister_update go") {instructions}) {more}', wasm64).update(**given)

    return run


@pytest.fixture
def replied(go: Callable[..., Outcome]) -> Callable[..., bytes]:
    """Runs instructions as an update method, and gives the data of its reply."""

    def run(instructions: str, more: str = "", **given: Any) -> bytes:
        outcome = go(instructions, more, **given)
        assert isinstance(outcome, Returned), outcome
        assert outcome.response is not None
        data: bytes = outcome.response.data  # type: ignore[union-attr]
        return data

    return run


@pytest.fixture
def environment() -> Environment:
    return ENVIRONMENT


@pytest.fixture
def raw() -> Callable[[str], bytes]:
    """The binary of a module given as text."""
    return compiled


@pytest.fixture
def module_text() -> Callable[..., str]:
    """The text of a module with all imports and helpers."""
    return wat
