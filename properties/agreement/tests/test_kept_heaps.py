"""Upgrades that keep a heap which the new module may not be able to have."""

from collections import Counter

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from properties.agreement.stage import Stage
from spec.state.canister import Code
from spec.state.request import Rejected, Replied
from spec.values import management
from spec.values.canister_terms import WasmMemoryPersistence
from spec.values.identifiers import Blob, CanisterId
from spec.values.management import UpgradeMode
from spec.values.rejects import RejectReason, Reply

ASKS = b"icp:private enhanced-orthogonal-persistence"
KEEP = UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.KEEP)
REPLACE = UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.REPLACE)


def keeping(text: str) -> Blob:
    """A module that may keep its heap."""
    return bytes(wasmtime.wat2wasm(text)) + bytes([0, len(ASKS) + 1, len(ASKS)]) + ASKS


WRITES = """(func (export "canister_init") (i32.store (i32.const 600000) (i32.const 1234)))"""
TEN_PAGES = keeping(f"(module (memory 10) {WRITES})")
MANY_PAGES = keeping("(module (memory i64 65540))")
EMPTY_HEAP = keeping("(module (memory 0))")


def looking(memory: str, more: str = "") -> Blob:
    """A module that tells the size of its heap, what growing it by nothing gives, and the word at 600,000."""
    word = "i64" if "i64" in memory else "i32"
    narrow = "(i32.wrap_i64 {})" if word == "i64" else "{}"
    size, grown = narrow.format("(memory.size)"), narrow.format(f"(memory.grow ({word}.const 0))")
    return keeping(f"""(module (import "ic0" "msg_reply" (func $reply))
        (import "ic0" "msg_reply_data_append" (func $append (param {word} {word}))) (memory {memory}) {more}
        (func (export "canister_query look")
          (i32.store ({word}.const 0) {size}) (i32.store ({word}.const 4) {grown})
          (i32.store ({word}.const 8) (i32.load ({word}.const 600000)))
          (call $append ({word}.const 0) ({word}.const 12)) (call $reply)))""")


def upgraded(old: Blob, new: Blob, mode: UpgradeMode = KEEP) -> tuple[Stage, CanisterId, object]:
    stage = Stage()
    canister = stage.installed(old, cycles=10**16)
    return stage, canister, stage.install(canister, new, mode=mode)


NO_MEMORY = keeping('(module (func (export "canister_update x")))')
POST_UPGRADE = '(func (export "canister_post_upgrade") (drop (memory.size)))'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TEN_PAGES, looking("1 5")),
        (TEN_PAGES, looking("i64 1 5")),
        (TEN_PAGES, looking("1 5", POST_UPGRADE)),
        (TEN_PAGES, NO_MEMORY),
        (MANY_PAGES, looking("1")),
    ],
    ids=["smaller maximum", "smaller maximum, wide", "with a hook", "no memory", "more than 32 bits address"],
)
def test_a_heap_that_the_new_module_does_not_admit_is_not_kept(old: Blob, new: Blob) -> None:
    stage, canister, status = upgraded(old, new)
    assert isinstance(status, Rejected)
    assert status.reject.reason is RejectReason.PERSISTENCE_OPTION_NEEDED
    assert stage.canister(canister).code == Code(old, stage.wasm_state(canister))


@pytest.mark.parametrize(("memory", "pages"), [("1", 10), ("20", 20), ("5 10", 10), ("i64 1", 10), ("i64 1 11", 10)])
def test_a_heap_that_it_admits_is_kept_also_with_other_addresses(memory: str, pages: int) -> None:
    """It grows to the minimum; data segments are not written."""
    hello = f'(data ({"i64" if "i64" in memory else "i32"}.const 0) "hello")'
    stage, canister, status = upgraded(TEN_PAGES, looking(memory, hello))
    assert isinstance(status, Replied)
    told = b"".join(word.to_bytes(4, "little") for word in (pages, pages, 1234))
    assert stage.query(canister, "look", b"") == Reply(told)


def test_without_memory_an_empty_heap_is_kept_and_any_heap_replaced() -> None:
    _, _, status = upgraded(EMPTY_HEAP, NO_MEMORY)
    assert isinstance(status, Replied)
    stage, canister, status = upgraded(TEN_PAGES, NO_MEMORY, REPLACE)
    assert isinstance(status, Replied)
    assert stage.wasm_state(canister).wasm_memory.wasm_pages == 0


def test_a_snapshot_of_a_canister_that_kept_its_heap_can_be_loaded() -> None:
    stage, canister, _ = upgraded(TEN_PAGES, looking("1"))
    taken = stage.manage("take_canister_snapshot", management.TakeSnapshotArguments(canister))
    assert isinstance(taken, Replied)
    result = management.decode_result("take_canister_snapshot", taken.data)
    stage.install(canister, looking("1 5"), mode=REPLACE)
    loaded = stage.manage("load_canister_snapshot", management.LoadSnapshotArguments(canister, result.id))
    assert isinstance(loaded, Replied)
    assert stage.wasm_state(canister).wasm_memory.read(600_000, 2) == (1234).to_bytes(2, "little")


MEMORIES = ("none", "0", "1", "2", "3", "1 2", "2 2", "3 4", "i64 1", "i64 2 3")
MODES = (KEEP, KEEP, REPLACE, UpgradeMode(True, WasmMemoryPersistence.KEEP), UpgradeMode())


def growing(memory: str) -> Blob:
    """A module whose heap grows by a page when it is asked to, and before it is upgraded."""
    if memory == "none":
        return NO_MEMORY
    grows = "memory.grow (i64.const 1)" if "i64" in memory else "memory.grow (i32.const 1)"
    return keeping(f"""(module (memory {memory}) (func (export "canister_update grow") (drop ({grows})))
        (func (export "canister_pre_upgrade") (drop ({grows})))
        (func (export "canister_post_upgrade") (drop (memory.size))))""")


def upgrade_or_growth() -> st.SearchStrategy[tuple[str, UpgradeMode] | None]:
    """An upgrade to a module with such a memory; None if the heap is to grow."""
    return st.one_of(st.none(), st.tuples(st.sampled_from(MEMORIES), st.sampled_from(MODES)))


def heaps_after(memory: str, steps: list[tuple[str, UpgradeMode] | None]) -> tuple[Counter[bool], int]:
    """How many upgrades succeeded and failed, and the pages of the heap in the end; both sides agree at every step."""
    stage, succeeded = Stage(), Counter[bool]()
    canister = stage.installed(growing(memory))
    for step in steps:
        if step is None:
            stage.call(canister, "grow", b"")
        else:
            succeeded[isinstance(stage.install(canister, growing(step[0]), mode=step[1]), Replied)] += 1
    return succeeded, stage.wasm_state(canister).wasm_memory.wasm_pages


@settings(max_examples=12, deadline=None)
@given(memory=st.sampled_from(MEMORIES), steps=st.lists(upgrade_or_growth(), max_size=6))
def test_both_sides_agree_on_random_upgrades_that_keep_heaps(
    memory: str, steps: list[tuple[str, UpgradeMode] | None]
) -> None:
    heaps_after(memory, steps)


def test_such_upgrades_succeed_and_fail() -> None:
    steps = [None, ("1 2", KEEP), ("i64 2 3", KEEP), None, ("3 4", KEEP), ("none", KEEP), ("none", REPLACE)]
    assert heaps_after("1", steps) == (Counter({True: 3, False: 2}), 0)
