"""Management calls in a round: the budget, long installations, what waits for what, and the outside world."""

from hashlib import sha256

import pytest

from spec.production.rounds import Ingress
from spec.production.rounds.management import EXPENSIVE, NOT_WHILE_ABORTED, OUTSIDE_RULES
from spec.production.rounds.tests.playing import ROUND, SLICE, Played, asking, doing, with_figures
from spec.rules.management.rejection import METHODS
from spec.rules.tests.worlds import (
    PROFILE,
    A,
    B,
    a_call,
    a_context,
    a_request,
    asked,
    canister,
    contexts,
    from_canister,
    module,
    performed,
    returns,
    traps,
    world,
)
from spec.state.canister import Code, Empty, Running, Stopped, Stopping
from spec.state.label import Label
from spec.state.request import Processing, Received, Rejected, Replied
from spec.transition import RULES
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import RejectCode, Reply

BUDGET = ROUND // 16


def managing(arguments, method_name, nonce=0, about=A):
    """A request to the management canister in a block."""
    request = a_request(
        MANAGEMENT_CANISTER, method_name, management.encode_arguments(arguments), nonce=nonce.to_bytes(4, "big")
    )
    return Ingress(request, about)


def about(canister_id, method_name, nonce=0):
    """A request that names a canister and nothing else."""
    return managing(management.CanisterIdArguments(canister_id), method_name, nonce, canister_id)


def installing(canister_id, raw_module, mode=None, nonce=0):
    """A request to install code."""
    given = management.InstallCodeArguments(mode or management.InstallMode(), canister_id, raw_module)
    return managing(given, "install_code", nonce, canister_id)


def uploading(canister_id, chunk, nonce=0):
    """A request to store a chunk."""
    return managing(management.UploadChunkArguments(canister_id, chunk), "upload_chunk", nonce, canister_id)


def test_the_budget_is_a_sixteenth_of_a_round():
    assert BUDGET == 250_000_000
    assert PROFILE.rounds.management_share == 16


def test_every_method_that_waits_is_a_method():
    assert set(METHODS) >= EXPENSIVE | NOT_WHILE_ABORTED
    assert set(RULES) >= OUTSIDE_RULES


def test_expensive_calls_wait_for_a_round_with_instructions_left():
    """Each chunk takes 200 million of 250 million; the second one may still begin."""
    chunks = [uploading(A, bytes([number]), number) for number in range(3)]
    played = Played(world((A, canister(A)))).round(*chunks)
    statuses = [type(played.status(one.request)) for one in chunks]
    assert statuses == [Replied, Replied, Received]
    assert played.done[0].management_instructions == 400_000_000
    assert isinstance(played.round().status(chunks[2].request), Replied)


@pytest.mark.checklist(
    "prod.sched_subnet_messages.method_that_does_not_count_toward_round_limit_is_executed_when_instructions_reached"
)
def test_other_calls_do_not_wait_for_instructions():
    chunks = [uploading(A, bytes([number]), number) for number in range(3)]
    status = about(B, "canister_status")
    played = Played(world((A, canister(A)), (B, canister(B)))).round(*chunks, status)
    assert isinstance(played.status(status.request), Replied)


def test_a_call_that_waits_keeps_its_turn():
    """The canister concerned whose call waits is still the first one in the next round."""
    state = world((A, canister(A)), (B, canister(B)))
    chunks = [uploading(one, b"%d" % number, number) for number, one in enumerate((A, B, A, B))]
    played = Played(state).round(*chunks)
    assert [isinstance(played.status(one.request), Replied) for one in chunks] == [True, True, False, False]


def test_an_installation_takes_management_instructions_and_adds_to_the_debit():
    new = module(gives={"init": returns(90)})
    install = installing(A, new)
    played = Played(world((A, canister(A, Empty())))).round(install)
    assert isinstance(played.status(install.request), Replied)
    assert played.done[0].management_instructions == 90
    assert played.record(A).install_debit == 0, "it has fallen by what a round allows"


LONG = 2 * SLICE + 7


def long_installation(instructions=LONG, **more):
    """A canister on which an installation of several slices has begun, and the request for it."""
    new = module(gives={"init": returns(instructions), "update go": returns(1)})
    install = installing(A, new, management.ReinstallMode())
    state = world(doing(A, go=returns(5)), doing(B, go=returns(5)), **more)
    return Played(state).round(install), install


def test_a_long_installation_takes_a_slice_in_each_round():
    played, install = long_installation()
    assert played.status(install.request) == Processing()
    assert isinstance(played.state.canisters[A].code, Code)
    played = played.idle(2)
    assert [one.management_instructions for one in played.done] == [SLICE, SLICE, 7]
    assert isinstance(played.status(install.request), Replied)
    assert played.record(A).install_debit == LONG - PROFILE.rounds.install_instructions_of_canister


@pytest.mark.checklist("prod.sched_subnet_messages.effective_canister_with_paused_install_code_is_skipped")
def test_nothing_else_touches_a_canister_on_which_an_installation_goes_on():
    played, _ = long_installation()
    go, stop = asking(A, 1), about(A, "stop_canister", 1)
    played = played.round(go, stop, asking(B))
    assert (played.status(go.request), played.status(stop.request)) == (Received(), Received())
    assert played.done[1].cores == (5, 0, 0, 0)
    played = played.round()
    assert played.status(stop.request) != Received()


@pytest.mark.checklist("prod.sched_subnet_messages.install_code_is_skipped_with_ongoing_long_install_code")
def test_one_installation_goes_on_at_a_time():
    """Even if management instructions are left."""
    played, _ = long_installation()
    played = Played(with_figures(played.state, management_share=1), played.rounds)
    other = installing(B, module(gives={"init": returns(1)}), management.ReinstallMode(), 1)
    played = played.round(other)
    assert played.done[0].management_instructions == SLICE
    assert played.status(other.request) == Received()
    assert isinstance(played.idle(2).status(other.request), Replied)


def test_a_canister_with_a_large_installation_behind_it_waits_for_its_debit_to_fall():
    played, _ = long_installation(5 * SLICE)
    played = played.idle(4)
    go = asking(A, 1)
    played = played.round(go)
    assert played.status(go.request) == Received()
    assert played.idle(3).status(go.request) == Received()
    assert played.idle(4).status(go.request) != Received()


def test_an_installation_that_was_aborted_by_a_checkpoint_begins_anew():
    played, install = long_installation()
    played = Played(with_figures(played.state, checkpoint_interval=2), played.rounds).round()
    assert played.rounds.long_executions[A].is_aborted
    played = Played(with_figures(played.state, checkpoint_interval=100), played.rounds).idle(3)
    assert isinstance(played.status(install.request), Replied)


def test_an_installation_that_fails_is_rejected_and_counts_no_instructions():
    install = installing(A, module(gives={"init": traps(3 * SLICE)}))
    played = Played(world((A, canister(A, Empty())))).round(install)
    assert isinstance(played.status(install.request), Rejected)
    assert played.done[0].management_instructions == 0


@pytest.mark.checklist(
    "prod.sched_subnet_messages.effective_canister_with_paused_execution_is_skipped",
    "prod.sched_subnet_messages.flagged_method_is_skipped_for_target_with_aborted_execution",
    "prod.sched_subnet_messages.unflagged_method_is_executed_for_target_with_aborted_execution",
    "prod.sched_subnet_messages.test_drain_subnet_messages_all_long_running_canisters",
)
def test_a_paused_execution_holds_up_every_management_call_and_an_aborted_one_only_some():
    state = world(doing(A, go=returns(4 * SLICE)))
    played = Played(state).round(asking(A))
    status, stop = about(A, "canister_status", 1), about(A, "stop_canister", 1)
    paused = played.round(status, stop)
    assert [paused.status(one.request) for one in (status, stop)] == [Received(), Received()]
    checkpoint = Played(with_figures(played.state, checkpoint_interval=2), played.rounds).round(status, stop)
    assert checkpoint.rounds.long_executions[A].is_aborted
    after = Played(with_figures(checkpoint.state, checkpoint_interval=100), checkpoint.rounds).round()
    assert isinstance(after.status(status.request), Replied)
    assert after.status(stop.request) == Received()


@pytest.mark.checklist("prod.sched_subnet_messages.invalid_method_name_is_executed")
def test_a_call_that_cannot_succeed_is_rejected_at_once():
    call = a_call(MANAGEMENT_CANISTER, A, origin=from_canister(), method_name="no_such_method")
    waiting = world((A, canister(A)), messages=(call,), call_contexts=contexts(a_context(A)))
    assert Played(waiting).round().rules()[0] == "management_call_rejection"


# Canisters as callers


def calling(method_name, arguments, **changes):
    """A canister whose method calls the management canister and passes on what it says."""
    argument = arguments if isinstance(arguments, bytes) else management.encode_arguments(arguments)
    call = performed(MANAGEMENT_CANISTER, method_name, argument, **changes)
    gives = {"go": returns(5, new_calls=List.of(call)), "callback": returns(3, response=Reply(b"answered"))}
    return doing(A, **gives)


def test_a_call_of_a_canister_to_the_management_canister_comes_in_the_next_round_and_the_answer_in_the_one_after():
    played = Played(world(calling("canister_status", management.CanisterIdArguments(A)))).round(asking(A))
    assert "canister_status" not in played.rules()
    played = played.round()
    assert played.rules() == ["canister_status"]
    played = played.round()
    assert played.status(asking(A).request) == Replied(b"answered")


@pytest.mark.checklist("prod.sched_subnet_messages.scheduler_executes_postponed_raw_rand_requests")
def test_randomness_is_noted_in_one_round_and_given_in_the_next_from_the_randomness_of_the_batch():
    state = world(calling("raw_rand", management.RawRandArguments()))
    played = Played(state).round(asking(A)).round()
    assert (played.rules(), len(played.rounds.postponed)) == ([], 1)
    one, other = (played.round(randomness=bytes([number]) * 32) for number in (1, 2))
    assert one.rules() == other.rules() == ["raw_rand"]
    assert one.done[2].labels != other.done[2].labels
    assert one.round().status(asking(A).request) == Replied(b"answered")


FETCH = management.HttpRequestArguments("https://example.com", management.HttpMethod.GET)


def fetched(message_id):
    """The answer to an outcall, from outside."""
    return Label("http_request", {"message_id": message_id, "answer": management.HttpResponse(200)})


def test_a_call_to_the_outside_world_leaves_its_queue_and_waits_for_an_answer_of_a_batch():
    state = world(calling("http_request", FETCH, transferred_cycles=10**12))
    played = Played(state).round(asking(A)).round()
    assert played.rules() == ["outside_call_departure"]
    [message_id] = played.state.messages.ids()
    assert played.round().rules() == []
    answered = played.round(answers=(fetched(message_id),))
    assert answered.rules() == ["http_request"]
    assert answered.round().status(asking(A).request) == Replied(b"answered")


def test_the_outside_world_may_fail():
    played = Played(world(calling("http_request", FETCH, transferred_cycles=10**12))).round(asking(A)).round()
    [message_id] = played.state.messages.ids()
    failure = Label("outside_call_failure", {"message_id": message_id, "code": RejectCode.SYS_TRANSIENT})
    assert played.round(answers=(failure,)).rules() == ["outside_call_failure"]


def test_an_answer_whose_call_is_gone_is_passed_over_and_any_other_label_is_refused():
    played = Played(world((A, canister(A))))
    assert played.round(answers=(fetched(17),)).rules() == []
    with pytest.raises(ValueError, match="the outside world does not answer with canister_out_of_cycles"):
        played.round(answers=(Label("canister_out_of_cycles", {"canister_id": A}),))


def test_a_chunked_installation_becomes_an_installation_and_goes_on_as_one():
    raw_module = module(gives={"init": returns(3)})
    chunk = sha256(raw_module).digest()
    upload = uploading(A, raw_module)
    given = management.InstallChunkedCodeArguments(
        mode=management.ReinstallMode(), target_canister=A, chunk_hashes_list=List.of(chunk), wasm_module_hash=chunk
    )
    install = managing(given, "install_chunked_code", 1)
    played = Played(world((A, canister(A)))).round(upload, install).idle(1)
    assert isinstance(played.status(install.request), Replied)
    assert played.state.canisters[A].code.raw_module == raw_module


def test_stopping_waits_for_the_end_of_the_round_and_the_user_is_told_then():
    stop = about(A, "stop_canister")
    played = Played(world((A, canister(A)))).round(stop)
    assert isinstance(played.state.canisters[A].status, Stopped)
    assert isinstance(played.status(stop.request), Replied)


def awaiting_the_outside():
    """A canister with an open call context: it awaits the answer to an outcall."""
    outside = asked(FETCH, "http_request", caller=A, transferred_cycles=10**12, origin=from_canister())
    return Played(world((A, canister(A)), messages=(outside,), call_contexts=contexts(a_context(A))))


@pytest.mark.checklist("unspec.env.stop-timeout")
def test_a_call_that_waits_too_long_for_a_canister_to_stop_is_rejected():
    stop = about(A, "stop_canister")
    played = awaiting_the_outside().round(stop)
    assert isinstance(played.state.canisters[A].status, Stopping)
    assert played.round(seconds=300).status(stop.request) == Processing()
    late = played.round(seconds=301)
    assert "stop_call_rejection" in late.rules()
    assert isinstance(late.status(stop.request), Rejected)


def test_starting_ends_the_waiting_and_a_later_call_waits_its_own_time():
    stop, again = about(A, "stop_canister", 1), about(A, "stop_canister", 2)
    played = awaiting_the_outside().round(stop).round(about(A, "start_canister", 3), seconds=200)
    assert isinstance(played.state.canisters[A].status, Running)
    played = played.round(again, seconds=50)
    assert played.round(seconds=299).status(again.request) == Processing()
    assert isinstance(played.round(seconds=301).status(again.request), Rejected)


def test_a_canister_that_is_deleted_in_a_round_has_no_turn_in_it():
    delete = about(A, "delete_canister")
    state = world((A, canister(A, status=Stopped())), doing(B, go=returns(5)))
    played = Played(state).round(delete, asking(B))
    assert A not in played.state.canisters
    assert isinstance(played.status(delete.request), Replied)
    assert played.done[0].cores == (5, 0, 0, 0)
    assert played.rounds.records.keys() == [B]


CHANGED = {"certified_data": b"certified", "global_timer": 2**62}


@pytest.mark.parametrize(
    ("mode", "hook", "certified_data"),
    [
        pytest.param(
            management.ReinstallMode(),
            "init",
            b"",
            marks=pytest.mark.checklist("prod.install_code.install_with_dts_correctly_updates_system_state"),
        ),
        pytest.param(
            management.UpgradeMode(),
            "post_upgrade",
            b"certified",
            marks=pytest.mark.checklist("prod.install_code.upgrade_with_dts_correctly_updates_system_state"),
        ),
    ],
)
def test_an_installation_of_several_slices_changes_the_canister_once(mode, hook, certified_data):
    state = world(doing(A, go=returns(5), settings=CHANGED))
    before = state.canisters[A]
    install = installing(A, module(gives={hook: returns(LONG)}), mode)
    played = Played(state).round(install)
    assert played.state.canisters[A].version == before.version
    after = played.idle(2).state.canisters[A]
    assert (after.certified_data, after.global_timer) == (certified_data, 0)
    assert after.version == before.version + 1
    assert after.history.total_changes == before.history.total_changes + 1
