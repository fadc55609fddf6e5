"""A certificate of a subnet is used for the canisters of this subnet only."""

import cbor2
import pytest

from spec.certification.certificate import Certificate, Delegation
from spec.certification.hash_tree import EMPTY, hash_tree, pruned
from spec.certification.scope import answers_call, certified_data_of, delegated_ranges, is_in_scope, is_of_subnet
from spec.values.identifiers import CanisterId, RequestId, SubnetId

SUBNET = SubnetId(b"subnet")
A, B, C, D = (CanisterId(bytes([letter, 1, 1])) for letter in b"ABCD")
CALL = RequestId(b"r" * 32)
CONTENT = {
    b"time": b"\1",
    b"request_status": {CALL: {b"status": b"done"}},
    b"canister": {C: {b"certified_data": b"data"}, D: {b"certified_data": b"other"}},
}


def shard(*ranges):
    return cbor2.dumps(cbor2.CBORTag(55799, [list(each) for each in ranges]))


def delegation(shards, subnet_id=SUBNET):
    tree = hash_tree({b"canister_ranges": {subnet_id: shards}, b"time": b"\1"})
    return Delegation(subnet_id, Certificate(tree, b""))


SHARDED = delegation({A: shard((A, A), (B, B)), C: shard((C, C))})
DELEGATED = Certificate(hash_tree(CONTENT), b"", SHARDED)


@pytest.mark.checklist("cert.delegation.scope")
def test_the_scope_is_the_ranges_of_all_shards():
    assert delegated_ranges(SHARDED) == ((A, A), (B, B), (C, C))
    assert delegated_ranges(delegation({})) == ()
    assert delegated_ranges(delegation({A: b"\xff", B: shard((A,)), C: shard((C, D))})) == ((C, D),)
    assert delegated_ranges(Delegation(SubnetId(b"another"), SHARDED.certificate)) == ()


@pytest.mark.checklist("cert.delegation.scope", "cert.use.read-state")
def test_a_delegated_certificate_is_for_canisters_in_scope_and_the_root_subnets_for_all():
    assert [is_in_scope(DELEGATED, one) for one in (A, B, C, D)] == [True, True, True, False]
    wide = Certificate(EMPTY, b"", delegation({A: shard((A, C))}))
    assert [is_in_scope(wide, one) for one in (A, B, C, D)] == [True, True, True, False]
    assert is_in_scope(Certificate(EMPTY, b""), D)


@pytest.mark.checklist("cert.use.read-state")
def test_a_delegated_certificate_is_for_the_subnet_of_the_delegation():
    assert is_of_subnet(DELEGATED, SUBNET)
    assert not is_of_subnet(DELEGATED, SubnetId(b"another"))
    assert is_of_subnet(Certificate(EMPTY, b""), SubnetId(b"another"))


@pytest.mark.checklist("cert.use.call-response")
def test_the_response_to_a_call_tells_its_status_and_the_time():
    tree = hash_tree(CONTENT)
    status, time = (b"request_status", CALL), (b"time",)
    assert answers_call(DELEGATED, CALL, C)
    assert answers_call(Certificate(pruned(tree, [status, time]), b"", SHARDED), CALL, C)
    assert not answers_call(Certificate(pruned(tree, [status]), b"", SHARDED), CALL, C)
    assert not answers_call(Certificate(pruned(tree, [time]), b"", SHARDED), CALL, C)
    assert not answers_call(DELEGATED, CALL, D)


@pytest.mark.checklist("cert.use.certified-data")
def test_certified_data_are_told_with_the_time_and_in_scope():
    tree = hash_tree(CONTENT)
    assert certified_data_of(DELEGATED, C) == b"data"
    assert certified_data_of(DELEGATED, D) is None
    assert certified_data_of(Certificate(tree, b""), D) == b"other"
    assert certified_data_of(DELEGATED, A) is None
    assert certified_data_of(Certificate(pruned(tree, [(b"canister", C)]), b""), C) is None
