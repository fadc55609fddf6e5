"""What is wrong with a request is told by a status and a line, and the instance goes on as if nothing had come."""

import cbor2
import pytest
from attrs import evolve

from reference_impl.server.https_interface.answers import Answer
from reference_impl.server.https_interface.endpoints import STATUS, Target, target_of
from reference_impl.server.https_interface.tests.in_process import (
    COUNTER,
    MINUTE,
    SELF_DESCRIBED,
    START,
    SUBNET_ID,
    Anonymous,
    Instance,
    User,
)
from reference_impl.server.tests.asking import NEVER
from spec.reads.endpoints import ENDPOINTS, STATUS_PATH
from spec.state.request import Endpoint
from spec.values.identifiers import ANONYMOUS, Principal, principal_to_text

USER, OTHER = User.of(1), User.of(2)
CANISTER = Principal(bytes(8) + b"\1\1")
TEXT = principal_to_text(CANISTER)
CALL, QUERY, READ = (f"/api/v3/canister/{TEXT}/{kind}" for kind in ("call", "query", "read_state"))
KINDS = {CALL: "call", QUERY: "query", READ: "read_state"}


def content(path, **changes):
    """The content of a good request at a path, with changes; None takes a field away."""
    named = {"canister_id": CANISTER, "method_name": "get", "arg": b""}
    fields = {"request_type": KINDS[path], "sender": ANONYMOUS, "ingress_expiry": START + MINUTE}
    fields |= {"paths": [[b"time"]]} if path == READ else named
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def test_the_requests_that_are_changed_here_are_good_before(instance):
    canister_id = instance.installed(USER, COUNTER)
    assert canister_id == CANISTER
    assert [instance.post(path, {"content": content(path)}).status for path in KINDS] == [200, 200, 200]


NOT_CBOR = {
    "nothing": b"",
    "text": b"hello",
    "half a map": b"\xa1\x67content",
    "two items": b"\xa0\xa0",
    "a list": b"\x80",
    "a number": b"\x01",
    "a key twice": b"\xa2\x61a\x01\x61a\x01",
    "nested too deep": b"\x81" * 500 + b"\x00",
    "a list that never ends": b"\x9b" + b"\xff" * 8,
    "text that is not UTF-8": b"\xa1\x61\xff\x00",
    "another tag": cbor2.dumps(cbor2.CBORTag(1, {"content": {}})),
}


@pytest.mark.checklist("http.cbor.form", "http.status.client-error")
@pytest.mark.parametrize("path", KINDS, ids=KINDS.values())
@pytest.mark.parametrize("body", NOT_CBOR.values(), ids=NOT_CBOR)
def test_a_body_that_is_no_envelope_is_a_bad_request(instance, path, body):
    answered = instance.request("POST", path, body)
    assert answered.status == 400
    assert answered.body.startswith(b"Malformed request: ")
    assert b"\n" not in answered.body


CHANGES = {
    "another kind": {"request_type": "other"},
    "no kind": {"request_type": None},
    "no sender": {"sender": None},
    "no expiry": {"ingress_expiry": None},
    "an expiry that is text": {"ingress_expiry": "soon"},
    "a negative expiry": {"ingress_expiry": -1},
    "an expiry with a fraction": {"ingress_expiry": 1.5},
    "an expiry of 65 bits": {"ingress_expiry": 1 << 64},
    "a sender of 30 bytes": {"sender": bytes(30)},
    "a sender that is text": {"sender": "2vxsx-fae"},
    "an unknown field": {"more": 1},
    "a nonce that is text": {"nonce": "n"},
    "an empty nonce": {"nonce": b""},
    "a nonce of 33 bytes": {"nonce": bytes(33)},
    "a sender who must sign": {"sender": USER.sender},
}


@pytest.mark.checklist("http.content.call", "http.content.query", "http.content.read-state", "http.cddl.requests")
@pytest.mark.parametrize("path", KINDS, ids=KINDS.values())
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_content_with_a_field_missing_or_of_another_kind_is_a_bad_request(instance, path, changes):
    assert instance.post(path, {"content": content(path, **changes)}).status == 400


PATHS = {
    "not a list": b"time",
    "paths that are blobs": [b"time"],
    "labels that are text": [["time"]],
    "a path that is too long": [[b"time"] * 128],
    "too many paths": [[b"time"]] * 1001,
    "two requests": [[b"request_status", bytes(32)], [b"request_status", b"1" * 32]],
}


@pytest.mark.checklist("http.content.read-state", "http.read-state.one-request-id")
@pytest.mark.parametrize("paths", PATHS.values(), ids=PATHS)
def test_paths_that_are_none_or_too_many_are_a_bad_request(instance, paths):
    assert instance.post(READ, {"content": content(READ, paths=paths)}).status == 400
    assert instance.post(READ, {"content": content(READ, paths=[[b"time"]] * 1000)}).status == 200


@pytest.mark.checklist("http.cbor.form", "http.envelope")
def test_envelopes_are_read_with_the_tag_and_without_with_nulls_and_with_large_numbers(instance):
    good = {"content": content(QUERY), "sender_pubkey": None, "sender_sig": None}
    for encoded in (cbor2.dumps(good), cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, good))):
        assert instance.request("POST", QUERY, encoded).status == 200
    expiry = (START + MINUTE).to_bytes(8, "big")
    as_bignum = cbor2.dumps(content(QUERY)).replace(b"\x1b" + expiry, b"\xc2\x48" + expiry)
    assert instance.request("POST", QUERY, b"\xa1\x67content" + as_bignum).status == 200


def forged(envelope):
    """Envelopes that nobody signed so."""
    yield {**envelope, "sender_sig": bytes(64)}
    yield {**envelope, "sender_sig": envelope["sender_sig"][:-1]}
    yield {**envelope, "sender_pubkey": OTHER.key}
    yield {**envelope, "sender_pubkey": b"no key"}
    yield {name: part for name, part in envelope.items() if name != "sender_sig"}
    yield {name: part for name, part in envelope.items() if name != "sender_pubkey"}
    yield {"content": envelope["content"]}
    yield {**envelope, "content": {**envelope["content"], "ingress_expiry": START + 2 * MINUTE}}
    yield {**envelope, "content": {**envelope["content"], "sender": ANONYMOUS}}
    yield {**envelope, "content": {**envelope["content"], "sender": OTHER.sender}}
    yield {**envelope, "sender_delegation": [{}]}
    yield {**envelope, "sender_delegation": "none"}


@pytest.mark.checklist("http.envelope", "http.verify.signed", "http.sender")
@pytest.mark.parametrize("path", KINDS, ids=KINDS.values())
def test_a_request_that_its_sender_did_not_sign_is_a_bad_request(instance, path):
    envelope = USER.envelope(content(path, sender=None))
    for one in forged(envelope):
        answered = instance.post(path, one)
        assert answered.status == 400, answered
    assert instance.post(path, envelope).status == 200


@pytest.mark.parametrize("path", KINDS, ids=KINDS.values())
def test_delegations_that_do_not_hold_make_a_bad_request(instance, path):
    session = USER.through(OTHER)
    (good,) = session.delegations
    bad = {
        "expired": USER.through(OTHER, expiration=START - 1),
        "unknown permission": USER.through(OTHER, permissions="none"),
        "of another": evolve(session, delegations=({**good, "signature": bytes(64)},)),
        "twice": evolve(session, delegations=(good, good)),
        "changed": evolve(session, delegations=({**good, "delegation": {**good["delegation"], "targets": []}},)),
    }
    assert instance.post(path, session.envelope(content(path, sender=None))).status == 200
    for what, user in bad.items():
        assert instance.post(path, user.envelope(content(path, sender=None))).status == 400, what


@pytest.mark.checklist("http.transport")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/v2/status/", 404),
        ("POST", "/api/v2/status", 405),
        ("GET", CALL, 405),
        ("PUT", CALL, 405),
        ("DELETE", CALL, 405),
        ("POST", CALL + "/", 404),
        ("POST", f"/api/v5/canister/{TEXT}/call", 404),
        ("POST", f"/api/v4/canister/{TEXT}/query", 404),
        ("POST", f"/api/v3/subnet/{TEXT}/call", 404),
        ("POST", "/api/v3/canister/abc/call", 400),
        ("POST", f"/api/v3/canister/{TEXT.upper()}x/call", 400),
        ("POST", f"/api/v3/canister/{TEXT}-\u00e9\n/call", 400),
        ("POST", "/api/v3/canister//call", 400),
    ],
)
def test_paths_and_methods_that_are_not_of_the_interface_are_told_so(instance, method, path, status):
    assert instance.request(method, path, b"\xa0").status == status


@pytest.mark.checklist("http.principal.text")
def test_principals_in_paths_may_be_in_upper_case():
    for text in ("em77e-bvlzu-aq", "EM77E-BVLZU-AQ", "eM77e-BvlZu-aq"):
        target = target_of(f"/api/v3/canister/{text}/query")
        assert isinstance(target, Target)
        assert target.effective_id == b"\xab\xcd\x01"
    for text in ("em77ebvlzuaq", "em77e-bvlzu-aa", "em77e-bvlz-uaq"):
        assert isinstance(target_of(f"/api/v3/canister/{text}/query"), Answer)


def test_every_version_of_every_request_is_served_and_no_other():
    served = {
        (endpoint, kind, version)
        for endpoint in Endpoint
        for kind in ("call", "query", "read_state")
        for version in ("v1", "v2", "v3", "v4", "v5")
        if not isinstance(target_of(f"/api/{version}/{endpoint.value}/{principal_to_text(SUBNET_ID)}/{kind}"), Answer)
    }
    assert served == {(one.addressed, one.kind.value, one.version) for one in ENDPOINTS}
    assert STATUS == STATUS_PATH
    assert all(isinstance(target_of(one.path(SUBNET_ID)), Target) for one in ENDPOINTS)


def test_a_body_of_another_type_is_a_bad_request(instance):
    body = cbor2.dumps({"content": content(QUERY)})
    for headers in ((), ((b"content-type", b"application/json"),)):
        assert instance.request("POST", QUERY, body, headers).status == 400
    assert instance.request("POST", QUERY, body, ((b"content-type", b"Application/CBOR; x=y"),)).status == 200


def test_a_body_over_the_limit_is_too_large_however_it_comes():
    instance = Instance.of(body_limit=1000)
    try:
        for body in (bytes(1001), [bytes(500), bytes(501)], [b"", bytes(2000), b""]):
            answered = instance.request("POST", QUERY, body)
            assert (answered.status, answered.headers[b"connection"]) == (413, b"close")
        room = 1000 - len(cbor2.dumps({"content": content(QUERY)})) - 2
        padded = cbor2.dumps({"content": content(QUERY, arg=bytes(room))})
        assert len(padded) == 1000
        assert instance.request("POST", QUERY, [padded[:1], b"", padded[1:]]).status == 200
    finally:
        instance.close()


def test_a_body_that_does_not_come_is_not_waited_for_longer_than_allowed():
    instance = Instance.of(receive_seconds=0.05)
    try:
        assert instance.request("POST", QUERY, [b"\xa1", NEVER]).status == 408
    finally:
        instance.close()


def test_a_client_that_goes_away_in_the_middle_of_its_request_is_forgotten(instance):
    assert instance.request("POST", QUERY, [b"\xa1", None]) is None
    assert instance.request("GET", "/api/v2/status").status == 200


def test_pages_of_every_origin_may_ask(instance):
    preflight = instance.request("OPTIONS", CALL, headers=((b"origin", b"https://example.org"),))
    assert preflight.status == 204
    for answered in (preflight, instance.request("GET", "/api/v2/status"), instance.request("GET", "/none")):
        assert answered.headers[b"access-control-allow-origin"] == b"*"
        assert b"POST" in answered.headers[b"access-control-allow-methods"]
        assert b"Content-Type" in answered.headers[b"access-control-allow-headers"]


@pytest.mark.checklist("http.status.server-error")
def test_a_fault_of_the_server_is_one_and_the_next_request_is_served(instance, monkeypatch, caplog):
    def fails(*_):
        raise RuntimeError("no such luck")

    with monkeypatch.context() as changed:
        changed.setattr("reference_impl.server.https_interface.handling.status", fails)
        answered = instance.request("GET", "/api/v2/status")
    assert (answered.status, answered.body) == (500, b"The server failed.")
    assert "no such luck" in caplog.text
    assert instance.request("GET", "/api/v2/status").status == 200


def test_every_request_is_one_line_of_the_log_whatever_its_path(instance, caplog):
    caplog.set_level("INFO", logger="icspec.serve")
    instance.request("GET", "/api/v2/status")
    instance.request("GET", "/\n\x1b[31m")
    instance.request("POST", QUERY, [b"\xa1", None])
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert lines[0].startswith("127.0.0.1 GET /api/v2/status 200 197 bytes ")
    assert all(line.isprintable() for line in lines)
    assert "hung up" in lines[2]


def test_anonymous_requests_say_nothing_of_their_sender(instance):
    told = {"info": b"i", "signer": CANISTER, "sig": b"s"}
    for path in (CALL, QUERY):
        assert instance.post(path, {"content": content(path, sender_info=told)}).status == 400
        assert instance.post(path, USER.envelope(content(path, sender=None, sender_info=told))).status == 400


def test_nothing_that_was_refused_is_known_afterwards(instance):
    for changes in CHANGES.values():
        instance.post(CALL, {"content": content(CALL, **changes)})
    assert instance.query(Anonymous(), CANISTER, "get").fields["reject_code"] == 3
    assert list(instance.engine.instance.ingress.items()) == []
