"""Which pages were written since a memory was followed."""

import gc

from reference_impl.wasm.instances.written_pages import WrittenPages
from spec.values.memory import LinearMemory

PAGE = bytes([7]) * 4096
FIRST = LinearMemory(1).with_pages(1, [(0, PAGE)])


def test_pages_written_by_one_execution_after_another_are_told_together():
    written = WrittenPages()
    written.follow(FIRST)
    second = FIRST.with_pages(1, [(3, PAGE)])
    written.note(FIRST, second, [3])
    third = second.with_pages(1, [(5, PAGE)])
    written.note(second, third, [5])
    assert written.since(FIRST, third) == {3, 5}


def test_of_memories_that_came_about_otherwise_nothing_is_known():
    written = WrittenPages()
    written.follow(FIRST)
    assert written.since(FIRST, FIRST.with_pages(1, [(3, PAGE)])) is None
    second = FIRST.with_pages(1, [(3, PAGE)])
    written.note(FIRST, second, [3])
    written.follow(second)
    assert written.since(FIRST, second) is None
    assert written.since(second, second) == set()
    written.follow(LinearMemory())
    assert written.since(LinearMemory(), LinearMemory()) is None


def test_a_memory_that_is_gone_is_forgotten():
    written = WrittenPages()
    second = FIRST.with_pages(1, [(3, PAGE)])
    written.follow(second)
    third = second.with_pages(1, [(4, PAGE)])
    written.note(second, third, [4])
    assert len(written._known) == 2
    del second
    gc.collect()
    assert len(written._known) == 1
    del third
    gc.collect()
    assert written._known == {}
