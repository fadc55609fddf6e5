"""
Where a call goes: to the subnet of its callee or, if it is about a canister of another subnet, to that one.

Every subnet has a management canister of its own. The text knows one, and a call bears its id; on the wire the id of a
subnet stands for the management canister there. Source:
rs/embedders/src/wasmtime_embedder/system_api/routing.rs, `resolve_destination`.
"""

from typing import Final

from spec.production.streams.topology import Topology
from spec.rules.management.rejection import METHODS
from spec.state.message import CallMessage
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MethodName, SubnetId

ABOUT_KEYS: Final = frozenset(("ecdsa_public_key", "schnorr_public_key", "vetkd_public_key"))
"""Methods whose argument may name a canister, and which go where the key is; all subnets have the same keys here."""


def canister_concerned(method_name: MethodName, argument: Blob) -> CanisterId | None:
    """The canister that a management call is about, if its argument names one."""
    arguments = management.decode_arguments(method_name, argument) if method_name in METHODS else None
    found = getattr(arguments, "target_canister", None) or getattr(arguments, "canister_id", None)
    return None if found is None else CanisterId(found)


def subnet_concerned(topology: Topology, call: CallMessage) -> SubnetId | None:
    """The subnet whose management canister answers a call, if the call is about a canister that a subnet has."""
    if call.callee != MANAGEMENT_CANISTER or call.method_name in ABOUT_KEYS:
        return None
    canister_id = canister_concerned(call.method_name, call.argument)
    return None if canister_id is None else topology.route(canister_id)
