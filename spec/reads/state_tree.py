"""
The system state tree: what users can read with proof.

Source: index, the system state tree; abstract-behavior, certified state reads (`state_tree`).
"""

from typing import Final

import cbor2

from spec.certification.hash_tree import Label, LabeledTree
from spec.rules.hashes import hash_of_blob
from spec.rules.modules import module_of
from spec.state.canister import Canister, Code
from spec.state.network import ApiBoundaryNode, CanisterRange, SubnetRecord
from spec.state.request import Done, Processing, Received, Rejected, Replied, RequestStatus
from spec.state.state import State
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import Blob, SubnetId, self_authenticating_id
from spec.values.leb128 import encode_unsigned

SELF_DESCRIBED: Final = 55799
"""The CBOR tag of blobs in the tree that are CBOR."""

Subtree = dict[Label, LabeledTree]


@defines("def.state-tree", "cert.state-tree-contents", "unspec.value.subnet-state-tree", "http.path.time")
def state_tree(state: State) -> LabeledTree:
    """All that can be read of a state, as a labeled tree with values as blobs."""
    tree: Subtree = {
        b"time": natural(state.system_time),
        b"api_boundary_nodes": {
            node_id: boundary_node_tree(node) for node_id, node in state.api_boundary_nodes.items()
        },
        b"canister_ranges": {subnet_id: shards(record.canister_ranges) for subnet_id, record in state.subnets.items()},
        b"subnet": {subnet_id: subnet_tree(state, subnet_id, record) for subnet_id, record in state.subnets.items()},
        b"request_status": {
            request_id: request_status_tree(known.status) for request_id, known in state.requests.items()
        },
        b"canister": {canister_id: canister_tree(state, canister) for canister_id, canister in state.canisters.items()},
    }
    return tree


@defines("cert.encoding.values")
def natural(number: int) -> Blob:
    """A natural number as the tree holds it: unsigned LEB128."""
    return encode_unsigned(number)


def tagged(value: object) -> Blob:
    """A CBOR value with the self-describing tag."""
    return cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, value))


def root_subnet_id(state: State) -> SubnetId:
    """The id of the subnet whose key is the root key."""
    return self_authenticating_id(state.root_key)


@defines(
    "http.path.api-boundary-nodes.domain", "http.path.api-boundary-nodes.ipv4", "http.path.api-boundary-nodes.ipv6"
)
def boundary_node_tree(node: ApiBoundaryNode) -> LabeledTree:
    """What is told about an API boundary node."""
    tree: Subtree = {b"domain": node.domain.encode(), b"ipv6_address": node.ipv6_address.encode()}
    if node.ipv4_address is not None:
        tree[b"ipv4_address"] = node.ipv4_address.encode()
    return tree


@defines(
    "http.path.subnet.public-key",
    "http.path.subnet.type",
    "http.path.subnet.canister-ranges",
    "http.path.subnet.metrics",
    "http.path.subnet.node-public-key",
)
def subnet_tree(state: State, subnet_id: SubnetId, record: SubnetRecord) -> LabeledTree:
    """What is told about a subnet. All its ranges in one blob are told about the root subnet only."""
    nodes: Subtree = {node_id: {b"public_key": key} for node_id, key in record.nodes.items()}
    tree: Subtree = {
        b"public_key": record.public_key,
        b"type": record.kind.encode(),
        b"metrics": record.metrics,
        b"node": nodes,
    }
    if subnet_id == root_subnet_id(state):
        tree[b"canister_ranges"] = encoded_ranges(record.canister_ranges)
    return tree


def encoded_ranges(ranges: List[CanisterRange]) -> Blob:
    """A list of closed intervals of canister ids."""
    return tagged([[one.first, one.last] for one in ranges])


@defines("http.path.canister-ranges")
def shards(ranges: List[CanisterRange]) -> LabeledTree:
    """The ranges of a subnet under the first id of their shard. One shard holds them all."""
    if ranges.is_empty():
        return {}
    return {ranges.items[0].first: encoded_ranges(ranges)}


@defines(
    "def.request-status-tree",
    "unspec.value.error-codes",
    "http.error-code",
    "http.path.request-status.status",
    "http.path.request-status.reply",
    "http.path.request-status.reject-code",
    "http.path.request-status.reject-message",
    "http.path.request-status.error-code",
    "seed1.update-certified",
)
def request_status_tree(status: RequestStatus) -> LabeledTree:
    """What is told about a request. Source: abstract-behavior, `request_status_tree`."""
    match status:
        case Received():
            return {b"status": b"received"}
        case Processing():
            return {b"status": b"processing"}
        case Done():
            return {b"status": b"done"}
        case Replied(data):
            return {b"status": b"replied", b"reply": data}
        case Rejected(reject):
            return {
                b"status": b"rejected",
                b"reject_code": natural(reject.code.value),
                b"reject_message": reject.message.encode(),
                b"error_code": reject.reason.name.encode(),
            }


@defines(
    "http.path.canister.certified-data",
    "http.path.canister.module-hash",
    "http.path.canister.controllers",
    "http.path.canister.creation-timestamp",
    "http.path.canister.last-install-timestamp",
    "http.path.canister.metadata",
)
def canister_tree(state: State, canister: Canister) -> LabeledTree:
    """What is told about a canister."""
    tree: Subtree = {
        b"controllers": tagged(list(canister.settings.controllers)),
        b"canister_creation_timestamp": natural(canister.created_at),
        b"certified_data": canister.certified_data,
        b"metadata": {},
    }
    if canister.installed_at is not None:
        tree[b"last_install_timestamp"] = natural(canister.installed_at)
    if isinstance(canister.code, Code):
        module = module_of(state.profile, canister.code)
        sections = module.public_custom_sections.items() + module.private_custom_sections.items()
        tree[b"module_hash"] = hash_of_blob(canister.code.raw_module)
        tree[b"metadata"] = {name.encode(): content for name, content in sections}
    return tree
