"""What canisters pay while long executions and installations go on: what is put off, and what counts as spent."""

import pytest
from attrs import evolve

from spec.machine import step
from spec.production.rounds.payments import set_aside
from spec.production.rounds.progress import Progress
from spec.production.rounds.tests.playing import SLICE, Played, asking, doing, with_figures
from spec.production.rounds.tests.test_management import about, installing
from spec.production.texts import missing_cycles, out_of_cycles
from spec.rules.tests.worlds import (
    RESERVED_FOR_RESPONSE,
    STRANGER,
    USER,
    A,
    B,
    C,
    a_context,
    canister,
    contexts,
    execution,
    fire,
    module,
    performed,
    refusal,
    returns,
    world,
)
from spec.state.canister import Code, Empty
from spec.state.label import Label
from spec.state.message import CallMessage
from spec.state.request import Processing, Rejected, Replied
from spec.transition import Step
from spec.values import management
from spec.values.containers import List, Queue
from spec.values.identifiers import MANAGEMENT_CANISTER, principal_to_text
from spec.values.management import ReinstallMode, SettingsArguments, UpgradeMode
from spec.values.rejects import RejectCode, RejectReason, Reply

FEE = 1_200_000
"""Of a request whose size is 0."""
INSTALLATION = 300_005_000_000
"""What is set aside for an installation."""
USED = 2 * SLICE + 7
PAID = 5_000_000 + USED
"""What the installation costs in the end."""


def sized(ingress, size=0):
    """A request whose canister pays for it."""
    return evolve(ingress, size=size)


# Installations.


def installing_beside(balance, **settings):
    """A reinstallation that takes three slices has begun; and a request to the same canister."""
    new = module(gives={"init": returns(USED), "update go": returns(1)})
    before = canister(A, balance=balance, **{"freezing_threshold": 0, **settings})
    install = sized(installing(A, new, ReinstallMode()))
    played = Played(world((A, before))).round(install)
    assert played.status(install.request) == Processing()
    return played, install, sized(asking(A, 1))


@pytest.mark.checklist("prod.dts.dts_install_code_with_concurrent_ingress_sufficient_cycles")
def test_a_request_beside_a_long_installation_is_taken_if_there_are_cycles_for_both():
    balance = FEE + INSTALLATION + FEE
    played, install, other = installing_beside(balance)
    assert set_aside(Progress(played.state, played.rounds), A) == INSTALLATION
    played = played.round(other)
    assert played.status(other.request) is not None
    played = played.idle(1)
    assert isinstance(played.status(install.request), Replied)
    assert played.state.canisters[A].balance == balance - FEE - FEE - PAID


@pytest.mark.checklist("prod.dts.dts_install_code_with_concurrent_ingress_insufficient_cycles")
def test_a_request_beside_a_long_installation_is_refused_if_a_cycle_is_missing():
    played, install, other = installing_beside(FEE + INSTALLATION + FEE - 1)
    state = played.state
    needed = FEE + set_aside(Progress(state, played.rounds), A)
    told = out_of_cycles(state.profile, A, state.canisters[A], needed, USER)
    assert told.startswith(f"Canister {principal_to_text(A)} is out of cycles: ")
    assert told.endswith("please top up the canister with at least 1 additional cycles")
    played = played.round(other)
    assert played.status(other.request) is None
    played = played.idle(1)
    assert isinstance(played.status(install.request), Replied)
    assert played.state.canisters[A].balance == INSTALLATION + FEE - 1 - PAID


@pytest.mark.checklist("prod.dts.dts_install_code_with_concurrent_ingress_and_freezing_threshold_insufficient_cycles")
def test_the_freezing_threshold_counts_beside_what_is_set_aside():
    """A threshold that is worth ten million cycles: a percent of compute for a second."""
    settings = {"freezing_threshold": 1, "compute_allocation": 1}
    played, install, other = installing_beside(FEE + INSTALLATION + FEE + 10_000_000 - 1, **settings)
    state = played.state
    needed = FEE + set_aside(Progress(state, played.rounds), A)
    assert missing_cycles(state.profile, state.canisters[A], needed) == 1
    played = played.round(other)
    assert played.status(other.request) is None
    assert isinstance(played.idle(1).status(install.request), Replied)


@pytest.mark.checklist("prod.dts.dts_canister_uninstalled_due_to_resource_charges_with_aborted_updrade")
def test_a_canister_that_runs_out_of_cycles_during_an_aborted_upgrade_loses_its_code_after_it():
    before = canister(A, Code(module(), canister(A).code.wasm_state), balance=2 * INSTALLATION, freezing_threshold=0)
    before = evolve(before, settings=evolve(before.settings, compute_allocation=100))
    upgrade = installing(A, module(gives={"post_upgrade": returns(USED)}), UpgradeMode())
    played = Played(with_figures(world((A, before)), checkpoint_interval=2)).round(upgrade, seconds=100)
    played = played.round(seconds=100)
    assert played.rounds.long_executions[A].is_aborted
    played = Played(with_figures(played.state, checkpoint_interval=1_000), played.rounds)
    for _ in range(2):
        played = played.round(seconds=100)
        assert not played.rounds.long_executions[A].is_aborted
        assert isinstance(played.state.canisters[A].code, Code)
    played = played.round(seconds=1_000)
    assert isinstance(played.status(upgrade.request), Replied)
    assert (played.state.canisters[A].code, played.state.canisters[A].balance) == (Empty(), 0)


# Executions.


@pytest.mark.checklist("prod.response.dts_response_concurrent_cycles_change_succeeds")
def test_a_fee_that_comes_during_a_paused_callback_is_taken_at_its_end_and_its_call_is_made():
    calling = returns(5, new_calls=List.of(performed(B, "inner")))
    again = returns(USED, new_calls=List.of(performed(C, "inner")))
    caller = doing(A, go=calling, callback=again)
    callee = (
        B,
        canister(B, Code(module(gives={"update inner": returns(3, response=Reply(b""))}), canister(B).code.wasm_state)),
    )
    played = Played(world(caller, callee)).round(asking(A))
    assert played.rounds.long_executions[A].beginning.rule == "callback_invocation"
    assert set_aside(Progress(played.state, played.rounds), A) == 0
    played = played.round(sized(asking(A, 1, "other")))
    before = played.state.canisters[A].balance
    assert played.record(A).unpaid == FEE
    played = played.round()
    assert played.record(A).unpaid == 0
    (call,) = [one for one in played.state.messages if isinstance(one, CallMessage)]
    assert (call.callee, call.transferred_cycles) == (C, 1_000)
    assert played.state.canisters[A].balance < before - FEE + RESERVED_FOR_RESPONSE


@pytest.mark.checklist("prod.dts.dts_canister_uninstalled_due_resource_charges_with_aborted_update")
def test_of_ten_canisters_without_cycles_those_that_are_scheduled_finish_and_the_others_lose_their_code():
    ids = [A, B, C, *(type(A)(number.to_bytes(8, "big") + b"\x01\x01") for number in range(3, 10))]
    settings = {"balance": 42 * 10**9, "freezing_threshold": 0, "compute_allocation": 100}
    many = [doing(one, go=returns(4 * SLICE, response=Reply(b"done")), settings=settings) for one in ids]
    figures = {"checkpoint_interval": 2, "paused_executions": 10, "threads": 10}
    asked = [asking(one) for one in ids]
    played = Played(with_figures(world(*many), **figures)).round(*asked).round()
    assert [long.is_aborted for _, long in played.rounds.long_executions.items()] == [True] * 10
    figures = {"checkpoint_interval": 1_000, "threads": 4}
    played = Played(with_figures(played.state, **figures), played.rounds)
    for _ in range(6):
        played = played.round(seconds=50)
    statuses = [played.status(one.request) for one in asked]
    failed = [one.reject.reason for one in statuses if isinstance(one, Rejected)]
    assert statuses.count(Replied(b"done")) == 4
    assert failed == [RejectReason.CANISTER_HAS_NO_CODE] * 6


def aborted(**gives):
    """A canister whose long execution was aborted, and the request for it."""
    played = Played(
        with_figures(world(doing(A, **gives), doing(B, go=returns(1, response=Reply(b"")))), checkpoint_interval=2)
    )
    played = played.round(asking(A)).round()
    assert played.rounds.long_executions[A].is_aborted
    return Played(with_figures(played.state, checkpoint_interval=1_000), played.rounds)


def uninstalled(played):
    """After its code was taken away at once, as no round does."""
    request = about(A, "uninstall_code").request
    request = evolve(request, argument=management.encode_arguments(management.UninstallCodeArguments(A)))
    submitted = step(played.state, Label("submit_management_request", {"request": request, "effective_id": A}))
    assert isinstance(submitted, Step), submitted
    started = fire(submitted.state, "initiate_call", request_id=submitted.outputs[0].request_id).state
    message_id = next(
        one for one, message in started.messages.entries if getattr(message, "callee", None) == MANAGEMENT_CANISTER
    )
    return Played(fire(started, "uninstall_code", message_id=message_id).state, played.rounds)


@pytest.mark.checklist("prod.call_or_task.dts_uninstall_with_aborted_replicated_execution")
def test_the_request_of_an_aborted_execution_fails_if_the_code_is_gone():
    played = uninstalled(aborted(go=returns(5 * SLICE))).round().round()
    status = played.status(asking(A).request)
    assert (status.reject.code, status.reject.reason) == (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_HAS_NO_CODE)


@pytest.mark.checklist("prod.response.dts_uninstall_with_aborted_response")
def test_the_request_of_an_aborted_callback_fails_if_the_code_is_gone():
    calling = returns(5, new_calls=List.of(performed(B)))
    played = uninstalled(aborted(go=calling, callback=returns(5 * SLICE))).round()
    status = played.status(asking(A).request)
    assert (status.reject.code, status.reject.reason) == (RejectCode.CANISTER_REJECT, RejectReason.CODE_UNINSTALLED)


# Settings.


def changing(nonce, **settings):
    """A request to change settings, whose canister pays for it."""
    arguments = management.encode_arguments(management.UpdateSettingsArguments(A, SettingsArguments(**settings)))
    asked = about(A, "update_settings", nonce)
    return sized(evolve(asked, request=evolve(asked.request, argument=arguments)), 400)


@pytest.mark.checklist("prod.canister_manager.unfreezing_of_frozen_canister")
def test_a_change_that_freezes_is_free_and_one_that_thaws_is_paid_for_by_its_name_and_argument():
    played = Played(world((A, canister(A, compute_allocation=1))))
    rich = played.state.canisters[A].balance
    freeze, thaw = changing(0, freezing_threshold=10**12), changing(1, freezing_threshold=1)
    played = played.round(freeze)
    assert isinstance(played.status(freeze.request), Replied)
    assert played.state.canisters[A].balance == rich
    refused = refusal(played.state, "submit_request", request=asking(A, 2).request, effective_id=A)
    assert (refused.reject.code, refused.reject.reason) == (RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN)
    assert played.round(sized(asking(A, 2))).status(asking(A, 2).request) is None
    played = played.round(thaw)
    assert isinstance(played.status(thaw.request), Replied)
    size = len("update_settings") + len(thaw.request.argument)
    assert rich - played.state.canisters[A].balance == 1_200_000 + 2_000 * size
    assert played.round(sized(asking(A, 3))).status(asking(A, 3).request) is not None


@pytest.mark.checklist("prod.canister_manager.frozen_canister_reveal_top_up")
def test_only_a_controller_of_a_frozen_canister_is_told_what_is_missing():
    frozen = canister(A, balance=10**6, compute_allocation=1, freezing_threshold=1)
    profile = world().profile
    bare = f"Canister {principal_to_text(A)} is out of cycles"
    assert out_of_cycles(profile, A, frozen, FEE, STRANGER) == bare
    missing = 10_000_000 + FEE - 10**6
    told = out_of_cycles(profile, A, frozen, FEE, USER)
    assert told == f"{bare}: please top up the canister with at least {missing:_} additional cycles"


# Many calls.


@pytest.mark.checklist("prod.response.cycles_balance_changes_applied_correctly")
def test_a_callee_that_accepts_all_and_makes_400_calls_brings_no_cycles_into_being():
    attached = 10**12
    calls = List(tuple(performed(A, "go", number=number) for number in range(400)))
    callee = doing(B, go=returns(1_000, cycles_accepted=attached, new_calls=calls, response=Reply(b"")))
    state = world((A, canister(A)), callee)
    context = evolve(a_context(B), available_cycles=attached)
    state = evolve(state, messages=Queue().append(execution(B)), call_contexts=contexts(context))
    before = sum(one.balance for _, one in state.canisters.items()) + attached + execution(B).reserved_cycles
    after = fire(state, "message_execution", message_id=0).state
    assert sum(isinstance(one, CallMessage) for one in after.messages) == 400
    assert sum(one.balance for _, one in after.canisters.items()) < before
