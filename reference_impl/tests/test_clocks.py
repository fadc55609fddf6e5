"""Clocks that move on together show the same as clocks that move on one by one."""

from reference_impl.durability.tests.working import BEGINNING, SECOND, Work, offer
from reference_impl.engine import Engine
from spec.state.label import Label


def engine(explains):
    beginning = BEGINNING.profile, BEGINNING.subnet, BEGINNING.time, BEGINNING.root_key
    return Engine(*beginning, explains=explains)


def times(one):
    return {canister_id: canister.time for canister_id, canister in one.abstract().canisters.items()}


def test_random_work_and_clocks_of_their_own_give_the_same_whether_or_not_steps_are_explained():
    engines = [engine(True), engine(False)]
    work, apart = Work(11, engines[0]), 0
    for number, given in enumerate(work.inputs(300)):
        for one in engines:
            offer(one, given)
        ids = sorted(engines[0].instance.canisters)
        if number % 10 == 0 and ids:
            later = engines[0].instance.system_time + (number % 4) * SECOND
            chosen = ids[number % len(ids)]
            labels = [
                Label("canister_time_progress", {"canister_id": chosen, "time": later}),
                Label("system_time_progress", {"time": engines[0].instance.system_time + number}),
            ]
            for label in labels:
                assert len({str(one.take(label)) for one in engines}) == 1
        assert times(engines[0]) == times(engines[1])
        apart += len(set(times(engines[0]).values())) > 1
    assert engines[0].abstract() == engines[1].abstract()
    assert apart > 20


def test_a_canister_that_is_ahead_waits_for_the_others():
    one = engine(False)
    work = Work(1, one)
    for _ in range(2):
        offer(one, work.created())
    one.round()
    first, second = sorted(one.instance.canisters)
    start = one.instance.system_time
    one.take(Label("canister_time_progress", {"canister_id": first, "time": start + 5 * SECOND}))
    seen = []
    for _ in range(3):
        one.advance(2 * SECOND)
        seen.append([(times(one)[each] - start) // SECOND for each in (first, second)])
    assert seen == [[5, 2], [5, 4], [6, 6]]


def test_time_does_not_go_back():
    one = engine(False)
    start = one.instance.system_time
    one.advance(SECOND)
    one.advance(-SECOND)
    assert one.instance.system_time == start + SECOND
