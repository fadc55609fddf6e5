"""Pages in a file are the same pages."""

import gc
import pickle
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rpds import HashTrieMap

from reference_impl.wasm.instances.page_tracking import differences, to_be_loaded
from reference_impl.wasm.instances.stored_pages import PageFile, StoredPages, in_memory, stored
from spec.values.memory import ZERO_PAGE, LinearMemory
from spec.values.quantities import OS_PAGE

PAGES = 48


def page(number):
    return bytes([number]) * OS_PAGE


def memory_of(pages):
    return LinearMemory(PAGES, HashTrieMap({number: page(content) for number, content in pages.items()}))


def laid_out(memory, changes):
    """What a memory holds after these changes, by page, without empty ones."""
    held = dict(memory.contents.items())
    for number, content in changes:
        for index in range(len(content) // OS_PAGE):
            held[number + index] = content[index * OS_PAGE :][:OS_PAGE]
    return {number: one for number, one in held.items() if one != ZERO_PAGE}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.dictionaries(st.integers(0, PAGES - 1), st.integers(0, 255), max_size=8)),
        st.tuples(st.just("store"), st.just({})),
        st.tuples(st.just("back"), st.just({})),
    ),
    max_size=12,
)


FILE = PageFile()


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_a_memory_is_the_same_whatever_was_stored_meanwhile(steps):
    file, plain, kept = FILE, LinearMemory(PAGES), LinearMemory(PAGES)
    earlier = [(plain, kept)]
    for what, content in steps:
        pages = [(number, page(value)) for number, value in content.items()]
        if what == "write":
            plain, kept = plain.with_pages(PAGES, pages), kept.with_pages(PAGES, pages)
        elif what == "store":
            kept = stored(kept, file)
            assert in_memory(kept) == 0
        else:
            plain, kept = earlier[len(earlier) // 2]
        earlier.append((plain, kept))
    for one, other in {id(pair): pair for pair in earlier}.values():
        assert other == one
        assert one == other
        assert hash(other) == hash(one)
        assert len(other.contents) == len(one.contents)
        assert sorted(other.contents.keys()) == sorted(one.contents)
        assert [number in other.contents for number in range(PAGES)] == [
            number in one.contents for number in range(PAGES)
        ]
        assert other.to_bytes() == one.to_bytes()
        for _, before in (earlier[0], earlier[len(earlier) // 3], earlier[-1]):
            for changes in (differences(before, other), to_be_loaded(before, other)):
                assert laid_out(before, changes) == dict(one.contents.items())


def test_memories_with_other_pages_are_other_memories():
    file = PageFile()
    kept = stored(memory_of({1: 1, 2: 2}), file)
    assert kept != memory_of({1: 1, 2: 3})
    assert kept != memory_of({1: 1})
    assert memory_of({1: 1, 2: 2, 3: 3}) != kept
    assert kept.contents != {1: page(1), 2: page(2)}


def test_only_what_was_written_since_is_stored_again():
    file = PageFile()
    kept = stored(memory_of(dict.fromkeys(range(PAGES), 7)), file)
    assert file.pages == PAGES
    changed = kept.with_pages(PAGES, [(3, page(1))])
    assert in_memory(changed) == OS_PAGE
    again = stored(changed, file)
    assert file.pages == PAGES + 1
    assert stored(again, file) is again


def test_what_no_memory_holds_any_more_is_free_for_others():
    file = PageFile()
    kept = [stored(memory_of(dict.fromkeys(range(10), one)), file) for one in range(1, 9)]
    assert file.pages == 80
    kept[2:5] = []
    gc.collect()
    assert file.pages == 50
    kept.append(stored(memory_of(dict.fromkeys(range(30), 9)), file))
    assert file.pages == 80
    assert [sorted(set(one.contents.values())) for one in kept] == [[page(value)] for value in (1, 2, 6, 7, 8, 9)]


def test_a_memory_that_is_stored_often_takes_no_more_than_twice_its_pages():
    file = PageFile()
    kept = stored(memory_of(dict.fromkeys(range(PAGES), 1)), file)
    for turn in range(500):
        kept = stored(kept.with_pages(PAGES, [(turn * 7 % PAGES, page(turn % 255 + 1))]), file)
        assert file.pages <= 2 * PAGES + 2 + PAGES
    assert len(kept.contents) == PAGES


def test_a_page_that_is_not_there_cannot_be_taken_away():
    kept = stored(memory_of({1: 1}), PageFile()).contents
    assert isinstance(kept, StoredPages)
    assert kept[1] == page(1)
    for missing in (lambda: kept[2], lambda: kept.remove(2), lambda: kept.remove(1).remove(1)):
        with pytest.raises(KeyError):
            missing()


def test_a_copy_for_another_process_holds_the_pages():
    kept = stored(memory_of({1: 1, 5: 2}), PageFile())
    assert pickle.loads(pickle.dumps(kept.contents)) == HashTrieMap({1: page(1), 5: page(2)})


def test_a_part_may_go_where_the_lock_is_held():
    """Garbage is collected wherever something is made."""
    file = PageFile()
    parts = [file.write([page(1)])]

    def let_go():
        with file._lock:
            parts.clear()

    thread = threading.Thread(target=let_go, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert file.pages == 0
    assert file.write([page(2)]).first == 0
