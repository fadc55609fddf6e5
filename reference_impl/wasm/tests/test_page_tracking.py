"""Changed pages of a heap are found and taken back, whether or not the kernel tells which were written."""

import ctypes
import mmap
import os
import random
from collections.abc import Callable

import pytest
import wasmtime
from attrs import evolve

from reference_impl.wasm.instances import page_tracking
from reference_impl.wasm.instances.page_tracking import Comparison, PageTracking, PrivateCopies
from reference_impl.wasm.running.module import load_module
from spec.canister.environment import Caller
from spec.canister.outcome import Returned
from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, WASM_PAGE

needs_kernel = pytest.mark.skipif(
    not page_tracking._kernel_lists_copies(), reason="this kernel does not tell which pages are private copies"
)
WAYS = [Comparison, pytest.param(PrivateCopies, marks=needs_kernel)]
MOST = 12


class Memory:
    """Anonymous memory that can grow in place, as the engine has it."""

    def __init__(self) -> None:
        self.map = mmap.mmap(-1, MOST * WASM_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.map))

    def write(self, address: int, content: bytes) -> None:
        ctypes.memmove(self.base + address, content, len(content))

    def read(self, size: int) -> bytes:
        return ctypes.string_at(self.base, size)


@pytest.mark.checklist("seed1.dirty-pages")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_random_executions_leave_what_they_wrote(way: Callable[[], PageTracking], seed: int) -> None:
    choice = random.Random(seed)
    memory, tracking, heap, pages = Memory(), way(), LinearMemory(), 0
    kept = undone = 0
    for _ in range(60):
        if choice.random() < 0.2:
            other = (
                heap.with_pages(pages, ((n, bytes([n % 251]) * OS_PAGE) for n in choice.sample(range(pages * 16), 3)))
                if pages
                else heap
            )
            tracking.load(memory.base, heap, other)
            heap = other
        before = heap.to_bytes()
        assert memory.read(heap.size) == before
        grown = choice.randrange(1, 4) if pages < MOST - 4 and choice.random() < 0.4 else 0
        pages = heap.wasm_pages + grown
        for _ in range(choice.randrange(5)):
            if pages:
                address = choice.randrange(pages * WASM_PAGE - 5000)
                memory.write(address, choice.choice([bytes(5000), b"x", b"\0", choice.randbytes(100)]))
        after = memory.read(pages * WASM_PAGE)
        changed = tracking.changed(memory.base, pages * WASM_PAGE, heap)
        expected = heap.with_pages(pages, ()).to_bytes()
        differing = {
            n for n in range(pages * 16) if after[n * OS_PAGE :][:OS_PAGE] != expected[n * OS_PAGE :][:OS_PAGE]
        }
        assert changed == {n: after[n * OS_PAGE :][:OS_PAGE] for n in differing}
        if grown or choice.random() < 0.6:
            tracking.keep(memory.base, pages * WASM_PAGE, changed)
            heap = heap.with_pages(pages, changed.items())
            assert heap.to_bytes() == after
            kept += bool(changed)
        else:
            tracking.undo(memory.base, changed, heap)
            assert memory.read(heap.size) == before
            assert tracking.changed(memory.base, heap.size, heap) == {}
            undone += bool(changed)
    assert kept > 5
    assert undone > 2


@needs_kernel
@pytest.mark.parametrize("most", [0, 1, 3])
def test_random_executions_leave_what_they_wrote_however_many_copies_may_stay(most, monkeypatch) -> None:
    monkeypatch.setattr(page_tracking, "MOST_COPIES", most)
    test_random_executions_leave_what_they_wrote(PrivateCopies, most)


@needs_kernel
def test_a_page_that_is_written_again_and_again_goes_to_the_file_once(monkeypatch) -> None:
    written: list[int] = []
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, page, place: written.append(place) or write(file, page, place))
    memory, tracking, heap = Memory(), PrivateCopies(), LinearMemory()
    first = heap.with_pages(2, [(1, b"a" * OS_PAGE)])
    tracking.load(memory.base, heap, first)
    heap, size = first, first.size
    written.clear()
    for turn in range(5):
        memory.write(OS_PAGE, bytes([turn]))
        changed = tracking.changed(memory.base, size, heap)
        tracking.keep(memory.base, size, changed)
        heap = heap.with_pages(2, changed.items())
    assert written == []
    memory.write(OS_PAGE, b"spoiled")
    tracking.undo(memory.base, tracking.changed(memory.base, size, heap), heap)
    assert written == [OS_PAGE]
    assert memory.read(size) == heap.to_bytes()
    tracking.load(memory.base, heap, first)
    assert memory.read(size) == first.to_bytes()


@needs_kernel
def test_a_copy_of_the_process_does_not_touch_the_heaps_of_the_original() -> None:
    tracking = PrivateCopies()
    assert tracking.is_usable
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, b"yes" if tracking.is_usable else b"no")
        os._exit(0)
    os.wait()
    assert os.read(reader, 3) == b"no"


@pytest.mark.parametrize("lists_copies", [True, False])
def test_executions_have_the_same_outcome_on_every_system(lists_copies, monkeypatch, environment, profile) -> None:
    if not lists_copies:
        monkeypatch.setattr(page_tracking, "_kernel_lists_copies", lambda: False)
    raw = bytes(
        wasmtime.wat2wasm(f"""(module (memory 2 100) (data (i32.const 70000) "{lists_copies}")
        (func (export "canister_update go") (i32.store (i32.const 5) (i32.add (i32.const 1) (i32.load (i32.const 5))))
          (drop (memory.grow (i32.const 1)))
          (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (memory.size)))
        (func (export "canister_update spoil")
          (memory.fill (i32.const 0) (i32.const 7) (i32.const 100000)) unreachable))""")
    )
    module = load_module(raw, profile)
    state, caller = module.initial_state(environment.subnet_id), Caller(environment.subnet_id)
    for turn in range(1, 6):
        module.update("spoil", state, b"", caller, None, environment, 0)
        outcome = module.update("go", state, b"", caller, None, evolve(environment, time=turn), 0)
        assert isinstance(outcome, Returned)
        state = outcome.new_state
        assert state.wasm_memory.wasm_pages == 2 + turn
        assert state.wasm_memory.read(5, 1) == bytes([turn])
        assert state.wasm_memory.read(state.wasm_memory.size - 4, 1) == bytes([2 + turn])
        assert state.wasm_memory.read(2 * WASM_PAGE + WASM_PAGE - 4, 1) == b"\3"
