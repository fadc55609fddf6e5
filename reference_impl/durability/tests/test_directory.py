"""State directories: what was taken in is there again, whenever the process ends; and what is wrong is named."""

import os
import random
import resource
import shutil
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve

from reference_impl.durability import files
from reference_impl.durability.directory import StateDirectory
from reference_impl.durability.faults import StateDirectoryFault
from reference_impl.durability.frames import MAGIC
from reference_impl.durability.inputs import RoundRun, TimePassed, input_of
from reference_impl.durability.journal import read_journal
from reference_impl.durability.tests.working import BEGINNING, START, WORKER, Work, argument, certified, offer
from spec.state.canister import Subnet


def opened(path, **options):
    return StateDirectory.opened(path, BEGINNING, **options)


@contextmanager
def used(path, **options):
    """A directory that is left as by a process that is killed."""
    directory = opened(path, **options)
    try:
        yield directory
    finally:
        directory.close()


def work_on(directory, seed, count):
    """Random inputs, each acknowledged."""
    for given in Work(seed, directory.engine).inputs(count):
        offer(directory.engine, given)
        directory.acknowledge()
        directory.after_round()
        directory.engine.explain()


def history(directory):
    """All inputs so far of a directory that keeps its history."""
    journals = sorted(directory.path.glob("journal-*"))
    return [input_of(frame.content) for one in journals for frame in read_journal(one, directory._identity).records]


def undisturbed(inputs):
    """An engine that got the inputs, and was never kept."""
    engine = BEGINNING.engine()
    for given in inputs:
        offer(engine, given)
        engine.explain()
    return engine


# GOING ON


@pytest.mark.checklist("seed1.checkpoints", "seed1.orthogonal-persistence")
def test_an_engine_goes_on_after_its_last_checkpoint_and_all_that_came_in_since(tmp_path):
    hashes = []
    for seed in range(4):
        with used(tmp_path / "state", checkpoint_steps=7, keeps_history=True) as directory:
            hashes.append(certified(directory.engine))
            assert hashes[-1] == certified(undisturbed(history(directory)))
            work_on(directory, seed, 40)
            last = directory.checkpoints.last
    with used(tmp_path / "state", keeps_history=True) as directory:
        engine = undisturbed(history(directory))
        assert (certified(directory.engine), directory.engine.abstract()) == (certified(engine), engine.abstract())
    assert last > 8 and len(set(hashes)) == 4


def test_a_request_that_is_refused_is_not_noted(tmp_path):
    with used(tmp_path) as directory:
        assert "NotTaken" in str(offer(directory.engine, Work(0, directory.engine).call(b"\1\2\3", "write", b"")))
        assert directory.noted == 0


def test_a_round_that_failed_fails_again_at_the_same_place(tmp_path, monkeypatch):
    with used(tmp_path) as directory:
        engine = directory.engine
        offer(engine, Work(0, engine).created())
        monkeypatch.setattr(type(engine._scheduler), "_settle", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            engine.round()
        offer(engine, TimePassed(10))
        before = certified(engine)
    with used(tmp_path) as directory:
        assert (certified(directory.engine), directory.engine.steps) == (before, 1)


# EVERY PLACE WHERE A PROCESS CAN END


def copies_at_every_step(monkeypatch, source, copies):
    """From now on the directory is copied before and after each change of it that the process asks for."""

    def copied(change):
        def changing(*arguments, **named):
            shutil.copytree(source, copies / f"{len(list(copies.iterdir())):04}")
            return change(*arguments, **named)

        return changing

    for name in ("rename", "unlink", "fsync", "fdatasync", "ftruncate"):
        monkeypatch.setattr(os, name, copied(getattr(os, name)))
    written = os.pwrite

    def in_two_parts(descriptor, content, place):
        shutil.copytree(source, copies / f"{len(list(copies.iterdir())):04}")
        half = len(content) // 2
        if len(content) > 24 and half:
            written(descriptor, content[:half], place)
            shutil.copytree(source, copies / f"{len(list(copies.iterdir())):04}")
        return written(descriptor, content, place)

    monkeypatch.setattr(os, "pwrite", in_two_parts)


def test_killed_at_any_step_of_a_checkpoint_or_a_record_nothing_acknowledged_is_lost(tmp_path, monkeypatch):
    state, copies = tmp_path / "state", tmp_path / "copies"
    copies.mkdir()
    acknowledged = {}
    with used(state, checkpoint_steps=3) as directory, monkeypatch.context() as patched:
        copies_at_every_step(patched, state, copies)
        hashes = [certified(directory.engine)]
        for given in Work(5, directory.engine).inputs(20):
            offer(directory.engine, given)
            hashes.append(certified(directory.engine))
            directory.acknowledge()
            acknowledged[len(list(copies.iterdir()))] = len(hashes) - 1
            directory.after_round()
    known = 0
    for number, copy in enumerate(sorted(copies.iterdir())):
        known = acknowledged.get(number, known)
        with used(copy) as directory:
            # It is where it was acknowledged to be, or one input further, which nobody was told of.
            assert certified(directory.engine) in hashes[known : known + 2]
    assert number > 60 and directory.checkpoints.last > 2


def test_killed_at_any_step_of_its_beginning_a_directory_begins_again(tmp_path, monkeypatch):
    state, copies = tmp_path / "state", tmp_path / "copies"
    copies.mkdir()
    state.mkdir()
    with monkeypatch.context() as patched:
        copies_at_every_step(patched, state, copies)
        opened(state).close()
    for copy in sorted(copies.iterdir()):
        with used(copy) as directory:
            assert directory.checkpoints.last == 1
    assert len(list(copies.iterdir())) > 8


# DAMAGE


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A directory with several files, all of whose records are acknowledged."""
    path = tmp_path_factory.mktemp("kept") / "state"
    with used(path, checkpoint_steps=10) as directory:
        work_on(directory, 3, 120)
        for given in (TimePassed(5), RoundRun(), Work(77, directory.engine).created()):
            offer(directory.engine, given)
        directory.acknowledge()
        return path, certified(directory.engine)


def damaged(source, target, chosen):
    """A copy in which a byte is another one, or the end of a file is missing, or the whole file."""
    shutil.copytree(source, target)
    one = chosen.choice([path for path in sorted(target.iterdir()) if path.name != "lock"])
    content = bytearray(one.read_bytes())
    place = chosen.randrange(len(content))
    how = chosen.choice(["flipped", "flipped", "cut", "gone"])
    if how == "flipped":
        content[place] ^= 1 << chosen.randrange(8)
        one.write_bytes(content)
    elif how == "cut":
        one.write_bytes(content[:place])
    else:
        one.unlink()
    return one, how


def require_damage_is_named(kept, tmp_path, count):
    source, _ = kept
    chosen = random.Random(11)
    seen = set()
    for number in range(count):
        one, how = damaged(source, tmp_path / str(number), chosen)
        seen.add((one.name.split("-")[0], how))
        with pytest.raises(StateDirectoryFault) as told:
            opened(tmp_path / str(number))
        message = str(told.value)
        assert "\n" not in message
        if how != "gone":
            assert message.startswith(f"{one}: byte "), (how, message)
        shutil.rmtree(tmp_path / str(number))
    return seen


def test_a_byte_that_changed_and_an_end_that_is_missing_are_named_by_file_and_place(kept, tmp_path):
    assert len(require_damage_is_named(kept, tmp_path, 30)) > 5


@pytest.mark.deep
def test_two_hundred_changed_or_missing_bytes_are_each_named(kept, tmp_path):
    assert len(require_damage_is_named(kept, tmp_path, 200)) == 9


def test_every_byte_of_a_small_directory_is_under_a_checksum(tmp_path):
    source = tmp_path / "source"
    with used(source) as directory:
        offer(directory.engine, TimePassed(5))
        directory.acknowledge()
    for path in sorted(source.iterdir()):
        content = path.read_bytes()
        if path.name == "lock":
            continue
        for place in range(len(content)):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            with pytest.raises(StateDirectoryFault):
                opened(source)
        path.write_bytes(content)
    opened(source).close()


def test_a_piece_of_a_record_that_nobody_was_told_of_is_cut_off(kept, tmp_path):
    source, before = kept
    (journal,) = source.glob("journal-*")
    for number, piece in enumerate([b"\0", bytes(7), bytes(100), b"\5\0\0\0\1\2\3\4hello"]):
        target = tmp_path / str(number)
        shutil.copytree(source, target)
        with (target / journal.name).open("ab") as file:
            file.write(piece)
        with used(target) as directory:
            assert certified(directory.engine) == before
            offer(directory.engine, TimePassed(9))
            after = certified(directory.engine)
        with used(target) as directory:
            assert certified(directory.engine) == after


def test_a_file_of_another_directory_is_no_file_of_this_one(tmp_path):
    for name in ("one", "other"):
        opened(tmp_path / name).close()
    for name in ("journal-0000000001", "checkpoint-0000000001-0000000001"):
        shutil.copytree(tmp_path / "one", tmp_path / "mixed")
        shutil.copy(tmp_path / "other" / name, tmp_path / "mixed" / name)
        with pytest.raises(StateDirectoryFault, match=f"{name}: byte 15: this is a file of another state directory"):
            opened(tmp_path / "mixed")
        shutil.rmtree(tmp_path / "mixed")


def test_a_file_under_another_name_is_noticed(kept, tmp_path):
    target = tmp_path / "state"
    shutil.copytree(kept[0], target)
    (journal,) = target.glob("journal-*")
    number = int(journal.name[-10:])
    journal.rename(target / f"journal-{number - 1:010}")
    with pytest.raises(StateDirectoryFault, match=f"journal-{number:010}: No such file"):
        opened(target)


def test_another_version_takes_over_what_was_left_in_order_and_no_journal(tmp_path, monkeypatch):
    with used(tmp_path) as directory:
        offer(directory.engine, TimePassed(5))
        directory.acknowledge()
    with monkeypatch.context() as patched:
        patched.setattr("reference_impl.durability.directory.own_version", lambda: "9.9")
        with pytest.raises(
            StateDirectoryFault, match=r"journal-0000000001: icspec .* was killed here; start that version"
        ):
            opened(tmp_path)
    with used(tmp_path) as directory:
        directory.checkpoint()
    monkeypatch.setattr("reference_impl.durability.directory.own_version", lambda: "9.9")
    for _ in range(2):
        with used(tmp_path) as directory:
            offer(directory.engine, TimePassed(5))
            directory.acknowledge()
    with used(tmp_path) as directory:
        assert directory.engine.instance.system_time == START + 15


# WHAT CANNOT BE


def test_a_directory_is_its_owners_alone_and_so_are_its_files(tmp_path):
    before = os.umask(0)
    try:
        opened(tmp_path / "a" / "b").close()
        (tmp_path / "wide").mkdir(mode=0o777)
        opened(tmp_path / "wide").close()
    finally:
        os.umask(before)
    for directory in (tmp_path / "a" / "b", tmp_path / "wide"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert {stat.S_IMODE(one.stat().st_mode) for one in directory.iterdir()} == {0o600}


def test_a_directory_that_another_process_uses_is_refused(tmp_path):
    code = (
        "import sys; from pathlib import Path; from reference_impl.durability.tests.working import BEGINNING\n"
        "from reference_impl.durability.directory import StateDirectory\n"
        "StateDirectory.opened(Path(sys.argv[1]), BEGINNING); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StateDirectoryFault, match=rf"another process uses this directory \(process {other.pid}\)"):
            opened(tmp_path)
        other.kill()
    opened(tmp_path).close()


def test_a_directory_with_other_files_or_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StateDirectoryFault, match=r"notes.txt: this is no file of a state directory"):
        opened(tmp_path)
    with pytest.raises(StateDirectoryFault, match=r"notes.txt: File exists"):
        opened(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(("number", "whose"), [(0, "an earlier"), (2, "a later"), (12, "a later")])
def test_a_file_of_another_format_is_named_with_both_formats(tmp_path, number, whose):
    opened(tmp_path).close()
    for path in sorted(tmp_path.iterdir()):
        if path.name != "lock":
            path.write_bytes(path.read_bytes().replace(MAGIC, b"icspec state %d\n" % number, 1))
    what = f"description: .*this is a file of format {number}, of {whose} version; this version reads format 1"
    with pytest.raises(StateDirectoryFault, match=what):
        opened(tmp_path)


def test_a_state_of_another_subnet_or_profile_is_refused(tmp_path):
    opened(tmp_path).close()
    smaller = evolve(BEGINNING, subnet=Subnet(BEGINNING.subnet.subnet_id, 4))
    with pytest.raises(StateDirectoryFault, match="the state is one of another nodes: it is 13 there, and 4 here"):
        StateDirectory.opened(tmp_path, smaller)
    named = evolve(BEGINNING, profile=evolve(BEGINNING.profile, name="mine"))
    with pytest.raises(StateDirectoryFault, match="another profile: it is production there, and mine here"):
        StateDirectory.opened(tmp_path, named)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the superuser")
def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StateDirectoryFault, match=rf"{tmp_path}/new: Permission denied"):
        opened(tmp_path / "new")
    tmp_path.chmod(0o700)


def test_a_place_where_no_directory_can_be_is_named():
    with pytest.raises(StateDirectoryFault, match=r"/proc/nothing: "):
        opened(Path("/proc/nothing"))


@contextmanager
def files_no_larger_than(size):
    """Where a file would grow larger, the operating system refuses to write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_where_there_is_no_room_for_a_record_the_journal_is_named_and_all_before_is_kept(tmp_path):
    with used(tmp_path) as directory:
        size = (tmp_path / "journal-0000000001").stat().st_size
        with files_no_larger_than(size + 100), pytest.raises(StateDirectoryFault) as told:
            for _ in range(100):
                before = certified(directory.engine)
                offer(directory.engine, TimePassed(3))
        assert str(told.value) == f"{tmp_path}/journal-0000000001: File too large"
        noted = directory.noted
        directory.acknowledge()
    with used(tmp_path) as directory:
        assert (certified(directory.engine), directory.engine.steps) == (before, noted)
        assert noted > 0


def test_where_there_is_no_room_for_a_checkpoint_it_is_named_and_all_before_is_kept(tmp_path):
    with used(tmp_path) as directory:
        work_on(directory, 8, 30)
        before = certified(directory.engine)
        with (
            files_no_larger_than(1000),
            pytest.raises(StateDirectoryFault, match=r"checkpoint-0+1-0+2: File too large"),
        ):
            directory.checkpoint()
        assert not list(tmp_path.glob(f"*{files.UNFINISHED}"))
    with used(tmp_path) as directory:
        assert certified(directory.engine) == before


# WHAT IT COSTS


def test_a_checkpoint_costs_what_has_changed_however_much_there_is(tmp_path):
    costs = {}
    for megabytes in (1, 8):
        with used(tmp_path / str(megabytes)) as directory:
            engine = directory.engine
            work = Work(0, engine)
            for given in (work.created(), RoundRun()):
                offer(engine, given)
            (canister_id,) = engine.instance.canisters
            for given in (work.installed(canister_id, WORKER), RoundRun()):
                offer(engine, given)
            record = engine.instance.canisters[canister_id]
            heap = record.code.wasm_state.wasm_memory
            filled = heap.with_pages(16 * megabytes + 1, ((number, b"\7" * 4096) for number in range(256 * megabytes)))
            record.code.wasm_state = evolve(record.code.wasm_state, wasm_memory=filled)
            engine.instance.recount_memory(record)
            directory.checkpoint()
            before = directory.checkpoints.bytes_written
            for number in range(8):
                offer(engine, work.call(canister_id, "write", argument(4096 * (number + 20), 9)))
                engine.drain()
                directory.checkpoint()
            costs[megabytes] = directory.checkpoints.bytes_written - before
            assert before > megabytes << 20
    # Two pages each time, and what is taken in from the checkpoints before.
    assert 8 * 2 * 4096 < costs[1] < 8 * 2 * 4096 * 6
    assert abs(costs[8] - costs[1]) < 4096
