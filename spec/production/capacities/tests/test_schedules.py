"""On the free schedule, and on system subnets, nothing is charged, and messages have no limits of memory."""

import pytest
from attrs import evolve

from spec import fees as f
from spec.machine import step
from spec.production.capacities.schedules import of_system_subnet, on_free_schedule
from spec.production.capacities.tests.growing import asking_for
from spec.production.capacities.tests.test_executions import one_of
from spec.production.capacities.usage import largest_response
from spec.production.executions import execution_label
from spec.production.rounds.induction import payer_and_fee
from spec.production.rounds.payments import price_of
from spec.production.rounds.progress import Progress
from spec.production.rounds.round_state import Ingress, RoundState
from spec.production.rounds.tests.playing import Played
from spec.production.rounds.tests.test_management import managing
from spec.rules.tests.services import answer
from spec.rules.tests.worlds import (
    NOW,
    PROFILE,
    A,
    B,
    a_context,
    asked,
    canister,
    contexts,
    execution,
    fire,
    performed,
    world,
)
from spec.rules.tests.worlds import managing as calling_management
from spec.state.canister import Code
from spec.state.origin import Deadline
from spec.values import management
from spec.values.containers import Queue
from spec.values.rejects import Reply

SIZES = (1, 7, 13, 26, 34, 40)
FREE, SYSTEM = on_free_schedule(PROFILE), of_system_subnet(PROFILE)


def on(profile, *canisters, **changes):
    """A world on such a subnet."""
    return evolve(world(*canisters, **changes), profile=profile)


@pytest.mark.checklist(
    "prod.subnet_size_test.test_subnet_size_system_subnet_has_zero_cost",
    "prod.subnet_size_test.test_subnet_size_sign_with_ecdsa_zero_cost",
)
@pytest.mark.parametrize("profile", [FREE, SYSTEM])
@pytest.mark.parametrize("size", SIZES)
def test_everything_costs_nothing_at_every_size(profile, size):
    fees, limits = profile.fees, profile.limits
    assert f.memory_cost(fees, 2**40, 86_400, size) == 0
    assert f.compute_cost(fees, 100, 86_400, size) == 0
    assert f.net_execution_cost(fees, limits.message_instructions, 10**9, True, size) == 0
    assert f.net_execution_cost(fees, limits.install_code_instructions, 10**9, False, size) == 0
    assert f.http_request_fee(fees, 2_000_000, 2_000_000, size) == 0
    assert f.call_fee(fees, 2_000_000, size) == f.cycles_per_response(profile, True, size) == 0
    assert f.ingress_fee(fees, 2_000_000, size) == 0
    assert f.canister_creation_fee(fees, size) == 0
    assert f.ecdsa_signature_fee(fees, size) == f.schnorr_signature_fee(fees, size) == f.vetkd_key_fee(fees, size) == 0
    assert f.storage_reservation(profile, 2**40, 2**30, size) == 0


@pytest.mark.checklist("prod.cam.xnet_call_total_fee_free")
def test_a_call_of_9999_bytes_costs_nothing():
    assert f.call_fee(FREE.fees, 9_999, 13) + f.cycles_per_response(FREE, False, 13) == 0


@pytest.mark.checklist(
    "prod.cam.do_not_charge_canister_for_memory_usage_free_schedule",
    "prod.cam.do_not_charge_canister_for_compute_allocation_free_schedule",
)
@pytest.mark.parametrize("resources", [{"memory_allocation": 2**40}, {"compute_allocation": 50}])
@pytest.mark.parametrize("balance", [0, 10**12])
def test_memory_and_compute_cost_nothing_over_time(resources, balance):
    state = on(FREE, (A, canister(A, balance=balance, **resources)))
    assert price_of(Progress(state, RoundState()), A, 10**6) == 0
    after = Played(state).round(seconds=1_000).state.canisters[A]
    assert after.balance == balance
    assert isinstance(after.code, Code)


@pytest.mark.checklist(
    "prod.cam.verify_no_cycles_charged_for_message_execution_on_free_schedule",
    "prod.cam.verify_no_cycles_charged_for_message_execution_on_system_subnets",
)
@pytest.mark.parametrize("profile", [FREE, SYSTEM])
def test_setting_aside_and_giving_back_cycles_for_an_execution_leaves_the_balance(profile):
    limit = profile.limits.message_instructions
    assert f.cycles_per_message(profile, limit, False, 13) == 0
    assert f.execution_refund(profile.fees, limit, limit // 2, False, 13) == 0


@pytest.mark.checklist("prod.cam.ingress_induction_cost_valid_subnet_message")
def test_a_request_about_a_canister_is_paid_by_it_for_all_its_bytes():
    request = managing(management.CanisterIdArguments(A), "start_canister")
    sized = Ingress(request.request, A, size=300)
    assert payer_and_fee(Progress(world((A, canister(A))), RoundState()), sized) == (A, 1_200_000 + 300 * 2_000)
    assert payer_and_fee(Progress(on(FREE, (A, canister(A))), RoundState()), sized) == (A, 0)


@pytest.mark.checklist("prod.threshold_signatures.test_sign_with_threshold_key_fee_ignored_for_nns")
@pytest.mark.parametrize(
    ("method_name", "arguments", "choices"),
    [
        (
            "sign_with_ecdsa",
            management.SignWithEcdsaArguments(
                bytes(32), management.EcdsaKeyId(management.EcdsaCurve.SECP256K1, "key_1")
            ),
            {"signature": bytes(64)},
        ),
        (
            "sign_with_schnorr",
            management.SignWithSchnorrArguments(
                b"message", management.SchnorrKeyId(management.SchnorrAlgorithm.ED25519, "key_1")
            ),
            {"signature": bytes(64)},
        ),
    ],
)
def test_a_signature_without_cycles_is_given_on_a_system_subnet(method_name, arguments, choices):
    call = asked(arguments, method_name, A, transferred_cycles=0)
    state = evolve(calling_management((A, canister(A)), call=call), profile=SYSTEM)
    fired = fire(state, method_name, message_id=0, **choices)
    response, refund = answer(fired.state)
    assert isinstance(response, Reply)
    assert (refund, fired.state.canisters[A].balance) == (0, state.canisters[A].balance)


@pytest.mark.checklist("prod.ee_tests.output_requests_on_system_subnet_ignore_memory_limits")
def test_on_a_system_subnet_a_call_is_made_though_hardly_any_memory_is_there():
    """No memory is left for canisters, and 13 bytes would be for messages."""

    def refused(profile):
        capacities = {"guaranteed_message_memory": 13} if profile is PROFILE else {}
        profile = evolve(
            profile,
            limits=evolve(profile.limits, subnet_memory=1),
            capacities=evolve(profile.capacities, memory_for_callbacks=0, **capacities),
        )
        state = on(profile, one_of(A, asking_for(performed(B))))
        state = evolve(state, messages=Queue().append(execution(A)), call_contexts=contexts(a_context(A)))
        return execution_label(state, 0).arguments().get("refused_calls", ())

    assert refused(PROFILE) == (0,)
    assert refused(SYSTEM) == ()
    assert SYSTEM.capacities.guaranteed_message_memory > 10**6 * largest_response(PROFILE.limits)


@pytest.mark.checklist("prod.system_api.ic0_call_with_best_effort_response")
@pytest.mark.parametrize("profile", [PROFILE, FREE, SYSTEM])
def test_a_call_with_bounded_wait_and_its_callback_have_a_deadline_on_every_subnet(profile):
    state = on(profile, one_of(A, asking_for(performed(B, timeout=5))), (B, canister(B)))
    state = evolve(state, messages=Queue().append(execution(A)), call_contexts=contexts(a_context(A)))
    after = step(state, execution_label(state, 0)).state
    (call,) = list(after.messages)
    assert call.origin.deadline == Deadline(NOW // 10**9 * 10**9 + 5 * 10**9)
    assert call.origin.callback == performed().callback
