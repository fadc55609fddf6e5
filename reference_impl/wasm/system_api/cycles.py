"""System API: cycles, and what things cost."""

from collections.abc import Callable
from typing import Final

from reference_impl.wasm.layout.fast_functions import HEAP_SIZE
from reference_impl.wasm.layout.system_functions import ALL_BUT_START, EVERYWHERE, per_byte, system_function
from reference_impl.wasm.system_api import costs
from reference_impl.wasm.system_api.execution import CYCLES_SIZE, Execution
from spec.canister.outcome import TrapCause
from spec.profile import Fees
from spec.values.quantities import Cycles

_WITH_AVAILABLE_CYCLES = "U RQ Rt Ry"
_CALLBACKS = "Rt Ry"
KNOWN, UNKNOWN_CURVE, UNKNOWN_KEY = 0, 1, 2
"""Results of the functions for the cost of keys."""
KEYS: Final = frozenset({b"key_1", b"test_key_1"})
"""The names of the keys of production, of every scheme."""
SCHEMES: Final[dict[str, tuple[int, Callable[[Fees], Cycles]]]] = {
    "ecdsa": (1, lambda fees: fees.ecdsa_signature),
    "schnorr": (2, lambda fees: fees.schnorr_signature),
    "vetkd": (1, lambda fees: fees.vetkd_key),
}
"""How many curves or algorithms each scheme has, from 0 on, and its fee. Source: canister-interface, cycle cost."""


def _in_64_bits(execution: Execution, amount: int) -> int:
    execution.trap_unless(amount < 2**64, TrapCause.CYCLES_TOO_MANY)
    return amount


@system_function("", "l", _WITH_AVAILABLE_CYCLES, only_32_bit=True)
def msg_cycles_available(execution: Execution) -> int:
    """The cycles that may still be accepted; a trap if 64 bits do not hold them."""
    return _in_64_bits(execution, execution.available)


@system_function("P", "", _WITH_AVAILABLE_CYCLES)
def msg_cycles_available128(execution: Execution, destination: int) -> None:
    """Writes the cycles that may still be accepted."""
    execution.write_cycles(destination, execution.available)


@system_function("", "l", _CALLBACKS, only_32_bit=True)
def msg_cycles_refunded(execution: Execution) -> int:
    """The cycles that came back with the response; a trap if 64 bits do not hold them."""
    return _in_64_bits(execution, execution.given.refunded)


@system_function("P", "", _CALLBACKS)
def msg_cycles_refunded128(execution: Execution, destination: int) -> None:
    """Writes the cycles that came back with the response."""
    execution.write_cycles(destination, execution.given.refunded)


@system_function("l", "l", _WITH_AVAILABLE_CYCLES, only_32_bit=True)
def msg_cycles_accept(execution: Execution, most: int) -> int:
    """Accepts cycles; gives how many."""
    return execution.accept_cycles(most)


@system_function("llP", "", _WITH_AVAILABLE_CYCLES)
def msg_cycles_accept128(execution: Execution, most_high: int, most_low: int, destination: int) -> None:
    """Accepts cycles; writes how many."""
    execution.write_cycles(destination, execution.accept_cycles(most_high << 64 | most_low))


@system_function("llP", "", "I G U RQ Ry Rt C T")
def cycles_burn128(execution: Execution, amount_high: int, amount_low: int, destination: int) -> None:
    """Burns cycles, but no more than may be spent; writes how many."""
    execution.write_cycles(destination, execution.burn_cycles(amount_high << 64 | amount_low))


@system_function("", "l", ALL_BUT_START, only_32_bit=True)
def canister_cycle_balance(execution: Execution) -> int:
    """The balance; a trap if 64 bits do not hold it."""
    return _in_64_bits(execution, execution.balance())


@system_function("P", "", ALL_BUT_START)
def canister_cycle_balance128(execution: Execution, destination: int) -> None:
    """Writes the balance."""
    execution.write_cycles(destination, execution.balance())


@system_function("P", "", ALL_BUT_START)
def canister_liquid_cycle_balance128(execution: Execution, destination: int) -> None:
    """Writes how much of the balance may be spent."""
    execution.tell_spendable()
    execution.write_cycles(destination, execution.liquid_balance())


@system_function("llP", "", EVERYWHERE)
def cost_call(execution: Execution, name_size: int, argument_size: int, destination: int) -> None:
    """Writes what must be above the freezing limit for such a call."""
    execution.write_cycles(destination, sum(execution.call_price(name_size + argument_size)))


@system_function("P", "", EVERYWHERE)
def cost_create_canister(execution: Execution, destination: int) -> None:
    """Writes what creating a canister on this subnet costs."""
    execution.write_cycles(destination, costs.creation_price(execution.environment))


@system_function("llP", "", EVERYWHERE)
def cost_http_request(execution: Execution, request_size: int, response_size: int, destination: int) -> None:
    """Writes what an HTTP outcall costs."""
    price = costs.http_request_price(request_size, response_size, execution.environment)
    execution.write_cycles(destination, price)


def _key_cost(execution: Execution, scheme: str, source: int, size: int, curve: int, destination: int) -> int:
    key = execution.read(source, size)
    execution.trap_unless(destination + CYCLES_SIZE <= execution.cells[HEAP_SIZE])
    curves, fee = SCHEMES[scheme]
    if curve >= curves:
        return UNKNOWN_CURVE
    if key not in KEYS:
        return UNKNOWN_KEY
    environment = execution.environment
    execution.write_cycles(destination, costs.scale(fee(environment.profile.fees), environment))
    return KNOWN


@system_function("PPiP", "i", EVERYWHERE, cost=per_byte(1))
def cost_sign_with_ecdsa(execution: Execution, source: int, size: int, curve: int, destination: int) -> int:
    """Writes the fee; 1 if the curve is unknown, 2 if the key is."""
    return _key_cost(execution, "ecdsa", source, size, curve, destination)


@system_function("PPiP", "i", EVERYWHERE, cost=per_byte(1))
def cost_sign_with_schnorr(execution: Execution, source: int, size: int, algorithm: int, destination: int) -> int:
    """Writes the fee; 1 if the algorithm is unknown, 2 if the key is."""
    return _key_cost(execution, "schnorr", source, size, algorithm, destination)


@system_function("PPiP", "i", EVERYWHERE, cost=per_byte(1))
def cost_vetkd_derive_key(execution: Execution, source: int, size: int, curve: int, destination: int) -> int:
    """Writes the fee; 1 if the curve is unknown, 2 if the key is."""
    return _key_cost(execution, "vetkd", source, size, curve, destination)
