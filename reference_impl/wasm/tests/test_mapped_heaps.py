"""Heaps and stable memories that were stored in a file come back by mapping it: what was not touched is not read."""

import random

import pytest

from reference_impl.wasm.instances import page_tracking, stored_pages
from reference_impl.wasm.instances.page_tracking import PrivateCopies
from reference_impl.wasm.instances.stored_pages import PageFile, stored
from reference_impl.wasm.tests.test_page_tracking import MOST, Memory, needs_kernel
from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE

PAGES = MOST * 16


@pytest.fixture
def read(monkeypatch):
    """How many pages were read from files, and not mapped."""
    counted = []
    original = PageFile.read

    def counting(file, place, count=1):
        counted.append(count)
        return original(file, place, count)

    monkeypatch.setattr(PageFile, "read", counting)
    return counted


def a_heap(chosen, file):
    """A heap of random pages, some of them in long runs, of which some lie over what is stored."""
    numbers = {number for _ in range(4) for number in range(chosen.randrange(PAGES), PAGES)[: chosen.randrange(60)]}
    heap = stored(LinearMemory().with_pages(MOST, ((one, chosen.randbytes(OS_PAGE)) for one in numbers)), file)
    over = [(chosen.randrange(PAGES), chosen.choice([bytes(OS_PAGE), chosen.randbytes(OS_PAGE)])) for _ in range(3)]
    return heap.with_pages(MOST, over) if chosen.random() < 0.5 else heap


@needs_kernel
@pytest.mark.parametrize("copies", [0, 3, 16])
@pytest.mark.parametrize(("taken_over", "parts"), [(4, 300), (16, 300), (1, 300), (4, 3), (1, 8)])
def test_whatever_is_loaded_kept_and_undone_the_memory_is_what_the_heap_is(monkeypatch, taken_over, parts, copies):
    monkeypatch.setattr(page_tracking, "MOST_COPIES", copies)
    monkeypatch.setattr(page_tracking, "TAKEN_OVER", taken_over)
    monkeypatch.setattr(page_tracking, "MOST_PARTS", parts)
    chosen, file = random.Random(taken_over + parts), PageFile()
    mapped = 0
    for _ in range(6):
        memory, tracking, heap = Memory(), PrivateCopies(), LinearMemory()
        for _ in range(25):
            if chosen.random() < 0.2 or not heap.contents:
                other = a_heap(chosen, file)
                tracking.load(memory.base, heap, other)
                heap = other
                mapped += bool(tracking._of_stored)
            assert memory.read(heap.size) == heap.to_bytes()
            for number in chosen.sample(range(PAGES), chosen.randrange(5)):
                memory.write(number * OS_PAGE + chosen.randrange(4000), chosen.randbytes(chosen.randrange(96)))
            changed = tracking.changed(memory.base, heap.size, heap)
            if chosen.random() < 0.5:
                tracking.keep(memory.base, heap.size, changed)
                heap = heap.with_pages(MOST, changed.items())
            else:
                tracking.undo(memory.base, changed, heap)
        assert memory.read(heap.size) == heap.to_bytes()
    assert mapped > 3


@needs_kernel
def test_of_a_stored_heap_nothing_is_read_and_a_write_takes_over_what_is_about_it(read, monkeypatch):
    # Each change goes to the file at once, where usually a few stay private copies.
    monkeypatch.setattr(page_tracking, "MOST_COPIES", 0)
    file = PageFile()
    heap = stored(LinearMemory().with_pages(MOST, ((one, bytes([1 + one]) * OS_PAGE) for one in range(PAGES))), file)
    memory, tracking = Memory(), PrivateCopies()
    tracking.load(memory.base, LinearMemory(), heap)
    assert read == []
    assert memory.read(heap.size) == heap.to_bytes()
    read.clear()
    memory.write(70 * OS_PAGE, b"new")
    changed = tracking.changed(memory.base, heap.size, heap)
    assert list(changed) == [70]
    tracking.keep(memory.base, heap.size, changed)
    assert tracking._of_stored == [(0, 64), (80, PAGES)]
    # What changed is compared with what is stored, page by page.
    assert sum(read) <= 1
    assert memory.read(heap.size) == heap.with_pages(MOST, changed.items()).to_bytes()


@needs_kernel
def test_what_is_mapped_stays_in_the_file_until_it_is_not_mapped_any_more():
    file = PageFile()
    heap = stored(LinearMemory().with_pages(MOST, ((one, b"\x05" * OS_PAGE) for one in range(PAGES))), file)
    memory, tracking = Memory(), PrivateCopies()
    tracking.load(memory.base, LinearMemory(), heap)
    del heap
    file.write([b"\x06" * OS_PAGE] * PAGES)
    assert memory.read(PAGES * OS_PAGE) == b"\x05" * (PAGES * OS_PAGE)
    del tracking
    assert file.write([b"\x07" * OS_PAGE] * PAGES).first == 0


def test_short_runs_and_files_that_cannot_be_mapped_are_read(read, monkeypatch):
    monkeypatch.setattr(stored_pages, "MOST_RUNS", 1)
    file = PageFile()
    numbers = [*range(3), *range(10, 40), *range(50, 90)]
    heap = stored(LinearMemory().with_pages(MOST, ((one, bytes([one + 1]) * OS_PAGE) for one in numbers)), file)
    offered = []
    given = heap.contents.mapped_by(lambda *run: offered.append(run) or True)
    assert [(number, len(content) // OS_PAGE) for number, content in given] == [(0, 3), (50, 40)]
    assert [run[2:] for run in offered] == [(10, 30)]
    refused = heap.contents.mapped_by(lambda *_: False)
    assert [(number, len(content) // OS_PAGE) for number, content in refused] == [(0, 3), (10, 30), (50, 40)]
