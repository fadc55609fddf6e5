"""What modules do to their memories and globals, message after message: both engines, and as is said here."""

import gzip

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from properties.agreement.modules import ModulePair, load_pair, running_canister
from spec.canister.outcome import Outcome, Returned, SystemRecord, TrapCause, Trapped
from spec.canister.wasm_state import WasmState
from spec.production.errors import ERRORS
from spec.profile import load_profile
from spec.values.rejects import RejectReason, Reply

PROFILE = load_profile()
ENVIRONMENT = running_canister(PROFILE)
PAGE = 65_536


def binary(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(f"(module {text})"))


class Running:
    """A module and its state, which updates change."""

    def __init__(self, text: str, wide: bool = False, raw: bytes | None = None) -> None:
        pointer = "i64" if wide else "i32"
        imports = " ".join(
            f'(import "ic0" "{name}" (func ${name} {kind.replace("P", pointer)}))'
            for name, kind in (
                ("msg_arg_data_size", "(result P)"),
                ("msg_arg_data_copy", "(param P P P)"),
                ("msg_reply_data_append", "(param P P)"),
                ("msg_reply", ""),
            )
        )
        pair = load_pair(binary(f"{imports} {text}") if raw is None else raw, PROFILE)
        assert pair is not None
        self.pair: ModulePair = pair
        self.state: WasmState = pair.initial_state()

    def install(self) -> Outcome:
        return self._after(self.pair.install(b"", ENVIRONMENT))

    def update(self, method: str = "go", argument: bytes = b"") -> Outcome:
        return self._after(self.pair.update(method, self.state, ENVIRONMENT, argument))

    def replied(self, method: str = "go", argument: bytes = b"") -> bytes:
        outcome = self.update(method, argument)
        assert isinstance(outcome, Returned)
        assert isinstance(outcome.response, Reply)
        return outcome.response.data

    def _after(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Returned):
            self.state = outcome.new_state
        return outcome


def go(instructions: str, more: str = "(memory 1)", wide: bool = False) -> Running:
    return Running(f'{more} (func (export "canister_update go") {instructions})', wide)


REPLY = "(call $msg_reply_data_append (i32.const {}) (i32.const {})) (call $msg_reply)"
WIDE_REPLY = REPLY.replace("i32", "i64")


@pytest.mark.checklist("prod.hypervisor.wasm64_active_data_segments")
def test_active_segments_fill_a_wide_memory() -> None:
    running = go(WIDE_REPLY.format(0, 3), '(memory i64 1) (data (i64.const 0) "p") (data (i64.const 2) "a")', True)
    assert list(running.replied()) == [112, 0, 97]


@pytest.mark.checklist("prod.hypervisor.globals_are_updated")
def test_a_global_keeps_what_an_update_sets_it_to_though_it_never_replies() -> None:
    running = go("(global.set 0 (i32.const 1))", '(global (export "g") (mut i32) (i32.const 137))')
    assert running.state.globals == (137,)
    outcome = running.update()
    assert isinstance(outcome, Returned)
    assert outcome.response is None
    assert running.state.globals == (1,)


@pytest.mark.checklist("prod.hypervisor.comparison_of_non_canonical_nans")
def test_a_number_that_is_none_does_not_equal_itself() -> None:
    nan = "(f32.const nan:0x1234)"
    assert go(f"(i32.store (i32.const 0) (f32.eq {nan} {nan})) {REPLY.format(0, 4)}").replied() == bytes(4)


LOAD = "(drop (i32.load (i32.const 65536)))"


@pytest.mark.checklist(
    "prod.hypervisor.memory_access_between_min_and_max_canister_start",
    "prod.hypervisor.memory_access_between_min_and_max_canister_init",
    "prod.hypervisor.memory_access_between_min_and_max_ingress",
    "prod.hypervisor.grow_memory_beyond_max_size_2",
    "prod.hypervisor.grow_memory_beyond_32_bit_limit_fails",
)
@pytest.mark.parametrize(
    ("memory", "instructions"),
    [
        ("(memory 1 2)", LOAD),
        ("(memory 1 2)", "(drop (memory.grow (i32.const 100))) (i32.store (i32.const 131073) (i32.const 1))"),
        ("(memory 0)", "(drop (memory.grow (i32.const 65537))) (i32.store (i32.const 1) (i32.const 1))"),
    ],
)
def test_what_lies_behind_the_memory_is_not_accessed_though_it_might_grow(memory: str, instructions: str) -> None:
    entries = ('(export "canister_init")', '(export "canister_update go")', '(export "f")')
    for entry in entries:
        start = "(start $f)" if entry == '(export "f")' else ""
        running = Running(f"{memory} (func $f {entry} {instructions}) {start}")
        outcome = running.update() if "go" in entry else running.install()
        assert isinstance(outcome, Trapped), entry
        (record,) = outcome.logs
        assert isinstance(record, SystemRecord)
        assert record.cause is TrapCause.HEAP_OUT_OF_BOUNDS
    assert ERRORS[RejectReason.CANISTER_TRAPPED][0].name == "CanisterTrapped"


@pytest.mark.checklist("prod.hypervisor.grow_memory_beyond_max_size_0")
def test_a_memory_does_not_grow_beyond_its_maximum() -> None:
    growing = f"(i32.store (i32.const 0) (memory.grow (i32.const 1))) {REPLY.format(0, 4)}"
    assert go(growing, "(memory 1 1)").replied() == b"\xff" * 4


@pytest.mark.checklist("prod.wasmtime_embedder.wasm64_handles_memory_grow_failure_test")
def test_a_wide_memory_that_cannot_grow_so_far_says_so_and_the_execution_goes_on() -> None:
    growing = f"(i64.store (i64.const 0) (memory.grow (i64.const 165536))) {WIDE_REPLY.format(0, 8)}"
    assert go(growing, "(memory i64 1)", True).replied() == b"\xff" * 8


@pytest.mark.checklist("prod.wasmtime_embedder.wasm64_basic_test")
def test_a_wide_memory_grows_and_keeps_what_is_stored() -> None:
    store = f"(i64.store (i64.const {PAGE}) (i64.const 137))"
    back = f"(i64.store (i64.const 0) (i64.load (i64.const {PAGE})))"
    running = go(f"(drop (memory.grow (i64.const 1))) {store} {back} {WIDE_REPLY.format(0, 8)}", "(memory i64 1)", True)
    assert running.replied() == (137).to_bytes(8, "little")


@pytest.mark.checklist("prod.wasmtime_embedder.memory_copy_test", "prod.wasmtime_embedder.wasm64_memory_copy_test")
@pytest.mark.parametrize("wide", [False, True])
def test_eight_bytes_are_copied_within_a_memory(wide: bool) -> None:
    pointer = "i64" if wide else "i32"
    copy = f"(memory.copy ({pointer}.const 8) ({pointer}.const 0) ({pointer}.const 8))"
    memory = f'(memory {pointer if wide else ""} 1) (data ({pointer}.const 0) "abcdefgh")'
    running = go(copy + (WIDE_REPLY if wide else REPLY).format(0, 17), memory, wide)
    assert running.replied() == b"abcdefghabcdefgh\0"


@pytest.mark.checklist("prod.hypervisor.read_last_page")
def test_the_last_bytes_of_a_page_are_read() -> None:
    assert go(REPLY.format(PAGE - 8, 8)).replied() == bytes(8)


@pytest.mark.checklist("prod.hypervisor.read_after_grow", "prod.hypervisor.write_after_grow")
def test_a_new_page_is_empty_and_keeps_what_is_written_there() -> None:
    def fill(page: int) -> str:
        return f"(memory.fill (i32.const {page * PAGE}) (i32.const 42) (i32.const {PAGE}))"

    running = Running(f"""(memory 1)
        (func (export "canister_update grow") {fill(0)} (drop (memory.grow (i32.const 1))) {REPLY.format(PAGE, PAGE)})
        (func (export "canister_update fill") {fill(1)})
        (func (export "canister_update read") {REPLY.format(PAGE, PAGE)})""")
    assert running.replied("grow") == bytes(PAGE)
    running.update("fill")
    assert running.replied("read") == b"\x2a" * PAGE


@pytest.mark.checklist("prod.hypervisor.grow_memory_and_write_to_new_pages")
def test_a_memory_grows_a_page_a_message_to_its_maximum() -> None:
    running = Running(f"""(memory 2 5)
        (func (export "canister_update grow") (drop (memory.grow (i32.const 1))))
        (func (export "canister_update write")
          (call $msg_arg_data_copy (i32.const 0) (i32.const 0) (i32.const 1))
          (i32.store8 (i32.mul (i32.load8_u (i32.const 0)) (i32.const {PAGE}))
                      (i32.add (i32.load8_u (i32.const 0)) (i32.const 6))))
        (func (export "canister_update size") (i32.store (i32.const 0) (memory.size)) {REPLY.format(0, 4)})""")
    for size in (3, 4, 5, 5, 5):
        running.update("grow")
        assert running.state.wasm_memory.size == size * PAGE
    for page in (1, 2, 3, 4):
        assert running.state.wasm_memory.read(page * PAGE, PAGE) == bytes(PAGE)
        running.update("write", bytes([page]))
    for page in (1, 2, 3, 4):
        assert running.state.wasm_memory.read(page * PAGE, PAGE) == bytes([page + 6]) + bytes(PAGE - 1)


@pytest.mark.checklist("prod.hypervisor.install_gzip_compressed_module")
def test_a_compressed_module_has_its_methods() -> None:
    text = f"""(import "ic0" "msg_reply" (func $msg_reply))
        (import "ic0" "msg_reply_data_append" (func $msg_reply_data_append (param i32 i32)))
        (memory 1)
        (func (export "canister_update write") (i32.store (i32.const 0) (i32.const 7)) {REPLY.format(0, 1)})
        (func (export "canister_query read") {REPLY.format(0, 1)})"""
    running = Running("", raw=gzip.compress(binary(text)))
    assert running.replied("write") == b"\7"
    outcome = running.pair.query("read", running.state, ENVIRONMENT)
    assert isinstance(outcome, Returned)
    assert outcome.response == Reply(b"\7")


@pytest.mark.checklist("prod.pocket_ic.stack_overflow")
def test_endless_recursion_of_a_function_with_many_locals_overflows_the_stack() -> None:
    loads = " ".join(f"(local.set {index} (i64.load (i32.const {8 * index})))" for index in range(20))
    running = Running(f"""(memory 1)
        (func $f (local {"i64 " * 20}) {loads} (call $f))
        (func (export "canister_update go") (call $f))""")
    outcome = running.update()
    assert isinstance(outcome, Trapped)
    (record,) = outcome.logs
    assert isinstance(record, SystemRecord)
    assert record.cause is TrapCause.STACK_OVERFLOW


ANY_PAGE = f"""(memory 3 10)
    (func $page (result i32) (i32.mul (i32.load8_u (i32.const 0)) (i32.const {PAGE})))
    (func $argument (call $msg_arg_data_copy (i32.const 0) (i32.const 0) (call $msg_arg_data_size)))
    (func (export "canister_update write") (call $argument)
      (memory.fill (i32.add (call $page) (i32.const 8)) (i32.load8_u (i32.const 1)) (i32.const 4096)))
    (func (export "canister_update read") (call $argument)
      (call $msg_reply_data_append (i32.add (call $page) (i32.const 8)) (i32.const 4096)) (call $msg_reply))
    (func (export "canister_update grow") (drop (memory.grow (i32.const 1))))"""
ACCESSES = st.lists(
    st.tuples(st.sampled_from(["write", "read", "grow"]), st.integers(0, 5), st.integers(0, 255)),
    min_size=4,
    max_size=16,
)


@pytest.mark.checklist(
    "prod.hypervisor.random_memory_accesses", "seed1.memory-management-responsibility", "seed2.wasm-memory-automatic"
)
def test_what_is_read_is_what_was_written_last() -> None:
    seen = {"something": 0, "nothing": 0, "beyond": 0}

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(accesses=ACCESSES)
    def check(accesses: list[tuple[str, int, int]]) -> None:
        running, pages, written = Running(ANY_PAGE), 3, {}
        for kind, page, value in [*accesses, ("read", 1, 0)]:
            outcome = running.update(kind, bytes([page, value]))
            if kind == "grow":
                pages = min(pages + 1, 10)
            elif page >= pages:
                assert isinstance(outcome, Trapped)
                seen["beyond"] += 1
            elif kind == "write":
                written[page] = value
            else:
                assert isinstance(outcome, Returned)
                assert outcome.response == Reply(bytes([written.get(page, 0)]) * 4096)
                seen["something" if page in written else "nothing"] += 1

    check()
    assert min(seen.values()) > 10, seen
