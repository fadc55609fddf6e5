"""Hash trees behave as the example of the certification chapter says, and as their laws demand."""

import hashlib

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
    delegation_key,
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
    HashTree,
    Labeled,
    Leaf,
    NoValue,
    Pruned,
    Unknown,
    hash_tree,
    is_well_formed,
    lookup_path,
    lookup_values,
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


@pytest.mark.checklist("cert.structure", "cert.hash-tree", "cert.example.full-tree")
def test_the_example_has_the_root_hash_of_the_chapter() -> None:
    assert reconstruct(EXAMPLE).hex() == ROOT
    certificate = Certificate(EXAMPLE, b"")
    assert decode_certificate(encode_certificate(certificate)) == certificate


@pytest.mark.parametrize(
    ("tree", "hashed"),
    [
        pytest.param(EMPTY, b"\x11ic-hashtree-empty", marks=pytest.mark.checklist("cert.reconstruct.empty")),
        pytest.param(Leaf(b"x"), b"\x10ic-hashtree-leafx", marks=pytest.mark.checklist("cert.reconstruct.leaf")),
        pytest.param(
            Labeled(b"l", Pruned(b"h" * 32)),
            b"\x13ic-hashtree-labeledl" + b"h" * 32,
            marks=pytest.mark.checklist("cert.reconstruct.labeled", "cert.reconstruct.pruned"),
        ),
        pytest.param(
            Fork(Pruned(b"g" * 32), Pruned(b"h" * 32)),
            b"\x10ic-hashtree-fork" + b"g" * 32 + b"h" * 32,
            marks=pytest.mark.checklist("cert.reconstruct.fork", "cert.domain-separators"),
        ),
    ],
)
def test_each_kind_of_tree_has_its_hash(tree: HashTree, hashed: bytes) -> None:
    assert reconstruct(tree) == hashlib.sha256(hashed).digest()


@pytest.mark.checklist("cert.domain-separators", "cert.verify")
def test_what_is_signed_begins_with_its_domain() -> None:
    assert signed_message(EXAMPLE) == b"\x0dic-state-root" + bytes.fromhex(ROOT)


@pytest.mark.checklist("cert.example.pruned-tree", "cert.pruning", "inv.cert.pruning-keeps-root")
def test_the_example_pruned_to_three_paths_is_that_of_the_chapter() -> None:
    smaller = pruned(EXAMPLE, [(b"a", b"y"), (b"ax",), (b"d",)])

    assert encode_tree(smaller).hex() == PRUNED
    assert reconstruct(smaller).hex() == ROOT


@pytest.mark.checklist("cert.example.pruned-tree", "cert.lookup.outcomes", "cert.lookup.step")
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


@pytest.mark.checklist("cert.lookup.empty-path", "cert.lookup.outcomes")
@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (EMPTY, Absent()),
        (Leaf(b"x"), Found(b"x")),
        (Pruned(b"h" * 32), Unknown()),
        (Labeled(b"a", Leaf(b"x")), NoValue()),
        (Fork(Labeled(b"a", EMPTY), Labeled(b"b", EMPTY)), NoValue()),
    ],
)
def test_the_empty_path_leads_to_the_tree_itself(tree: HashTree, says: object) -> None:
    assert lookup_path((), tree) == says


HIDDEN = Pruned(b"h" * 32)
B_AND_D = Fork(Labeled(b"b", Leaf(b"2")), Labeled(b"d", Leaf(b"4")))


@pytest.mark.parametrize(
    ("label", "tree", "says"),
    [
        pytest.param(b"d", B_AND_D, Found(b"4"), marks=pytest.mark.checklist("cert.lookup.find-label.found")),
        pytest.param(b"d", Fork(HIDDEN, B_AND_D), Found(b"4"), marks=pytest.mark.checklist("cert.lookup.step")),
        *(
            pytest.param(label, tree, Absent(), marks=pytest.mark.checklist("cert.lookup.find-label.absent"))
            for label, tree in [
                (b"c", B_AND_D),
                (b"c", Fork(Fork(HIDDEN, EMPTY), Fork(B_AND_D, HIDDEN))),
                (b"a", Fork(B_AND_D, HIDDEN)),
                (b"e", Fork(HIDDEN, B_AND_D)),
                (b"c", EMPTY),
                (b"c", Fork(EMPTY, EMPTY)),
                (b"c", Leaf(b"x")),
            ]
        ),
        *(
            pytest.param(label, tree, Unknown(), marks=pytest.mark.checklist("cert.lookup.find-label.unknown"))
            for label, tree in [
                (b"c", HIDDEN),
                (b"a", Fork(HIDDEN, B_AND_D)),
                (b"e", Fork(B_AND_D, HIDDEN)),
                (b"c", Fork(Labeled(b"b", EMPTY), Fork(HIDDEN, Labeled(b"d", EMPTY)))),
            ]
        ),
        *(
            pytest.param(
                label, Labeled(b"b\xff", Leaf(b"x")), Absent(), marks=pytest.mark.checklist("cert.lookup.order")
            )
            for label in (b"b", b"b\xfe", b"b\xff\0", b"c", b"")
        ),
        pytest.param(
            b"bb",
            Fork(Labeled(b"b", EMPTY), Labeled(b"c", EMPTY)),
            Absent(),
            marks=pytest.mark.checklist("cert.lookup.order"),
        ),
    ],
)
def test_a_label_is_found_absent_or_unknown(label: bytes, tree: HashTree, says: object) -> None:
    assert lookup_path((label,), tree) == says


@pytest.mark.checklist("cert.lookup.prefix")
def test_all_values_below_a_prefix_are_found_in_the_order_of_the_tree() -> None:
    assert lookup_values((b"a",), EXAMPLE) == (b"hello", b"world")
    assert lookup_values((), EXAMPLE) == (b"hello", b"world", b"good", b"morning")
    assert lookup_values((b"b",), EXAMPLE) == (b"good",)
    assert lookup_values((b"a",), pruned(EXAMPLE, [(b"a", b"y")])) == (b"world",)
    for nothing in ((b"c",), (b"e",), (b"b", b"x")):
        assert lookup_values(nothing, EXAMPLE) == ()


labels = st.binary(max_size=2)
contents = st.recursive(st.binary(max_size=3), lambda inner: st.dictionaries(labels, inner, max_size=4), max_leaves=8)
paths = st.lists(labels, max_size=3).map(tuple)


@pytest.mark.checklist(
    "cert.pruning",
    "cert.well-formed",
    "inv.cert.pruning-keeps-root",
    "inv.cert.pruning-sound",
    "inv.cert.well-formed",
)
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


@given(st.dictionaries(labels, contents, max_size=5), paths)
@pytest.mark.checklist("inv.cert.tree-prefix-free")
def test_no_value_lies_below_another_one(content, path) -> None:
    tree = hash_tree(content)
    if isinstance(lookup_path(path, tree), Found):
        assert lookup_values(path, tree) == (lookup_path(path, tree).value,)
        assert lookup_path((*path, b""), tree) == Absent()


@pytest.mark.checklist("cert.well-formed")
def test_a_tree_with_labels_out_of_order_is_not_well_formed() -> None:
    assert not is_well_formed(Fork(Labeled(b"b", EMPTY), Labeled(b"a", EMPTY)))
    assert not is_well_formed(Fork(Labeled(b"a", EMPTY), Labeled(b"a", EMPTY)))
    assert not is_well_formed(Fork(Labeled(b"a", EMPTY), Leaf(b"")))
    assert not is_well_formed(Labeled(b"a", Fork(Labeled(b"b", EMPTY), Labeled(b"a", EMPTY))))
    assert is_well_formed(Leaf(b"")) and is_well_formed(EMPTY)


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


@pytest.mark.checklist(
    "inv.cert.delegation-depth",
    "inv.cert.tamper-evident",
    "cert.verify",
    "cert.root-of-trust",
    "cert.delegation.check",
    "cert.delegation.root-subnet",
    "unspec.env.client-expiry",
    "seed2.verifiable-state",
)
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


@pytest.mark.checklist("cert.delegation.key")
def test_the_key_of_a_subnet_is_wrapped_as_all_keys_of_subnets_are() -> None:
    certificate = delegated()
    for key in (SUBNET_KEY, DER_PREFIX + SUBNET_KEY[1:], b"1" + DER_PREFIX[1:] + SUBNET_KEY):
        proof = hash_tree({b"subnet": {SUBNET: {b"public_key": key}}})
        other = Delegation(SUBNET, Certificate(proof, signed_by(ROOT_KEY, proof)))
        assert delegation_key(other, DER_PREFIX + ROOT_KEY, verify) is None
    assert delegation_key(certificate.delegation, DER_PREFIX + ROOT_KEY, verify) == SUBNET_KEY
    assert delegation_key(None, DER_PREFIX + ROOT_KEY, verify) == ROOT_KEY
    assert bytes.fromhex("2b0601040182dc7c0503010201") in DER_PREFIX
    assert bytes.fromhex("2b0601040182dc7c05030201") in DER_PREFIX


@pytest.mark.checklist("cert.delegation.structure", "cert.encoding.cbor", "cert.structure")
def test_certificates_are_encoded_and_decoded() -> None:
    assert decode_certificate(encode_certificate(delegated())) == delegated()
    encoded = encode_certificate(delegated())
    assert encoded.startswith(b"\xd9\xd9\xf7")
    value = cbor2.loads(encoded[3:])
    assert value.keys() == {"tree", "signature", "delegation"}
    assert value["delegation"].keys() == {"subnet_id", "certificate"}
    assert isinstance(value["delegation"]["certificate"], bytes)


@pytest.mark.checklist("cert.encoding.cbor", "cert.hash-tree")
def test_trees_are_lists_that_begin_with_the_number_of_their_kind() -> None:
    tree = Fork(Labeled(b"a", Leaf(b"x")), Fork(EMPTY, Pruned(b"h" * 32)))
    assert cbor2.loads(encode_tree(tree)) == [1, [2, b"a", [3, b"x"]], [1, [0], [4, b"h" * 32]]]


@pytest.mark.parametrize("content", [b"", b"\xff", cbor2.dumps(7), cbor2.dumps({"tree": [9], "signature": b""})])
def test_what_is_no_certificate_is_refused_with_a_reason(content: bytes) -> None:
    with pytest.raises(CertificateError):
        decode_certificate(content)


def test_a_pruned_part_counts_with_its_hash() -> None:
    assert reconstruct(Pruned(reconstruct(EXAMPLE))) == reconstruct(EXAMPLE)
