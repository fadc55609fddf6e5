"""
Random walks on the specification alone: every invariant is checked after every label.

The worlds are those in which both engines run in lockstep, without the second engine.
"""

from collections.abc import Mapping

from properties.agreement.lockstep import SUBNET, Disagreement, Lockstep
from properties.agreement.worlds import LockstepMachine
from properties.exploration.explorer import violated
from spec.machine import enabled, step
from spec.profile import Profile
from spec.state.canister import Canister, Subnet
from spec.state.label import Label
from spec.transition import Executed, Step
from spec.values.identifiers import CanisterId

LOOKED_AT = 40
"""Every so many labels, `enabled` is compared with what `step` says of the label just taken."""


class Walk(Lockstep):
    """A specification state that takes labels; nothing is compared with it."""

    def __init__(
        self,
        profile: Profile | None = None,
        subnet: Subnet = SUBNET,
        canisters: Mapping[CanisterId, Canister] | None = None,
    ) -> None:
        super().__init__(profile, subnet, canisters)
        del self.engine

    def take(self, label: Label) -> bool:
        """Takes a label and checks every invariant. True if it was enabled. Raises `Disagreement`."""
        self.schedule.append(label)
        result = step(self.state, label)
        if not isinstance(result, Step):
            self.schedule.pop()
            return False
        if len(self.schedule) % LOOKED_AT == 0 and not label.rule.startswith("submit"):
            self._compare_with_enabled(label)
        wrong = violated(self.state, result)
        if wrong is not None:
            raise self._disagreement(wrong)
        self.state = result.state
        self.fired[label.rule] += 1
        for output in result.outputs:
            if isinstance(output, Executed) and output.failure is not None:
                self.failures[output.failure.reason.name] += 1
        return True

    def _compare_with_enabled(self, label: Label) -> None:
        """A rule that fires must be among those that `enabled` lists."""
        if label.rule not in {one.rule for one in enabled(self.state, spontaneous=True)}:
            raise Disagreement(f"{label} fires, but `enabled` does not list its rule")


class WalkMachine(LockstepMachine):
    """The random world of the lockstep, on the specification alone."""

    def build(self, profile: Profile, canisters: Mapping[CanisterId, Canister]) -> Lockstep:
        """The specification at the beginning."""
        return Walk(profile, canisters=canisters)
