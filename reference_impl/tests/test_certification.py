"""Hash trees of the reference implementation, and the certificates that it signs."""

import hashlib

import pytest

from reference_impl.authentication.certificates import certificate_of as read
from reference_impl.authentication.certificates import is_valid, value_at
from reference_impl.certification.hash_trees import LEAF, PRUNED, hash_of, shown, tree_of
from reference_impl.certification.signing import ROOT, ROOT_KEY, certificate_of, network_of
from spec.state.canister import Subnet

CONTENT = {b"a": {b"x": b"hello", b"y": b"world"}, b"b": b"good", b"c": {}, b"d": b"morning"}
TREE = tree_of(CONTENT)
PATHS = [(), (b"a", b"x"), (b"a",), (b"b",), (b"c",), (b"d",)]


def test_the_hash_of_a_leaf_is_that_of_its_name_and_its_value():
    assert hash_of(shown(tree_of(b"hello"), ())) == hashlib.sha256(b"\x10ic-hashtree-leaf" + b"hello").digest()
    assert hash_of(shown(tree_of({}), ())) == hashlib.sha256(b"\x11ic-hashtree-empty").digest()


@pytest.mark.parametrize("path", PATHS)
def test_a_tree_has_the_same_hash_whatever_it_shows(path):
    encoded = certificate_of(TREE, [path])
    assert read(encoded).tree.hash == hash_of(shown(TREE, ()))
    assert is_valid(read(encoded), ROOT_KEY)


def test_a_tree_shows_what_is_asked_for_and_hides_the_rest():
    tree = read(certificate_of(TREE, [(b"a", b"x"), (b"d",)])).tree
    assert tree.is_well_formed
    assert value_at(tree, b"a", b"x") == b"hello"
    assert value_at(tree, b"d") == b"morning"
    assert value_at(tree, b"a", b"y") is None
    assert value_at(tree, b"b") is None


def test_hidden_neighbours_hide_together():
    assert shown(tree_of({b"a": b"1", b"b": b"2"}), [])[0] == PRUNED
    assert shown(tree_of(b"1"), []) == [LEAF, b"1"]


def test_a_certificate_whose_tree_was_changed_is_not_valid():
    encoded = certificate_of(TREE, [(b"b",)])
    assert not is_valid(read(encoded.replace(b"good", b"evil")), ROOT_KEY)


def test_the_instance_signs_for_its_own_root_key_alone():
    subnet = Subnet(ROOT.subnet_id, 13)
    assert network_of(subnet, ROOT_KEY).root_secret is not None
    assert network_of(subnet, b"").root_secret is None
    assert network_of(subnet, ROOT_KEY[:-1] + b"\0").root_secret is None
