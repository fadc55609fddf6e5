"""Values of the protocol travel unchanged, and nothing else is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from conformance.protocol.interface import (
    Claim,
    Done,
    Processing,
    Received,
    Rejected,
    Replied,
    SeenReject,
    UnknownRequest,
)
from conformance.protocol.labels import RESULTS, read_claim, read_label, readers, write_claim, write_label
from conformance.protocol.wire import (
    Fields,
    WireError,
    read_answer,
    read_blob,
    read_natural,
    read_principal,
    read_request,
    read_text,
    write_answer,
    write_blob,
    write_integer,
    write_request,
)
from spec.machine import free_variables
from spec.state.call_context import FailedExecution
from spec.state.label import Label
from spec.state.request import Replied as RepliedStatus
from spec.state.request import Request, SenderInfo
from spec.transition import RULES, Executed, RequestStatusChanged
from spec.values.containers import List
from spec.values.identifiers import Principal, RequestId
from spec.values.rejects import RejectCode, RejectReason

blobs = some.binary(max_size=40)
naturals = some.integers(min_value=0, max_value=2**130)
times = some.integers(min_value=0, max_value=2**64 - 1)
principals = some.binary(max_size=29).map(Principal)
request_ids = some.binary(min_size=32, max_size=32).map(RequestId)
reasons = some.sampled_from(RejectReason)
sender_infos = some.none() | some.builds(SenderInfo, info=blobs, signer=principals, signature=blobs)
requests = some.builds(
    Request,
    nonce=blobs,
    ingress_expiry=times,
    sender=principals,
    canister_id=principals,
    method_name=some.text(),
    argument=blobs,
    sender_info=sender_infos,
)
rejects = some.builds(
    SeenReject,
    code=some.sampled_from([int(code) for code in RejectCode]),
    reason=reasons | some.none(),
    message=some.text(),
)
answers = (
    some.sampled_from([UnknownRequest(), Received(), Processing(), Done()])
    | some.builds(Replied, blobs)
    | some.builds(Rejected, rejects)
)
outputs = some.builds(RequestStatusChanged, request_ids, some.none() | some.builds(RepliedStatus, blobs)) | some.builds(
    Executed, principals, naturals, some.none() | some.builds(FailedExecution, reasons, some.text())
)
choices = some.fixed_dictionaries(
    {},
    optional={
        "time": times,
        "balance": naturals,
        "canister_id": principals,
        "request_id": request_ids,
        "randomness": blobs,
        "request": requests,
        "replica_version": some.text(),
        "refused_calls": some.lists(naturals, max_size=3).map(tuple),
        "refused_growths": some.lists(naturals, max_size=3).map(tuple),
        "system_records": some.lists(some.none() | blobs, max_size=3).map(tuple),
        "keeps_logs": some.booleans(),
        "admins": some.lists(principals, max_size=3).map(lambda each: List(tuple(each))),
    },
)
claims = some.builds(
    Claim, some.builds(Label, some.text(max_size=12), choices), some.lists(outputs, max_size=3).map(tuple)
)


def travelled(written: object) -> object:
    """What arrives at the other side."""
    return json.loads(json.dumps(written))


@given(naturals)
def test_integers_travel_unchanged_and_large_ones_as_strings(number: int) -> None:
    """No JSON reader has to keep more than 53 bits."""
    written = travelled(write_integer(number))
    assert read_natural(written, "here") == number
    assert isinstance(written, str) == (number >= 2**53)


@given(requests)
def test_requests_travel_unchanged(request: Request) -> None:
    """All fields."""
    assert read_request(travelled(write_request(request)), "here") == request


@given(answers)
def test_answers_travel_unchanged(answer: object) -> None:
    """All kinds."""
    assert read_answer(travelled(write_answer(answer)), "here") == answer


@given(claims)
def test_claims_travel_unchanged(claim: Claim) -> None:
    """Labels with all kinds of choices, and outputs."""
    assert read_claim(travelled(write_claim(claim)), "here") == claim


@given(blobs)
def test_blobs_travel_unchanged(blob: bytes) -> None:
    """As hexadecimal digits."""
    assert read_blob(travelled(write_blob(blob)), "here") == blob


@pytest.mark.parametrize("bad", [7, None, "12", "0x1", "0xAB", "0xzz", "ab", ["0x"]])
def test_anything_else_is_not_a_blob(bad: object) -> None:
    """Among them upper case and odd numbers of digits."""
    with pytest.raises(WireError, match="here"):
        read_blob(bad, "here")


@pytest.mark.parametrize("bad", [True, 1.5, "", "-", "-1", -1, "1e3", "0x1", None, "١", " 1", "1_0", "9" * 101, [], {}])
def test_anything_else_is_not_a_natural_number(bad: object) -> None:
    """Among them truth values, fractions, and what Python would read as an integer."""
    with pytest.raises(WireError, match="here"):
        read_natural(bad, "here")


def test_a_number_in_a_label_is_natural() -> None:
    """Free variables are counts, ids and amounts."""
    label = {"rule": "stop_call_rejection", "choices": {"index": -1}}
    with pytest.raises(WireError, match="here.choices.index: -1 is not a natural number"):
        read_label(label, "here")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time", "0x00"),
        ("time", []),
        ("time", True),
        ("time", str(2**64)),
        ("request", 1),
        ("canister_id", 1),
        ("canister_id", "0x" + "00" * 30),
        ("request_id", "0x00"),
        ("replica_version", 1),
        ("admins", ["0x", 1]),
        ("no_such_choice", 1),
    ],
)
def test_a_choice_has_the_kind_of_the_free_variable_of_its_name(name: str, value: object) -> None:
    """Whatever the rule is: so no rule ever sees a value of another kind."""
    for rule in ("system_time_progress", "no_such_rule"):
        with pytest.raises(WireError, match=f"^here.choices.{name}"):
            read_label({"rule": rule, "choices": {name: value}}, "here")


def test_every_free_variable_of_every_rule_can_be_read() -> None:
    """One way or the other."""
    names = {name for rule in RULES.values() for name in free_variables(rule.body)}
    assert names == readers().keys() | RESULTS


def test_a_principal_has_at_most_29_bytes() -> None:
    """30 are too many."""
    assert read_principal("0x" + "00" * 29, "here") == bytes(29)
    with pytest.raises(WireError, match="29"):
        read_principal("0x" + "00" * 30, "here")


def test_a_field_that_nobody_knows_is_an_error() -> None:
    """Also if everything else is there."""
    fields = Fields({"known": "text", "unknown": 1}, "here")
    assert fields.take("known", read_text) == "text"
    with pytest.raises(WireError, match="here.unknown: the field is not known"):
        fields.close()


def test_a_field_that_is_missing_is_an_error() -> None:
    """The message names it."""
    with pytest.raises(WireError, match="here.known: the field is missing"):
        Fields({}, "here").take("known", read_text)


def test_an_answer_may_not_have_fields_of_another_status() -> None:
    """A status `received` has no data."""
    with pytest.raises(WireError, match="data"):
        read_answer({"status": "received", "data": "0x"}, "here")


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_a_result_of_a_rule_that_has_none_is_refused(name: str) -> None:
    """In one line."""
    with pytest.raises(WireError, match="no_such_rule has no result"):
        write_label(Label("no_such_rule", {name: 0}))
