"""
What canisters pay over time: storage and compute, and the requests that came to them.

The rules let a balance fall at any time by any amount, the reserved balance first. So the fee of a request is taken
from the reserved balance, too, whereas production takes it from the balance alone. Source: facts on fees.
"""

from attrs import evolve

from spec import fees
from spec.production.capacities.usage import message_memory_of
from spec.production.rounds.progress import Progress, followed
from spec.production.rounds.round_state import Beginning
from spec.rules.messages.budgets import cycles_set_aside_for_call, cycles_set_aside_for_task
from spec.rules.resources import allocated_memory, cycles_per_installation
from spec.state.canister import Empty
from spec.state.label import Label
from spec.state.message import CallMessage
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId
from spec.values.quantities import NANOSECONDS_PER_SECOND, SECONDS_PER_DAY, Cycles, Seconds


def paid(progress: Progress, canister_id: CanisterId, amount: Cycles) -> Progress:
    """After a canister has paid an amount, or all that it has."""
    canister = progress.state.canisters[canister_id]
    reserved = min(amount, canister.reserved_balance)
    if reserved:
        choices = {"canister_id": canister_id, "balance": canister.reserved_balance - reserved}
        progress = progress.take(Label("payment_from_reserved_balance", choices))
    rest = min(amount - reserved, canister.balance)
    if rest:
        choices = {"canister_id": canister_id, "balance": canister.balance - rest}
        progress = progress.take(Label("payment_from_main_balance", choices))
    return progress


def paid_later_or_now(progress: Progress, canister_id: CanisterId, amount: Cycles) -> Progress:
    """After an amount was paid; a canister with a paused execution owes it, since its balance may not change."""
    if not progress.is_paused(canister_id):
        return paid(progress, canister_id, amount)
    record = progress.record(canister_id)
    return progress.with_record(canister_id, evolve(record, unpaid=record.unpaid + amount))


def set_aside(progress: Progress, canister_id: CanisterId) -> Cycles:
    """What is set aside for the paused execution of a canister; a callback has it from the call."""
    long = progress.long_execution(canister_id)
    if long is None or long.is_aborted:
        return 0
    profile, canister = progress.state.profile, progress.state.canisters[canister_id]
    if long.is_installation:
        return cycles_per_installation(profile, canister.subnet.subnet_size)
    match long.beginning:
        case Beginning("call_context_creation", int(message_id)):
            call = progress.state.messages[message_id]
            assert isinstance(call, CallMessage)
            return cycles_set_aside_for_call(profile, canister, call.method_name)
        case Beginning(rule, _) if rule.startswith("callback"):
            return 0
        case _:
            return cycles_set_aside_for_task(profile, canister)


def resources_paid(progress: Progress) -> Progress:
    """
    After the canisters have paid for storage and compute. One that cannot loses its code.

    A canister pays when enough time has passed, and not while its execution is paused.
    """
    for canister_id in progress.canisters():
        if progress.is_paused(canister_id):
            continue
        record = progress.record(canister_id)
        progress = paid(progress, canister_id, record.unpaid)
        progress = progress.with_record(canister_id, evolve(record, unpaid=0))
        seconds = (progress.state.system_time - record.charged_until) // NANOSECONDS_PER_SECOND
        if seconds < progress.state.profile.rounds.charge_interval or not is_charging(progress):
            continue
        progress = paid_for(progress, canister_id, seconds)
        charged = evolve(progress.record(canister_id), charged_until=progress.state.system_time)
        progress = progress.with_record(canister_id, charged)
    return followed(progress)


def is_charging(progress: Progress) -> bool:
    """Canisters pay for time in this round, if enough has passed."""
    number, rounds = progress.rounds.number, progress.state.profile.rounds
    return number % rounds.charge_rounds == 0 or number % rounds.checkpoint_interval == 0


def paid_for(progress: Progress, canister_id: CanisterId, seconds: Seconds) -> Progress:
    """After a canister has paid for some time, and lost its code if it could not."""
    canister = progress.state.canisters[canister_id]
    price = price_of(progress, canister_id, seconds)
    progress = paid(progress, canister_id, price)
    has_something = not isinstance(canister.code, Empty) or canister.settings.compute_allocation > 0
    if price > canister.balance + canister.reserved_balance and has_something:
        return progress.take(Label("canister_out_of_cycles", {"canister_id": canister_id}))
    return progress


@defines("seed1.memory-charge")
def price_of(progress: Progress, canister_id: CanisterId, seconds: Seconds) -> Cycles:
    """
    The price of storage and of being there, of the memory of messages, and of compute for some time.

    Each is priced for a day, rounded, and spread over the time. Source: facts on fees, periodic_charge.
    """
    state = progress.state
    canister, prices = state.canisters[canister_id], state.profile.fees
    size, day = canister.subnet.subnet_size, SECONDS_PER_DAY
    memory = allocated_memory(state.profile, canister)
    messages = message_memory_of(state, canister_id, progress.under_way(), progress.away())
    of_a_day = (
        fees.memory_cost(prices, memory, day, size) + fees.base_cost(prices, day, size),
        fees.memory_cost(prices, messages, day, size),
        fees.compute_cost(prices, canister.settings.compute_allocation, day, size),
    )
    return sum(price * seconds // day for price in of_a_day)
