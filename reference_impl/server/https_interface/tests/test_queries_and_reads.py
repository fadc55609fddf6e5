"""Queries and readings of the state over the HTTPS interface, verified by the specification."""

import cbor2
import pytest

from reference_impl.certification.node_keys import node
from reference_impl.certification.signing import ROOT_KEY
from reference_impl.server.https_interface.tests.in_process import (
    COUNTER,
    MINUTE,
    START,
    SUBNET_ID,
    Anonymous,
    Instance,
    User,
)
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.hash_tree import Absent, Unknown, lookup_path
from spec.certification.plain_signatures import verify_plain_signature
from spec.certification.query_response import (
    NodeSignature,
    SignedResponse,
    Verifiers,
    verify_response,
    verify_subnet_response,
)
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, principal_to_text, self_authenticating_id
from spec.values.leb128 import encode_unsigned
from spec.values.management import (
    CanisterIdArguments,
    InstallCodeArguments,
    InstallMode,
    LoadSnapshotArguments,
    ReinstallMode,
    TakeSnapshotArguments,
    UpgradeMode,
    decode_result,
    encode_arguments,
)
from spec.values.request_id import hash_of_map

USER, OTHER = User.of(1), User.of(2)
VERIFIERS = Verifiers(ROOT_KEY, verify_bls_signature, verify_plain_signature)
CREATION_TIME, INSTALLATION_TIME = b"canister_creation_timestamp", b"last_install_timestamp"
NOBODY = Principal(bytes(7) + b"\x09\x01\x01")


def signed_response(instance, user, canister_id, method, argument, fields):
    """The answer to a query with the usual content, as the specification verifies it."""
    named = {"canister_id": canister_id, "method_name": method, "arg": argument, "sender": user.sender}
    response = {name: value for name, value in fields.items() if name != "signatures"}
    signatures = tuple(NodeSignature(**one) for one in fields["signatures"])
    return SignedResponse(instance.content("query", **named), response, signatures)


@pytest.mark.checklist(
    "http.endpoint.query-v2-canister",
    "http.endpoint.query-v3-canister",
    "http.query.node-signature",
    "http.query.verify-response",
    "http.domain-separators",
    "http.content.query",
)
@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize(("method", "status"), [("get", "replied"), ("reject_query", "rejected"), ("none", "rejected")])
def test_the_answer_to_a_query_is_signed_by_a_node_that_the_subnet_certifies(instance, version, method, status):
    canister_id = instance.installed(USER, COUNTER)
    fields = instance.query(USER, canister_id, method, version=version).fields
    assert fields["status"] == status
    assert len(fields["signatures"]) == 1
    signed = signed_response(instance, USER, canister_id, method, b"", fields)
    certificate = instance.read(Anonymous(), canister_id, (b"subnet",)).certificate
    assert verify_response(signed, certificate, canister_id, VERIFIERS)
    outside = Principal(b"\xff" * 29)
    assert not verify_response(signed, certificate, outside, VERIFIERS)
    other = signed_response(instance, OTHER, canister_id, method, b"", fields)
    assert not verify_response(other, certificate, canister_id, VERIFIERS)
    assert not verify_response(
        signed, certificate, canister_id, Verifiers(OTHER.key, verify_bls_signature, verify_plain_signature)
    )


@pytest.mark.checklist("seed1.query-trust")
def test_a_node_of_the_subnet_may_answer_anything_and_no_certificate_tells_it_from_the_truth(instance):
    canister_id = instance.installed(USER, COUNTER)
    fields = instance.query(USER, canister_id, "get").fields
    assert fields["reply"] == {"arg": bytes(4)}
    assert fields.keys() == {"status", "reply", "signatures"}, "nothing that the subnet has signed"
    certificate = instance.read(Anonymous(), canister_id, (b"subnet",)).certificate
    told = signed_response(instance, USER, canister_id, "get", b"", fields)
    false = {**told.response, "reply": {"arg": b"\xff" * 4}}
    when = told.signatures[0].timestamp
    signature = node(0).signature_of({**false, "timestamp": when, "request_id": hash_of_map(told.content)})
    lie = SignedResponse(told.content, false, (NodeSignature(when, signature, node(0).node_id),))
    assert verify_response(lie, certificate, canister_id, VERIFIERS)
    assert not verify_response(
        SignedResponse(told.content, false, told.signatures), certificate, canister_id, VERIFIERS
    )


def test_the_reply_of_a_query_is_what_the_canister_replied(instance):
    canister_id = instance.installed(USER, COUNTER)
    instance.call(USER, canister_id, "inc")
    for user in (USER, Anonymous()):
        assert instance.query(user, canister_id, "get").fields["reply"] == {"arg": b"\1\0\0\0"}
    rejected = instance.query(USER, canister_id, "reject_query").fields
    assert (rejected["reject_code"], rejected["reject_message"]) == (4, "no")
    assert instance.query(USER, NOBODY, "get").fields["reject_code"] == 3


@pytest.mark.checklist("http.query.verify-subnet-response", "http.endpoint.query-v3-subnet", "http.effective-id.subnet")
def test_at_the_endpoint_of_the_subnet_admins_list_canisters_and_ask_for_nothing_else():
    instance = Instance.of(admins=(USER.sender,))
    try:
        instance.created(USER)

        def query(user, method, subnet=SUBNET_ID):
            content = instance.content("query", canister_id=MANAGEMENT_CANISTER, method_name=method, arg=b"DIDL\0\0")
            return instance.post(f"/api/v3/subnet/{principal_to_text(subnet)}/query", user.envelope(content))

        fields = query(USER, "list_canisters").fields
        assert fields["status"] == "replied"
        signed = signed_response(instance, USER, MANAGEMENT_CANISTER, "list_canisters", b"DIDL\0\0", fields)
        certificate = instance.read(Anonymous(), SUBNET_ID, (b"subnet",), endpoint="subnet").certificate
        assert verify_subnet_response(signed, certificate, SUBNET_ID, VERIFIERS)
        assert not verify_subnet_response(signed, certificate, self_authenticating_id(b"other"), VERIFIERS)
        assert query(OTHER, "list_canisters").fields["status"] == "rejected"
        assert query(USER, "canister_status").status == 400
        assert query(USER, "list_canisters", self_authenticating_id(b"other")).status == 400
    finally:
        instance.close()


@pytest.mark.checklist("http.effective-id.query-management")
def test_queries_to_the_management_canister_are_sent_to_the_canister_that_they_are_about(instance):
    canister_id, other = instance.created(USER), instance.created(USER)
    status = (USER, MANAGEMENT_CANISTER, "canister_status", encode_arguments(CanisterIdArguments(canister_id)))
    assert instance.query(*status, about=canister_id).fields["status"] == "replied"
    assert instance.query(*status, about=other).status == 400


@pytest.mark.checklist(
    "http.path.time",
    "http.path.canister.controllers",
    "http.path.canister.module-hash",
    "http.path.canister.creation-timestamp",
    "http.path.canister.last-install-timestamp",
    "http.path.canister.metadata",
    "http.endpoint.read-state-v2-canister",
    "http.endpoint.read-state-v3-canister",
    "http.content.read-state",
    "seed2.verifiable-state",
)
@pytest.mark.parametrize("version", ["v2", "v3"])
def test_what_is_certified_of_a_canister_can_be_read(instance, version):
    canister_id = instance.installed(USER, COUNTER)
    below = (b"canister", canister_id)
    known = instance.engine.instance.canisters[canister_id]
    expected = {
        (b"time",): encode_unsigned(START),
        (*below, b"controllers"): cbor2.dumps(cbor2.CBORTag(55799, [USER.sender])),
        (*below, b"module_hash"): known.code.installed.hash,
        (*below, b"canister_creation_timestamp"): encode_unsigned(START),
        (*below, b"last_install_timestamp"): encode_unsigned(START),
        (*below, b"metadata", b"shown"): b"for all",
        (*below, b"metadata", b"hidden"): b"for controllers",
    }
    answered = instance.read(USER, canister_id, *expected, version=version)
    assert {path: answered.value(*path) for path in expected} == expected


@pytest.mark.checklist("http.path.canister.last-install-timestamp", "http.path.canister.creation-timestamp")
def test_the_time_of_the_last_installation_is_that_at_which_the_code_last_changed(instance):
    canister_id = instance.created(USER)
    created, installed = ((b"canister", canister_id, name) for name in (CREATION_TIME, INSTALLATION_TIME))
    assert lookup_path(installed, instance.read(USER, canister_id, installed).certificate.tree) == Absent()

    def managed(method, arguments):
        instance.clock[0] += MINUTE
        return instance.reply(
            instance.call(USER, MANAGEMENT_CANISTER, method, encode_arguments(arguments), about=canister_id)
        )

    def times():
        answered = instance.read(USER, canister_id, created, installed)
        return answered.value(*created), answered.value(*installed)

    def minutes(number):
        return encode_unsigned(START), encode_unsigned(START + number * MINUTE)

    for number, mode in enumerate((InstallMode(), ReinstallMode(), UpgradeMode()), start=1):
        managed("install_code", InstallCodeArguments(mode, canister_id, COUNTER, b""))
        assert times() == minutes(number)
    taken = decode_result(
        "take_canister_snapshot", managed("take_canister_snapshot", TakeSnapshotArguments(canister_id))
    )
    assert times() == minutes(3)
    managed("load_canister_snapshot", LoadSnapshotArguments(canister_id, taken.id))
    assert times() == minutes(5)
    managed("uninstall_code", CanisterIdArguments(canister_id))
    assert lookup_path(installed, instance.read(USER, canister_id, installed).certificate.tree) == Absent()


@pytest.mark.checklist("http.path.canister.metadata", "http.path.canister.certified-data")
def test_private_sections_and_certified_data_are_kept_from_those_who_may_not_read_them(instance):
    canister_id = instance.installed(USER, COUNTER)
    below = (b"canister", canister_id)
    for user in (OTHER, Anonymous()):
        assert instance.read(user, canister_id, (*below, b"metadata", b"hidden")).status == 403
        assert instance.read(user, canister_id, (*below, b"metadata", b"shown")).status == 200
    assert instance.read(USER, canister_id, (*below, b"certified_data")).status == 403
    shown = instance.read(USER, canister_id, (b"canister", canister_id, b"module_hash")).certificate
    assert lookup_path((*below, b"certified_data"), shown.tree) == Unknown()


def test_what_is_not_there_is_provably_not_there(instance):
    empty, installed = instance.created(USER), instance.installed(USER, COUNTER)
    request = (b"request_status", bytes(32), b"status")
    for about, path in (
        (empty, (b"canister", empty, b"module_hash")),
        (empty, (b"canister", empty, b"metadata", b"shown")),
        (installed, (b"canister", installed, b"metadata", b"none")),
        (NOBODY, (b"canister", NOBODY, b"controllers")),
        (installed, request),
    ):
        tree = instance.read(USER, about, path).certificate.tree
        assert lookup_path(path, tree) == Absent(), path


@pytest.mark.checklist(
    "http.path.subnet.public-key",
    "http.path.subnet.type",
    "http.path.subnet.canister-ranges",
    "http.path.subnet.node-public-key",
    "http.path.api-boundary-nodes.domain",
    "http.path.api-boundary-nodes.ipv4",
    "http.path.api-boundary-nodes.ipv6",
)
def test_the_subnet_and_its_nodes_can_be_read_at_every_canister(instance):
    canister_id = instance.created(USER)
    answered = instance.read(Anonymous(), canister_id, (b"subnet",), (b"api_boundary_nodes",))
    below = (b"subnet", SUBNET_ID)
    assert answered.value(*below, b"public_key") == ROOT_KEY
    assert answered.value(*below, b"type") == b"application"
    for number in range(13):
        one = node(number)
        assert answered.value(*below, b"node", one.node_id, b"public_key") == one.public_key
    ((first, last),) = ranges(answered)
    assert first <= canister_id <= last
    reached = (b"api_boundary_nodes", node(0).node_id)
    leaves = (b"domain", b"ipv4_address", b"ipv6_address")
    assert [answered.value(*reached, leaf) for leaf in leaves] == [b"localhost", b"127.0.0.1", b"::1"]


def ranges(answered, *path):
    """The ranges of the subnet, as a certificate has them."""
    encoded = answered.value(*(path or (b"subnet", SUBNET_ID, b"canister_ranges")))
    assert encoded.startswith(bytes.fromhex("d9d9f7"))
    return [tuple(pair) for pair in cbor2.loads(encoded[3:])]


@pytest.mark.checklist(
    "http.endpoint.read-state-v2-subnet",
    "http.endpoint.read-state-v3-subnet",
    "http.path.canister-ranges",
    "http.path.subnet.metrics",
)
@pytest.mark.parametrize("version", ["v2", "v3"])
def test_ranges_and_metrics_are_read_at_the_endpoint_of_the_subnet_alone(instance, version):
    canister_id = instance.installed(USER, COUNTER)
    paths = ((b"canister_ranges", SUBNET_ID), (b"subnet", SUBNET_ID, b"metrics"))
    answered = instance.read(Anonymous(), SUBNET_ID, *paths, endpoint="subnet", version=version)
    ((first, last),) = ranges(answered, b"canister_ranges", SUBNET_ID, bytes(8) + b"\1\1")
    assert (first, last) == (bytes(8) + b"\1\1", b"\xff" * 8 + b"\1\1")
    metrics = cbor2.loads(answered.value(b"subnet", SUBNET_ID, b"metrics"))
    consumed = instance.engine.instance.recorder.cycles_burned
    assert metrics["num_canisters"] == 1
    assert metrics["consumed_cycles_total"] == {"low": consumed} != {"low": 0}
    assert metrics["update_transactions_total"] > 0
    assert metrics["canister_state_bytes"] > len(COUNTER)
    for path in paths:
        assert instance.read(Anonymous(), canister_id, path, version=version).status == 404


def test_only_who_called_may_read_how_far_the_call_is_and_only_where_it_was_sent(instance):
    canister_id, other = instance.installed(USER, COUNTER), instance.created(USER)
    answered = instance.call(USER, canister_id, "inc")
    (request_id,) = (
        one for one, _ in instance.engine.instance.ingress.items() if answered.value(b"request_status", one, b"status")
    )
    path = (b"request_status", request_id)
    assert instance.read(USER, canister_id, path).value(*path, b"status") == b"replied"
    assert instance.read(OTHER, canister_id, path).status == 403
    assert instance.read(USER, other, path).status == 403


@pytest.mark.checklist("http.endpoint.read-state-v2-canister", "http.endpoint.read-state-v2-subnet")
def test_the_deprecated_endpoints_alone_take_requests_for_the_ranges_of_every_subnet(instance):
    canister_id = instance.created(USER)
    path = (b"subnet", self_authenticating_id(b"another subnet"), b"canister_ranges")
    for about, endpoint in ((canister_id, "canister"), (SUBNET_ID, "subnet")):
        told = instance.read(Anonymous(), about, path, endpoint=endpoint, version="v2")
        assert lookup_path(path, told.certificate.tree) == Absent()
        assert instance.read(Anonymous(), about, path, endpoint=endpoint, version="v3").status == 404


def test_the_state_of_the_subnet_cannot_be_read_at_another_subnet(instance):
    other = self_authenticating_id(b"another subnet")
    assert instance.read(Anonymous(), other, (b"time",), endpoint="subnet").status == 400


@pytest.mark.checklist("http.ingress-expiry")
def test_anonymous_reads_may_expire_whenever_they_like_and_signed_ones_may_not(instance):
    canister_id = instance.installed(USER, COUNTER)
    for expiry in (0, START - 1, START + 6 * MINUTE, 2**64 - 1):
        assert instance.query(Anonymous(), canister_id, "get", ingress_expiry=expiry).status == 200
        assert instance.read(Anonymous(), canister_id, (b"time",), ingress_expiry=expiry).status == 200
        for answered in (
            instance.query(USER, canister_id, "get", ingress_expiry=expiry),
            instance.read(USER, canister_id, (b"time",), ingress_expiry=expiry),
        ):
            assert (answered.status, answered.body[:24]) == (400, b"Invalid request expiry: ")


@pytest.mark.checklist("http.delegation.targets", "http.delegation.permissions")
def test_delegations_for_queries_or_for_other_canisters_admit_what_they_say(instance):
    canister_id, other = instance.installed(USER, COUNTER), instance.created(USER)
    call_id = next(iter(instance.engine.instance.ingress.items()))[0]
    queries = USER.through(OTHER, permissions="queries")
    assert instance.query(queries, canister_id, "get").status == 200
    assert instance.read(queries, canister_id, (b"time",)).status == 200
    assert instance.call(queries, canister_id, "get").status == 400
    here, there = USER.through(OTHER, targets=[canister_id]), USER.through(OTHER, targets=[other])
    assert instance.query(here, canister_id, "get").status == 200
    assert instance.call(here, canister_id, "get").status == 200
    assert instance.query(there, canister_id, "get").status == 400
    assert instance.call(there, canister_id, "get", nonce=b"2").status == 400
    # The first request was one to the management canister, which neither of them is for.
    assert instance.read(here, MANAGEMENT_CANISTER, (b"request_status", call_id)).status == 403
    assert instance.read(USER, MANAGEMENT_CANISTER, (b"request_status", call_id)).status == 200


def test_the_time_of_the_instance_is_that_of_its_clock(instance):
    canister_id = instance.created(USER)
    instance.clock[0] += 3 * MINUTE
    later = encode_unsigned(START + 3 * MINUTE)
    # Reason: what is read is the state that was committed last, which follows the clock within a moment.
    reads = (instance.read(Anonymous(), canister_id, (b"time",)).value(b"time") for _ in range(1000))
    assert any(told == later for told in reads)
