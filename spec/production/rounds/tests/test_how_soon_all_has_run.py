"""How soon everything has run: bounds on the number of rounds, on small subnets; and many messages in one."""

import pytest

from spec.production.rounds.iterations import start_limit
from spec.production.rounds.management import managed
from spec.production.rounds.progress import Progress, adopted
from spec.production.rounds.round_state import RoundState
from spec.production.rounds.tests.playing import Played, asking, busy, doing
from spec.production.rounds.tests.test_how_much_runs import executed, ids, small
from spec.production.rounds.tests.test_management import LONG, about, installing
from spec.rules.tests.worlds import PROFILE, A, B, canister, module, returns, world
from spec.state.canister import Empty
from spec.state.request import Received, Rejected
from spec.values.management import ReinstallMode

SLICE = 100
FIGURES = {"round_instructions": SLICE, "slice_instructions": SLICE, "paused_executions": 10}
"""A core executes one slice in a round."""


@pytest.mark.checklist("prod.sched_dts.complete_concurrent_long_executions")
@pytest.mark.parametrize(("canisters", "slices", "cores"), [(1, 2, 1), (3, 2, 1), (4, 3, 2), (5, 2, 4), (5, 3, 3)])
def test_long_executions_are_done_as_soon_as_the_cores_have_room_for_their_slices(canisters, slices, cores):
    names = ids(canisters)
    asked = [asking(one) for one in names]
    state = small(busy(*names, instructions=slices * SLICE).state, threads=cores, **FIGURES)
    played = Played(state).round(*asked).idle(-(-canisters * slices // cores) + slices - 1)
    assert [type(played.status(one.request)) for one in asked] == [Rejected] * canisters


@pytest.mark.checklist("prod.sched_dts.break_after_long_executions")
@pytest.mark.parametrize(("canisters", "slices", "cores"), [(2, 4, 2), (4, 4, 2), (4, 4, 4), (5, 4, 3), (6, 4, 2)])
def test_short_messages_are_done_in_time_beside_a_long_execution(canisters, slices, cores):
    """One canister has a long message, the others have four of a slice each."""
    first, *others = ids(canisters)
    long = doing(first, go=returns(slices * SLICE))
    short = [doing(one, go=returns(SLICE)) for one in others]
    state = small(world(long, *short), threads=cores, **FIGURES)
    asked = [asking(one, number) for number in range(4) for one in others]
    rounds = -(-canisters * 4 // cores)
    played = Played(state).round(asking(first), *asked).idle(rounds - 1)
    assert [type(played.status(one.request)) for one in asked] == [Rejected] * len(asked)


@pytest.mark.checklist("prod.sched_dts.can_execute_multiple_messages_per_round_on_app_subnets_with_dts")
def test_a_round_of_production_has_room_for_a_thousand_messages_of_a_thousand_instructions():
    """
    On each core: after 999 of them another may begin.

    That a round holds as many messages as begin before its instructions and overheads are used up is shown with small
    figures.
    """
    overhead = PROFILE.rounds.execution_overhead
    left = start_limit(Progress(world(), RoundState())) - 999 * (1_000 + overhead)
    assert left > 0
    figures = {"execution_overhead": 2, "round_instructions": 19, "slice_instructions": 10}
    state = small(busy(A, instructions=1).state, threads=1, **figures)
    limit = start_limit(Progress(state, RoundState()))
    assert executed(Played(state).round(*(asking(A, number) for number in range(6)))) == [limit // 3 + (limit % 3 > 0)]


@pytest.mark.checklist("prod.sched_subnet_messages.drain_subnet_queues_breaks_on_paused_execution")
def test_behind_an_installation_that_is_paused_no_management_call_runs_in_its_round():
    install = installing(A, module(gives={"init": returns(LONG)}), ReinstallMode())
    status = about(B, "canister_status", 1)
    state = world((A, canister(A)), (B, canister(B, Empty())))
    played = Played(state).round(install, status)
    assert played.rounds.long_executions[A].is_installation
    assert played.status(status.request) == Received()
    assert played.round().status(status.request) != Received()
    before = Played(state).round(status)
    assert before.status(status.request) != Received()
    assert managed(adopted(Progress(state, played.rounds))).labels == ()
