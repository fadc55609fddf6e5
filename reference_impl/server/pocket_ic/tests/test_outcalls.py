"""HTTPS outcalls: clients answer them in the place of servers and nodes."""

import base64

import pytest

from reference_impl.server.pocket_ic.outside import PATIENCE
from reference_impl.server.pocket_ic.tests.in_process import blob, text
from reference_impl.server.pocket_ic.tests.modules import caller_of
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import (
    HttpHeader,
    HttpMethod,
    HttpRequestArguments,
    HttpResponse,
    HttpTransform,
    decode_result,
    encode_arguments,
    encode_result,
)

CYCLES = 10**12
URL = "https://example.com/a?b=c"
REPLIED = encode_result("http_request", HttpResponse(418, List.of(HttpHeader("x", "y")), b"made"))
ESCAPED = "".join(f"\\{byte:02x}" for byte in REPLIED)
TRANSFORMS = f"""
  (data (i32.const 512) "{ESCAPED}")
  (func (export "canister_query transform") (call $append (i32.const 512) (i32.const {len(REPLIED)})) (call $reply))
  (func (export "canister_query broken") unreachable)
  (func (export "canister_query silent"))
  (func (export "canister_query other") (call $append (i32.const 0) (i32.const 4)) (call $reply))
"""


@pytest.fixture
def caller(instance):
    """A canister that makes outcalls."""
    return instance.created_with(caller_of(MANAGEMENT_CANISTER, "http_request", CYCLES, TRANSFORMS))


def asked(instance, caller, transform=None, **more):
    """An outcall that waits, as clients see it, and the request that waits for it."""
    named = None if transform is None else HttpTransform(caller, transform, b"context")
    arguments = HttpRequestArguments(URL, transform=named, **{"max_response_bytes": 1000, **more})
    message = instance.submit(caller, "ask", encode_arguments(arguments))["Ok"]
    instance.tick()
    instance.tick()
    (outcall,) = instance.get("read/get_canister_http")
    return outcall, message


def mocked(outcall, *responses):
    first, *others = responses
    named = {"subnet_id": outcall["subnet_id"], "request_id": outcall["request_id"]}
    return {**named, "response": first, "additional_responses": others}


def replied(body=b"hello", status=200):
    return {"CanisterHttpReply": {"status": status, "headers": [{"name": "a", "value": "b"}], "body": text(body)}}


def rejected(code=2, message="no"):
    return {"CanisterHttpReject": {"reject_code": code, "message": message}}


def answer(instance, message):
    return blob(instance.post("update/await_ingress_message", message)["Ok"])


def response(instance, message):
    return decode_result("http_request", answer(instance, message))


def test_an_outcall_is_seen_and_answered(instance, caller):
    headers = List.of(HttpHeader("one", "two"))
    outcall, message = asked(instance, caller, method=HttpMethod.POST, headers=headers, body=b"sent")
    assert outcall == {
        "subnet_id": {"subnet_id": text(instance.subnet("Application"))},
        "request_id": outcall["request_id"],
        "http_method": "POST",
        "url": URL,
        "headers": [{"name": "one", "value": "two"}],
        "body": base64.b64encode(b"sent").decode(),
        "max_response_bytes": 1000,
        "replication": "FullyReplicated",
        "pricing_version": "Legacy",
    }
    assert instance.post("read/ingress_status", {"raw_message_id": message}) is None
    assert instance.post("update/mock_canister_http", mocked(outcall, replied())) is None
    assert instance.get("read/get_canister_http") == []
    assert response(instance, message) == HttpResponse(200, List.of(HttpHeader("a", "b")), b"hello")


def test_an_outcall_is_rejected_with_the_code_and_in_the_words_of_the_client(instance, caller):
    outcall, message = asked(instance, caller)
    instance.post("update/mock_canister_http", mocked(outcall, rejected(2, "the server is down")))
    assert answer(instance, message) == b"\2\0\0\0the server is down"


def test_the_response_is_what_the_canister_makes_of_it(instance, caller):
    outcall, message = asked(instance, caller, "transform")
    instance.post("update/mock_canister_http", mocked(outcall, replied(bytes(5000))))
    assert response(instance, message) == HttpResponse(418, List.of(HttpHeader("x", "y")), b"made")


@pytest.mark.parametrize(
    ("transform", "because"),
    [
        ("broken", b"The transformation trapped"),
        ("silent", b"The transformation did not reply."),
        ("other", b"The transformation did not reply with a response"),
    ],
)
def test_a_transformation_that_fails_fails_the_outcall(instance, caller, transform, because):
    outcall, message = asked(instance, caller, transform)
    instance.post("update/mock_canister_http", mocked(outcall, replied()))
    assert answer(instance, message)[4:].startswith(because)


def test_a_response_that_is_too_large_fails_the_outcall(instance, caller):
    outcall, message = asked(instance, caller)
    instance.post("update/mock_canister_http", mocked(outcall, replied(bytes(1001))))
    assert answer(instance, message) == b"\1\0\0\0Http body exceeds size limit of the request."


def test_more_than_two_thirds_of_the_nodes_must_agree(instance, caller):
    outcall, message = asked(instance, caller)
    others = [replied()] * 8 + [replied(b"other")] * 4
    instance.post("update/mock_canister_http", mocked(outcall, replied(), *others))
    assert response(instance, message).body == b"hello"
    outcall, message = asked(instance, caller)
    others = [replied()] * 7 + [rejected()] * 5
    instance.post("update/mock_canister_http", mocked(outcall, replied(), *others))
    assert answer(instance, message)[:31] == b"\2\0\0\0No consensus could be reach"


def test_an_outcall_that_nobody_answers_times_out(instance, caller):
    outcall, message = asked(instance, caller)
    instance.post("update/set_time", {"nanos_since_epoch": instance.time + PATIENCE - 10**6})
    instance.tick()
    assert instance.get("read/get_canister_http") == [outcall]
    instance.post("update/set_time", {"nanos_since_epoch": instance.time + 10**6})
    instance.tick()
    assert instance.get("read/get_canister_http") == []
    assert answer(instance, message) == b"\2\0\0\0Canister http request timed out"


def test_answers_that_do_not_fit_are_refused_and_the_outcall_waits_on(instance, caller):
    outcall, _ = asked(instance, caller)
    mock = "update/mock_canister_http"
    assert instance.fails(mock, mocked(outcall, replied(), replied())).startswith(
        "InvalidMockCanisterHttpResponses((2, 13))"
    )
    assert instance.fails(mock, mocked(outcall, rejected(7))) == "InvalidRejectCode(7)"
    assert "longer than 1024 bytes" in instance.fails(mock, mocked(outcall, rejected(2, "x" * 1025)))
    other = {**outcall, "request_id": outcall["request_id"] + 1}
    assert instance.fails(mock, mocked(other, replied())).startswith("InvalidCanisterHttpRequestId((")
    elsewhere = {**outcall, "subnet_id": {"subnet_id": text(MANAGEMENT_CANISTER)}}
    assert instance.fails(mock, mocked(elsewhere, replied())).startswith("InvalidCanisterHttpRequestId((")
    assert instance.get("read/get_canister_http") == [outcall]
