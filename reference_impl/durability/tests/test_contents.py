"""What is kept of an engine: it goes on as if nothing had happened, and only what changed is kept again."""

import pytest
from attrs import evolve

from reference_impl.durability.contents import CANISTER, CONTENT, HEAP, PAGE, Contents, bring_back
from reference_impl.durability.inputs import give, input_of, record_of
from reference_impl.durability.kept_values import NoValue
from reference_impl.durability.tests.working import BEGINNING, START, WORKER, Work, argument, certified, offer
from reference_impl.subnet.canister_record import empty_canister
from spec.state.canister import Empty
from spec.state.label import Label
from spec.values.identifiers import numbered_canister_id
from spec.values.management import CanisterIdArguments, TakeSnapshotArguments
from spec.values.quantities import OS_PAGE


def applied(entries, changes):
    """The entries with the changes."""
    merged = {**entries, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def whole(entries):
    return {key: value for key, value in entries.items() if value is not None}


def brought_back(entries):
    engine = BEGINNING.engine()
    return engine, bring_back(engine, entries)


@pytest.mark.checklist("seed1.orthogonal-persistence", "seed2.module-stored")
@pytest.mark.parametrize("seed", range(6))
def test_an_engine_goes_on_from_what_was_kept_as_if_nothing_had_happened(seed):
    undisturbed, engine, contents, entries = BEGINNING.engine(), BEGINNING.engine(), Contents(), {}
    work = Work(seed, undisturbed)
    for number, given in enumerate(work.inputs(120)):
        said = {str(offer(one, given)) for one in (undisturbed, engine)}
        assert len(said) == 1
        assert input_of(record_of(given)) == given
        engine.explain()
        if number % 7 == seed % 7:
            entries = applied(entries, contents.changes(engine))
            engine, contents = brought_back(entries)
            assert certified(engine) == certified(undisturbed)
            assert engine.abstract() == undisturbed.abstract()
    undisturbed.advance(10**9)
    engine.advance(10**9)
    assert undisturbed.drain(50) == engine.drain(50)
    assert engine.abstract() == undisturbed.abstract()
    assert certified(engine) == certified(undisturbed)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_changes_is_looked_at(seed):
    engine, contents = BEGINNING.engine(), Contents()
    work, kept = Work(seed, engine), 0
    for given in work.inputs(150):
        offer(engine, given)
        kept += sum(key[:1] == CANISTER for key in contents.changes(engine))
        assert contents.overlooked(engine.instance) is None
    assert kept > 50


def test_when_time_moves_on_for_the_system_alone_canisters_are_kept_again(working):
    engine, _, canisters = working
    engine.advance(5)
    contents = Contents()
    entries = whole(contents.changes(engine))
    for rule, choices in (
        ("system_time_progress", {"time": engine.instance.system_time + 7}),
        ("canister_time_progress", {"canister_id": canisters[0], "time": engine.instance.system_time + 20}),
    ):
        assert engine.take(Label(rule, choices)) is None
        entries = applied(entries, contents.changes(engine))
        again, _ = brought_back(entries)
        assert again.abstract() == engine.abstract()
    engine.advance(9)
    entries = applied(entries, contents.changes(engine))
    again, _ = brought_back(entries)
    assert again.abstract() == engine.abstract()
    assert contents.overlooked(engine.instance) is None


def test_what_changes_without_an_execution_is_looked_at(working):
    engine, work, (first, _) = working
    engine.advance(5)
    contents, record = Contents(), engine.instance.canisters[first]
    stop = work.managed("stop_canister", CanisterIdArguments(first), first)
    changes = [
        lambda: engine.take(Label("canister_version_increment", {"canister_id": first, "version": 100})),
        lambda: engine.take(Label("payment_from_main_balance", {"canister_id": first, "balance": record.balance - 1})),
        lambda: done(engine, stop),
        # One that has stopped gets another version when it is to stop again.
        lambda: done(engine, work.managed("stop_canister", CanisterIdArguments(first), first)),
        lambda: engine.take(Label("canister_time_progress", {"canister_id": first, "time": record.time + 1})),
    ]
    for change in changes:
        contents.changes(engine)
        assert change() is None
        assert CANISTER + first in contents.changes(engine)
        assert contents.overlooked(engine.instance) is None


def test_records_of_a_log_that_go_are_looked_at(working):
    engine, _, (first, _) = working
    engine.advance(5)
    contents, record = Contents(), engine.instance.canisters[first]
    record.add_logs([b"a record of a log" * 20] * 20)
    contents.changes(engine)
    assert engine.take(Label("canister_log_trimming", {"canister_id": first, "kept": 3})) is None
    assert CANISTER + first in contents.changes(engine)


def test_canisters_that_do_nothing_are_not_looked_at(working, monkeypatch):
    engine, work, (first, _) = working
    engine.advance(5)
    contents = Contents()
    contents.changes(engine)
    done(engine, work.call(first, "write", argument(128, 7)))
    looked_at = []
    monkeypatch.setattr(
        "reference_impl.durability.contents._seen", lambda record, _: looked_at.append(record.canister_id)
    )
    contents.changes(engine)
    assert looked_at == [first]


def test_a_canister_that_takes_the_id_of_another_one_comes_after_those_that_are_there(working):
    engine, _, (first, second) = working
    engine.advance(5)
    contents = Contents()
    entries = whole(contents.changes(engine))
    instance = engine.instance
    replaced, moving = instance.canisters[first], instance.canisters[second]
    instance.delete_canister(replaced)
    del instance.deleted_canisters[first]
    third = empty_canister(numbered_canister_id(77), evolve(moving.frozen(), code=Empty()))
    instance.add_canister(third)
    instance.add_canister(empty_canister(first, evolve(replaced.frozen(), code=Empty())))
    again, _ = brought_back(applied(entries, contents.changes(engine)))
    assert list(again.instance.canisters) == list(instance.canisters) == [second, third.canister_id, first]


@pytest.fixture
def working():
    """An engine with two canisters that have the same code."""
    engine = BEGINNING.engine()
    work = Work(0, engine)
    for _ in range(2):
        give(engine, work.created())
        engine.drain()
    for one in list(engine.instance.canisters):
        give(engine, work.installed(one, WORKER))
        engine.drain()
    return engine, work, sorted(engine.instance.canisters)


def test_where_senders_wait_it_is_the_turn_of_the_same_one(working):
    engine, work, (first, second) = working
    for number in range(21):
        offer(engine, work.call(second, "ask", argument(128, number) + first))
        offer(engine, work.call(first, "write", argument(128, 100 + number)))
        offer(engine, work.call(second, "write", argument(128, number)))
    in_order = []
    for _ in range(5):
        engine.round()
        engine.instance.messages.next_call(first)
        again, _ = brought_back(whole(Contents().changes(engine)))
        assert again.instance.messages.turns == engine.instance.messages.turns
        in_order += [turns for receiver, turns, _ in engine.instance.messages.turns if receiver == first]
    # Users and the other canister wait, and it is the turn of either.
    assert {(None, second), (second, None)} <= set(in_order)


def done(engine, given):
    give(engine, given)
    engine.drain()


def kinds(changes):
    return sorted((chr(key[0]), value is not None) for key, value in changes.items())


def test_of_memories_the_pages_that_were_written_are_kept_again_and_no_others(working):
    engine, work, (first, _) = working
    contents = Contents()
    contents.changes(engine)
    done(engine, work.call(first, "write", argument(70_000, 7)))
    changes = contents.changes(engine)
    # The page that was asked for, and the one with argument and count.
    pages = {int.from_bytes(key[-4:], "big"): value for key, value in changes.items() if key[:1] == PAGE}
    assert sorted(pages) == [0, 70_000 // OS_PAGE]
    assert pages[70_000 // OS_PAGE][70_000 % OS_PAGE] == 7
    assert kinds(changes) == [("C", True), ("E", True), ("P", True), ("P", True), ("R", True)]


def test_of_memories_the_pages_that_were_written_are_looked_at_and_no_others(working, monkeypatch):
    engine, work, (first, _) = working
    contents = Contents()
    done(engine, work.call(first, "write", argument(40_000, 7)))
    contents.changes(engine)
    looked_at = []
    monkeypatch.setattr("reference_impl.durability.contents.differences", lambda *_: looked_at.append(1) or [])
    entries = {}
    for where in (70_000, 128, 70_000, 200_000):
        done(engine, work.call(first, "write", argument(where, where)))
        done(engine, work.call(first, "trap", argument(300_000)))
    entries |= contents.changes(engine)
    assert looked_at == []
    done(engine, work.call(first, "stable", argument(4096)))
    # A stable memory that was empty is looked at as a whole: it was written as a whole.
    entries |= contents.changes(engine)
    assert looked_at == [1]
    done(engine, work.call(first, "stable", argument(8192)))
    done(engine, work.call(first, "write", argument(128, 9)))
    entries |= contents.changes(engine)
    assert looked_at == [1]
    heap = engine.instance.canisters[first].code.wasm_state.wasm_memory
    numbers = {number * OS_PAGE for number in (0, 70_000 // OS_PAGE, 200_000 // OS_PAGE)}
    kept = {int.from_bytes(key[-4:], "big") * OS_PAGE: page for key, page in entries.items() if key[:2] == PAGE + HEAP}
    assert kept == {place: heap.page(place // OS_PAGE) for place in numbers}


def test_where_nothing_but_time_has_changed_no_canister_is_kept_again(working):
    engine, _, _ = working
    contents = Contents()
    contents.changes(engine)
    engine.advance(5)
    assert kinds(contents.changes(engine)) == [("E", True)]


def test_code_of_several_canisters_is_kept_once_and_goes_with_the_last(working):
    engine, work, canisters = working
    contents = Contents()
    first = contents.changes(engine)
    assert [value for key, value in first.items() if key[:1] == CONTENT] == [WORKER]
    done(engine, work.managed("uninstall_code", CanisterIdArguments(canisters[0]), canisters[0]))
    assert not [key for key in contents.changes(engine) if key[:1] == CONTENT]
    done(engine, work.managed("uninstall_code", CanisterIdArguments(canisters[1]), canisters[1]))
    changes = contents.changes(engine)
    assert [value for key, value in changes.items() if key[:1] == CONTENT] == [None]
    assert {value for key, value in changes.items() if key[:1] == PAGE} == {None}


def test_of_a_deleted_canister_nothing_is_left(working):
    engine, work, (first, _) = working
    contents = Contents()
    entries = whole(contents.changes(engine))
    done(engine, work.managed("take_canister_snapshot", TakeSnapshotArguments(first), first))
    entries = applied(entries, contents.changes(engine))
    assert any(first in key for key in entries)
    done(engine, work.managed("stop_canister", CanisterIdArguments(first), first))
    done(engine, work.managed("delete_canister", CanisterIdArguments(first), first))
    entries = applied(entries, contents.changes(engine))
    assert not any(first in key for key in entries)
    again, _ = brought_back(entries)
    assert again.abstract() == engine.abstract()


def test_what_is_certified_must_be_what_it_was(working):
    engine, _, _ = working
    entries = whole(Contents().changes(engine))
    less = {key: value for key, value in entries.items() if key[:1] != b"R"}
    with pytest.raises(NoValue, match="what is certified is not what was certified"):
        brought_back(less)
    with pytest.raises(NoValue, match="a module or chunk is missing"):
        brought_back({key: value for key, value in entries.items() if key[:1] != CONTENT})


def test_an_engine_that_begins_now_has_no_canisters():
    engine, _ = brought_back(whole(Contents().changes(BEGINNING.engine())))
    assert (engine.instance.system_time, len(engine.instance.canisters)) == (START, 0)
