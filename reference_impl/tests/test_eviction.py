"""With little memory for canisters everything is as with much."""

import pytest

from reference_impl.durability.contents import Contents, bring_back
from reference_impl.durability.inputs import RoundRun
from reference_impl.durability.tests.working import BEGINNING, WORKER, Work, argument, certified, offer
from reference_impl.engine import Engine
from reference_impl.rounds import foresight
from reference_impl.rounds.residence import Residence
from reference_impl.wasm.instances.kept_instances import KEPT
from spec.values.quantities import OS_PAGE

CANISTERS = 40


@pytest.fixture(autouse=True)
def _four_instances_are_kept(monkeypatch):
    monkeypatch.setattr(KEPT, "most_instances", 4)
    monkeypatch.setattr(foresight, "WORTH_A_THREAD", 0)


def engine_with(most, threads=1):
    residence = None if most is None else Residence(most)
    beginning = BEGINNING.profile, BEGINNING.subnet, BEGINNING.time, BEGINNING.root_key
    return Engine(*beginning, explains=False, threads=threads, residence=residence), residence


def set_up(work, engines):
    """Forty canisters have code."""
    run(engines, *(work.created() for _ in range(CANISTERS)))
    for one in sorted(engines[0].instance.canisters):
        run(engines, work.installed(one, WORKER))


def run(engines, *inputs):
    for engine in engines:
        for given in (*inputs, RoundRun()):
            offer(engine, given)


@pytest.mark.checklist(
    "seed1.state-larger-than-ram", "seed1.ram-affects-latency-only", "seed1.memory-management-responsibility"
)
@pytest.mark.parametrize(("seed", "threads"), [(0, 1), (1, 1), (2, 2)])
def test_random_work_of_forty_canisters_is_the_same_when_few_have_their_pages_in_memory(seed, threads):
    (free, _), (nothing, first), (little, second) = [engine_with(most, threads) for most in (None, 0, 200_000)]
    engines = [free, nothing, little]
    work = Work(seed, free, rounds=0.2)
    set_up(work, engines)
    for given in work.inputs(400):
        answers = [offer(engine, given) for engine in engines]
        assert answers.count(answers[0]) == len(engines)
        assert len({certified(engine) for engine in engines}) == 1
    assert len(KEPT) <= 4
    states = [engine.abstract() for engine in engines]
    assert states[1] == states[0]
    assert states[2] == states[0]
    assert first.evicted > second.evicted > 20


def test_no_more_pages_are_in_memory_than_is_said():
    engine, residence = engine_with(300_000)
    work = Work(3, engine)
    set_up(work, [engine])
    for one in sorted(engine.instance.canisters):
        run([engine], *(work.call(one, "write", argument(4096 * number, 1)) for number in range(1, 6)))
        assert residence.bytes <= 300_000
    assert residence.evicted > 5


@pytest.mark.checklist("seed1.ram-affects-latency-only")
def test_pages_of_canisters_in_turn_come_and_go_and_those_of_one_canister_stay():
    """Where memory is for the pages of a few canisters, what is done costs by which of them are written to."""

    def evictions(chosen):
        engine, residence = engine_with(200_000)
        work = Work(7, engine)
        set_up(work, [engine])
        ids, before = sorted(engine.instance.canisters), residence.evicted
        for number in range(CANISTERS):
            run([engine], work.call(ids[chosen(number)], "write", argument(70_000, number)))
        return residence.evicted - before

    assert evictions(lambda number: 0) <= 1
    assert evictions(lambda number: number) > CANISTERS // 2


@pytest.mark.checklist("seed1.hardware-capacity")
@pytest.mark.parametrize("memory", [60_000, 200_000])
def test_as_much_memory_is_used_as_was_chosen_and_more_is_kept_as_the_profile_says(memory):
    engine, residence = engine_with(memory)
    work = Work(8, engine)
    set_up(work, [engine])
    for one in sorted(engine.instance.canisters):
        run([engine], work.call(one, "write", argument(70_000, 1)))
    states = [canister.code.wasm_state for canister in engine.abstract().canisters.entries.values()]
    kept = sum(OS_PAGE * len(one.wasm_memory.contents) for one in states)
    (used,) = engine.instance.memory_in_use.values()
    assert memory - 3 * OS_PAGE < residence.bytes <= memory < kept < used <= BEGINNING.profile.limits.subnet_memory


def test_a_deleted_canister_takes_no_memory():
    engine, residence = engine_with(10**9)
    work = Work(4, engine)
    set_up(work, [engine])
    before = residence.bytes
    canister = engine.instance.canisters[min(engine.instance.canisters)]
    size = residence._sizes[canister.canister_id]
    engine.instance.delete_canister(canister)
    engine.round()
    assert residence.bytes == before - size < before


def read(value):
    """What is kept, also of a page that is in a file."""
    return value if isinstance(value, bytes) else value.read()


def test_what_is_kept_of_evicted_canisters_is_what_is_kept_of_others():
    engine, residence = engine_with(0)
    work = Work(5, engine)
    set_up(work, [engine])
    followed, entries = Contents(), {}
    for given in work.inputs(200):
        offer(engine, given)
        for key, value in followed.changes(engine).items():
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = read(value)
    whole = {key: read(value) for key, value in Contents().changes(engine).items() if value is not None}
    # Canisters are numbered in the order in which they were seen.
    assert {key for key in entries if key[:1] != b"C"} == {key for key in whole if key[:1] != b"C"}
    assert {key: value for key, value in entries.items() if key[:1] == b"P"} == {
        key: value for key, value in whole.items() if key[:1] == b"P"
    }
    again = BEGINNING.engine()
    bring_back(again, entries)
    assert again.abstract() == engine.abstract()
    assert residence.evicted > 50


def test_an_instance_goes_on_with_the_memory_that_it_holds_though_its_pages_were_stored():
    engine, residence = engine_with(0)
    work = Work(6, engine)
    run([engine], work.created())
    (canister,) = engine.instance.canisters.values()
    run([engine], work.installed(canister.canister_id, WORKER))
    run([engine], work.call(canister.canister_id, "stable", argument(0)))
    state = canister.code.wasm_state
    assert residence.bytes == 0
    assert canister.code.installed.module.compiled.idle[-1].holds(state.wasm_memory, state.stable_memory)


def test_where_there_can_be_no_file_that_is_said(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/nowhere")
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with pytest.raises(MemoryError, match="there can be no file for the memories of canisters: No such file"):
        Residence(0)


def test_what_the_disk_does_not_take_stays_in_memory(monkeypatch, caplog):
    engine, residence = engine_with(0)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(residence.file), "write", full)
    work = Work(7, engine)
    run([engine], work.created())
    (canister,) = engine.instance.canisters.values()
    run([engine], work.installed(canister.canister_id, WORKER))
    run([engine], work.call(canister.canister_id, "write", argument(5000)))
    assert canister.code.wasm_state.wasm_memory.read(5000, 4) == b"\x01\0\0\0"
    assert "stay in memory: No space left on device" in caplog.text
    assert residence.evicted == 0
