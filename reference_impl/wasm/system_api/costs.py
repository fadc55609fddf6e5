"""Prices in cycles, as an execution sees them. Source: facts on fees; integers, floors where written there."""

from typing import Final

from reference_impl.environments.kept_environment import CallPrices, KeptEnvironment
from spec.canister.environment import Environment
from spec.canister.wasm_state import WasmState
from spec.values.quantities import SECONDS_PER_DAY, ByteCount, Count, Cycles, Instructions

GIB: Final[ByteCount] = 2**30

BYTES_PER_GLOBAL: Final[ByteCount] = 32
"""What every persistent global counts as memory, and the hidden counter too. Source: facts on limits."""

SOME_CALLS: Final[Count] = 16
"""For the room of so many calls it is told beforehand what may be spent."""

MOST_LIMITS: Final[Count] = 64
"""So many freezing limits are kept with an environment, each for other sizes."""


def scale(amount: Cycles, environment: Environment) -> Cycles:
    """A price of a subnet of the reference size, on this subnet."""
    return amount * environment.subnet_size // environment.profile.fees.reference_subnet_size


def execution_cost(instructions: Instructions, is_64_bit: bool, environment: Environment) -> Cycles:
    """What an execution of so many instructions costs."""
    fees = environment.profile.fees
    rate = fees.ten_instructions_wasm64 if is_64_bit else fees.ten_instructions_wasm32
    return scale(fees.update_message_execution + rate * instructions // 10, environment)


def call_prices(is_64_bit: bool, environment: Environment) -> CallPrices:
    """What every call takes."""
    if not isinstance(environment, KeptEnvironment):
        return _call_prices(is_64_bit, environment)
    prices = environment.prices.get(is_64_bit)
    if prices is None:
        prices = environment.prices[is_64_bit] = _call_prices(is_64_bit, environment)
    return prices


def _call_prices(is_64_bit: bool, environment: Environment) -> CallPrices:
    fees, limits = environment.profile.fees, environment.profile.limits
    transmission = scale(fees.call_byte * limits.inter_canister_payload, environment)
    callback = execution_cost(limits.message_instructions, is_64_bit, environment)
    return CallPrices(scale(fees.call, environment), transmission + callback)


def creation_price(environment: Environment) -> Cycles:
    """What creating a canister on this subnet costs."""
    return scale(environment.profile.fees.canister_creation, environment)


def http_request_price(request_size: ByteCount, response_size: ByteCount, environment: Environment) -> Cycles:
    """What an HTTP outcall costs. It grows with the square of the subnet, so it is not scaled."""
    fees, nodes = environment.profile.fees, environment.subnet_size
    sizes = fees.http_request_byte * request_size + fees.http_response_byte * response_size
    return (fees.http_request + fees.http_request_per_node * nodes + sizes) * nodes


def room_for_call(payload: ByteCount, is_best_effort: bool, environment: Environment) -> ByteCount:
    """
    The memory in queues that a call holds until its response has been handled. Source: facts on limits, messages.

    The response of a best-effort call may be dropped, so only others hold room for the longest one; the request lies
    in the same room.
    """
    longest = 0 if is_best_effort else longest_response(environment)
    return max(longest, payload + environment.profile.limits.request_record)


def longest_response(environment: Environment) -> ByteCount:
    """The memory in queues that is held for a response."""
    limits = environment.profile.limits
    return limits.inter_canister_payload + limits.response_record


def globals_size(state: WasmState) -> ByteCount:
    """What the persistent globals count as memory."""
    return BYTES_PER_GLOBAL * (len(state.globals) + 1)


def room_for_some_calls(environment: Environment) -> ByteCount:
    """The memory in queues that the module may take for calls before it asks the host again."""
    return SOME_CALLS * room_for_call(0, False, environment)


def not_to_be_spent(wasm_state_size: ByteCount, messages_size: ByteCount, environment: Environment) -> Cycles:
    """The balance below which the canister would be frozen."""
    return max(0, freezing_limit(wasm_state_size, messages_size, environment) - environment.reserved_balance)


def freezing_limit(wasm_state_size: ByteCount, messages_size: ByteCount, environment: Environment) -> Cycles:
    """
    What an idle canister burns in its freezing threshold, if memories, globals and messages in queues have these sizes.
    """
    if not isinstance(environment, KeptEnvironment):
        return _burn_in_freezing_threshold(daily_burn(wasm_state_size, environment), messages_size, environment)
    sizes = wasm_state_size, messages_size
    limit = environment.freezing_limits.get(sizes)
    if limit is None:
        if len(environment.freezing_limits) >= MOST_LIMITS:
            environment.freezing_limits.clear()
        limit = _burn_in_freezing_threshold(daily_burn(wasm_state_size, environment), messages_size, environment)
        environment.freezing_limits[sizes] = limit
    return limit


def daily_burn(wasm_state_size: ByteCount, environment: Environment) -> Cycles:
    """What a canister burns in a day if idle, if its memories and globals have a certain size, without its messages."""
    usage = (
        wasm_state_size
        + environment.memory_usage_raw_module
        + environment.memory_usage_canister_history
        + environment.memory_usage_chunk_store
        + environment.memory_usage_snapshots
    )
    fees = environment.profile.fees
    billed = max(environment.memory_allocation, usage)
    memory = scale(billed * fees.storage_per_gib_second * SECONDS_PER_DAY // GIB, environment)
    allocation = fees.compute_allocation_per_second * SECONDS_PER_DAY * environment.compute_allocation
    base = fees.base_per_second * SECONDS_PER_DAY
    return memory + scale(base, environment) + scale(allocation, environment)


def _burn_in_freezing_threshold(daily: Cycles, messages_size: ByteCount, environment: Environment) -> Cycles:
    """
    What an idle canister burns in its freezing threshold, if it burns so much in a day without its messages in queues,
    which have a certain size. Memory allocations are not for messages.
    """
    if messages_size:
        per_second = environment.profile.fees.storage_per_gib_second
        daily += scale(messages_size * per_second * SECONDS_PER_DAY // GIB, environment)
    return daily * environment.freezing_threshold // SECONDS_PER_DAY
