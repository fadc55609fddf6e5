"""Paying for methods of the management canister that run no code."""

from attrs import frozen

from reference_impl.management.verdicts import rejection
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.ledger import liquid_balance
from reference_impl.subnet.observations import Purpose
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.values.quantities import ByteCount, Cycles, Instructions
from spec.values.rejects import Reject, RejectReason


@frozen
class Payment:
    """What a canister pays and reserves."""

    used: Cycles
    reserved: Cycles


def affordable(
    instance: SubnetInstance,
    canister: CanisterRecord,
    used: Cycles,
    usage_after: ByteCount,
    history_growth: ByteCount = 0,
) -> Payment | Reject:
    """The payment that leaves the canister using so much memory, if the canister is not frozen after it."""
    reserved = instance.reservation(canister, canister.settings.memory_allocation, usage_after, history_growth)
    balance = canister.balance - used - reserved
    reserved_balance = canister.reserved_balance + reserved
    if balance < 0:
        return rejection(RejectReason.CANISTER_OUT_OF_CYCLES)
    if reserved_balance > canister.settings.reserved_balance_limit:
        return rejection(RejectReason.RESERVATION_LIMIT_EXCEEDED)
    if liquid_balance(balance, reserved_balance, instance.freezing_limit(canister, usage_after)) < 0:
        return rejection(RejectReason.CANISTER_OUT_OF_CYCLES)
    return Payment(used, reserved)


def affordable_instructions(
    instance: SubnetInstance,
    canister: CanisterRecord,
    instructions: Instructions,
    usage_after: ByteCount,
    history_growth: ByteCount = 0,
) -> Payment | Reject:
    """The payment for work that counts like so many instructions."""
    price = instance.ledger_of(canister).management(instructions)
    return affordable(instance, canister, price, usage_after, history_growth)


def pay(instance: SubnetInstance, canister: CanisterRecord, payment: Payment) -> None:
    """The canister pays."""
    canister.balance -= payment.used + payment.reserved
    canister.reserved_balance += payment.reserved
    instance.burn(canister, payment.used, Purpose.EXECUTION)
