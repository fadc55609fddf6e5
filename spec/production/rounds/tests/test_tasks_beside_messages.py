"""How many tasks and messages of a canister a round executes, and which come first."""

import pytest

from spec.production.rounds.tests.playing import SLICE, Played, asking, doing, with_figures
from spec.rules.tests.worlds import A, B, C, returns, world
from spec.state.request import Received, Replied
from spec.values.rejects import Reply

BEGINS = ("heartbeat_context_creation", "global_timer_context_creation", "call_context_creation")
ANSWERS = returns(response=Reply(b""))


def begun(played: Played, number: int = -1) -> list[str]:
    """What began in a round: `heartbeat`, `global_timer` or `call`."""
    return [rule.removesuffix("_context_creation") for rule in played.rules(number) if rule in BEGINS]


@pytest.mark.checklist("prod.sched_timers.execute_heartbeat_once_per_round_in_system_subnet")
def test_a_heartbeat_and_three_messages_are_four_executions():
    beating = doing(A, heartbeat=returns(), go=ANSWERS)
    played = Played(world(beating)).round(*(asking(A, number) for number in range(3)))
    assert sorted(begun(played)) == ["call", "call", "call", "heartbeat"]


@pytest.mark.checklist("prod.sched_timers.execute_global_timer_once_per_round_in_system_subnet")
def test_a_timer_and_a_message_are_two_executions():
    ticking = doing(A, global_timer=returns(), go=ANSWERS, settings={"global_timer": 1})
    played = Played(world(ticking)).round(asking(A))
    assert sorted(begun(played)) == ["call", "global_timer"]


@pytest.mark.checklist("prod.sched_timers.execute_heartbeat_before_messages")
def test_a_heartbeat_comes_first_where_there_is_room_for_one_execution():
    beating = doing(A, heartbeat=returns(SLICE), go=ANSWERS)
    requests = [asking(A, number) for number in range(3)]
    played = Played(with_figures(world(beating), round_instructions=SLICE)).round(*requests)
    assert begun(played) == ["heartbeat"]
    assert [played.status(one.request) for one in requests] == [Received()] * 3


@pytest.mark.checklist("prod.sched_timers.execute_multiple_heartbeats")
def test_three_canisters_with_four_messages_each_execute_18_times_in_two_rounds():
    ids = (A, B, C)
    played = Played(world(*(doing(one, heartbeat=returns(), go=ANSWERS) for one in ids)))
    requests = [asking(one, 10 * place + number) for place, one in enumerate(ids) for number in range(4)]
    played = played.round(*requests).round()
    assert all(isinstance(played.status(one.request), Replied) for one in requests)
    executions = begun(played, 0) + begun(played, 1)
    assert len(executions) == 3 * (4 + 2)
    assert executions.count("heartbeat") == 3 * 2


@pytest.mark.checklist("prod.ee_canister_task.global_timer_can_be_reactivated_in_canister_global_timer_method")
def test_of_three_rounds_with_a_message_each_a_timer_that_sets_itself_again_comes_first_in_two():
    timer = returns(new_global_timer=1)
    again = doing(A, global_timer=timer, heartbeat=returns(), go=ANSWERS, settings={"global_timer": 1})
    played = Played(world(again))
    # The canister has a heartbeat, too; its turn is another one in which the timer comes before the message.
    ticks, counted = 0, []
    for number in range(1, 10):
        played = played.round(asking(A, number))
        before_the_message = begun(played)[: begun(played).index("call")]
        counted.append(ticks + before_the_message.count("global_timer"))
        ticks += begun(played).count("global_timer")
    assert counted == [number - number // 3 for number in range(1, 10)]
