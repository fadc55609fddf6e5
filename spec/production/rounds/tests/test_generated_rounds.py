"""
What holds of every round, on generated worlds: canisters that call each other, tasks, long executions, installations.

`Played.round` replays the labels of each round with `step`, takes each round twice, and looks at the instructions.
"""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, event, given, settings

from spec.invariants import INVARIANTS
from spec.production.rounds.tests.playing import NOW, ROUND, SLICE, Played, asking, doing, with_figures
from spec.rules.tests.worlds import performed, returns, traps, world
from spec.state.request import Rejected, Replied
from spec.transition import Executed
from spec.values.containers import List
from spec.values.identifiers import Principal
from spec.values.rejects import Reply

IDS = tuple(Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(6))
MOST_SLICES = 3

amounts = st.sampled_from((0, 5, 10**6, SLICE // 2, SLICE, SLICE + 1, MOST_SLICES * SLICE))
callees = st.lists(st.sampled_from(IDS), max_size=2)


@st.composite
def outcomes(draw, calls=True):
    """What a method does: it uses some instructions, and traps, or replies, or calls first."""
    instructions = draw(amounts)
    if draw(st.integers(0, 4)) == 0:
        return traps(instructions)
    new_calls = [performed(callee, "leaf") for callee in draw(callees)] if calls else []
    response = Reply(b"at once") if not new_calls or draw(st.booleans()) else None
    return returns(instructions, new_calls=List(tuple(new_calls)), response=response)


@st.composite
def worlds(draw):
    """Two to six canisters; each has methods and callbacks, some have tasks and allocations."""
    ids = IDS[: draw(st.integers(2, 6))]
    canisters = []
    for canister_id in ids:
        gives = {
            "update go": draw(outcomes()),
            "update leaf": draw(outcomes(calls=False)),
            "callback": returns(draw(amounts)),
        }
        given_settings = {"compute_allocation": draw(st.sampled_from((0, 0, 10, 30)))}
        if draw(st.booleans()):
            gives["heartbeat"] = returns(draw(amounts))
        if draw(st.booleans()):
            gives["global_timer"] = returns(draw(amounts), new_global_timer=draw(st.sampled_from((0, 1))))
            given_settings["global_timer"] = NOW
        canisters.append(doing(canister_id, settings=given_settings, **gives))
    return with_figures(world(*canisters), checkpoint_interval=draw(st.sampled_from((4, 500))))


rounds = st.lists(st.lists(st.sampled_from(IDS), max_size=4), min_size=1, max_size=6)


def play(state, given_rounds):
    """The rounds, each with requests to some canisters."""
    played, nonce = Played(state), 0
    for callees_of_round in given_rounds:
        block = []
        for canister_id in callees_of_round:
            if canister_id in state.canisters:
                block.append(asking(canister_id, nonce))
                nonce += 1
        played = played.round(*block)
        check(played)
    return played, nonce


def check(played):
    """What holds after every round."""
    done = played.done[-1]
    assert all(0 <= used <= ROUND for used in done.cores), "no core is given more than a round has"
    slices = sum(used for _, used in done.slices)
    ended = [output.instructions for output in done.outputs if isinstance(output, Executed)]
    assert sum(done.cores) <= slices + sum(ended), "what cores did are slices, and executions that came to their end"
    total = sum(record.priority for _, record in played.rounds.records.items())
    allocated = sum(canister.settings.compute_allocation for _, canister in played.state.canisters.items())
    assert total == 0 or (allocated > 0 and total > 0), (
        "priorities add up to nothing but allocations that were not used"
    )
    for canister_id, long in played.rounds.long_executions.items():
        assert canister_id in played.state.canisters
        assert long.executed < long.instructions
        assert long.executed % SLICE == 0
    assert all(one.holds(played.state) for one in INVARIANTS.values())


GENERATED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@GENERATED
@given(worlds(), rounds)
def test_every_label_is_enabled_rounds_are_deterministic_and_keep_within_their_limits(state, given_rounds):
    played, requests = play(state, given_rounds)
    event(f"some execution was long: {any(one.slices for one in played.done)}")
    event(f"there were requests: {requests > 0}")


@GENERATED
@given(worlds(), rounds)
def test_every_request_is_answered_in_the_end_and_no_execution_stays_paused(state, given_rounds):
    """No checkpoint falls into these rounds: with one after every second slice the longest would never end."""
    played, requests = play(with_figures(state, checkpoint_interval=10_000), given_rounds)
    left = (requests + 2) * 3 * MOST_SLICES * len(IDS)
    while not all(isinstance(known.status, Replied | Rejected) for _, known in played.state.requests.items()):
        assert left > 0
        played, left = played.round(), left - 1
    event(f"rounds after the last request: {len(played.done) - len(given_rounds)}")


@pytest.mark.checklist("seed2.os-scheduling")
@pytest.mark.parametrize("cores", [1, 2, 4])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_canister_starves(cores, data):
    """
    All canisters always have messages that fill a core.

    Without allocations none of n canisters waits longer than 2 ceil(n / cores) rounds: in the first half its priority
    comes back to the mean, and in the second half it is the turn of those that are above it.
    """
    ids = IDS[: data.draw(st.integers(1, 6))]
    state = world(*(doing(one, go=returns(data.draw(st.sampled_from((SLICE, SLICE - 7))))) for one in ids))
    played = Played(with_figures(state, threads=cores))
    bound = 2 * -(-len(ids) // cores)
    last = dict.fromkeys(ids, 0)
    for number in range(1, 3 * bound + 1):
        played = played.round(*(asking(one, number) for one in ids))
        for output in played.done[-1].outputs:
            if isinstance(output, Executed):
                last[output.canister_id] = number
        assert all(number - since <= bound for since in last.values())
