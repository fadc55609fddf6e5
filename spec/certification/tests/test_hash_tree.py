"""Hash trees behave as the example of the certification chapter says, and as their laws demand."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.certification.certificate import (
    DER_PREFIX,
    Certificate,
    CertificateError,
    Delegation,
    decode_certificate,
    encode_certificate,
    encode_tree,
    signed_message,
    verify_certificate,
)
from spec.certification.hash_tree import (
    EMPTY,
    Absent,
    Fork,
    Found,
    Labeled,
    Leaf,
    NoValue,
    Pruned,
    Unknown,
    hash_tree,
    is_well_formed,
    lookup_path,
    pruned,
    reconstruct,
)
from spec.values.identifiers import Principal

EXAMPLE = Fork(
    Fork(
        Labeled(b"a", Fork(Fork(Labeled(b"x", Leaf(b"hello")), EMPTY), Labeled(b"y", Leaf(b"world")))),
        Labeled(b"b", Leaf(b"good")),
    ),
    Fork(Labeled(b"c", EMPTY), Labeled(b"d", Leaf(b"morning"))),
)
ROOT = "eb5c5b2195e62d996b84c9bcc8259d19a83786a2f59e0878cec84c811f669aa0"
PRUNED = (
    "83018301830241618301820458201b4feff9bef8131788b0c9dc6dbad6e81e524249c879e9f10f71ce3749f5a63883024179820345776f"
    "726c6483024162820458207b32ac0c6ba8ce35ac82c255fc7906f7fc130dab2a090f80fe12f9c2cae83ba6830182045820ec8324b8a1f1"
    "ac16bd2e806edba78006479c9877fed4eb464a25485465af601d830241648203476d6f726e696e67"
)


@pytest.mark.checklist("cert.structure")
def test_the_example_has_the_root_hash_of_the_chapter() -> None:
    assert reconstruct(EXAMPLE).hex() == ROOT


def test_the_example_pruned_to_three_paths_is_that_of_the_chapter() -> None:
    smaller = pruned(EXAMPLE, [(b"a", b"y"), (b"ax",), (b"d",)])

    assert encode_tree(smaller).hex() == PRUNED
    assert reconstruct(smaller).hex() == ROOT


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ((b"a", b"a"), Unknown()),
        ((b"a", b"y"), Found(b"world")),
        ((b"aa",), Absent()),
        ((b"ax",), Absent()),
        ((b"b",), Unknown()),
        ((b"bb",), Unknown()),
        ((b"d",), Found(b"morning")),
        ((b"e",), Absent()),
        ((b"a",), NoValue()),
    ],
)
def test_lookups_in_the_pruned_example_are_those_of_the_chapter(path: tuple[bytes, ...], says: object) -> None:
    smaller = pruned(EXAMPLE, [(b"a", b"y"), (b"ax",), (b"d",)])

    assert lookup_path(path, smaller) == says


labels = st.binary(max_size=2)
contents = st.recursive(st.binary(max_size=3), lambda inner: st.dictionaries(labels, inner, max_size=4), max_leaves=8)
paths = st.lists(labels, max_size=3).map(tuple)


@given(st.dictionaries(labels, contents, max_size=5), st.lists(paths, max_size=3), paths)
def test_pruning_keeps_the_root_and_what_was_asked_for_and_tells_no_lies(content, kept, asked) -> None:
    tree = hash_tree(content)
    smaller = pruned(tree, kept)

    assert is_well_formed(tree)
    assert reconstruct(smaller) == reconstruct(tree)
    for path in kept:
        assert lookup_path(path, smaller) == lookup_path(path, tree)
    said = lookup_path(asked, smaller)
    if isinstance(said, Found | Absent):
        assert said == lookup_path(asked, tree)


def test_a_tree_with_labels_out_of_order_is_not_well_formed() -> None:
    assert not is_well_formed(Fork(Labeled(b"b", EMPTY), Labeled(b"a", EMPTY)))
    assert not is_well_formed(Fork(Labeled(b"a", EMPTY), Leaf(b"")))


def signed_by(key: bytes, tree: object) -> bytes:
    """A stand-in for BLS: the key and the message."""
    return key + signed_message(tree)


def verify(key: bytes, signature: bytes, message: bytes) -> bool:
    return signature == key + message


ROOT_KEY, SUBNET_KEY = b"r" * 96, b"s" * 96
SUBNET = Principal(b"subnet")


def delegated(inner_key: bytes = ROOT_KEY, inner_delegation: Delegation | None = None) -> Certificate:
    tree = hash_tree({b"time": b"\x01"})
    proof = hash_tree({b"subnet": {SUBNET: {b"public_key": DER_PREFIX + SUBNET_KEY}}})
    inner = Certificate(proof, signed_by(inner_key, proof), inner_delegation)
    return Certificate(tree, signed_by(SUBNET_KEY, tree), Delegation(SUBNET, inner))


@pytest.mark.checklist("inv.cert.delegation-depth", "inv.cert.tamper-evident")
def test_certificates_verify_directly_and_by_one_delegation_and_not_otherwise() -> None:
    tree = hash_tree({b"time": b"\x01"})
    root = DER_PREFIX + ROOT_KEY

    assert verify_certificate(Certificate(tree, signed_by(ROOT_KEY, tree)), root, verify)
    assert verify_certificate(delegated(), root, verify)
    assert not verify_certificate(Certificate(tree, signed_by(SUBNET_KEY, tree)), root, verify)
    assert not verify_certificate(delegated(inner_key=SUBNET_KEY), root, verify)
    assert not verify_certificate(delegated(inner_delegation=delegated().delegation), root, verify)
    changed = hash_tree({b"time": b"\x02"})
    assert not verify_certificate(Certificate(changed, signed_by(ROOT_KEY, tree)), root, verify)


def test_certificates_are_encoded_and_decoded() -> None:
    assert decode_certificate(encode_certificate(delegated())) == delegated()


@pytest.mark.parametrize("content", [b"", b"\xff", cbor2.dumps(7), cbor2.dumps({"tree": [9], "signature": b""})])
def test_what_is_no_certificate_is_refused_with_a_reason(content: bytes) -> None:
    with pytest.raises(CertificateError):
        decode_certificate(content)


def test_a_pruned_part_counts_with_its_hash() -> None:
    assert reconstruct(Pruned(reconstruct(EXAMPLE))) == reconstruct(EXAMPLE)
