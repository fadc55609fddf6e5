"""Where memory is bounded, the pages of a state that was kept stay in its files until they are needed."""

import random
import shutil

import pytest
from attrs import evolve

from reference_impl.durability import pages_on_disk
from reference_impl.durability.directory import StateDirectory
from reference_impl.durability.faults import StateDirectoryFault
from reference_impl.durability.inputs import RoundRun
from reference_impl.durability.pages_on_disk import PagesOfFile
from reference_impl.durability.tests.working import BEGINNING, Work, argument, certified, offer
from reference_impl.wasm.instances.kept_instances import KEPT
from reference_impl.wasm.instances.stored_pages import StoredPages
from spec.values.quantities import OS_PAGE

LITTLE = evolve(BEGINNING, memory=1 << 20)


@pytest.fixture(autouse=True)
def usual_memory(monkeypatch):
    monkeypatch.setattr(KEPT, "most_bytes", KEPT.most_bytes)


@pytest.fixture
def read(monkeypatch):
    """How many pages were read from files of checkpoints."""
    counted = []
    original = PagesOfFile.read

    def counting(pages, place, count):
        counted.extend(range(place, place + count))
        return original(pages, place, count)

    monkeypatch.setattr(PagesOfFile, "read", counting)
    return counted


def opened(path, beginning=LITTLE, **options):
    return StateDirectory.opened(path, beginning, **options)


def done(directory, *inputs):
    for given in inputs:
        offer(directory.engine, given)
        offer(directory.engine, RoundRun())
    directory.engine.drain()
    directory.acknowledge()


def memories(directory):
    """The heaps and stable memories of all canisters and snapshots."""
    for canister in directory.engine.instance.canisters.values():
        states = [one.wasm_state for one in canister.snapshots.values()]
        states += [canister.code.wasm_state] if canister.code else []
        for state in states:
            yield from (state.wasm_memory, state.stable_memory)


def all_pages(directory):
    return [dict(one.contents.items()) for one in memories(directory)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A directory with several files, in which pages were written again and again, and what its memories hold."""
    path = tmp_path_factory.mktemp("kept") / "state"
    directory = opened(path, BEGINNING, checkpoint_steps=7)
    work = Work(5, directory.engine)
    for given in work.inputs(150):
        offer(directory.engine, given)
        directory.acknowledge()
        directory.after_round()
        directory.engine.explain()
    directory.checkpoint()
    pages, root_hash, state = all_pages(directory), certified(directory.engine), directory.engine.abstract()
    directory.close()
    assert sum(map(len, pages)) > 10
    assert len(list(path.glob("checkpoint-*"))) > 1
    return path, pages, root_hash, state


def copied(kept, tmp_path):
    shutil.copytree(kept[0], tmp_path / "state")
    return tmp_path / "state"


def test_no_page_is_read_at_the_start_and_each_is_what_it_was(kept, tmp_path, read):
    directory = opened(copied(kept, tmp_path))
    assert read == []
    assert certified(directory.engine) == kept[2]
    assert any(isinstance(one.contents, StoredPages) for one in memories(directory))
    assert all_pages(directory) == kept[1]
    assert directory.engine.abstract() == kept[3]
    directory.close()


def test_without_a_bound_all_pages_are_in_memory(kept, tmp_path, read):
    directory = opened(copied(kept, tmp_path), BEGINNING)
    assert not any(isinstance(one.contents, StoredPages) for one in memories(directory))
    assert all_pages(directory) == kept[1]
    assert read == []
    directory.close()


@pytest.mark.parametrize("seed", range(3))
def test_an_engine_whose_pages_are_in_files_goes_on_like_one_whose_pages_are_in_memory(kept, tmp_path, seed):
    """Through checkpoints too, which take in the files that are read, and through starts."""
    states = []
    for number, beginning in enumerate((BEGINNING, LITTLE)):
        path = copied(kept, tmp_path / str(number))
        for part in range(3):
            directory = opened(path, beginning, checkpoint_steps=6)
            for given in Work(10 * seed + part, directory.engine).inputs(30):
                offer(directory.engine, given)
                directory.acknowledge()
                directory.after_round()
                directory.engine.explain()
            directory.close()
        directory = opened(path, BEGINNING)
        states.append((certified(directory.engine), directory.engine.abstract(), all_pages(directory)))
        directory.close()
    assert states[0] == states[1]


def test_a_checkpoint_reads_no_page_that_has_not_changed(kept, tmp_path, read):
    directory = opened(copied(kept, tmp_path))
    work = Work(1, directory.engine)
    running = next(one for one in directory.engine.instance.canisters.values() if one.code)
    pages = len(running.code.wasm_state.wasm_memory.contents) + len(running.code.wasm_state.stable_memory.contents)
    done(directory, work.call(running.canister_id, "write", argument(70_000, 7)))
    assert len(read) <= pages + 8
    read.clear()
    directory.checkpoint()
    assert len(read) <= 8
    directory.close()


def test_a_file_that_newer_ones_replaced_is_read_as_before(kept, tmp_path):
    path = copied(kept, tmp_path)
    directory = opened(path)
    for one in path.glob("checkpoint-*"):
        one.unlink()
    assert all_pages(directory) == kept[1]
    directory.close()


def test_where_a_file_is_read_by_nobody_it_is_closed(kept, tmp_path, monkeypatch):
    opened_files = []
    original = PagesOfFile.__init__
    monkeypatch.setattr(
        PagesOfFile, "__init__", lambda pages, path: (original(pages, path), opened_files.append(pages._descriptor))[0]
    )
    closed = []
    monkeypatch.setattr(pages_on_disk.os, "close", closed.append)
    directory = opened(copied(kept, tmp_path))
    for canister in directory.engine.instance.canisters.values():
        canister.code = None
        canister.snapshots.clear()
    directory._contents = None
    directory.engine = None
    assert opened_files
    assert set(opened_files) <= set(closed)


# DAMAGE


def stored_page(directory, chosen):
    """A page in a file: its memory and its number, the file, and where its frame begins and ends there."""
    memory = chosen.choice([one for one in memories(directory) if isinstance(one.contents, StoredPages)])
    number = chosen.choice(sorted(one for one in memory.contents if memory.contents.is_in_file(one)))
    place = memory.contents._stored.place(number)
    file = memory.contents._stored.file
    first, known = max((one for one in file._elsewhere if one[0] <= place), key=lambda one: one[0])
    pages, index = known(), place - first
    return memory, number, pages._path, pages._places[index], pages._places[index] + pages._length(index)


def changed(path, place, how):
    """A file from now on."""
    content = bytearray(path.read_bytes())
    before = bytes(content)
    if how == "cut":
        del content[place:]
    else:
        content[place] ^= 1 << how
    path.write_bytes(content)
    return before


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.deep)])
def test_a_page_that_is_damaged_while_the_process_runs_is_named_when_it_is_read(kept, tmp_path, count):
    directory, chosen = opened(copied(kept, tmp_path)), random.Random(7)
    for _ in range(count):
        memory, number, path, start, end = stored_page(directory, chosen)
        right = memory.page(number)
        before = changed(path, chosen.randrange(start, end), chosen.choice([*range(8), "cut"]))
        with pytest.raises(StateDirectoryFault, match=f"^{path}: byte {start}: (the checksum is|the file ends)"):
            memory.page(number)
        path.write_bytes(before)
        assert memory.page(number) == right
    directory.close()


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.deep)])
def test_whatever_is_damaged_before_the_start_is_named_at_the_start(kept, tmp_path, count):
    path, chosen = copied(kept, tmp_path), random.Random(8)
    for _ in range(count):
        one = chosen.choice(sorted(path.glob("checkpoint-*")))
        before = changed(one, chosen.randrange(one.stat().st_size), chosen.choice([*range(8), "cut"]))
        with pytest.raises(StateDirectoryFault, match=f"^{one}: byte "):
            opened(path)
        one.write_bytes(before)
    opened(path).close()


def test_an_execution_that_meets_a_damaged_page_ends_with_its_fault(kept, tmp_path):
    directory = opened(copied(kept, tmp_path))
    running = next(one for one in directory.engine.instance.canisters.values() if one.code)
    pages = running.code.wasm_state.wasm_memory.contents
    number = next(one for one in sorted(pages) if pages.is_in_file(one))
    place = pages._stored.place(number)
    first, known = max((one for one in pages._stored.file._elsewhere if one[0] <= place), key=lambda one: one[0])
    path = known()._path
    changed(path, known()._places[place - first] + OS_PAGE // 2, 3)
    with pytest.raises(StateDirectoryFault, match=f"^{path}: byte "):
        done(directory, Work(1, directory.engine).call(running.canister_id, "write", argument(70_000, 7)))
    directory.close()
