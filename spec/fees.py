"""
What everything costs: the fee formulas, in integers. The interface specification leaves them open.

Source: facts on fees. Fees are given for a subnet of a reference size and grow in proportion to the number of nodes.
Rounding is always down, and each sum is scaled where it is written. All functions are total on natural numbers, have no
state, and use only arithmetic and comparisons, so proofs run them as they stand.
"""

from typing import Final

from spec.profile import Fees, Limits, Profile
from spec.values.checklist import defines
from spec.values.quantities import (
    SECONDS_PER_DAY,
    ByteCount,
    Count,
    Cycles,
    Instructions,
    Percent,
    Seconds,
)

GIBIBYTE: Final[ByteCount] = 2**30
"""The unit in which storage is priced."""

INSTRUCTIONS_OF_RATE: Final[Instructions] = 10
"""Rates are given per ten instructions."""


EXECUTION_THREADS: Final = 4
"""The use, threshold and capacity of a subnet are divided by the threads on which memory may grow at once."""


def larger(left: int, right: int) -> int:
    """The larger of two numbers."""
    return left if left >= right else right


def smaller(left: int, right: int) -> int:
    """The smaller of two numbers."""
    return left if left <= right else right


def less(amount: int, subtracted: int) -> int:
    """The difference of two natural numbers, or zero if it would be negative."""
    return amount - subtracted if amount >= subtracted else 0


@defines("seed1.replication-factor-pricing")
def scale(fees: Fees, amount: Cycles, subnet_size: Count) -> Cycles:
    """A fee on a subnet of the given size, from the fee on a subnet of the reference size."""
    return amount * subnet_size // fees.reference_subnet_size


# Execution.


def instruction_fee(fees: Fees, instructions: Instructions, wasm64: bool) -> Cycles:
    """The price of instructions, unscaled. `wasm64`: memory 0 of the executed module has 64-bit addresses."""
    rate = fees.ten_instructions_wasm64 if wasm64 else fees.ten_instructions_wasm32
    return rate * instructions // INSTRUCTIONS_OF_RATE


@defines("seed1.deterministic-charging")
def execution_cost(fees: Fees, instructions: Instructions, wasm64: bool, subnet_size: Count) -> Cycles:
    """The price of one execution: its fixed part and its instructions. With the limit, what is prepaid for it."""
    return scale(fees, fees.update_message_execution + instruction_fee(fees, instructions, wasm64), subnet_size)


def execution_refund(fees: Fees, limit: Instructions, used: Instructions, wasm64: bool, subnet_size: Count) -> Cycles:
    """What is paid back of the prepayment for `limit` after an execution that used some. The fixed part never is."""
    unused = scale(fees, instruction_fee(fees, less(limit, used), wasm64), subnet_size)
    return smaller(unused, execution_cost(fees, limit, wasm64, subnet_size))


def net_execution_cost(fees: Fees, limit: Instructions, used: Instructions, wasm64: bool, subnet_size: Count) -> Cycles:
    """
    What an execution costs in the end: prepayment less refund.

    Because of the roundings it can differ by one cycle from `execution_cost` of the instructions used.
    """
    prepaid = execution_cost(fees, limit, wasm64, subnet_size)
    return prepaid - execution_refund(fees, limit, used, wasm64, subnet_size)


def callback_cost(profile: Profile, reserved: Cycles, used: Instructions, wasm64: bool, subnet_size: Count) -> Cycles:
    """
    The price of executing a callback, of the cycles that were set aside at the call.

    That is what was set aside for its instructions, less the price of those that are left, at the rate of the module
    that runs it: the rate of the module that made the call may have been another one. The transmission of the response,
    for which cycles were set aside as well, is charged besides. Source: ours#reserved-for-response.
    """
    transmission = response_fee(profile.fees, profile.limits.inter_canister_payload, subnet_size)
    left = less(profile.limits.message_instructions, used)
    unused = scale(profile.fees, instruction_fee(profile.fees, left, wasm64), subnet_size)
    return less(less(reserved, transmission), unused)


def management_instructions_cost(fees: Fees, instructions: Instructions, subnet_size: Count) -> Cycles:
    """The price of what the management canister does, given in instructions: no fixed part, always the 32-bit rate."""
    return scale(fees, instruction_fee(fees, instructions, False), subnet_size)


def cycles_per_message(profile: Profile, limit: Instructions, wasm64: bool, subnet_size: Count) -> Cycles:
    """What is set aside for executing one message (`MAX_CYCLES_PER_MESSAGE`)."""
    return execution_cost(profile.fees, limit, wasm64, subnet_size)


# Calls and messages.


@defines("seed1.network-charge")
def call_fee(fees: Fees, payload: ByteCount, subnet_size: Count) -> Cycles:
    """The fee for transmitting a request whose method name and argument have `payload` bytes together."""
    return scale(fees, fees.call, subnet_size) + scale(fees, fees.call_byte * payload, subnet_size)


def response_fee(fees: Fees, payload: ByteCount, subnet_size: Count) -> Cycles:
    """The fee for transmitting a response. The payload of a reject is its message and one byte."""
    return scale(fees, fees.call_byte * payload, subnet_size)


@defines("unspec.const.max-cycles-per-response")
def cycles_per_response(profile: Profile, wasm64: bool, subnet_size: Count) -> Cycles:
    """
    What is set aside at `ic0.call_perform` for the response (`MAX_CYCLES_PER_RESPONSE`): transmitting the largest one
    and executing the callback.
    """
    return response_fee(profile.fees, profile.limits.inter_canister_payload, subnet_size) + execution_cost(
        profile.fees, profile.limits.message_instructions, wasm64, subnet_size
    )


@defines("error.insufficient-cycles-message-memory")
def message_memory(limits: Limits, payload: ByteCount, bounded_wait: bool) -> ByteCount:
    """
    What a call takes of message memory, if its method name and argument have `payload` bytes together.

    For bounded wait its request. For unbounded wait the request lies in the memory that is kept for the response, of
    the largest size, and only more than that counts. Source: facts on limits; ours#message-memory.
    """
    request = limits.request_record + payload
    if bounded_wait:
        return request
    return larger(request, limits.response_record + limits.inter_canister_payload)


@defines("seed1.network-charge", "seed1.reverse-gas")
def ingress_fee(fees: Fees, message: ByteCount, subnet_size: Count) -> Cycles:
    """The fee for taking in a signed message of a user. The fee of one byte is scaled before it is multiplied."""
    return scale(fees, fees.ingress_message, subnet_size) + scale(fees, fees.ingress_byte, subnet_size) * message


# Resources over time.


@defines("seed1.memory-charge")
def memory_cost(fees: Fees, memory: ByteCount, duration: Seconds, subnet_size: Count) -> Cycles:
    """The price of storage over time."""
    return scale(fees, memory * fees.storage_per_gib_second * duration // GIBIBYTE, subnet_size)


def base_cost(fees: Fees, duration: Seconds, subnet_size: Count) -> Cycles:
    """What every canister pays over time, as each has a history, and so uses memory."""
    return scale(fees, fees.base_per_second * duration, subnet_size)


def compute_cost(fees: Fees, compute_allocation: Percent, duration: Seconds, subnet_size: Count) -> Cycles:
    """The price of a compute allocation over time."""
    return scale(fees, fees.compute_allocation_per_second * duration * compute_allocation, subnet_size)


def idle_cycles_burned_per_day(
    fees: Fees,
    compute_allocation: Percent,
    memory_allocation: ByteCount,
    memory_usage: ByteCount,
    subnet_size: Count,
) -> Cycles:
    """What a canister pays in a day in which it does nothing. The larger of allocation and usage of memory counts."""
    memory = larger(memory_allocation, memory_usage)
    return (
        memory_cost(fees, memory, SECONDS_PER_DAY, subnet_size)
        + base_cost(fees, SECONDS_PER_DAY, subnet_size)
        + compute_cost(fees, compute_allocation, SECONDS_PER_DAY, subnet_size)
    )


def freezing_limit(
    fees: Fees,
    compute_allocation: Percent,
    memory_allocation: ByteCount,
    freezing_threshold: Seconds,
    memory_usage: ByteCount,
    subnet_size: Count,
) -> Cycles:
    """
    The cycles that keep the canister idle for its freezing threshold. Source: abstract-behavior, cycle bookkeeping.

    The reserved balance does not reduce it; `liquid_balance` takes that into account.
    """
    idle = idle_cycles_burned_per_day(fees, compute_allocation, memory_allocation, memory_usage, subnet_size)
    return idle * freezing_threshold // SECONDS_PER_DAY


def freezing_limit_with_messages(
    fees: Fees,
    compute_allocation: Percent,
    memory_allocation: ByteCount,
    freezing_threshold: Seconds,
    memory_usage: ByteCount,
    message_memory: ByteCount,
    subnet_size: Count,
) -> Cycles:
    """
    The freezing limit of a canister that also pays for message memory, which no memory allocation covers.

    Source: facts on fees, idle rate; ours#message-memory.
    """
    idle = idle_cycles_burned_per_day(fees, compute_allocation, memory_allocation, memory_usage, subnet_size)
    messages = memory_cost(fees, message_memory, SECONDS_PER_DAY, subnet_size)
    return (idle + messages) * freezing_threshold // SECONDS_PER_DAY


def liquid_balance(balance: Cycles, reserved_balance: Cycles, freezing_limit: Cycles) -> int:
    """
    What may be spent without falling below the freezing limit; negative for a frozen canister.

    The reserved balance serves the freezing limit first. Source: abstract-behavior, cycle bookkeeping.
    """
    return balance - less(freezing_limit, reserved_balance)


# Services.


def canister_creation_fee(fees: Fees, subnet_size: Count) -> Cycles:
    """The fee for creating a canister, out of the cycles that it is created with."""
    return scale(fees, fees.canister_creation, subnet_size)


@defines("seed1.network-charge")
def http_request_fee(fees: Fees, request: ByteCount, response: ByteCount, subnet_size: Count) -> Cycles:
    """
    The fee for an HTTPS outcall, from the size of the request and the largest response that is accepted.

    Every node makes the request, and they talk to each other about it; so this is not scaled by the reference size.
    """
    per_node = (
        fees.http_request
        + fees.http_request_per_node * subnet_size
        + fees.http_request_byte * request
        + fees.http_response_byte * response
    )
    return per_node * subnet_size


def ecdsa_signature_fee(fees: Fees, subnet_size: Count) -> Cycles:
    """The fee for a threshold ECDSA signature, on the subnet that signs."""
    return scale(fees, fees.ecdsa_signature, subnet_size)


def schnorr_signature_fee(fees: Fees, subnet_size: Count) -> Cycles:
    """The fee for a threshold Schnorr signature, on the subnet that signs."""
    return scale(fees, fees.schnorr_signature, subnet_size)


def vetkd_key_fee(fees: Fees, subnet_size: Count) -> Cycles:
    """The fee for deriving a key, on the subnet that derives it."""
    return scale(fees, fees.vetkd_key, subnet_size)


# --- storage reservation ---------------------------------------------------------------------------------------------


def storage_reservation(profile: Profile, used: ByteCount, growth: ByteCount, subnet_size: Count) -> Cycles:
    """
    What growth by some bytes reserves on a subnet of which some bytes are used, all per execution thread.

    Nothing below the threshold; above it, the storage fee of a period that grows with the use of the subnet.
    """
    capacity = profile.limits.subnet_memory // EXECUTION_THREADS
    before, after = smaller(used, capacity), smaller(used + growth, capacity)
    return _reserved_in_all(profile, after, subnet_size) - _reserved_in_all(profile, before, subnet_size)


def saturated(value: int, used: ByteCount, threshold: ByteCount, capacity: ByteCount) -> int:
    """The part of a value that grows from nothing at a threshold to all of it where the capacity is used up."""
    if used <= threshold:
        return 0
    return value * (smaller(used, capacity) - threshold) // (capacity - threshold)


def _reserved_in_all(profile: Profile, used: ByteCount, subnet_size: Count) -> Cycles:
    threshold = profile.limits.subnet_memory_threshold // EXECUTION_THREADS
    capacity = profile.limits.subnet_memory // EXECUTION_THREADS
    period = saturated(profile.fees.storage_reservation_period, used, threshold, capacity) // 2
    return memory_cost(profile.fees, less(used, threshold), period, subnet_size)
