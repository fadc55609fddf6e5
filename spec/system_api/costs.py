"""What calls and services cost. Source: canister-interface, cycle cost calculation; facts on fees."""

from collections.abc import Callable
from typing import Final

from spec.fees import (
    call_fee,
    canister_creation_fee,
    cycles_per_response,
    ecdsa_signature_fee,
    http_request_fee,
    schnorr_signature_fee,
    vetkd_key_fee,
)
from spec.profile import Fees
from spec.system_api.execution_state import Execution
from spec.values.checklist import defines
from spec.values.management.keys import KNOWN_KEYS
from spec.values.quantities import Count, Cycles

PRICED: Final = 0
UNKNOWN_ALGORITHM: Final = 1
UNKNOWN_KEY: Final = 2

KEY_NAMES: Final = frozenset(name.encode() for name in KNOWN_KEYS)


@defines("unspec.fn.cost-functions")
def cost_call(execution: Execution, name_size: int, argument_size: int, destination: int) -> None:
    """What `ic0.call_perform` needs beside attached cycles, with what is set aside for the response."""
    environment = execution.environment
    fee = call_fee(environment.profile.fees, name_size + argument_size, environment.subnet_size)
    reserved = cycles_per_response(environment.profile, execution.wasm64, environment.subnet_size)
    execution.write_cycles(destination, fee + reserved)


def cost_create_canister(execution: Execution, destination: int) -> None:
    """On the canister's own subnet."""
    environment = execution.environment
    execution.write_cycles(destination, canister_creation_fee(environment.profile.fees, environment.subnet_size))


def cost_http_request(execution: Execution, request_size: int, largest_response: int, destination: int) -> None:
    environment = execution.environment
    fee = http_request_fee(environment.profile.fees, request_size, largest_response, environment.subnet_size)
    execution.write_cycles(destination, fee)


def cost_sign_with_ecdsa(execution: Execution, source: int, size: int, curve: int, destination: int) -> int:
    """Curve 0 is secp256k1."""
    return _key_cost(execution, source, size, curve in {0}, destination, ecdsa_signature_fee)


def cost_sign_with_schnorr(execution: Execution, source: int, size: int, algorithm: int, destination: int) -> int:
    """Algorithm 0 is bip340secp256k1, 1 is ed25519."""
    return _key_cost(execution, source, size, algorithm in {0, 1}, destination, schnorr_signature_fee)


def cost_vetkd_derive_key(execution: Execution, source: int, size: int, curve: int, destination: int) -> int:
    """Curve 0 is bls12_381."""
    return _key_cost(execution, source, size, curve in {0}, destination, vetkd_key_fee)


def _key_cost(
    execution: Execution,
    source: int,
    size: int,
    algorithm_known: bool,
    destination: int,
    fee: Callable[[Fees, Count], Cycles],
) -> int:
    """Both ranges are checked whatever the result is. Source: the prose; the pseudo code checks the second one late."""
    key_name = execution.read_heap(source, size)
    execution.check_heap(destination, 16)
    if not algorithm_known:
        return UNKNOWN_ALGORITHM
    if key_name not in KEY_NAMES:
        return UNKNOWN_KEY
    environment = execution.environment
    execution.write_cycles(destination, fee(environment.profile.fees, environment.subnet_size))
    return PRICED
