"""Certificates signed by shares of nodes are those that the whole key signs, and the specification believes them."""

from itertools import combinations

import pytest

from reference_impl.certification import signing as signing_module
from reference_impl.certification import threshold
from reference_impl.certification.hash_trees import tree_of
from reference_impl.certification.signing import OTHER, OTHER_SECRET, ROOT_KEY, ROOT_SECRET, certificate_of, signer_of
from reference_impl.certification.threshold import Committee, combined
from reference_impl.durability.directory import Beginning
from reference_impl.reads.state_tree import signing, state_tree
from reference_impl.server.https_interface.serve import engine_thread, parser
from reference_impl.server.https_interface.subnets import network_with
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import decode_certificate, verify_certificate
from spec.profile import load_profile
from spec.state.canister import Subnet

NOW = 1_700_000_000_000_000_000
KEY_SIZE = 96
MESSAGE = b"what is signed"
KEY = signer_of(OTHER_SECRET).public_key[-KEY_SIZE:]


@pytest.fixture
def combinations_made(monkeypatch):
    """How many shares were put together, each time."""
    made = []
    original = threshold.combined
    monkeypatch.setattr(threshold, "combined", lambda shares: made.append(len(shares)) or original(shares))
    return made


@pytest.mark.checklist("seed1.per-round-certification")
@pytest.mark.parametrize(("nodes", "enough"), [(1, 1), (4, 3), (13, 9), (28, 19)])
def test_a_certificate_by_shares_is_that_by_the_whole_key_byte_by_byte(nodes, enough, combinations_made):
    tree = tree_of({b"a": b"%d" % nodes})
    by_shares = certificate_of(tree, [(b"a",)], signer_of(ROOT_SECRET, nodes))
    assert combinations_made == [enough]
    assert by_shares == certificate_of(tree, [(b"a",)], signer_of(ROOT_SECRET))
    assert combinations_made == [enough]
    assert verify_certificate(decode_certificate(by_shares), ROOT_KEY, verify_bls_signature)


def test_whichever_nodes_sign_the_signature_is_the_same_if_they_are_enough():
    committee = Committee.of(OTHER_SECRET, 4)
    shares = committee.shares_of(range(4), MESSAGE)
    signatures = {combined({node: shares[node] for node in chosen}) for chosen in combinations(range(4), 3)}
    assert signatures == {committee.signature(MESSAGE)}
    assert verify_bls_signature(KEY, committee.signature(MESSAGE), MESSAGE)
    for chosen in combinations(range(4), 2):
        assert not verify_bls_signature(KEY, combined({node: shares[node] for node in chosen}), MESSAGE)


def test_a_wrong_share_spoils_the_signature_and_is_told_by_the_key_of_its_node():
    committee = Committee.of(OTHER_SECRET, 4)
    shares = committee.shares_of(range(3), MESSAGE)
    shares[1] = committee.share(1, b"another message")
    assert not verify_bls_signature(KEY, combined(shares), MESSAGE)
    believed = [node for node in shares if verify_bls_signature(committee.public_share(node), shares[node], MESSAGE)]
    assert believed == [0, 2]


def test_an_instance_that_signs_by_shares_gives_the_same_certificates(combinations_made):
    subnet = Subnet(signer_of(ROOT_SECRET).subnet_id, 7)
    certificates = []
    for signs_by_shares in (True, False):
        beginning = Beginning(load_profile(), subnet, ROOT_KEY, NOW, signs_by_shares=signs_by_shares)
        instance = beginning.engine().instance
        certificates.append(certificate_of(state_tree(instance), [(b"time",)], *signing(instance)))
        assert combinations_made == [5]
    assert certificates[0] == certificates[1]


@pytest.mark.parametrize("subnets", ["1", "3"])
def test_a_server_signs_by_shares_if_it_is_told_to(subnets):
    told = engine_thread(parser().parse_args(["--by-shares", "--subnets", subnets]), load_profile())
    not_told = engine_thread(parser().parse_args(["--subnets", subnets]), load_profile())
    signers = [signing(one._engine.instance)[0] for one in (told, not_told)]
    assert [one.committee is not None and len(one.committee.shares) for one in signers] == [13, False]


def test_delegations_of_a_root_subnet_that_is_elsewhere_are_signed_by_shares_of_its_nodes(
    combinations_made, monkeypatch
):
    subnet = Subnet(OTHER.subnet_id, 7)
    instance = Beginning(load_profile(), subnet, ROOT_KEY, NOW - 1).engine().instance
    by_whole_keys = certificate_of(state_tree(instance), [(b"time",)], *signing(instance))
    assert combinations_made == []
    # Reason: who signs by a whole key hashes to the curve there.
    monkeypatch.setattr(signing_module, "G1Point", None)
    instance.network.signs_by_shares = True
    by_shares = certificate_of(state_tree(instance), [(b"time",)], *signing(instance))
    assert sorted(combinations_made) == [5, 27]
    assert by_shares == by_whole_keys
    assert verify_certificate(decode_certificate(by_shares), ROOT_KEY, verify_bls_signature)


def test_delegations_of_a_root_subnet_that_is_here_are_signed_by_shares_of_as_many_nodes_as_it_has(
    combinations_made, monkeypatch
):
    monkeypatch.setattr(signing_module, "G1Point", None)
    network = network_with(3, 4)
    root, other, _ = network
    beginning = Beginning(load_profile(), root.subnet, ROOT_KEY, NOW - 2, signs_by_shares=True, network=network)
    instance = beginning.engine().instance
    made = certificate_of(state_tree(instance), [(b"time",)], *signing(instance, other.subnet_id))
    assert combinations_made == [3, 3]
    assert verify_certificate(decode_certificate(made), ROOT_KEY, verify_bls_signature)
