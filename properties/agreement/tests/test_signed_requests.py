"""Both engines take in the same requests: those that are signed, and those at the subnet endpoint."""

import pytest

from conformance.canisters.library import load
from properties.agreement.lockstep import SUBNET
from properties.agreement.stage import ALICE, BOB, Stage
from spec.machine import submission_label
from spec.rules.tests.signing import admitted, refused
from spec.rules.tests.worlds import NOW, A, B
from spec.state.label import Label
from spec.state.request import Endpoint, Replied, Request
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER

ENVELOPES = {True: admitted(), False: refused()}
CASES = [(is_admitted, name) for is_admitted, envelopes in ENVELOPES.items() for name in envelopes]


@pytest.mark.checklist(
    "rule.submit-call.canister-endpoint",
    "http.verify.signed",
    "http.verify.delegation-chain",
    "http.delegation.targets",
)
@pytest.mark.parametrize(("is_admitted", "name"), CASES, ids=[name for _, name in CASES])
def test_a_signed_request_is_taken_in_on_both_sides_or_on_neither(is_admitted, name):
    stage = Stage()
    assert (stage.installed(load("scripted")), stage.state.system_time) == (A, NOW)

    assert stage.lockstep.take(submission_label(ENVELOPES[is_admitted][name], A)) == is_admitted


CREATE = management.encode_arguments(management.CreateCanisterArguments())
PROVISIONAL = management.encode_arguments(management.ProvisionalCreateArguments())
START_IT = management.encode_arguments(management.CanisterIdArguments(A))
HERE = SUBNET.subnet_id


@pytest.mark.checklist("rule.submit-call.subnet-endpoint", "def.effective-subnet-id")
@pytest.mark.parametrize(
    ("sender", "callee", "method_name", "argument", "effective_id", "is_taken_in"),
    [
        (ALICE, MANAGEMENT_CANISTER, "create_canister", CREATE, HERE, True),
        (ALICE, MANAGEMENT_CANISTER, "provisional_create_canister_with_cycles", PROVISIONAL, HERE, True),
        (BOB, MANAGEMENT_CANISTER, "create_canister", CREATE, HERE, False),
        (BOB, MANAGEMENT_CANISTER, "provisional_create_canister_with_cycles", PROVISIONAL, HERE, False),
        (ALICE, MANAGEMENT_CANISTER, "create_canister", CREATE, B, False),
        (ALICE, MANAGEMENT_CANISTER, "start_canister", START_IT, HERE, False),
        (ALICE, MANAGEMENT_CANISTER, "start_canister", START_IT, A, False),
        (ALICE, A, "update", b"", A, False),
        (ALICE, A, "create_canister", CREATE, HERE, False),
    ],
)
def test_at_the_subnet_endpoint_admins_create_canisters_and_nothing_else_is_done(
    sender, callee, method_name, argument, effective_id, is_taken_in
):
    stage = Stage()
    stage.installed(load("scripted"))
    assert stage.lockstep.take(Label("subnet_admins_change", {"subnet_id": HERE, "admins": List.of(ALICE)}))
    request = Request(b"", NOW, sender, callee, method_name, argument)

    assert stage.lockstep.take(submission_label(request, effective_id, Endpoint.SUBNET)) == is_taken_in

    stage.lockstep.settle()
    if is_taken_in:
        (known,) = (known for _, known in stage.state.requests.items() if known.request == request)
        assert (type(known.status), known.effective_id) == (Replied, HERE)
