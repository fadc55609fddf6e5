"""What a user may read of the state, path by path. Source: index, the system state tree; abstract-behavior, reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import cbor2

from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.observations import NotTaken
from reference_impl.subnet.subnet_instance import SubnetInstance
from reference_impl.wasm.layout.encoding import unsigned
from spec.state.request import Done, Endpoint, KnownRequest, Processing, Received, Rejected, Replied, RequestStatus
from spec.values.identifiers import Blob, Principal, RequestId, self_authenticating_id

Path = Sequence[Blob]

CBOR_SELF_DESCRIBED = 55799
REQUEST_STATUS_LEAVES = frozenset({b"status", b"reply", b"reject_code", b"reject_message", b"error_code"})
BOUNDARY_NODE_LEAVES = frozenset({b"domain", b"ipv4_address", b"ipv6_address"})
CANISTER_LEAVES = frozenset({b"module_hash", b"controllers", b"canister_creation_timestamp", b"last_install_timestamp"})


def read_values(
    instance: SubnetInstance, sender: Principal, effective_id: Principal, paths: Sequence[Path]
) -> list[Blob | None] | NotTaken:
    """The value at each path, None where there is none. If the sender may not read one of them, nothing is told."""
    for path in paths:
        if not may_read(instance, sender, effective_id, tuple(path)):
            return NotTaken(f"the path /{'/'.join(map(shown_label, path))} may not be read")
    return [_value(instance, tuple(path)) for path in paths]


def shown_label(label: Blob) -> str:
    """A label as text: its characters if it is readable, else its bytes."""
    return label.decode() if label.isascii() and label.decode().isprintable() else label.hex()


def may_read(
    instance: SubnetInstance,
    sender: Principal,
    effective_id: Principal,
    path: tuple[Blob, ...],
    endpoint: Endpoint = Endpoint.CANISTER,
) -> bool:
    """The sender may read this path at the endpoint of the canister or subnet with the effective id."""
    match path:
        case (b"time",) | (b"subnet",) | (b"subnet", _) | (b"api_boundary_nodes",) | (b"api_boundary_nodes", _):
            return True
        case (b"subnet", _, b"public_key" | b"type" | b"node") | (b"subnet", _, b"node", _):
            return True
        case (b"subnet", _, b"node", _, b"public_key"):
            return True
        case (b"subnet", subnet_id, b"canister_ranges"):
            return subnet_id == self_authenticating_id(instance.root_key)
        case (b"subnet", subnet_id, b"metrics"):
            return endpoint is Endpoint.SUBNET and subnet_id == effective_id
        case (b"canister_ranges", _):
            return endpoint is Endpoint.SUBNET
        case (b"api_boundary_nodes", _, leaf):
            return leaf in BOUNDARY_NODE_LEAVES
        case (b"request_status", request_id):
            return _may_read_request(instance, sender, effective_id, RequestId(request_id))
        case (b"request_status", request_id, leaf) if leaf in REQUEST_STATUS_LEAVES:
            return _may_read_request(instance, sender, effective_id, RequestId(request_id))
        case (b"canister", canister_id, *below) if endpoint is Endpoint.CANISTER and canister_id == effective_id:
            return _may_read_canister(instance, sender, Principal(canister_id), tuple(below))
        case _:
            return False


def _may_read_canister(
    instance: SubnetInstance, sender: Principal, canister_id: Principal, below: tuple[Blob, ...]
) -> bool:
    match below:
        case (leaf,):
            return leaf in CANISTER_LEAVES
        case (b"metadata", name):
            return _may_read_metadata(instance, sender, canister_id, name)
        case _:
            return False


def _may_read_request(
    instance: SubnetInstance, sender: Principal, effective_id: Principal, request_id: RequestId
) -> bool:
    known = instance.ingress.get(request_id)
    return known is None or (known.request.sender == sender and known.effective_id == effective_id)


def _may_read_metadata(instance: SubnetInstance, sender: Principal, canister_id: Principal, name: Blob) -> bool:
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return False
    canister = instance.canisters.get(canister_id)
    if canister is None or canister.code is None:
        return True
    module = canister.code.installed.module
    if text in module.public_custom_sections:
        return True
    return text not in module.private_custom_sections or canister.is_controlled_by(sender)


def _value(instance: SubnetInstance, path: tuple[Blob, ...]) -> Blob | None:
    match path:
        case (b"time",):
            return unsigned(instance.system_time)
        case (b"subnet", subnet_id, b"public_key") if Principal(subnet_id) in instance.network:
            return instance.network[Principal(subnet_id)].public_key
        case (b"subnet", subnet_id, b"type") if Principal(subnet_id) in instance.network:
            return instance.network[Principal(subnet_id)].kind.encode()
        case (b"request_status", request_id, leaf):
            known = instance.ingress.get(RequestId(request_id))
            return None if known is None else request_leaves(known).get(leaf)
        case (b"canister", canister_id, *rest):
            canister = instance.canisters.get(Principal(canister_id))
            return None if canister is None else _leaf(canister_leaves(canister), tuple(rest))
        case _:
            return None


def status_name(status: RequestStatus) -> str:
    """How the state tree names a status."""
    names = {
        Received: "received",
        Processing: "processing",
        Rejected: "rejected",
        Replied: "replied",
        Done: "done",
    }
    return names[type(status)]


def request_leaves(known: KnownRequest) -> dict[Blob, Blob]:
    """What is under the id of a request."""
    leaves = {b"status": status_name(known.status).encode()}
    match known.status:
        case Replied(data=data):
            leaves[b"reply"] = data
        case Rejected(reject=reject):
            leaves[b"reject_code"] = unsigned(reject.code)
            leaves[b"reject_message"] = reject.message.encode()
    return leaves


def canister_leaves(canister: CanisterRecord) -> dict[Blob, Blob | dict[Blob, Blob]]:
    """What is under the id of a canister and may be read."""
    encoded: bytes = cbor2.dumps(cbor2.CBORTag(CBOR_SELF_DESCRIBED, list(canister.settings.controllers)))
    leaves: dict[Blob, Blob | dict[Blob, Blob]] = {
        b"controllers": encoded,
        b"canister_creation_timestamp": unsigned(canister.created_at),
    }
    if canister.installed_at is not None:
        leaves[b"last_install_timestamp"] = unsigned(canister.installed_at)
    if canister.code is not None:
        module = canister.code.installed.module
        sections = [*module.public_custom_sections.items(), *module.private_custom_sections.items()]
        leaves[b"module_hash"] = canister.code.installed.hash
        leaves[b"metadata"] = {name.encode(): content for name, content in sections}
    return leaves


def _leaf(under: Mapping[Blob, Any], path: tuple[Blob, ...]) -> Blob | None:
    found: Any = under
    for label in path:
        found = found.get(label) if isinstance(found, Mapping) else None
    return found if isinstance(found, bytes) else None
