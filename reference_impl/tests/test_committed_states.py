"""Committed states stay as they are while the engine goes on, and certify what they hold."""

import threading

import pytest
from attrs import evolve, frozen

from reference_impl.certification.hash_trees import Branches
from reference_impl.durability.directory import StateDirectory
from reference_impl.durability.tests.working import BEATING, BEGINNING, SECOND, WORKER, Work, argument, offer
from reference_impl.reads.committed_states import CommittedStates
from reference_impl.reads.queries import Query
from reference_impl.reads.state_tree import state_tree
from reference_impl.subnet.subnet_instance import SubnetInstance
from reference_impl.wasm.instances.kept_instances import KEPT
from spec.state.canister import Canister, Running
from spec.values.identifiers import ANONYMOUS

INPUTS = 150


@frozen
class Seen:
    """All of a state that reads can tell."""

    canisters: dict[bytes, Canister]
    times: dict[bytes, int]
    requests: dict[bytes, object]
    time: int
    tree: bytes

    @classmethod
    def of(cls, state: SubnetInstance) -> "Seen":
        return cls(
            # Reason: the clock that canisters share is told apart from them.
            {one: evolve(record.frozen(), time=0) for one, record in state.canisters.items()},
            {one: state.time_of(record) for one, record in state.canisters.items()},
            {one: known.status for one, known in state.ingress.items()},
            state.system_time,
            state_tree(state).hash,
        )


@pytest.fixture
def engine():
    return BEGINNING.engine()


def with_canister(engine, module=WORKER):
    """A canister with code."""
    work = Work(0, engine)
    offer(engine, work.created())
    engine.drain()
    (canister_id,) = engine.instance.canisters
    offer(engine, work.installed(canister_id, module))
    engine.drain()
    return work, canister_id


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threads", [1, 2])
def test_states_that_are_read_stay_as_they_were_committed_whatever_comes(seed, threads):
    engine = evolve(BEGINNING, threads=threads).engine()
    committed = engine.keep_committed_states()
    held, changes = [], 0
    for given in Work(seed, engine).inputs(INPUTS):
        before = committed.commits
        offer(engine, given)
        engine.explain()
        committed.commit()
        changes += committed.commits > before
        reading = committed.reading()
        state = reading.__enter__()
        held.append((reading, state, Seen.of(state)))
    assert changes > INPUTS // 4
    assert len({seen.tree for _, _, seen in held}) > INPUTS // 4
    for reading, state, seen in held:
        assert Seen.of(state) == seen
        reading.__exit__(None, None, None)


@pytest.mark.parametrize("seed", range(4))
def test_the_state_that_was_committed_is_the_one_that_an_engine_without_committed_states_is_in(seed):
    engine, other = BEGINNING.engine(), BEGINNING.engine()
    committed = engine.keep_committed_states()
    for number, given in enumerate(Work(seed, other).inputs(INPUTS)):
        for one in (engine, other):
            offer(one, given)
            one.explain()
        committed.commit()
        if number % 7 == 0:
            # Reason: mostly nobody asks for certificates, so that several commits are looked at together.
            with committed.reading() as state:
                assert Seen.of(state) == Seen.of(other.instance)


def counted(engine, canister_id, state=None):
    """What the query of the canister tells."""
    query = Query(b"", 2**63, ANONYMOUS, canister_id, "get", b"")
    return int.from_bytes(engine.query(query, canister_id, state).data, "little")


def test_a_query_on_a_committed_state_tells_what_was_committed(engine):
    work, canister_id = with_canister(engine)
    committed = engine.keep_committed_states()
    with committed.reading() as before:
        offer(engine, work.call(canister_id, "write", argument(5000)))
        engine.round()
        with committed.reading() as still:
            assert still is before
        assert (counted(engine, canister_id, before), counted(engine, canister_id)) == (0, 1)
        after = committed.commit()
        assert (counted(engine, canister_id, before), counted(engine, canister_id, after)) == (0, 1)


def test_time_stands_in_a_committed_state(engine):
    _, canister_id = with_canister(engine)
    committed = engine.keep_committed_states()
    engine.advance(SECOND)
    first = committed.commit()
    time = engine.instance.system_time
    engine.advance(SECOND)
    record = first.canisters[canister_id]
    assert (first.system_time, first.time_of(record)) == (time, time)
    assert committed.commit().time_of(record) == time + SECOND


def test_a_commit_without_a_change_makes_no_new_state(engine):
    with_canister(engine)
    committed = engine.keep_committed_states()
    first = committed.commit()
    assert committed.commit() is first
    assert committed.commits == 0


def test_a_commit_copies_only_what_was_touched(engine):
    work, first = with_canister(engine)
    offer(engine, work.created())
    engine.drain()
    (second,) = engine.instance.canisters.keys() - {first}
    committed = engine.keep_committed_states()
    before = committed.commit()
    offer(engine, work.call(first, "write", argument(5000)))
    engine.round()
    after = committed.commit()
    assert after.canisters[second] is before.canisters[second]
    assert after.canisters[first] is not before.canisters[first]


def test_a_tree_that_nobody_asked_for_is_made_up_for_later(engine):
    work, canister_id = with_canister(engine, BEATING)
    committed = engine.keep_committed_states()
    trees = set()
    for number in range(1, 9):
        offer(engine, work.call(canister_id, "write", argument(5000, number)))
        engine.round()
        committed.commit()
        if number % 4 == 0:
            with committed.reading() as state:
                tree = state_tree(state)
                assert isinstance(tree, Branches)
                assert tree.hash == state_tree(engine.instance).hash
                trees.add(tree.hash)
    assert len(trees) == 2


def test_a_state_that_was_brought_back_is_committed_with_all_that_it_holds(tmp_path):
    def opened() -> StateDirectory:

        return StateDirectory.opened(tmp_path / "state", BEGINNING)

    kept = opened()
    work, canister_id = with_canister(kept.engine)
    offer(kept.engine, work.call(canister_id, "write", argument(5000)))
    kept.engine.drain()
    tree = state_tree(kept.engine.instance).hash
    kept.checkpoint()
    kept.close()
    again = opened()
    committed: CommittedStates = again.engine.keep_committed_states()
    with committed.reading() as state:
        assert state_tree(state).hash == tree
        assert counted(again.engine, canister_id, state) == 1
    again.close()


def test_who_reads_is_told_what_was_certified_of_his_state_also_after_later_commits(engine):
    work, canister_id = with_canister(engine)
    other = BEGINNING.engine()
    with_canister(other)
    committed = engine.keep_committed_states()
    with committed.reading() as before:
        offer(engine, work.call(canister_id, "write", argument(5000)))
        engine.round()
        assert state_tree(committed.commit()).hash != state_tree(before).hash == state_tree(other.instance).hash


@pytest.mark.parametrize("seed", range(2))
def test_queries_beside_rounds_evictions_and_checkpoints_tell_what_they_tell_alone(seed, tmp_path, monkeypatch):
    monkeypatch.setattr(KEPT, "most_bytes", KEPT.most_bytes)
    kept = StateDirectory.opened(tmp_path / "state", evolve(BEGINNING, memory=1 << 15, threads=2), checkpoint_steps=9)
    engine, is_over, told = kept.engine, threading.Event(), []
    committed = engine.keep_committed_states()

    def all_counted(state):
        codes = {one: record.code for one, record in state.canisters.items()}
        asked = [one for one, code in codes.items() if code and isinstance(state.canisters[one].status, Running)]
        return {one: _answer(engine, one, state) for one in asked}

    def read():
        while not is_over.is_set():
            reading = committed.reading()
            state = reading.__enter__()
            told.append((reading, state, all_counted(state), state_tree(state).hash))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for one in readers:
        one.start()
    for given in Work(seed, engine).inputs(INPUTS):
        offer(engine, given)
        engine.explain()
        kept.after_round()
        committed.commit()
    is_over.set()
    for one in readers:
        one.join()
    assert engine.residence.evicted > 5
    assert len({tree for _, _, _, tree in told}) > INPUTS // 10
    for reading, state, answers, tree in told:
        assert (all_counted(state), state_tree(state).hash) == (answers, tree)
        reading.__exit__(None, None, None)
    kept.close()


def _answer(engine, canister_id, state):
    """What the query is answered, whatever that is."""
    return engine.query(Query(b"", 2**63, ANONYMOUS, canister_id, "get", b""), canister_id, state)
