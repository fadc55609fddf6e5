"""Cycles: the balance, what came with a call, and burning. Source: canister-interface, cycles."""

from typing import Final

from spec.fees import smaller
from spec.system_api.execution_state import Execution
from spec.values.quantities import Cycles
from spec.wasm.traps import Trap

HIGH = 2**64
"""The weight of the high one of the two numbers in which an amount is given."""

BEYOND_64_BITS: Final = "the amount of cycles does not fit into 64 bits"
"""The reason of a trap."""


def canister_cycle_balance(execution: Execution) -> int:
    return _in_64_bits(execution.balance)


def canister_cycle_balance128(execution: Execution, destination: int) -> None:
    execution.write_cycles(destination, execution.balance)


def canister_liquid_cycle_balance128(execution: Execution, destination: int) -> None:
    execution.write_cycles(destination, execution.liquid(execution.balance))


def msg_cycles_available(execution: Execution) -> int:
    """Zero once the call has been responded to."""
    return _in_64_bits(execution.available_cycles)


def msg_cycles_available128(execution: Execution, destination: int) -> None:
    execution.write_cycles(destination, execution.available_cycles)


def msg_cycles_refunded(execution: Execution) -> int:
    """What came back with the response; the balance has it already."""
    return _in_64_bits(execution.parameters.refunded_cycles)


def msg_cycles_refunded128(execution: Execution, destination: int) -> None:
    execution.write_cycles(destination, execution.parameters.refunded_cycles)


def msg_cycles_accept(execution: Execution, largest: int) -> int:
    return execution.accept_cycles(largest)


def msg_cycles_accept128(execution: Execution, largest_high: int, largest_low: int, destination: int) -> None:
    execution.write_cycles(destination, execution.accept_cycles(largest_high * HIGH + largest_low))


def cycles_burn128(execution: Execution, amount_high: int, amount_low: int, destination: int) -> None:
    """Never burns so much that the canister would be frozen."""
    burned = smaller(amount_high * HIGH + amount_low, execution.liquid(execution.balance))
    execution.burned_cycles += burned
    execution.write_cycles(destination, burned)


def _in_64_bits(amount: Cycles) -> int:
    if amount >= HIGH:
        raise Trap(BEYOND_64_BITS)
    return amount
