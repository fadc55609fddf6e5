"""Which error production gives where a request for a management call is not taken in."""

import pytest

from spec.production.errors import ERRORS, error_of_refusal
from spec.rules.tests.worlds import (
    STRANGER,
    USER,
    A,
    a_request,
    canister,
    refusal,
    world,
)
from spec.state.canister import Public
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER

ABOUT_A = management.CanisterIdArguments(A)
KEY = management.EcdsaKeyId(management.EcdsaCurve.SECP256K1, "key_1")
FOR_CANISTERS = {
    "raw_rand": management.RawRandArguments(),
    "http_request": management.HttpRequestArguments("https://example.com/"),
    "ecdsa_public_key": management.EcdsaPublicKeyArguments(KEY),
    "sign_with_ecdsa": management.SignWithEcdsaArguments(bytes(32), KEY),
    "deposit_cycles": ABOUT_A,
}


def asking(method_name, arguments=ABOUT_A, sender=USER):
    """A request to the management canister."""
    argument = arguments if isinstance(arguments, bytes) else management.encode_arguments(arguments)
    return a_request(MANAGEMENT_CANISTER, method_name, argument, sender=sender)


def refused(request, *canisters):
    """Why a request about A is not taken in."""
    return refusal(world(*canisters), "submit_management_request", request=request, effective_id=A)


@pytest.mark.parametrize(
    ("request_given", "canisters", "name"),
    [
        pytest.param(
            asking("start_canister"),
            lambda: [(A, canister(A, balance=1_000))],
            "CanisterOutOfCycles",
            marks=pytest.mark.checklist(
                "prod.ee_tests.management_message_to_canister_with_not_enough_balance_is_not_accepted"
            ),
        ),
        pytest.param(
            asking("start_canister"),
            list,
            "CanisterNotFound",
            marks=pytest.mark.checklist(
                "prod.ee_tests.management_message_to_canister_that_doesnt_exist_is_not_accepted"
            ),
        ),
        pytest.param(
            asking("canister_status", sender=STRANGER),
            lambda: [(A, canister(A))],
            "CanisterInvalidController",
            marks=pytest.mark.checklist("prod.ee_tests.management_message_with_invalid_sender_is_not_accepted"),
        ),
        pytest.param(
            asking("fetch_canister_logs"),
            lambda: [(A, canister(A, log_visibility=Public()))],
            "CanisterRejectedMessage",
            marks=pytest.mark.checklist(
                "prod.ee_tests.test_fetch_canister_logs_should_accept_ingress_message",
                "prod.canister_logging.test_fetch_canister_logs_via_submit_ingress",
            ),
        ),
        pytest.param(
            asking("canister_info", management.CanisterInfoArguments(A)),
            lambda: [(A, canister(A))],
            "CanisterRejectedMessage",
            marks=pytest.mark.checklist("prod.canister_history.canister_info_retrieval"),
        ),
        pytest.param(
            asking("canister_metadata", management.CanisterMetadataArguments(A, "x")),
            lambda: [(A, canister(A))],
            "CanisterRejectedMessage",
            marks=pytest.mark.checklist("prod.execution_test.get_canister_metadata"),
        ),
        *(
            (asking(name, given), lambda: [(A, canister(A))], "CanisterRejectedMessage")
            for name, given in FOR_CANISTERS.items()
        ),
    ],
)
@pytest.mark.checklist("prod.ee_tests.management_message_with_forbidden_method_is_not_accepted")
def test_a_request_that_is_not_taken_in_has_the_error_of_production(request_given, canisters, name):
    error = error_of_refusal(refused(request_given, *canisters()), has_admins=False)
    assert error is not None
    assert error.name == name


@pytest.mark.parametrize(
    ("method_name", "argument", "name", "number"),
    [
        pytest.param(
            "start_canister",
            b"",
            "InvalidManagementPayload",
            408,
            marks=pytest.mark.checklist("prod.ee_tests.management_message_with_invalid_payload_is_not_accepted"),
        ),
        pytest.param(
            "unknown",
            b"DIDL\0\0",
            "CanisterMethodNotFound",
            536,
            marks=pytest.mark.checklist("prod.ee_tests.subnet_ingress_message_unknown_method"),
        ),
    ],
)
def test_a_request_about_nothing_that_is_there_is_refused_with_the_code_of_an_error(
    method_name, argument, name, number
):
    found = refused(asking(method_name, argument), (A, canister(A)))
    assert found.reject is not None
    named = {(error.name, error.number, error.code) for errors in ERRORS.values() for error in errors}
    assert (name, number, found.reject.code) in named
