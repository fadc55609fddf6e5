"""`python -m properties.bench`: ratios between ways of running the same programs, measured in one run."""

import importlib.util
import io
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any, Final

import wasmtime
from attrs import frozen

from conformance.canisters.library import load
from properties.agreement.modules import SELF, USER, running_canister
from properties.bench.kernels import EMPTY, KERNELS, large, one_page, placed, repeated
from properties.bench.messages import AIMS, PUBLISHED, least_in_turns, measured
from properties.bench.rounds import (
    checkpoints,
    checkpoints_beside_idle,
    idle,
    queries_on_two_threads,
    rounds_of_production_on_two_threads,
    rounds_on_two_threads,
)
from reference_impl.wasm.instances import wasmtime_engine as engine
from reference_impl.wasm.instances.instance import WasmtimeInstance
from reference_impl.wasm.layout.fast_functions import COUNTER_START, NESTED_CALLS, ONE_SLICE
from reference_impl.wasm.layout.parsed_module import parse
from reference_impl.wasm.rewriting.code_rewriting import Bounds
from reference_impl.wasm.rewriting.instrument import instrument
from reference_impl.wasm.rewriting.requirements import most_pages
from reference_impl.wasm.running.module import WasmtimeModule, load_module
from spec.canister.outcome import Returned
from spec.profile import load_profile
from spec.system_api.count import count_export
from spec.values.memory import LinearMemory
from spec.wasm.binary import decode
from spec.wasm.execute import instantiate

PROFILE: Final = load_profile()
ENVIRONMENT: Final = running_canister(PROFILE)
METHOD: Final = "canister_update go"
TURNS: Final = 20_000
PLACEMENTS: Final = 16
"""Places in memory at which a kernel is measured; they go over two cache lines."""
LARGE_MODULE: Final = 6_000
"""Functions of the module that is instrumented and compiled; they take about a megabyte."""


def binary(text: str) -> bytes:
    """A module in the binary format."""
    return bytes(wasmtime.wat2wasm(text))


def shortest(run: Callable[[], Any], times: int = 5) -> float:
    """The shortest processor time of some runs, in seconds; others are disturbed by what else the machine does."""
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def row(name: str, measured: str, aim: str = "") -> None:
    """Prints one measurement."""
    print(f"  {name:<44} {measured:>24}   {aim}", flush=True)


def loaded(text: str) -> WasmtimeModule:
    """The module on the reference implementation."""
    module = load_module(binary(text), PROFILE)
    assert isinstance(module, WasmtimeModule), module
    return module


def metering() -> None:
    """How much slower code is that counts its instructions."""
    print(f"metered code against plain code, both on wasmtime, at {PLACEMENTS} places in memory")
    for name, text in KERNELS.items():
        times = [_metered_and_plain(placed(text, padding)) for padding in range(PLACEMENTS)]
        ratio = sum(metered for metered, _ in times) / sum(plain for _, plain in times)
        row(name, f"{ratio:.2f} x", "aim 1.15 x")


def _metered_and_plain(text: str) -> tuple[float, float]:
    """Seconds that a kernel takes."""
    compiled = loaded(text).compiled
    instance = compiled.take_instance(LinearMemory())
    store = wasmtime.Store(engine.engine())
    plain = wasmtime.Instance(store, wasmtime.Module(engine.engine(), binary(text)), []).exports(store)[METHOD]
    assert isinstance(plain, wasmtime.Func)
    run_metered, run_plain = partial(_run_metered, instance), partial(engine.call, store, plain, [])
    # In turns, so that both see the same disturbances.
    times = [(shortest(run_metered, 1), shortest(run_plain, 1)) for _ in range(5)]
    return min(one for one, _ in times), min(other for _, other in times)


def _run_metered(instance: WasmtimeInstance) -> None:
    cells = instance.system.cells
    cells[COUNTER_START], cells[ONE_SLICE], cells[NESTED_CALLS] = 2**62, 2**62, PROFILE.limits.call_stack_depth - 1
    instance.begin(instance.compiled.entries[METHOD])


def instrumentation() -> None:
    """Rewriting a large module against compiling it."""
    print("a large module")
    raw = binary(large(LARGE_MODULE))
    limits = PROFILE.limits

    def rewrite() -> None:
        parsed = parse(raw)
        instrument(parsed, Bounds(most_pages(parsed, limits), limits.function_instructions, limits.function_complexity))

    rewriting = shortest(rewrite, 2)
    compiling = shortest(lambda: wasmtime.Module(engine.engine(), raw), 2)
    row("size", f"{len(raw) / 2**20:.1f} MiB")
    row("rewriting", f"{rewriting * 1000:.0f} ms")
    row("compiling what was not rewritten", f"{compiling * 1000:.0f} ms")
    row("rewriting against compiling", f"{rewriting / compiling:.2f} x", "aim 0.5 x")


def _messages(module: WasmtimeModule, argument: bytes = b"") -> Callable[[], None]:
    """Executes the next message of a series."""
    state = module.initial_state(SELF)

    def message() -> None:
        nonlocal state
        outcome = module.update("go", state, argument, USER, None, ENVIRONMENT, 0)
        assert isinstance(outcome, Returned), outcome
        state = outcome.new_state

    return message


def executions() -> None:
    """What an execution costs by itself."""
    print("one execution of an update in the reference implementation's engine for WebAssembly, measured in turns")
    small, big = "a method that changes a page of 1 MiB", "a method that changes a page of 1 GiB"
    texts = {"an empty method": EMPTY, small: one_page(16), big: one_page(16384)}
    times = least_in_turns({name: _messages(loaded(text)) for name, text in texts.items()})
    notes = {"an empty method": "aim 60 us", big: f"{times[big] / times[small]:.2f} x; aim 1.3 x"}
    for name, seconds in times.items():
        row(name, f"{seconds * 1e6:.0f} us", notes.get(name, ""))


def whole_messages() -> None:
    """What a message costs from submission to answer."""
    print("one message in the reference implementation, from submission to answer, against a bare call")
    figures = measured()
    bare = figures["a bare call"]
    row("a bare call of an empty function", f"{bare * 1e6:.1f} us")
    for name, aim in AIMS.items():
        absolute = f"{figures[name] * bare * 1e6:.0f} us"
        row(name, f"{figures[name]:.1f} x", absolute if aim is None else f"{absolute}; aim {aim} x")
    times = PUBLISHED / (figures["an empty update"] * bare)
    row("the empty update, as production publishes it", f"{PUBLISHED * 1e6:.0f} us", f"{times:.1f} times as long")


def on_threads() -> None:
    """What rounds and queries gain from threads."""
    for name, run, aim in (
        ("rounds in which eight canisters compute", rounds_on_two_threads, "1.8"),
        ("rounds of production in which eight canisters compute", rounds_of_production_on_two_threads, "1.8"),
        ("queries that compute, of eight canisters", queries_on_two_threads, "1.6"),
    ):
        gained = run()
        print(f"{name}, one thread against two")
        row("by the wall", f"{gained.by_the_wall:.2f} x", f"aim {aim} x, on two quiet cores")
        row("by the busiest thread's processor time", f"{gained.by_the_busiest:.2f} x", f"aim {aim} x")


def beside_idle_canisters() -> None:
    """What idle canisters cost."""
    print("beside idle canisters, 1,000 and 100,000")
    beside = "a checkpoint after ten messages"
    few, many = (idle(canisters) | {beside: checkpoints_beside_idle(canisters)} for canisters in (1_000, 100_000))
    for name, seconds in few.items():
        row(name, f"{seconds * 1e3:.2f} and {many[name] * 1e3:.2f} ms", f"{many[name] / seconds:.2f} x; aim 1.5 x")


def after_a_page_was_written() -> None:
    """What a checkpoint has to find out."""
    print("what a checkpoint tells after one page of a heap was written, none of whose pages are empty")
    small, large_heap = checkpoints().items()
    row(f"of {small[0]} MiB", f"{small[1] * 1e6:.0f} us")
    row(f"of {large_heap[0]} MiB", f"{large_heap[1] * 1e6:.0f} us", f"{large_heap[1] / small[1]:.2f} x")


@frozen
class SystemCall:
    """A call that is repeated, and what it is measured by."""

    name: str
    signature: str
    parameters: str
    note: str
    is_hosted: bool = False
    """The host does it, so fewer calls are enough."""

    @property
    def imports(self) -> str:
        """The import of the function, as text."""
        return f'(import "ic0" "{self.name}" (func $f {self.signature}))'

    @property
    def call(self) -> str:
        """The call, as text."""
        kinds = self.signature.partition("(param ")[2].partition(")")[0].split()
        given = (f"({kind}.const {number})" for kind, number in zip(kinds, self.parameters.split(), strict=True))
        call = f"(call $f {' '.join(given)})"
        return f"(drop {call})" if "result" in self.signature else call


_READ = "(param i64 i64 i64)"
SYSTEM_CALLS: Final = (
    SystemCall("msg_arg_data_size", "(result i32)", "", "aim 10 ns"),
    SystemCall("msg_arg_data_copy", "(param i32 i32 i32)", "0 0 1024", "1 KiB; aim 25 ns"),
    SystemCall("performance_counter", "(param i32) (result i64)", "0", ""),
    SystemCall("canister_cycle_balance128", "(param i32)", "0", ""),
    SystemCall("msg_reply_data_append", "(param i32 i32)", "0 1", "1 byte"),
    SystemCall("stable64_size", "(result i64)", "", ""),
    SystemCall("stable64_read", _READ, "0 5 1", "1 byte; aim 15 ns"),
    SystemCall("stable64_read", _READ, "0 5 1024", "1 KiB; aim 25 ns"),
    SystemCall("stable64_write", _READ, "5 0 1", "1 byte"),
    SystemCall("stable64_write", _READ, "5 0 1024", "1 KiB"),
    SystemCall("global_timer_set", "(param i64) (result i64)", "0", ""),
    SystemCall("certified_data_set", "(param i32 i32)", "0 32", ""),
    SystemCall("is_controller", "(param i32 i32) (result i32)", "0 10", ""),
    SystemCall("msg_cycles_accept128", "(param i64 i64 i32)", "0 5 0", ""),
    SystemCall("cycles_burn128", "(param i64 i64 i32)", "0 5 0", ""),
    SystemCall("canister_liquid_cycle_balance128", "(param i32)", "0", ""),
    SystemCall("env_var_name_exists", "(param i32 i32) (result i32)", "0 5", "by the host", is_hosted=True),
)
CALLING: Final = (
    '(import "ic0" "call_new" (func $new (param i32 i32 i32 i32 i32 i32 i32 i32)))'
    '(import "ic0" "call_perform" (func $perform (result i32)))'
)
CALL: Final = f"(call $new {'(i32.const 0) ' * 8}) (drop (call $perform))"
CALLS: Final = 2_000
OWN_COPY: Final = "(memory.copy (i32.const 0) (i32.const 2048) (i32.const 1024))"


def with_stable_memory(imports: str, body: str, turns: int) -> str:
    """Runs a body many times, with two pages of stable memory."""
    grow = '(import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))'
    return repeated(imports + grow, body, turns, "(drop (call $grow (i64.const 2)))")


def system_calls() -> None:
    """What calls of the System API cost, without the loop around them, and against copying 1 KiB inside the heap."""
    print("one call of the System API")
    copying = _in_turns("", OWN_COPY, TURNS * 10)
    row("for comparison, memory.copy of 1 KiB", f"{copying * 1e9:.1f} ns")
    for one in SYSTEM_CALLS:
        seconds = _in_turns(one.imports, one.call, TURNS if one.is_hosted else TURNS * 10)
        row(one.name, f"{seconds * 1e9:.1f} ns", f"{seconds / copying:.1f} x; {one.note}".removesuffix("; "))
    calling = _in_turns(CALLING, CALL, CALLS)
    row("call_new and call_perform", f"{calling * 1e6:.1f} us", f"{calling / copying:.0f} x; aim 5 us")


def _in_turns(imports: str, body: str, turns: int) -> float:
    """Seconds that a body takes, without the loop around it."""
    whole, loop = (
        shortest(_messages(loaded(with_stable_memory(imports, one, turns)), b"x" * 2000)) for one in (body, "")
    )
    return (whole - loop) / turns


INTERPRETED: Final = """(module (func (export "run") (result i32) (local $i i32) (local $sum i32)
    (loop $next (local.set $sum (i32.add (local.get $sum) (i32.mul (local.get $i) (i32.const 3))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 30000))))
    (local.get $sum)))"""


EXECUTIONS: Final = 7
"""How often they are executed when the module has been prepared."""
EXECUTED: Final = 3_000_000
"""Instructions of a real module; finding out what it is takes a few milliseconds beside them."""


def interpretation() -> None:
    """The specification's interpreter against the package pywasm."""
    print("the specification's interpreter")
    module = decode(binary(INTERPRETED))

    def interpret() -> list[int]:
        instance = instantiate(
            module, {}, counter=2**62, memory=None, globals=None, maximum_call_depth=1000, maximum_memory_pages=None
        )
        return instance.invoke(0, ())

    interpreting = shortest(interpret, 3)
    row("a loop of 30,000 turns", f"{interpreting * 1000:.0f} ms")
    if importlib.util.find_spec("pywasm") is None:
        row("pywasm", "not installed", "pip install pywasm to compare")
        return
    other = shortest(lambda: _pywasm(binary(INTERPRETED)), 3)
    row("the same in pywasm", f"{other * 1000:.0f} ms")
    row("pywasm against the specification", f"{other / interpreting:.2f} x", "aim 2 x")


def real_modules() -> None:
    """What the specification executes of a canister compiled from Motoko, which hashes its pages as it begins."""
    print("a real module on the specification")
    module = load("website")
    first, *others = (
        EXECUTED / shortest(lambda: count_export(module, "canister_init", EXECUTED, PROFILE), 1) / 1e6
        for _ in range(1 + EXECUTIONS)
    )
    row(f"the first {EXECUTED:,} instructions, at first", f"{first:.1f} million a second", "module read and prepared")
    spread = f"{min(others):.1f} to {max(others):.1f}"
    row(f"{EXECUTIONS} times more, median", f"{median(others):.1f} million a second", f"{spread}; aim 5")


def _pywasm(raw: bytes) -> None:
    pywasm: Any = importlib.import_module("pywasm")
    runtime = pywasm.core.Runtime()
    instance = runtime.instance(pywasm.core.ModuleDesc.from_reader(io.BytesIO(raw)))
    runtime.invocate(instance, "run", [])


def main() -> None:
    """Runs all measurements."""
    for measure in (
        whole_messages,
        on_threads,
        beside_idle_canisters,
        after_a_page_was_written,
        metering,
        instrumentation,
        executions,
        system_calls,
        interpretation,
        real_modules,
    ):
        measure()


if __name__ == "__main__":
    main()
