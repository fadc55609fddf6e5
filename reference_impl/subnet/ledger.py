"""
Fees, freezing limits and reservations.

Prices in the profile hold for a subnet of the reference size; `n` nodes pay `n / R` of them, rounded down once for each
sum that is written in one piece below. All amounts are cycles. Source: facts on fees, formulas.
"""

from spec.profile import Profile
from spec.values.quantities import (
    SECONDS_PER_DAY,
    ByteCount,
    Count,
    Cycles,
    Instructions,
    Percent,
    Seconds,
)
from spec.values.rejects import Reply, Response

GIB = 2**30
SUBNET_THREADS = 4
"""Storage reservations count with a quarter of the subnet's memory, for each of four execution threads."""


def response_payload(response: Response) -> ByteCount:
    """How many bytes a response counts for."""
    match response:
        case Reply():
            return len(response.data)
        case _:
            return 1 + len(response.message.encode())


class Ledger:
    """The prices on one subnet."""

    def __init__(self, profile: Profile, subnet_size: Count) -> None:
        self._profile = profile
        self._fees = profile.fees
        self._nodes = subnet_size
        self._largest_response = self._scale(self._fees.call_byte * profile.limits.inter_canister_payload)

    def _scale(self, cycles: Cycles) -> Cycles:
        return cycles * self._nodes // self._fees.reference_subnet_size

    def _instruction_fee(self, instructions: Instructions, is_64_bit: bool) -> Cycles:
        ten = self._fees.ten_instructions_wasm64 if is_64_bit else self._fees.ten_instructions_wasm32
        return ten * instructions // 10

    def execution(self, instructions: Instructions, is_64_bit: bool) -> Cycles:
        """An execution of so many instructions; with the limit, what is set aside before it."""
        return self._scale(self._fees.update_message_execution + self._instruction_fee(instructions, is_64_bit))

    def execution_charge(self, limit: Instructions, used: Instructions, is_64_bit: bool) -> Cycles:
        """What an execution costs in the end: what was set aside for the limit, less the refund for what is left."""
        # Reason: this is what every execution asks, so the sums of `execution` are written out.
        fees, nodes = self._fees, self._nodes
        ten = fees.ten_instructions_wasm64 if is_64_bit else fees.ten_instructions_wasm32
        set_aside = (fees.update_message_execution + ten * limit // 10) * nodes // fees.reference_subnet_size
        if used >= limit:
            return set_aside
        refund = ten * (limit - used) // 10 * nodes // fees.reference_subnet_size
        return set_aside - refund if refund < set_aside else 0

    def callback_charge(self, set_aside: Cycles, used: Instructions, is_64_bit: bool) -> Cycles:
        """
        What a callback costs in the end, of what the call set aside for the response.

        The module that runs it may have another rate than the one that made the call, and what is left comes back at
        the rate of the former; the callback never costs more than there is.
        """
        for_execution = max(set_aside - self._largest_response, 0)
        left = max(self._profile.limits.message_instructions - used, 0)
        return max(for_execution - self._scale(self._instruction_fee(left, is_64_bit)), 0)

    def management(self, instructions: Instructions) -> Cycles:
        """What a method of the management canister that runs no code is charged; there is no fixed part."""
        return self._scale(self._instruction_fee(instructions, False))

    def service(self, price: Cycles) -> Cycles:
        """A signature or a derived key, from its price on a subnet of the reference size."""
        return self._scale(price)

    def http_request(self, request_size: ByteCount, response_size: ByteCount) -> Cycles:
        """An HTTP outcall; the price grows with the square of the subnet and is not scaled."""
        fees = self._fees
        sizes = fees.http_request_byte * request_size + fees.http_response_byte * response_size
        return (fees.http_request + fees.http_request_per_node * self._nodes + sizes) * self._nodes

    def response(self, response: Response) -> Cycles:
        """Transmission of a response, at most what was set aside for it."""
        return min(self._scale(self._fees.call_byte * response_payload(response)), self._largest_response)

    def creation(self) -> Cycles:
        """Creating a canister."""
        return self._scale(self._fees.canister_creation)

    def base(self, seconds: Seconds) -> Cycles:
        """What every canister pays over time."""
        return self._scale(self._fees.base_per_second * seconds)

    def compute(self, allocation: Percent, seconds: Seconds) -> Cycles:
        """A compute allocation over time."""
        return self._scale(self._fees.compute_allocation_per_second * seconds * allocation)

    def storage(self, stored: ByteCount, seconds: Seconds) -> Cycles:
        """Memory over time."""
        return self._scale(stored * self._fees.storage_per_gib_second * seconds // GIB)

    def resources(self, stored: ByteCount, messages: ByteCount, compute: Percent, seconds: Seconds) -> Cycles:
        """What a canister pays for some seconds: of each resource its part of the price of a day, which is rounded."""
        day = SECONDS_PER_DAY
        prices = (self.storage(stored, day) + self.base(day), self.storage(messages, day), self.compute(compute, day))
        return sum(price * seconds // day for price in prices)

    def idle_per_day(self, compute: Percent, allocated: ByteCount, used: ByteCount) -> Cycles:
        """What a canister that does nothing pays a day."""
        storage = self.storage(max(allocated, used), SECONDS_PER_DAY)
        return storage + self.base(SECONDS_PER_DAY) + self.compute(compute, SECONDS_PER_DAY)

    def freezing_limit(self, compute: Percent, allocated: ByteCount, used: ByteCount, threshold: Seconds) -> Cycles:
        """What a canister must hold not to be frozen."""
        return self.idle_per_day(compute, allocated, used) * threshold // SECONDS_PER_DAY

    def _saturation_price(self, subnet_use: ByteCount) -> Cycles:
        """The storage fee for all bytes above the threshold, for a period that grows with them."""
        limits = self._profile.limits
        threshold = limits.subnet_memory_threshold // SUBNET_THREADS
        capacity = limits.subnet_memory // SUBNET_THREADS
        above = min(subnet_use, capacity) - threshold
        if above <= 0:
            return 0
        period = self._fees.storage_reservation_period * above // (capacity - threshold)
        return self.storage(above, period // 2)

    def reservation(self, subnet_use: ByteCount, growth: ByteCount) -> Cycles:
        """What must be reserved when the use of the subnet's memory grows by so many bytes."""
        if growth <= 0:
            return 0
        use = subnet_use // SUBNET_THREADS
        return self._saturation_price(use + growth) - self._saturation_price(use)


def ingress_fee(profile: Profile, size: ByteCount, nodes: Count) -> Cycles:
    """Taking in a signed message of so many bytes on a subnet of so many nodes; the price of a byte is scaled alone."""
    fees = profile.fees
    of_message, of_byte = (
        price * nodes // fees.reference_subnet_size for price in (fees.ingress_message, fees.ingress_byte)
    )
    return of_message + of_byte * size


def liquid_balance(balance: Cycles, reserved_balance: Cycles, freezing_limit: Cycles) -> Cycles:
    """What may be spent; below zero for a frozen canister."""
    needed = freezing_limit - reserved_balance
    return balance - needed if needed > 0 else balance
