"""What rounds do on several threads is what they do on one."""

import pytest
from attrs import evolve

from reference_impl.durability.inputs import RoundRun
from reference_impl.durability.tests.working import BEGINNING, PROFILE, WORKER, Work, argument, certified, offer
from reference_impl.engine import Engine
from reference_impl.rounds import foresight

SCARCE = evolve(
    PROFILE,
    limits=evolve(PROFILE.limits, subnet_memory=80 * 2**20, subnet_memory_threshold=2**20),
    capacities=evolve(PROFILE.capacities, callbacks=1, callbacks_of_canister=0, memory_for_callbacks=0),
)
"""What one canister takes in a round, others miss."""


def engine_on(threads, explains=False, profile=PROFILE):
    return Engine(
        profile,
        BEGINNING.subnet,
        BEGINNING.time,
        BEGINNING.root_key,
        explains=explains,
        threads=threads,
    )


@pytest.fixture(autouse=True)
def _everything_is_worth_a_thread(monkeypatch):
    monkeypatch.setattr(foresight, "WORTH_A_THREAD", 0)


@pytest.mark.checklist("seed1.parallel-execution")
@pytest.mark.parametrize("seed", range(4))
def test_random_work_gives_the_same_with_one_thread_with_two_and_with_four(seed):
    engines = [engine_on(threads) for threads in (1, 2, 4)]
    for given in Work(seed, engines[0]).inputs(500):
        answers = [offer(engine, given) for engine in engines]
        assert answers.count(answers[0]) == len(engines)
        assert len({certified(engine) for engine in engines}) == 1
    states = [engine.abstract() for engine in engines]
    assert states[1] == states[0]
    assert states[2] == states[0]
    used = [engine.instance.foresight.used for engine in engines[1:]]
    assert used[0] == used[1] > 100
    assert [engine.instance.foresight.failed for engine in engines[1:]] == [0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_what_canisters_take_from_each_other_shows_though_nobody_could_foresee_it(seed):
    engines = [engine_on(threads, profile=SCARCE) for threads in (1, 2)]
    for given in Work(seed, engines[0], rounds=0.05).inputs(500):
        answers = [offer(engine, given) for engine in engines]
        assert answers[0] == answers[1]
        assert certified(engines[0]) == certified(engines[1])
    assert engines[0].abstract() == engines[1].abstract()
    assert engines[1].instance.foresight.mistaken > 3


def test_the_steps_of_rounds_are_the_same_too():
    engines = [engine_on(threads, explains=True) for threads in (1, 3)]
    for given in Work(7, engines[0]).inputs(300):
        for engine in engines:
            offer(engine, given)
        assert engines[0].explain() == engines[1].explain()
    assert engines[1].instance.foresight.used > 50


def test_a_price_that_others_have_raised_in_the_round_is_seen():
    engines = [engine_on(threads, profile=SCARCE) for threads in (1, 2)]
    work = Work(0, engines[0])
    run_together(engines, *(work.created() for _ in range(3)))
    ids = sorted(engines[0].instance.canisters)
    run_together(engines, *(work.installed(one, WORKER) for one in ids))
    run_together(engines, *(work.call(one, "stable", argument(256 * place)) for one in ids for place in (1, 2, 3)))
    stable = [[engine.instance.canisters[one].code.wasm_state.stable_memory for one in ids] for engine in engines]
    assert stable[0] == stable[1]
    assert stable[0][0] != stable[0][1]
    assert engines[1].instance.foresight.mistaken == 2


def run_together(engines, *inputs):
    for engine in engines:
        for given in (*inputs, RoundRun()):
            offer(engine, given)
