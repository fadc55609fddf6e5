"""Calls over the HTTPS interface: taken in, waited for, certified, refused."""

import asyncio

import cbor2
import pytest
import wasmtime
from attrs import evolve

from reference_impl.certification.signing import OTHER as DELEGATED
from reference_impl.certification.signing import ROOT_KEY
from reference_impl.server.https_interface.application import Application
from reference_impl.server.https_interface.endpoints import Endpoints
from reference_impl.server.https_interface.tests.in_process import (
    CBOR,
    COUNTER,
    MINUTE,
    SECOND,
    SELF_DESCRIBED,
    START,
    SUBNET_ID,
    Anonymous,
    Instance,
    User,
    shown_requests,
)
from spec.certification.hash_tree import Absent, lookup_path
from spec.certification.scope import answers_call, is_of_subnet
from spec.state.request import Request
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, principal_to_text, self_authenticating_id
from spec.values.management import (
    CanisterIdArguments,
    ProvisionalCreateArguments,
    encode_arguments,
)
from spec.values.request_id import hash_of_map

SLOW = bytes(
    wasmtime.wat2wasm("""(module
  (import "ic0" "msg_reply" (func $reply))
  (func (export "canister_update count") (local $left i32)
    (local.set $left (i32.const 300000000))
    (loop $on (br_if $on (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (call $reply)))""")
)
"""A canister that counts for about a second before it replies."""
ONE = (1).to_bytes(4, "little")
USER, OTHER = User.of(1), User.of(2)
CREATE = "provisional_create_canister_with_cycles"
CREATION = encode_arguments(ProvisionalCreateArguments(amount=10**13))


def request_id(instance, user, canister_id, method, argument=b"", **fields):
    """What names a call with the usual content."""
    named = {"canister_id": canister_id, "method_name": method, "arg": argument, "sender": user.sender, **fields}
    return hash_of_map(instance.content("call", **named))


@pytest.mark.checklist(
    "http.endpoint.call-v3-canister",
    "http.endpoint.call-v4-canister",
    "http.path.request-status.status",
    "http.path.request-status.reply",
    "seed1.ingress-response",
    "seed1.update-certified",
)
@pytest.mark.parametrize("version", ["v3", "v4"])
def test_a_synchronous_call_is_answered_with_a_certificate_of_its_reply_and_of_the_time(instance, version):
    canister_id = instance.installed(USER, COUNTER)
    answered = instance.call(USER, canister_id, "inc", version=version)
    assert (answered.status, answered.fields["status"]) == (200, "replied")
    named = request_id(instance, USER, canister_id, "inc")
    assert answers_call(answered.certificate, named, canister_id)
    assert answered.value(b"request_status", named, b"status") == b"replied"
    assert answered.value(b"request_status", named, b"reply") == ONE
    assert answered.value(b"request_status", named, b"reject_code") is None


@pytest.mark.checklist(
    "http.path.request-status.reject-code",
    "http.path.request-status.reject-message",
    "http.path.request-status.error-code",
    "http.reject-code.4",
    "http.reject-code.5",
)
@pytest.mark.parametrize(("method", "code", "message"), [("reject", b"\x04", b"no"), ("absent", b"\x05", None)])
def test_the_certificate_of_a_rejected_call_has_code_and_message_and_no_reply(instance, method, code, message):
    canister_id = instance.installed(USER, COUNTER)
    answered = instance.call(USER, canister_id, method)
    below = (b"request_status", request_id(instance, USER, canister_id, method))
    assert answered.value(*below, b"status") == b"rejected"
    assert answered.value(*below, b"reject_code") == code
    told = answered.value(*below, b"reject_message")
    assert told == message if message is not None else told
    assert answered.value(*below, b"reply") is None
    error_code = lookup_path((*below, b"error_code"), answered.certificate.tree)
    assert error_code == Absent(), "there need be none, and that must be proved"


@pytest.mark.checklist("http.endpoint.call-v2-canister", "http.status.202-meaning", "http.transport")
def test_an_asynchronous_call_is_taken_in_and_polled_for(instance):
    canister_id = instance.installed(USER, COUNTER)
    answered = instance.call(USER, canister_id, "inc", version="v2")
    assert (answered.status, answered.body) == (202, b"")
    named = request_id(instance, USER, canister_id, "inc")
    status = None
    for _ in range(100):
        status = instance.read(USER, canister_id, (b"request_status", named)).value(b"request_status", named, b"status")
        if status == b"replied":
            break
    assert status == b"replied"


@pytest.mark.checklist("http.endpoint.call-v4-canister", "http.endpoint.call-v3-canister", "http.lifecycle.statuses")
@pytest.mark.parametrize("version", ["v3", "v4"])
def test_a_synchronous_call_that_does_not_end_in_time_is_answered_as_an_asynchronous_one(instance, version):
    canister_id = instance.installed(USER, SLOW)
    impatient = evolve(instance, application=Application(instance.thread, Endpoints(instance.thread, 0.02)))
    answered = impatient.call(USER, canister_id, "count", version=version)
    assert (answered.status, answered.body) == (202, b"")
    path = (b"request_status", request_id(instance, USER, canister_id, "count"), b"status")
    assert instance.read(USER, canister_id, path[:2]).value(*path) in (b"received", b"processing", b"replied")


@pytest.mark.checklist("http.lifecycle.query-as-update", "seed1.update-certified")
def test_a_query_method_can_be_called_and_a_composite_one_cannot(instance):
    canister_id = instance.installed(USER, COUNTER)
    assert instance.reply(instance.call(USER, canister_id, "get")) == bytes(4)
    named = request_id(instance, USER, canister_id, "composite")
    answered = instance.call(USER, canister_id, "composite")
    assert answered.value(b"request_status", named, b"status") == b"rejected"


@pytest.mark.checklist(
    "http.endpoint.call-v4-canister", "http.endpoint.call-v2-canister", "http.reject-code.3", "http.cddl.requests"
)
def test_a_call_to_a_canister_that_is_not_there_is_rejected_before_it_is_taken_in(instance):
    nobody = Principal(bytes(7) + b"\x09\x01\x01")
    fields = instance.call(USER, nobody, "inc").fields
    assert (fields["status"], fields["reject_code"]) == ("non_replicated_rejection", 3)
    asynchronous = instance.call(USER, nobody, "inc", version="v2")
    assert asynchronous.status == 200
    assert asynchronous.fields.keys() == {"reject_code", "reject_message", "error_code"}
    assert fields["error_code"] == asynchronous.fields["error_code"] == "IC0301"
    assert fields["reject_message"].startswith("IC0301: ")


@pytest.mark.checklist("http.endpoint.call-v4-canister", "http.lifecycle.submit-checks")
def test_a_call_that_the_inspection_refuses_is_rejected_before_it_is_taken_in(instance):
    canister_id = instance.installed(USER, COUNTER)
    fields = instance.call(USER, canister_id, "refused").fields
    assert (fields["status"], fields["reject_code"]) == ("non_replicated_rejection", 4)


def test_anybody_may_call_without_a_signature(instance):
    canister_id = instance.installed(USER, COUNTER)
    assert instance.reply(instance.call(Anonymous(), canister_id, "inc")) == ONE


def test_the_same_call_twice_is_one_call_and_its_certificate_is_given_again(instance):
    canister_id = instance.installed(USER, COUNTER)
    first, second = (instance.call(USER, canister_id, "inc", nonce=b"once") for _ in range(2))
    assert instance.reply(first) == instance.reply(second) == ONE
    assert instance.call(USER, canister_id, "inc", version="v2", nonce=b"once").status == 202
    assert instance.query(USER, canister_id, "get").fields["reply"] == {"arg": ONE}


@pytest.mark.checklist("http.nonce")
def test_calls_that_differ_in_their_nonce_alone_are_two_calls(instance):
    canister_id = instance.installed(USER, COUNTER)
    replies = [instance.reply(instance.call(USER, canister_id, "inc", nonce=nonce)) for nonce in (b"1", b"2")]
    assert replies == [ONE, (2).to_bytes(4, "little")]
    assert instance.call(USER, canister_id, "inc", nonce=bytes(33)).status == 400


@pytest.mark.checklist("http.ingress-expiry")
def test_calls_that_have_expired_or_expire_too_late_are_refused_with_the_text_that_clients_look_for(instance):
    canister_id = instance.installed(USER, COUNTER)
    for expiry in (START - 1, START + 10 * MINUTE, START + 331 * SECOND):
        for user in (USER, Anonymous()):
            answered = instance.call(user, canister_id, "inc", ingress_expiry=expiry)
            assert answered.status == 400
            assert answered.body.startswith(b"Invalid request expiry: ")
    for expiry in (START, START + 330 * SECOND):
        assert instance.call(USER, canister_id, "inc", ingress_expiry=expiry).status == 200


@pytest.mark.checklist("http.lifecycle.retention")
def test_an_answered_call_is_known_for_five_minutes_after_it_expired_and_forgotten_later(instance):
    canister_id = instance.installed(USER, COUNTER)
    named = request_id(instance, USER, canister_id, "inc")
    instance.call(USER, canister_id, "inc")

    def status():
        for _ in range(3):
            answered = instance.read(USER, canister_id, (b"request_status", named))
            instance.runner.run(asyncio.sleep(0.25))
        return answered.value(b"request_status", named, b"status")

    instance.clock[0] += 8 * MINUTE
    assert status() == b"replied"
    instance.clock[0] += 2 * MINUTE
    assert status() is None


@pytest.mark.checklist("http.effective-id.regular", "http.effective-id.update-management")
def test_calls_at_another_canister_than_the_one_they_are_about_are_refused(instance):
    canister_id, other = instance.installed(USER, COUNTER), instance.created(USER)
    assert instance.call(USER, canister_id, "inc", about=other).status == 400
    stop = encode_arguments(CanisterIdArguments(canister_id))
    for about in (other, MANAGEMENT_CANISTER, self_authenticating_id(b"nobody")):
        assert instance.call(USER, MANAGEMENT_CANISTER, "stop_canister", stop, about=about).status == 400
    assert instance.call(USER, MANAGEMENT_CANISTER, "stop_canister", stop, about=canister_id).status == 200
    for about in (canister_id, MANAGEMENT_CANISTER):
        fields = instance.call(USER, MANAGEMENT_CANISTER, CREATE, CREATION, about=about, nonce=about or b"0").fields
        assert fields["status"] == "replied"


@pytest.mark.checklist("http.endpoint.call-v4-subnet", "http.effective-id.subnet")
@pytest.mark.parametrize("subnet_id", [SUBNET_ID, DELEGATED.subnet_id], ids=["root", "delegated"])
def test_at_the_endpoint_of_the_subnet_admins_create_canisters_and_do_nothing_else(subnet_id):
    instance = Instance.of(admins=(USER.sender,), subnet_id=subnet_id)
    try:

        def call(user, method, argument, subnet=subnet_id):
            content = instance.content("call", canister_id=MANAGEMENT_CANISTER, method_name=method, arg=argument)
            return instance.post(f"/api/v4/subnet/{principal_to_text(subnet)}/call", user.envelope(content))

        created = call(USER, CREATE, CREATION)
        assert created.fields["status"] == "replied"
        (named,) = shown_requests(created.certificate)
        assert created.value(b"request_status", named, b"status") == b"replied"
        assert (created.certificate.delegation is None) is (subnet_id == SUBNET_ID)
        assert is_of_subnet(created.certificate, subnet_id)
        assert call(OTHER, CREATE, CREATION).fields["reject_code"] == 4
        assert call(USER, "raw_rand", b"DIDL\0\0").status == 400
        assert call(USER, CREATE, CREATION, self_authenticating_id(b"other")).status == 400
    finally:
        instance.close()


def test_calls_that_come_together_are_all_answered(instance):
    canister_id = instance.installed(USER, COUNTER)
    path = f"/api/v4/canister/{principal_to_text(canister_id)}/call"

    async def together():
        bodies = []
        for number in range(50):
            named = {"canister_id": canister_id, "method_name": "inc", "arg": b"", "nonce": bytes([number])}
            envelope = USER.envelope(instance.content("call", **named))
            bodies.append(cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, envelope)))
        return await asyncio.gather(*(instance.asked("POST", path, body, (CBOR,)) for body in bodies))

    answers = instance.runner.run(together())
    counts = sorted(int.from_bytes(instance.reply(one), "little") for one in answers)
    assert counts == list(range(1, 51))


@pytest.mark.checklist("http.request-id", "http.content.call")
def test_the_request_is_named_by_the_hash_of_its_content(instance):
    canister_id = instance.installed(USER, COUNTER)
    answered = instance.call(USER, canister_id, "inc", nonce=b"n")
    (named,) = shown_requests(answered.certificate)
    assert named == request_id(instance, USER, canister_id, "inc", nonce=b"n")
    known = instance.engine.instance.ingress[named].request
    assert known == Request(b"n", START + 4 * MINUTE, USER.sender, canister_id, "inc", b"")


def test_the_root_key_is_the_one_that_certificates_are_verified_with(instance):
    assert instance.request("GET", "/api/v2/status").fields["root_key"] == ROOT_KEY
