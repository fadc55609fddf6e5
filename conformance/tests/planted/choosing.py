"""The specification, taking what comes next with another choice than the usual one."""

from conformance.judging.moves import Move
from conformance.tests.planted.bugs import BlackBox
from spec.machine import step
from spec.state.label import Label
from spec.transition import Step


class Chooses(BlackBox):
    """It takes what comes next with another choice, if the rule admits that."""

    def other(self, label: Label, fired: Step) -> Label | None:
        """The label that is taken instead; None if it is the same."""
        raise NotImplementedError

    def next(self) -> Move | None:
        move = super().next()
        other = None if move is None else self.other(*move)
        if other is None:
            return move
        fired = step(self.current, other)
        return (other, fired) if isinstance(fired, Step) else move


def with_choices(label: Label, **choices: object) -> Label:
    """The label with other values for some of its free variables."""
    return Label(label.rule, {**label.arguments(), **choices})
