"""
Random walks on the specification alone: every invariant is checked after every label.

The worlds are those in which both engines run in lockstep, without the second engine. Of every label that is tried,
`enabled` and `step` must say the same.
"""

from collections.abc import Mapping

from properties.agreement.lockstep import SUBNET, Disagreement, Lockstep, enabled_of
from properties.agreement.worlds import LockstepMachine
from properties.exploration.explorer import violated
from spec.machine import OUTSIDE, candidates, choices_of, enabled, stands_for_all, step
from spec.profile import Profile
from spec.state.canister import Canister, Subnet
from spec.state.label import Label
from spec.state.state import State
from spec.transition import RULES, Executed, Step
from spec.values.identifiers import CanisterId

LOOKED_AT = 500
"""Every so many labels, all that `enabled` lists is compared with what is said of each rule alone."""


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
        disagreement = disagreement_about(self.state, label, fires=isinstance(result, Step))
        if disagreement is not None:
            raise self._disagreement(disagreement)
        if not isinstance(result, Step):
            self.schedule.pop()
            return False
        if len(self.schedule) % LOOKED_AT == 0:
            self._compare_rule_by_rule()
        wrong = violated(self.state, result)
        if wrong is not None:
            raise self._disagreement(wrong)
        self.state = result.state
        self.fired[label.rule] += 1
        for output in result.outputs:
            if isinstance(output, Executed) and output.failure is not None:
                self.failures[output.failure.reason.name] += 1
        return True

    def _compare_rule_by_rule(self) -> None:
        """`enabled` lists what it lists of each rule alone."""
        apart = list(enabled_of(self.state, [name for name in RULES if name not in OUTSIDE]))
        if enabled(self.state, spontaneous=True) != apart:
            raise Disagreement("`enabled` lists other labels of all rules than of each rule alone")


def disagreement_about(state: State, label: Label, *, fires: bool) -> str | None:
    """
    What `enabled` says otherwise of a label than `step` does; None if they agree.

    A label that does not fire must not be listed. One that fires must be; where one value of a variable stands for
    all, another value is listed in its place. Labels of users are not listed at all.
    """
    if label.rule in OUTSIDE:
        return None
    rule = RULES[label.rule]
    if not fires:
        return f"{label} is listed but does not fire" if label in enabled_of(state, [label.rule]) else None
    listed_values = {name: value for name, value in choices_of(label).items() if not stands_for_all(rule, name)}
    for one in candidates(state, rule, listed_values):
        if listed_values.items() <= choices_of(one).items() and isinstance(step(state, one), Step):
            return None
    return f"{label} fires, but `enabled` does not list it"


class WalkMachine(LockstepMachine):
    """The random world of the lockstep, on the specification alone."""

    def build(self, profile: Profile, canisters: Mapping[CanisterId, Canister]) -> Lockstep:
        """The specification at the beginning."""
        return Walk(profile, canisters=canisters)
