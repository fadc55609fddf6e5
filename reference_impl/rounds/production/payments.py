"""
What canisters pay over time, and for requests that came to them.

The reserved balance is used first, as the transitions demand; production takes the fees of requests from the balance
alone. Source: facts on fees.
"""

from reference_impl.messages.delivery import cost_of_start
from reference_impl.rounds.production.blocks import Capacity
from reference_impl.rounds.production.conductor import Conductor
from reference_impl.rounds.production.usage import message_memory_of
from spec.state.message import CallMessage
from spec.values.identifiers import CanisterId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Cycles, Seconds


def pay(conductor: Conductor, canister_id: CanisterId, amount: Cycles) -> None:
    """A canister pays an amount, or all that it has."""
    canister = conductor.canister(canister_id)
    from_reserved = min(amount, canister.reserved_balance)
    if from_reserved:
        left = canister.reserved_balance - from_reserved
        conductor.must_take("payment_from_reserved_balance", canister_id=canister_id, balance=left)
    from_main = min(amount - from_reserved, canister.balance)
    if from_main:
        left = canister.balance - from_main
        conductor.must_take("payment_from_main_balance", canister_id=canister_id, balance=left)


def set_aside(conductor: Conductor, canister_id: CanisterId) -> Cycles:
    """What a paused execution of a canister keeps of its balance, which the transitions take with its last slice."""
    run = conductor.long_runs.get(canister_id)
    if run is None or run.is_aborted:
        return 0
    instance, canister = conductor.instance, conductor.canister(canister_id)
    if run.is_installation:
        limit = instance.profile.limits.install_code_instructions
        return instance.ledger_of(canister).execution(limit, False)
    if run.rule == "call_context_creation":
        assert isinstance(run.subject, int)
        call = instance.messages[run.subject]
        assert isinstance(call, CallMessage)
        return cost_of_start(instance, canister, call.method_name)
    return 0 if run.rule.startswith("callback") else cost_of_start(instance, canister, None)


def pay_for_time(conductor: Conductor) -> None:
    """Canisters pay for storage and compute, if enough time has passed and no execution of theirs is paused."""
    now, rounds = conductor.instance.system_time, conductor.instance.profile.rounds
    is_due = 0 in (conductor.number % rounds.charge_rounds, conductor.number % rounds.checkpoint_interval)
    for canister_id in conductor.canisters():
        if conductor.is_paused(canister_id):
            continue
        book = conductor.book(canister_id)
        pay(conductor, canister_id, book.owes)
        book.owes = 0
        seconds = (now - book.paid_until) // NANOSECONDS_PER_SECOND
        if is_due and seconds >= rounds.charge_interval:
            _pay_for_seconds(conductor, canister_id, seconds)
            book.paid_until = now
    conductor.follow()


def _pay_for_seconds(conductor: Conductor, canister_id: CanisterId, seconds: Seconds) -> None:
    canister = conductor.canister(canister_id)
    ledger, settings = conductor.instance.ledger_of(canister), canister.settings
    stored = max(settings.memory_allocation, canister.memory_usage())
    messages = message_memory_of(conductor, canister_id)
    price = ledger.resources(stored, messages, settings.compute_allocation, seconds)
    had = canister.balance + canister.reserved_balance
    pay(conductor, canister_id, price)
    if price > had and (canister.code is not None or settings.compute_allocation):
        conductor.must_take("canister_out_of_cycles", canister_id=canister_id)
        conductor.reached[Capacity.CYCLES] += 1
