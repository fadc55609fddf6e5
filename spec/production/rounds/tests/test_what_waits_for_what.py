"""What waits while something long goes on, and what does not."""

import pytest

from spec.production.rounds.tests.playing import SLICE, Played, asking, doing, with_figures
from spec.production.rounds.tests.test_management import about, installing
from spec.rules.tests.worlds import FAKES, RICH, A, B, canister, code, module, performed, returns, traps, world
from spec.state.canister import Empty
from spec.state.request import Processing, Received, Rejected, Replied
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.rejects import Reply

LONG = 2 * SLICE + 7
"""It takes three slices."""
UPGRADE = management.UpgradeMode()
DONE = Reply(b"done")


def ids(count):
    return [Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(count)]


def kinds(played, *asked):
    """How requests stand."""
    return [type(played.status(one.request)) for one in asked]


def checkpoint(played, *asked):
    """After a round that ends with a checkpoint; the next one is far away."""
    ended = Played(with_figures(played.state, checkpoint_interval=1), played.rounds).round(*asked)
    return Played(with_figures(ended.state, checkpoint_interval=1_000), ended.rounds)


# Installations.


@pytest.mark.checklist("prod.dts.dts_scheduling_of_install_code")
def test_ten_long_installations_come_one_after_another_and_the_status_of_each_waits_for_its_own():
    """Each takes three slices; behind the first of them no other management call runs in its iteration."""
    new = module(gives={"init": returns(2 * SLICE + 1)})
    state = world(*((one, canister(one, Empty())) for one in ids(10)))
    installs = [installing(one, new, nonce=number) for number, one in enumerate(ids(10))]
    statuses = [about(one, "canister_status", 100 + number) for number, one in enumerate(ids(10))]
    played = Played(state).round(installs[0]).round(*statuses, *installs[1:])
    assert kinds(played, *installs) == [Processing] + [Received] * 9
    assert kinds(played, *statuses) == [Received] + [Replied] * 9
    ends = []
    for _ in range(30):
        ends.append(kinds(played, *installs).count(Replied))
        played = played.round()
    assert all(later - earlier <= 1 for earlier, later in zip(ends, ends[1:], strict=False))
    assert kinds(played, *installs) == [Replied] * 10
    assert kinds(played, *statuses) == [Replied] * 10


@pytest.mark.checklist(
    "prod.dts.dts_pending_install_code_does_not_block_subnet_messages_of_other_canisters",
    "prod.dts.dts_unrelated_subnet_messages_make_progress",
)
def test_a_long_upgrade_holds_up_other_installations_and_no_status_of_others():
    old = code(A, module(gives={"pre_upgrade": returns(LONG)}))
    state = world((A, canister(A, old)), (B, canister(B)))
    upgrade = installing(A, module(), UPGRADE)
    status, other = about(B, "canister_status", 1), installing(B, module(), UPGRADE, 2)
    played = Played(state).round(upgrade).round(status, other)
    assert kinds(played, upgrade, status, other) == [Processing, Replied, Received]
    played = played.idle(3)
    assert kinds(played, upgrade, other) == [Replied, Replied]


def test_a_call_waits_behind_an_installation_of_the_same_canister_that_waits():
    """Requests about one canister are in one queue, and only the first of a queue is looked at."""
    new = module(gives={"init": returns(LONG)})
    state = world((A, canister(A, Empty())), (B, canister(B, Empty())))
    first, second, status = installing(A, new), installing(B, new, nonce=1), about(B, "canister_status", 2)
    played = Played(state).round(first, second, status)
    assert kinds(played, first, second, status) == [Processing, Received, Received]
    assert kinds(played.idle(2), first, second, status) == [Replied, Processing, Received]


# Management calls about a canister in a long execution.


@pytest.mark.checklist("prod.dts.dts_pending_execution_blocks_subnet_messages_to_the_same_canister")
def test_status_and_installation_wait_for_a_long_update_of_the_canister():
    state = world(doing(A, go=returns(LONG, response=DONE)))
    status, install = about(A, "canister_status", 1), installing(A, module(), UPGRADE, 2)
    played = Played(state).round(asking(A)).round(status, install)
    assert kinds(played, status, install) == [Received, Received]
    played = played.idle(3)
    assert kinds(played, asking(A), status, install) == [Replied] * 3


def depositing(canister_id):
    """A canister that sends cycles to another one."""
    argument = management.encode_arguments(management.CanisterIdArguments(canister_id))
    call = performed(MANAGEMENT_CANISTER, "deposit_cycles", argument, transferred_cycles=10**9)
    return doing(B, go=returns(new_calls=List.of(call)), callback=returns(response=DONE))


def deposit_into_a_long_update():
    state = world(doing(A, go=returns(6 * SLICE, response=DONE)), depositing(A))
    return Played(state).round(asking(A), asking(B))


@pytest.mark.checklist("prod.dts.dts_paused_execution_blocks_deposit_cycles")
def test_a_deposit_waits_for_a_long_update_that_is_paused():
    played = deposit_into_a_long_update().idle(4)
    assert kinds(played, asking(A), asking(B)) == [Processing, Processing]
    assert kinds(played.idle(4), asking(A), asking(B)) == [Replied, Replied]


@pytest.mark.checklist("prod.dts.dts_aborted_execution_does_not_block_deposit_cycles")
def test_a_deposit_does_not_wait_for_a_long_update_that_checkpoints_abort():
    played = deposit_into_a_long_update()
    for _ in range(4):
        played = checkpoint(played)
    assert kinds(played, asking(A), asking(B)) == [Processing, Replied]


@pytest.mark.checklist("prod.sched_subnet_messages.test_drain_subnet_messages_with_some_long_running_canisters")
def test_of_six_calls_those_about_canisters_in_long_executions_wait():
    state = world(*(doing(one, go=returns(LONG)) for one in ids(6)))
    played = Played(with_figures(state, threads=6)).round(*(asking(one) for one in ids(6)[:2]))
    methods = ("stop_canister", "start_canister") * 3
    calls = [about(one, name, 9) for one, name in zip(ids(6), methods, strict=True)]
    assert kinds(played.round(*calls), *calls) == [Received] * 2 + [Replied] * 4


@pytest.mark.checklist("prod.sched_subnet_messages.test_drain_subnet_messages_no_long_running_canisters")
def test_of_four_calls_none_waits_without_long_executions():
    calls = [about(one, name, 9) for one, name in zip(ids(4), ("stop_canister", "start_canister") * 2, strict=True)]
    played = Played(world(*((one, canister(one)) for one in ids(4)))).round(*calls)
    assert kinds(played, *calls) == [Replied] * 4


# Tasks that take several slices.


@pytest.mark.checklist("prod.dts.dts_heartbeat_with_trap")
def test_a_long_heartbeat_that_traps_leaves_nothing():
    played = Played(world(doing(A, heartbeat=traps(LONG)))).idle(7)
    assert played.state.canisters[A].version == 7
    assert "message_execution" in [rule for number in range(7) for rule in played.rules(number)]


@pytest.mark.checklist("prod.dts.dts_heartbeat_does_not_prevent_upgrade")
def test_a_canister_with_a_long_heartbeat_is_upgraded():
    upgrade = installing(A, module(), UPGRADE, 1)
    played = Played(world(doing(A, heartbeat=returns(LONG)))).round().round(upgrade).idle(4)
    assert isinstance(played.status(upgrade.request), Replied)


@pytest.mark.checklist("prod.dts.dts_global_timer_one_shot_works")
def test_a_long_timer_runs_once_and_raises_the_version_by_one():
    timed = doing(A, global_timer=returns(LONG, heap=b"fired"), heartbeat=traps(10), settings={"global_timer": 1})
    played = Played(world(timed)).idle(2)
    assert played.state.canisters[A].version == 7
    played = played.round()
    assert (played.state.canisters[A].version, played.state.canisters[A].global_timer) == (8, 0)
    assert played.idle(4).state.canisters[A].version == 8


@pytest.mark.checklist("prod.dts.dts_global_timer_with_trap")
def test_a_long_timer_that_traps_leaves_nothing_and_stays_off():
    played = Played(world(doing(A, global_timer=traps(LONG), settings={"global_timer": 1}))).idle(6)
    after = played.state.canisters[A]
    assert (after.version, after.global_timer) == (7, 0)


@pytest.mark.checklist("prod.dts.dts_global_timer_does_not_prevent_upgrade")
def test_a_canister_whose_long_timer_sets_itself_again_is_upgraded():
    upgrade = installing(A, module(), UPGRADE, 1)
    endless = doing(A, global_timer=returns(LONG, new_global_timer=1), settings={"global_timer": 1})
    played = Played(world(endless)).round().round(upgrade).idle(4)
    assert isinstance(played.status(upgrade.request), Replied)


@pytest.mark.checklist("prod.dts.dts_heartbeat_resume_after_abort")
def test_a_heartbeat_of_three_slices_gets_nowhere_while_checkpoints_abort_it_and_then_runs_every_third_round():
    played = Played(world(doing(A, heartbeat=returns(LONG))))
    for _ in range(4):
        played = checkpoint(played)
    assert played.state.canisters[A].version == 7
    versions = []
    for _ in range(9):
        played = played.round()
        versions.append(played.state.canisters[A].version)
    assert versions[-1] == 10


# What is seen meanwhile, and at the end.


@pytest.mark.checklist("prod.pocket_ic.test_parallel_calls")
def test_two_updates_in_a_round_see_the_same_time_and_a_later_one_another():
    raw_module = module(gives={"update go": returns()})
    played = Played(world((A, canister(A, code(A, raw_module))))).round(asking(A), asking(A, 1))
    played.round(asking(A, 2))
    times = [seen["environment"].time for name, seen in FAKES[raw_module].seen if name == "update go"]
    assert times[0] == times[1]
    assert times[-1] > times[0]


@pytest.mark.checklist("prod.canister_logging.test_logging_trap_over_dts")
def test_what_a_long_execution_printed_before_it_trapped_has_the_time_of_its_beginning():
    printing = traps(LONG, logs=(b"slice_0", b"slice_1", b"slice_2"))
    played = Played(world(doing(A, go=printing)))
    began = played.state.system_time + 10**9
    played = played.round(asking(A)).round()
    assert played.state.canisters[A].logs == List()
    records = played.round().state.canisters[A].logs
    assert [(one.content, one.timestamp) for one in records] == [
        (text, began) for text in (b"slice_0", b"slice_1", b"slice_2")
    ]


@pytest.mark.checklist("prod.canister_logging.test_logging_of_long_running_dts_over_checkpoint")
def test_an_execution_that_a_checkpoint_interrupts_prints_with_the_time_of_its_second_beginning():
    printing = returns(5 * SLICE, logs=(b"long",), response=DONE)
    state = world(doing(A, go=printing, **{"update quick": returns(logs=(b"quick",))}))
    played = checkpoint(Played(state).round(asking(A), asking(A, 1, "quick")))
    began = played.state.system_time + 10**9
    played = played.idle(6)
    records = list(played.state.canisters[A].logs)
    assert [one.content for one in records] == [b"long", b"quick"]
    assert records[0].timestamp == began < records[1].timestamp


@pytest.mark.checklist("prod.call_or_task.dts_abort_of_replicated_execution_works")
def test_a_callee_that_was_aborted_pays_and_is_paid_as_if_it_had_run_once():
    def played(*, is_aborted):
        calling = returns(new_calls=List.of(performed(B, transferred_cycles=1_000)))
        callee = doing(B, go=returns(LONG, cycles_accepted=1_000, response=DONE))
        begun = Played(world(doing(A, go=calling, callback=returns(response=DONE)), callee)).round(asking(A))
        begun = checkpoint(begun) if is_aborted else begun.round()
        assert begun.rounds.long_executions[B].is_aborted is is_aborted
        ended = begun.idle(6)
        assert ended.status(asking(A).request) == Replied(b"done")
        return [ended.state.canisters[one].balance for one in (A, B)]

    assert played(is_aborted=True) == played(is_aborted=False)


def answered_in(slice_instructions, callback):
    """What is left to a caller and to its callee, and how the user is answered, on a system with such slices."""
    calling = returns(new_calls=List.of(performed(B, transferred_cycles=1_000)))
    state = world(doing(A, go=calling, callback=callback), doing(B, go=returns(cycles_accepted=400, response=DONE)))
    figures = {"slice_instructions": slice_instructions, "round_instructions": 2 * slice_instructions}
    played = Played(with_figures(state, **figures)).round(asking(A)).idle(6)
    return [played.state.canisters[one].balance for one in (A, B)], played.status(asking(A).request)


@pytest.mark.parametrize(
    "callback",
    [
        pytest.param(
            returns(LONG, response=DONE),
            marks=pytest.mark.checklist("prod.response.dts_and_nondts_cycles_match_after_response"),
            id="returns",
        ),
        pytest.param(
            returns(LONG, cleaned_up_after=traps(LONG - 10, message="no")(None)),
            marks=pytest.mark.checklist("prod.response.dts_and_nondts_cycles_match_if_response_fails"),
            id="traps",
        ),
        pytest.param(
            traps(LONG),
            marks=pytest.mark.checklist("prod.response.dts_and_nondts_cycles_match_if_cleanup_fails"),
            id="cleanup traps",
        ),
    ],
)
def test_a_callback_costs_the_same_in_one_slice_as_in_three(callback):
    in_three, status = answered_in(SLICE, callback)
    in_one, other = answered_in(2 * LONG, callback)
    assert in_three == in_one != [RICH, RICH]
    assert status == other


@pytest.mark.parametrize(
    ("callback", "kind"),
    [
        pytest.param(
            returns(LONG, response=DONE),
            Replied,
            marks=pytest.mark.checklist("prod.response.dts_works_in_response_callback"),
            id="callback",
        ),
        pytest.param(
            returns(LONG, cleaned_up_after=traps(10, message="no")(None)),
            Rejected,
            marks=pytest.mark.checklist("prod.response.dts_works_in_cleanup_callback"),
            id="cleanup",
        ),
    ],
)
def test_balance_and_contexts_stand_still_while_a_callback_is_paused(callback, kind):
    calling = returns(new_calls=List.of(performed(B)))
    state = world(doing(A, go=calling, callback=callback), doing(B, go=returns(response=DONE)))
    first = Played(state).round(asking(A))
    assert A in first.rounds.long_executions
    second = first.round()
    assert second.state.canisters[A].balance == first.state.canisters[A].balance
    assert second.state.call_contexts == first.state.call_contexts
    ended = second.idle(2)
    assert isinstance(ended.status(asking(A).request), kind)


# Budgets and order.


@pytest.mark.checklist("prod.sched_limits.subnet_messages_respect_instruction_limit_per_round")
def test_installations_have_a_sixteenth_of_a_round_and_requests_the_rest():
    figures = {"round_instructions": 400, "slice_instructions": 10, "install_slice_instructions": 10}
    free = {"execution_overhead": 0, "canister_overhead": 0, "finalization_overhead": 0}
    new = module(gives={"init": returns(10)})
    empty = [(one, canister(one, Empty())) for one in ids(21)[1:]]
    state = with_figures(world(doing(A, go=returns(10)), *empty), **figures, **free)
    installs = [installing(one, new, nonce=number) for number, (one, _) in enumerate(empty)]
    requests = [asking(A, number) for number in range(10)]
    played = Played(state).round(*installs, *requests)
    assert kinds(played, *installs).count(Replied) == 3
    assert kinds(played, *requests) == [Rejected] * 10


@pytest.mark.checklist("prod.sched_subnet_messages.missing_effective_canister_state_is_executed")
def test_a_call_about_a_canister_that_does_not_exist_is_answered_at_once():
    argument = management.encode_arguments(management.CanisterIdArguments(ids(9)[8]))
    asking_about = performed(MANAGEMENT_CANISTER, "canister_status", argument)
    state = world(doing(A, go=returns(new_calls=List.of(asking_about)), callback=returns(response=DONE)))
    played = Played(state).round(asking(A)).round()
    assert played.rules() == ["management_call_rejection"]


@pytest.mark.checklist("prod.sched_dts.dts_update_and_heartbeat")
def test_a_heartbeat_that_takes_a_whole_round_comes_before_a_request_that_runs_later():
    state = world(doing(A, heartbeat=returns(SLICE), go=returns(LONG, response=DONE)))
    played = Played(state).round(asking(A))
    assert "heartbeat_context_creation" in played.rules()
    assert played.status(asking(A).request) == Received()
    assert played.idle(6).status(asking(A).request) == Replied(b"done")


@pytest.mark.checklist("prod.dts.dts_pending_upgrade_with_heartbeat")
def test_an_upgrade_that_checkpoints_held_up_is_done_at_last_and_then_heartbeats_run_and_no_timer():
    beating = {"heartbeat": returns(heap=b"beat"), "global_timer": returns(heap=b"timer")}
    old = code(A, module(gives={"pre_upgrade": returns(LONG), **beating}))
    upgrade = installing(A, module(gives=beating), UPGRADE)
    played = Played(world((A, canister(A, old, global_timer=0)))).round(upgrade)
    for _ in range(3):
        played = checkpoint(played)
        assert played.status(upgrade.request) == Processing()
    played = played.idle(5)
    assert isinstance(played.status(upgrade.request), Replied)
    ran = [rule for number in range(-2, 0) for rule in played.rules(number)]
    assert "heartbeat_context_creation" in ran
    assert "global_timer_context_creation" not in ran
    assert played.state.canisters[A].code.wasm_state.wasm_memory.read(0, 4) == b"beat"


@pytest.mark.checklist("prod.dts.dts_long_running_calls")
def test_thirty_long_updates_with_long_callbacks_and_short_messages_between_them_all_end():
    calling = returns(SLICE + 5, new_calls=List.of(performed(B)))
    state = world(
        *(doing(one, go=calling, callback=returns(SLICE + 5, response=DONE)) for one in ids(32)[2:]),
        doing(B, go=returns(response=DONE), **{"update quick": returns(response=DONE)}),
    )
    long = [asking(one) for one in ids(32)[2:]]
    short = [asking(B, number, "quick") for number in range(5)]
    played = Played(state).round(*long)
    for one in short:
        played = played.round(one)
    played = played.idle(35)
    assert kinds(played, *long, *short) == [Replied] * 35
