"""
Which canister a management call names, and to which subnet it goes.

The id of a subnet stands for its management canister where a call crosses; within a subnet there is one of them.
"""

from typing import Final

from reference_impl.management import methods as management
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.message import CallMessage
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MethodName, Principal
from spec.values.management import InstallChunkedCodeArguments, decode_arguments

OF_KEYS: Final = frozenset(("ecdsa_public_key", "schnorr_public_key", "vetkd_public_key"))
"""Methods that go to a key, not to the canister that they may name."""


def canister_about(method_name: MethodName, argument: Blob) -> CanisterId | None:
    """The canister that a management call names."""
    arguments = decode_arguments(method_name, argument) if method_name in management.METHODS else None
    if isinstance(arguments, InstallChunkedCodeArguments):
        return arguments.target_canister
    found: CanisterId | None = getattr(arguments, "canister_id", None)
    return found


def address_of_call(instance: SubnetInstance, call: CallMessage) -> Principal:
    """The canister that is called, or the subnet whose management canister has to do with it."""
    if instance.correspondence is None or call.callee != MANAGEMENT_CANISTER or call.method_name in OF_KEYS:
        return call.callee
    about = canister_about(call.method_name, call.argument)
    owner = None if about is None else instance.network.reached_by(about)
    is_own = owner is None or owner.subnet_id == instance.subnet.subnet_id
    return call.callee if is_own or owner is None else owner.subnet_id


def is_management_call(message: object) -> bool:
    """A call to a management canister."""
    return isinstance(message, CallMessage) and message.callee == MANAGEMENT_CANISTER
