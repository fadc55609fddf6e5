"""The state tree of an instance, which its certificates show parts of. Source: index, the system state tree."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Final
from weakref import WeakKeyDictionary

import cbor2

from reference_impl.certification.hash_trees import Branches, Content, Leaf, tree_of
from reference_impl.certification.node_keys import node
from reference_impl.certification.signing import (
    OTHER,
    ROOT,
    SELF_DESCRIBED,
    Delegation,
    Signer,
    can_sign_for,
    certificate_of,
)
from reference_impl.reads.state_reads import canister_leaves, request_leaves
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.subnet_instance import OPAQUE_ID_ENDING, SubnetInstance
from reference_impl.wasm.layout.encoding import unsigned
from spec.values.identifiers import Blob, CanisterId, Principal
from spec.values.quantities import Nanoseconds

SUBNET_TYPE: Final = b"application"
FIRST_CANISTER: Final = CanisterId(Principal(bytes(8) + OPAQUE_ID_ENDING))
LAST_CANISTER: Final = CanisterId(Principal(b"\xff" * 8 + OPAQUE_ID_ENDING))
"""The only subnet has every id that subnets assign."""
LOW_BITS: Final = 64
"""So many bits of a number of cycles are its low part."""


def is_in_range(canister_id: Principal) -> bool:
    """The id is one of the subnet's."""
    return FIRST_CANISTER <= canister_id <= LAST_CANISTER


def encoded_ranges() -> Blob:
    """The ranges of the subnet as the tree has them."""
    ranges: Blob = cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, [[FIRST_CANISTER, LAST_CANISTER]]))
    return ranges


def signing(instance: SubnetInstance) -> tuple[Signer, Delegation | None]:
    """Who signs for an instance, with the delegation of the root subnet if it is another one."""
    if instance.subnet.subnet_id != OTHER.subnet_id:
        return ROOT, None
    return OTHER, _delegation(instance.started_at)


@lru_cache(maxsize=16)
def _delegation(time: Nanoseconds) -> Delegation:
    """What the root subnet said at this time of the subnet to which it delegates."""
    subnet = {b"public_key": OTHER.public_key, b"type": SUBNET_TYPE, b"canister_ranges": encoded_ranges()}
    tree = tree_of(
        {
            b"canister_ranges": {OTHER.subnet_id: {FIRST_CANISTER: encoded_ranges()}},
            b"subnet": {OTHER.subnet_id: subnet},
            b"time": unsigned(time),
        }
    )
    return Delegation(OTHER.subnet_id, certificate_of(tree, [()]))


def metrics(instance: SubnetInstance) -> Blob:
    """What the subnet uses and has done."""
    high, low = divmod(instance.recorder.cycles_burned, 1 << LOW_BITS)
    encoded: Blob = cbor2.dumps(
        {
            "num_canisters": len(instance.canisters),
            "canister_state_bytes": instance.memory_in_use[instance.subnet.subnet_id],
            "consumed_cycles_total": {"low": low, "high": high} if high else {"low": low},
            "update_transactions_total": instance.recorder.executions,
        }
    )
    return encoded


def network(instance: SubnetInstance) -> dict[Blob, Content]:
    """What never changes: the subnet with its nodes, one of which users reach."""
    nodes = [node(number) for number in range(instance.subnet.subnet_size)]
    subnet: dict[Blob, Content] = {
        b"public_key": signing(instance)[0].public_key if can_sign_for(instance.root_key) else instance.root_key,
        b"type": SUBNET_TYPE,
        b"canister_ranges": encoded_ranges(),
        b"node": {one.node_id: {b"public_key": one.public_key} for one in nodes},
    }
    reached = {b"domain": b"localhost", b"ipv4_address": b"127.0.0.1", b"ipv6_address": b"::1"}
    return {
        b"api_boundary_nodes": {nodes[0].node_id: reached},
        b"canister_ranges": {instance.subnet.subnet_id: {FIRST_CANISTER: encoded_ranges()}},
        b"subnet": {instance.subnet.subnet_id: subnet},
    }


_Current = Mapping[Any, tuple[object, Callable[[], Content]]]
"""By label, what content is made from, and what makes it."""


class _Part:
    """Trees under the ids of all canisters, or of all requests, kept up to date."""

    def __init__(self) -> None:
        self._made_from: dict[Blob, object] = {}
        self.branches = Branches()

    def update(self, current: _Current) -> Branches:
        """The trees as they are now. Content is made only where what it is made from has changed."""
        for label in self._made_from.keys() - current.keys():
            del self._made_from[label]
            self.branches = self.branches.without(label)
        for label, (source, make) in current.items():
            if label not in self._made_from or self._made_from[label] != source:
                self._made_from[label] = source
                self.branches = self.branches.set(label, tree_of(make()))
        return self.branches


class StateTree:
    """Follows one instance: what did not change since the tree was last asked for is not hashed again."""

    def __init__(self, instance: SubnetInstance) -> None:
        constant = tree_of(network(instance))
        assert isinstance(constant, Branches)
        self._constant = constant
        self._canisters, self._requests = _Part(), _Part()

    def current(self, instance: SubnetInstance) -> Branches:
        """The tree of the instance as it is now."""
        canisters: _Current = {
            one: (_source(canister), _leaves(canister)) for one, canister in instance.canisters.items()
        }
        requests: _Current = {
            one: (known.status, partial(request_leaves, known)) for one, known in instance.ingress.items()
        }
        return (
            self._with_metrics(instance)
            .set(b"canister", self._canisters.update(canisters))
            .set(b"request_status", self._requests.update(requests))
            .set(b"time", Leaf(unsigned(instance.system_time)))
        )

    def _with_metrics(self, instance: SubnetInstance) -> Branches:
        subnets, subnet_id = self._constant.get(b"subnet"), instance.subnet.subnet_id
        assert isinstance(subnets, Branches)
        subnet = subnets.get(subnet_id)
        assert isinstance(subnet, Branches)
        measured = subnet.set(b"metrics", Leaf(metrics(instance)))
        return self._constant.set(b"subnet", subnets.set(subnet_id, measured))


def _source(canister: CanisterRecord) -> object:
    """All that the tree of a canister depends on."""
    module = None if canister.code is None else canister.code.installed
    controllers = canister.settings.controllers
    return (controllers, canister.created_at, canister.installed_at, canister.certified_data, module)


def _leaves(canister: CanisterRecord) -> Callable[[], Content]:
    return lambda: {b"certified_data": canister.certified_data, **canister_leaves(canister)}


_followed: Final[WeakKeyDictionary[SubnetInstance, StateTree]] = WeakKeyDictionary()
"""The tree that follows each instance."""


def state_tree(instance: SubnetInstance) -> Branches:
    """The tree of an instance as it is now."""
    if instance not in _followed:
        _followed[instance] = StateTree(instance)
    return _followed[instance].current(instance)
