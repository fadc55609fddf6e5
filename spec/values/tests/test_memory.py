"""Linear memory: equal bytes are equal values."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, WASM_PAGE

pages = some.dictionaries(some.integers(0, 15), some.integers(0, 255), max_size=4)


def filled(numbers, wasm_pages=1):
    """A memory in which each page named is filled with its byte."""
    return LinearMemory().with_pages(wasm_pages, [(page, bytes([byte]) * OS_PAGE) for page, byte in numbers.items()])


@given(pages)
def test_a_memory_equals_the_one_made_of_its_bytes(numbers):
    memory = filled(numbers)
    assert LinearMemory.from_bytes(memory.to_bytes()) == memory
    assert len(memory.to_bytes()) == WASM_PAGE


@given(pages, some.integers(0, WASM_PAGE), some.integers(0, 3 * OS_PAGE))
def test_reading_gives_the_bytes_at_that_place(numbers, offset, length):
    memory = filled(numbers)
    if offset + length <= WASM_PAGE:
        assert memory.read(offset, length) == memory.to_bytes()[offset : offset + length]
    else:
        with pytest.raises(IndexError, match="outside a memory of 65536 bytes"):
            memory.read(offset, length)


@given(pages)
def test_a_page_of_zeros_is_not_kept(numbers):
    cleared = filled(numbers).with_pages(1, [(page, bytes(OS_PAGE)) for page in numbers])
    assert cleared == LinearMemory(1)
    assert len(cleared.contents) == 0


@given(pages, pages)
def test_differing_pages_are_exactly_those_whose_bytes_differ(before, after):
    older, newer = filled(before), filled(after)
    assert list(newer.differing_pages(older)) == [page for page in range(16) if newer.page(page) != older.page(page)]


def test_sizes_matter_for_equality():
    assert LinearMemory(1) != LinearMemory(2)
