"""The state tree of the engine holds what that of the specification holds, however its labels are joined."""

import cbor2
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as some

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import program, reply
from properties.agreement.stage import Stage
from reference_impl.certification.hash_trees import Branches, Leaf, hash_of, shown, tree_of
from reference_impl.certification.signing import ROOT_KEY
from reference_impl.reads.state_tree import metrics, state_tree
from reference_impl.subnet.network import ALL_NUMBERS
from spec.certification.certificate import tree_of_value
from spec.certification.hash_tree import (
    Absent,
    Found,
    hash_tree,
    is_well_formed,
    lookup_path,
    pruned,
    reconstruct,
)
from spec.reads import state_tree as specified
from spec.state.network import ApiBoundaryNode, SubnetRecord
from spec.values.containers import List, Map

LABELS = some.binary(max_size=3)
CONTENTS = some.recursive(some.binary(max_size=3), lambda inner: some.dictionaries(LABELS, inner, max_size=6))
PATHS = some.lists(some.lists(LABELS, max_size=3).map(tuple), max_size=4)


def contents(tree):
    """All that a tree of the engine holds."""
    if isinstance(tree, Leaf):
        return tree.value
    return {label: contents(tree.get(label)) for label in tree.labels()}


@settings(max_examples=300, deadline=None)
@given(some.dictionaries(LABELS, CONTENTS, max_size=8), PATHS)
def test_the_specification_finds_in_what_the_engine_shows_what_it_finds_in_its_own_tree(content, paths):
    tree = tree_of(content)
    assert contents(tree) == content
    read = tree_of_value(shown(tree, paths))
    assert is_well_formed(read)
    assert reconstruct(read) == tree.hash == hash_of(shown(tree, ()))
    own = pruned(hash_tree(content), paths)
    for path in paths:
        found = lookup_path(path, read)
        assert found == lookup_path(path, own)
        assert isinstance(found, Absent) == isinstance(lookup_path(path, hash_tree(content)), Absent)


@settings(max_examples=300, deadline=None)
@given(some.lists(some.tuples(LABELS, some.booleans(), some.binary(max_size=2)), max_size=12))
def test_a_tree_depends_on_what_it_holds_and_not_on_how_it_came_to_hold_it(changes):
    tree, content = Branches(), {}
    for label, stays, value in changes:
        if stays:
            tree, content[label] = tree.set(label, Leaf(value)), value
        else:
            tree = tree.without(label)
            content.pop(label, None)
    assert contents(tree) == content
    assert tree.labels() == sorted(content)
    assert tree.hash == tree_of(dict(sorted(content.items(), reverse=True))).hash


def of_specification(instance, state):
    """The tree of the specification for the state that the engine is in, with the network that it is on."""
    held = contents(state_tree(instance))
    subnet_id = instance.subnet.subnet_id
    nodes = held[b"subnet"][subnet_id][b"node"]
    ((reached, told),) = held[b"api_boundary_nodes"].items()
    boundary = ApiBoundaryNode(*(told[leaf].decode() for leaf in (b"domain", b"ipv6_address", b"ipv4_address")))
    record = SubnetRecord(
        ROOT_KEY,
        "application",
        List((ALL_NUMBERS,)),
        Map.of((node_id, below[b"public_key"]) for node_id, below in nodes.items()),
        metrics(instance, subnet_id),
    )
    known = evolve(state, subnets=Map.of([(subnet_id, record)]), api_boundary_nodes=Map.of([(reached, boundary)]))
    return held, specified.state_tree(known)


def without_details(tree):
    """
    The tree without what one of them tells more of: codes of errors, that a canister has no sections, and the ranges
    of other subnets than the root subnet under `/subnet`, which the specification, as new endpoints do, leaves out.
    """
    subnets = {
        subnet_id: {leaf: value for leaf, value in told.items() if leaf != b"canister_ranges"}
        for subnet_id, told in tree[b"subnet"].items()
    }
    requests = {
        request_id: {leaf: value for leaf, value in told.items() if leaf != b"error_code"}
        for request_id, told in tree[b"request_status"].items()
    }
    canisters = {
        canister_id: {leaf: value for leaf, value in told.items() if value != {}}
        for canister_id, told in tree[b"canister"].items()
    }
    return {**tree, b"request_status": requests, b"canister": canisters, b"subnet": subnets}


def test_the_tree_of_the_engine_follows_that_of_the_specification_through_changes():
    stage = Stage(root_key=ROOT_KEY)
    instance = stage.lockstep.engine.instance

    def agree():
        held, wanted = of_specification(instance, stage.state)
        assert without_details(held) == without_details(wanted)
        return held

    assert agree()[b"canister"] == {}
    canister_id = stage.installed(load("scripted"))
    before = agree()
    assert cbor2.loads(before[b"subnet"][instance.subnet.subnet_id][b"metrics"])["num_canisters"] == 1
    stage.call(canister_id, "update", program(ic0.certified_data_set(b"certified"), reply(b"")))
    assert agree()[b"canister"][canister_id][b"certified_data"] == b"certified"
    stage.call(canister_id, "none", b"")
    after = agree()
    assert {told[b"status"] for told in after[b"request_status"].values()} == {b"replied", b"rejected"}
    assert isinstance(lookup_path((b"time",), hash_tree(after)), Found)
