"""A subnet to which the root subnet delegates: what it certifies goes back to the root key, for its canisters alone."""

import pytest

from reference_impl.certification.signing import OTHER, ROOT, ROOT_KEY
from reference_impl.server.https_interface.tests.in_process import COUNTER, SUBNET_ID, Anonymous, Instance, User
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import delegation_key, lookup
from spec.certification.hash_tree import Found
from spec.certification.plain_signatures import verify_plain_signature
from spec.certification.query_response import NodeSignature, SignedResponse, Verifiers, verify_response
from spec.certification.scope import delegated_ranges, is_in_scope, is_of_subnet
from spec.values.identifiers import MANAGEMENT_CANISTER

USER = User.of(1)


@pytest.fixture
def delegated():
    """An instance of such a subnet."""
    made = Instance.of(subnet_id=OTHER.subnet_id)
    yield made
    made.close()


@pytest.mark.checklist(
    "cert.delegation.check",
    "cert.delegation.key",
    "cert.use.call-response",
    "cert.use.read-state",
    "http.endpoint.call-v4-canister",
    "http.endpoint.read-state-v2-canister",
    "http.endpoint.read-state-v3-canister",
    "http.endpoint.read-state-v2-subnet",
    "http.endpoint.read-state-v3-subnet",
)
def test_certificates_bear_the_delegation_of_the_root_subnet_and_are_for_canisters_of_the_subnet(delegated):
    canister_id = delegated.installed(USER, COUNTER)
    for answered in (
        delegated.call(USER, canister_id, "inc"),
        delegated.read(USER, canister_id, (b"time",)),
        delegated.read(USER, canister_id, (b"time",), version="v2"),
        delegated.read(USER, OTHER.subnet_id, (b"time",), endpoint="subnet"),
        delegated.read(USER, OTHER.subnet_id, (b"time",), endpoint="subnet", version="v2"),
    ):
        certificate = answered.certificate  # Verified with the root key.
        assert certificate.delegation.subnet_id == OTHER.subnet_id != ROOT.subnet_id == SUBNET_ID
        assert delegation_key(certificate.delegation, ROOT_KEY, verify_bls_signature) == OTHER.public_key[-96:]
        assert is_in_scope(certificate, canister_id)
        assert not is_in_scope(certificate, MANAGEMENT_CANISTER)
        assert is_of_subnet(certificate, OTHER.subnet_id)
        assert not is_of_subnet(certificate, ROOT.subnet_id)


@pytest.mark.checklist("http.endpoint.call-v3-canister", "http.endpoint.read-state-v2-canister")
def test_the_delegation_has_the_ranges_of_the_subnet_in_the_old_form_and_in_the_new_one(delegated):
    canister_id = delegated.created(USER)
    delegation = delegated.read(USER, canister_id, (b"time",)).certificate.delegation
    ((first, last),) = delegated_ranges(delegation)
    assert first <= canister_id <= last
    old = lookup((b"subnet", OTHER.subnet_id, b"canister_ranges"), delegation.certificate)
    new = lookup((b"canister_ranges", OTHER.subnet_id, first), delegation.certificate)
    assert isinstance(old, Found)
    assert old == new


@pytest.mark.parametrize("path", [(b"subnet",), (b"subnet", OTHER.subnet_id)])
def test_the_subnet_certifies_its_own_key_and_tells_its_ranges_below_it_at_old_endpoints_alone(delegated, path):
    below = (b"subnet", OTHER.subnet_id)
    for version in ("v2", "v3"):
        told = delegated.read(Anonymous(), OTHER.subnet_id, path, endpoint="subnet", version=version)
        assert told.value(*below, b"public_key") == OTHER.public_key
        assert (told.value(*below, b"canister_ranges") is None) == (version == "v3")


def test_the_root_key_is_not_that_of_the_subnet(delegated):
    assert delegated.request("GET", "/api/v2/status").fields["root_key"] == ROOT_KEY
    assert delegated.read(Anonymous(), ROOT.subnet_id, (b"time",), endpoint="subnet").status == 400


@pytest.mark.checklist("http.query.verify-response")
def test_answers_to_queries_are_those_of_nodes_of_the_subnet_that_has_the_canister(delegated):
    canister_id = delegated.installed(USER, COUNTER)
    fields = delegated.query(USER, canister_id, "get").fields
    named = {"canister_id": canister_id, "method_name": "get", "arg": b"", "sender": USER.sender}
    signatures = tuple(NodeSignature(**one) for one in fields.pop("signatures"))
    signed = SignedResponse(delegated.content("query", **named), fields, signatures)
    certificate = delegated.read(Anonymous(), canister_id, (b"subnet",)).certificate
    verifiers = Verifiers(ROOT_KEY, verify_bls_signature, verify_plain_signature)
    assert verify_response(signed, certificate, canister_id, verifiers)
    assert not verify_response(signed, certificate, MANAGEMENT_CANISTER, verifiers)
