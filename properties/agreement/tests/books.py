"""What canisters spent between two moments, and on what: prices worked out from what they did."""

from conformance.canisters.library import load
from properties.agreement.lockstep import enabled_of
from properties.agreement.stage import Stage
from spec.transition import BurnReason, Executed
from spec.values.identifiers import Blob, CanisterId, Text
from spec.values.quantities import ByteCount, Cycles

SCRIPTED = load("scripted")

FIXED: Cycles = 5_000_000
"""The fixed part of the price of an execution; each instruction costs one cycle more."""
RESERVED: Cycles = 2_097_152_000 + 40_005_000_000
"""What is set aside for a response of two MiB and for its callback."""


def call_fee(payload: ByteCount) -> Cycles:
    """For a call whose method name and argument have so many bytes."""
    return 260_000 + 1_000 * payload


def fee_of_update(argument: Blob) -> Cycles:
    """For a call of the method `update`."""
    return call_fee(len("update") + len(argument))


def reply_fee(data: Blob) -> Cycles:
    """For a reply with these bytes."""
    return 1_000 * len(data)


def reject_fee(message: Text) -> Cycles:
    """For a reject with this text, whose code counts as a byte."""
    return 1_000 * (1 + len(message.encode()))


class Books:
    """The balances of some canisters at a moment, and what became of them since."""

    def __init__(self, stage: Stage, *canisters: CanisterId) -> None:
        self._stage = stage
        self._before = {one: stage.canister(one).balance for one in canisters}
        self._executions = len(stage.lockstep.executions)
        self._burned = stage.lockstep.burned.copy()

    def spent(self, canister_id: CanisterId) -> Cycles:
        """By how much the balance is smaller."""
        return self._before[canister_id] - self._stage.canister(canister_id).balance

    def executing(self, canister_id: CanisterId) -> Cycles:
        """What the executions of the canister cost."""
        return sum(FIXED + one.instructions for one in self.executions(canister_id))

    def executions(self, canister_id: CanisterId) -> list[Executed]:
        """The executions of the canister, in order."""
        ran = self._stage.lockstep.executions[self._executions :]
        return [one for one in ran if one.canister_id == canister_id]

    def burned(self, reason: BurnReason) -> Cycles:
        """What was burned for a reason."""
        return self._stage.lockstep.burned[reason] - self._burned[reason]


def take(stage: Stage, *rules: Text) -> None:
    """Takes the first enabled label of each rule, and runs the execution that it begins."""
    for rule in rules:
        label = next(enabled_of(stage.state, [rule]))
        assert stage.lockstep.take(label)
        stage.lockstep.finish_execution()
