"""The state tree of an instance, which its certificates show parts of. Source: index, the system state tree."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from threading import Lock
from typing import Any, Final, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

import cbor2

from reference_impl.certification.hash_trees import Branches, Content, Leaf, tree_of
from reference_impl.certification.node_keys import node
from reference_impl.certification.signing import SELF_DESCRIBED, Delegation, Signer, certificate_of, signer_of
from reference_impl.reads.state_reads import canister_leaves, request_leaves
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.ingress_history import Asker
from reference_impl.subnet.network import HostedSubnet
from reference_impl.subnet.streams import Correspondence, Outgoing, encoded_head, encoded_letter, index_label
from reference_impl.subnet.subnet_instance import SubnetInstance
from reference_impl.wasm.layout.encoding import unsigned
from spec.state.request import KnownRequest
from spec.values.identifiers import Blob, CanisterId, SubnetId
from spec.values.quantities import Nanoseconds

Holder = TypeVar("Holder")
"""What there may be many of, each with a tree of its own: canisters, or requests."""
Held = TypeVar("Held", covariant=True)
LOW_BITS: Final = 64
"""So many bits of a number of cycles are its low part."""


def encoded_ranges(hosted: HostedSubnet) -> Blob:
    """The ranges of a subnet as the tree has them."""
    ranges = [[one.first, one.last] for one in sorted(hosted.ranges, key=lambda one: one.first)]
    encoded: Blob = cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, ranges))
    return encoded


def _all_ranges(hosted: HostedSubnet) -> dict[Blob, Content]:
    """The ranges of a subnet under `canister_ranges`: they are few, so one part has all."""
    return {min(one.first for one in hosted.ranges): encoded_ranges(hosted)}


def can_sign(instance: SubnetInstance) -> bool:
    """The secrets of the subnets are known here."""
    return instance.network.root_secret is not None


def signing(instance: SubnetInstance, subnet_id: SubnetId | None = None) -> tuple[Signer, Delegation | None]:
    """
    Who signs for a subnet, with the delegation of the root subnet if it is another one.

    The subnet is the one on which canisters are created, if none of the network is named. The secrets must be known.
    """
    network = instance.network
    is_named = subnet_id is not None and subnet_id in network
    hosted = network[subnet_id if is_named and subnet_id is not None else instance.subnet.subnet_id]
    assert hosted.secret is not None and network.root_secret is not None, "only what can be signed is asked for"
    by_shares = network.signs_by_shares
    signer = signer_of(hosted.secret, hosted.subnet.subnet_size if by_shares else None)
    if hosted.public_key == network.root_key:
        return signer, None
    root = signer_of(network.root_secret, network.root_nodes if by_shares else None)
    return signer, _delegation(root, hosted, instance.started_at)


@lru_cache(maxsize=64)
def _delegation(root: Signer, hosted: HostedSubnet, time: Nanoseconds) -> Delegation:
    """What the root subnet said at this time of another subnet."""
    subnet: dict[Blob, Content] = {
        b"public_key": hosted.public_key,
        b"type": hosted.kind.encode(),
        b"canister_ranges": encoded_ranges(hosted),
    }
    tree = tree_of(
        {
            b"canister_ranges": {hosted.subnet_id: _all_ranges(hosted)},
            b"subnet": {hosted.subnet_id: subnet},
            b"time": unsigned(time),
        }
    )
    return Delegation(hosted.subnet_id, certificate_of(tree, [()], root))


def metrics(instance: SubnetInstance, subnet_id: SubnetId) -> Blob:
    """What a subnet uses, and what has been done: cycles burned and messages are counted for all subnets together."""
    high, low = divmod(instance.recorder.cycles_burned, 1 << LOW_BITS)
    encoded: Blob = cbor2.dumps(
        {
            "num_canisters": instance.canisters_on[subnet_id],
            "canister_state_bytes": instance.memory_in_use[subnet_id],
            "consumed_cycles_total": {"low": low, "high": high} if high else {"low": low},
            "update_transactions_total": instance.recorder.executions,
        }
    )
    return encoded


def _subnet_leaves(hosted: HostedSubnet) -> dict[Blob, Content]:
    return {
        b"public_key": hosted.public_key,
        b"type": hosted.kind.encode(),
        b"canister_ranges": encoded_ranges(hosted),
        b"node": {one.node_id: {b"public_key": one.public_key} for one in map(node, hosted.nodes)},
    }


def network(instance: SubnetInstance) -> dict[Blob, Content]:
    """What changes only with the subnets: each with its nodes, one of which users reach."""
    reached = {b"domain": b"localhost", b"ipv4_address": b"127.0.0.1", b"ipv6_address": b"::1"}
    first = next(iter(instance.network))
    return {
        b"api_boundary_nodes": {node(first.first_node).node_id: reached},
        b"canister_ranges": {one.subnet_id: _all_ranges(one) for one in instance.network},
        b"subnet": {one.subnet_id: _subnet_leaves(one) for one in instance.network},
    }


class _Holders(Protocol[Held]):
    """All canisters, or all requests, by their ids."""

    def get(self, one: Any, /) -> Held | None:
        """The one with this id, if it is there."""

    def items(self) -> Iterable[tuple[Blob, Held]]:
        """All, with their ids."""


class _Part(Generic[Holder]):
    """The trees of all canisters, or of all requests, under their ids, kept up to date."""

    def __init__(self, source: Callable[[Holder], object], content: Callable[[Holder], Content]) -> None:
        """What the tree of one of them is made from, and what is in it."""
        self._source, self._content = source, content
        self._made_from: dict[Blob, object] = {}
        self._branches = Branches()

    def update(self, holders: "_Holders[Holder]", changed: Iterable[Blob] | None) -> Branches:
        """The trees as they are now: only these may have changed since the last time; where it is None, all may."""
        if changed is None:
            now = dict(holders.items())
            self._made_from = {label: self._source(holder) for label, holder in now.items()}
            self._branches = Branches.of({label: tree_of(self._content(holder)) for label, holder in now.items()})
        for label in changed or ():
            self._follow(label, holders.get(label))
        return self._branches

    def _follow(self, label: Blob, holder: Holder | None) -> None:
        if holder is None:
            self._made_from.pop(label, None)
            self._branches = self._branches.without(label)
            return
        source, before = self._source(holder), self._made_from.get(label)
        # Reason: mostly it is the same object, which need not be compared part by part.
        if before is not source and before != source:
            self._made_from[label] = source
            self._branches = self._branches.set(label, tree_of(self._content(holder)))

    def overlooked(self, holders: "_Holders[Holder]") -> Blob | None:
        """One of them whose tree is not as it would be made now; None if there is none."""
        now = {label: self._source(holder) for label, holder in holders.items()}
        labels = now.keys() | self._made_from.keys()
        return next((one for one in labels if now.get(one) != self._made_from.get(one)), None)


class _StreamPart:
    """The tree of a stream, kept up to date: letters come at the end and go at the beginning."""

    def __init__(self) -> None:
        self._begin = self._end = 0
        self._letters = Branches()

    def update(self, outgoing: Outgoing) -> Branches:
        """The tree as it is now."""
        for index in range(self._begin, min(self._end, outgoing.begin)):
            self._letters = self._letters.without(index_label(index))
        for index in range(max(self._end, outgoing.begin), outgoing.end):
            letter = outgoing.letters[index - outgoing.begin]
            self._letters = self._letters.set(index_label(index), Leaf(encoded_letter(letter)))
        self._begin, self._end = outgoing.begin, outgoing.end
        return Branches().set(b"header", Leaf(encoded_head(outgoing))).set(b"messages", self._letters)


class StateTree:
    """
    Follows one instance, as only one may: what did not change since the tree was last asked for costs nothing.

    The instance notes which canisters and requests may have changed.
    """

    def __init__(self, instance: SubnetInstance) -> None:
        self._subnets = len(instance.network)
        self._constant = _network_tree(instance)
        self._canisters = _Part(_source, _leaves)
        self._requests: _Part[KnownRequest] = _Part(lambda known: known.status, request_leaves)
        self._streams: dict[SubnetId, _StreamPart] = {}
        self._has_looked = False

    def current(self, instance: SubnetInstance) -> Branches:
        """The tree of the instance as it is now."""
        canisters: Iterable[CanisterId] | None = instance.to_certify
        instance.to_certify = {}
        requests = instance.ingress.changed(Asker.STATE_TREE)
        if not self._has_looked:
            canisters = requests = None
        self._has_looked = True
        return (
            self._with_streams(self._with_metrics(instance), instance.correspondence)
            .set(b"canister", self._canisters.update(instance.canisters, canisters))
            .set(b"request_status", self._requests.update(instance.ingress, requests))
            .set(b"time", Leaf(unsigned(instance.system_time)))
        )

    def overlooked(self, instance: SubnetInstance) -> Blob | None:
        """The id of a canister or request that is not in the tree, which is current, as it is; None if all are."""
        return self._canisters.overlooked(instance.canisters) or self._requests.overlooked(instance.ingress)

    def _with_streams(self, tree: Branches, correspondence: Correspondence | None) -> Branches:
        if correspondence is None:
            return tree
        streams = Branches()
        for subnet_id, outgoing in correspondence.outgoing.items():
            part = self._streams.setdefault(subnet_id, _StreamPart())
            streams = streams.set(subnet_id, part.update(outgoing))
        return tree.set(b"streams", streams)

    def _with_metrics(self, instance: SubnetInstance) -> Branches:
        if self._subnets != len(instance.network):
            self._subnets, self._constant = len(instance.network), _network_tree(instance)
        subnets = self._constant.get(b"subnet")
        assert isinstance(subnets, Branches)
        for hosted in instance.network:
            subnet = subnets.get(hosted.subnet_id)
            assert isinstance(subnet, Branches)
            subnets = subnets.set(hosted.subnet_id, subnet.set(b"metrics", Leaf(metrics(instance, hosted.subnet_id))))
        return self._constant.set(b"subnet", subnets)


def _network_tree(instance: SubnetInstance) -> Branches:
    constant = tree_of(network(instance))
    assert isinstance(constant, Branches)
    return constant


def _source(canister: CanisterRecord) -> object:
    """All that the tree of a canister depends on."""
    module = None if canister.code is None else canister.code.installed
    controllers = canister.settings.controllers
    return (controllers, canister.created_at, canister.installed_at, canister.certified_data, module)


def _leaves(canister: CanisterRecord) -> Content:
    return {b"certified_data": canister.certified_data, **canister_leaves(canister)}


_followed: Final[WeakKeyDictionary[SubnetInstance, StateTree]] = WeakKeyDictionary()
"""The tree that follows each instance."""
_following: Final = Lock()


def state_tree(instance: SubnetInstance) -> Branches:
    """
    The tree of an instance as it is now. Several threads may ask as long as it does not change.

    Committed states of one instance are asked for theirs in their order; a tree that was made is kept with its state.
    """
    asked = instance if instance.committing is None else instance.committing.commit()
    with _following:
        if asked.committed_from is None:
            return _follower(asked).current(asked)
        if asked.kept_tree is None:
            asked.kept_tree = _follower(asked.committed_from).current(asked)
        tree: Branches = asked.kept_tree
        return tree


def _follower(instance: SubnetInstance) -> StateTree:
    if instance not in _followed:
        _followed[instance] = StateTree(instance)
    return _followed[instance]


def overlooked(instance: SubnetInstance) -> Blob | None:
    """The id of a canister or request of which the state tree has something old; None if there is none."""
    state_tree(instance)
    with _following:
        return _follower(instance).overlooked(instance)
