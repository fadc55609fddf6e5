"""Certificates of queries: the engine makes them, and the specification's own reader and verifier accept them."""

import pytest

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import RELAY_REPLY, bytes_of_u32, call, program, reply
from properties.agreement.lockstep import Disagreement
from properties.agreement.stage import Stage
from reference_impl.certification.hash_trees import tree_of
from reference_impl.certification.signing import ROOT_KEY
from reference_impl.reads import query_certificates
from reference_impl.reads.state_tree import state_tree as tree_of_engine
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import decode_certificate, lookup, verify_certificate
from spec.certification.hash_tree import Absent, Found, Unknown
from spec.values.rejects import Reply

CERTIFICATE = program(reply(ic0.data_certificate()))
PRESENT = program(reply(bytes_of_u32(ic0.data_certificate_present())))
YES, NO = (1).to_bytes(4, "little"), (0).to_bytes(4, "little")


def certifying(stage, data=b"certified"):
    """A scripted canister with certified data."""
    canister_id = stage.installed(load("scripted"))
    stage.call(canister_id, "update", program(ic0.certified_data_set(data), reply(b"")))
    return canister_id


def told(stage, canister_id):
    """The certificate that a query of the canister sees."""
    answer = stage.query(canister_id, "query", CERTIFICATE)
    assert isinstance(answer, Reply)
    return decode_certificate(answer.data)


@pytest.mark.checklist("rule.query.certificate", "api.data-certificate-present", "api.data-certificate-copy")
def test_a_query_sees_a_certificate_of_the_time_and_of_what_its_canister_certifies():
    stage = Stage()
    canister_id = certifying(stage)
    assert stage.query(canister_id, "query", PRESENT) == Reply(YES)
    certificate = told(stage, canister_id)
    assert verify_certificate(certificate, ROOT_KEY, verify_bls_signature)
    assert lookup((b"canister", canister_id, b"certified_data"), certificate) == Found(b"certified")
    stage.call(canister_id, "update", program(ic0.certified_data_set(b""), reply(b"")))
    assert lookup((b"canister", canister_id, b"certified_data"), told(stage, canister_id)) == Found(b"")


@pytest.mark.checklist("rule.query.certificate")
def test_a_certificate_hides_what_else_the_subnet_knows_and_denies_none_of_it():
    stage = Stage()
    canister_id, other = certifying(stage), certifying(stage, b"of another")
    certificate = told(stage, canister_id)
    known = next(iter(stage.state.requests.keys()))
    for path in (
        (b"canister", other, b"certified_data"),
        (b"canister", canister_id, b"controllers"),
        (b"request_status", known, b"status"),
        (b"subnet", stage.lockstep.engine.instance.subnet.subnet_id, b"public_key"),
    ):
        assert lookup(path, certificate) == Unknown()
    assert lookup((b"no such label",), certificate) in (Absent(), Unknown())


@pytest.mark.checklist("rule.query.certificate", "rule.query.composite-calls", "rule.query.composite-callbacks")
def test_only_the_methods_of_the_canister_that_the_user_asks_see_a_certificate():
    stage = Stage()
    asked, callee = certifying(stage), certifying(stage)

    def calling(target, inner, on_reply):
        return program(call(target, "composite", inner, on_reply=on_reply))

    assert stage.query(asked, "composite", PRESENT) == Reply(YES)
    assert stage.query(asked, "composite", calling(callee, PRESENT, RELAY_REPLY)) == Reply(NO)
    assert stage.query(asked, "composite", calling(asked, PRESENT, RELAY_REPLY)) == Reply(YES)
    assert stage.query(asked, "composite", calling(callee, PRESENT, PRESENT)) == Reply(NO)


@pytest.mark.checklist("api.data-certificate-present")
def test_a_query_method_that_runs_as_an_update_sees_no_certificate():
    stage = Stage()
    canister_id = certifying(stage)
    assert stage.call(canister_id, "query", PRESENT).data == NO


def test_an_instance_without_the_secret_of_its_root_key_gives_no_certificate():
    stage = Stage(root_key=b"")
    canister_id = certifying(stage)
    assert stage.query(canister_id, "query", PRESENT) == Reply(NO)


def test_nothing_is_signed_for_a_module_that_cannot_ask_for_a_certificate(monkeypatch):
    stage = Stage()
    asks, does_not = stage.installed(load("scripted")), stage.installed(load("counter"))
    signed = []
    real = query_certificates.certificate_of
    monkeypatch.setattr(query_certificates, "certificate_of", lambda *given: signed.append(given) or real(*given))
    stage.lockstep.certificate(does_not)
    assert signed == []
    stage.lockstep.certificate(asks)
    assert len(signed) == 1


def test_a_certificate_of_other_data_or_of_another_time_is_a_disagreement(monkeypatch):
    stage = Stage()
    canister_id = certifying(stage)

    def lying(change):
        monkeypatch.setattr(query_certificates, "state_tree", lambda instance: change(tree_of_engine(instance)))
        with pytest.raises(Disagreement, match="does not certify"):
            stage.query(canister_id, "query", PRESENT)

    lying(lambda tree: tree.set(b"time", tree_of(b"\x01")))
    lying(lambda tree: tree.set(b"canister", tree_of({canister_id: {b"certified_data": b"other"}})))
