"""An error stands for a reason by its name or number and its text, or the reason is left open."""

import pytest

from conformance.adapters.reasons import number_of, reason_of
from spec.values.rejects import RejectReason


@pytest.mark.parametrize(
    ("shown", "message", "reason"),
    [
        ("CanisterDidNotReply", "IC0506: anything", RejectReason.CANISTER_DID_NOT_RESPOND),
        ("IC0506", "anything", RejectReason.CANISTER_DID_NOT_RESPOND),
        ("IC0503", "trapped", RejectReason.CANISTER_TRAPPED),
        ("CanisterRejectedMessage", "its own words", RejectReason.EXPLICIT),
        ("CanisterRejectedMessage", "IC0406: words of the system", None),
        (
            "CanisterRejectedMessage",
            "IC0406: The canister aaaaa-aa has no metadata section with the name x.",
            RejectReason.METADATA_NOT_FOUND,
        ),
        ("CanisterOutOfCycles", "IC0207: out of cycles", None),
        ("CanisterContractViolation", "IC0504: Could not validate the settings: no", RejectReason.INVALID_SETTINGS),
        ("CanisterContractViolation", "IC0504: anything", None),
        ("NoSuchError", "anything", None),
        (None, "anything", None),
    ],
)
def test_a_reason_is_told_if_there_is_only_one(shown, message, reason):
    assert reason_of(shown, message) is reason


def test_errors_have_numbers_by_their_names():
    assert number_of("CanisterStopped") == 508
    assert number_of("IC0508") == 508
    assert number_of("IC508") is None
