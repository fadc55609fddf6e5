"""The specification itself as an implementation that goes by rounds: `spec.machine` with the policy of production."""

import sys
from collections.abc import Mapping, Sequence

from conformance.protocol.interface import Advanced, CanisterElsewhere, Claim, Instance, Scheduled, Unsupported
from conformance.protocol.serving import serve
from conformance.protocol.wire import END_OF_TIME
from conformance.served.randomness import drawn, drawn_for
from conformance.served.specification import SpecificationImplementation
from spec.machine import candidates, step
from spec.production.rounds import Batch, Round, RoundState, execute_round, is_quiet
from spec.production.rounds.inputs import OUTSIDE_METHODS
from spec.profile import Profile
from spec.state.label import Label
from spec.state.message import CallMessage, Unordered
from spec.state.state import State
from spec.transition import RULES, Step
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, Text
from spec.values.quantities import Count, Nanoseconds


class RoundsImplementation(SpecificationImplementation):
    """
    One instance of the specification that goes by rounds.

    The outside world answers what waits for it at the beginning of the next round, with the first answer that the rules
    admit; random bytes are drawn.
    """

    name = "the specification, by rounds"

    def __init__(self, profiles: Mapping[Text, Profile] | None = None) -> None:
        super().__init__(profiles)
        self._rounds = RoundState()
        self.history: list[Round | None] = []
        """The rounds since the last reset; None for a transition that a scenario has asked for between them."""

    def reset(
        self,
        profile: Text,
        subnet_size: Count,
        system_time: Nanoseconds,
        subnet_admins: Sequence[Principal],
        elsewhere: Sequence[CanisterElsewhere] = (),
    ) -> Instance:
        self._rounds = RoundState()
        self.history = []
        return super().reset(profile, subnet_size, system_time, subnet_admins, elsewhere)

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        time = self.current.system_time + nanoseconds
        if time >= END_OF_TIME:
            raise Unsupported("the system time stays below 2^64 nanoseconds")
        if rounds == 0 and nanoseconds:
            self._set_clocks(time)
        if rounds == 0:
            return Advanced(0, self._is_at_rest(), time)
        for done in range(1, rounds + 1):
            batch = Batch(time, answers=outside_answers(self.current), randomness=drawn_for(self._rounds.number + 1))
            before = self.current
            self._state, self._rounds, what = execute_round(before, self._rounds, batch)
            self._claims += claims_of(before, what)
            self.history.append(what)
            if self._is_at_rest():
                return Advanced(done, True, self.current.system_time)
        return Advanced(rounds, False, self.current.system_time)

    def _is_at_rest(self) -> bool:
        return is_quiet(self.current, self._rounds) and not outside_answers(self.current)

    def schedule(self, labels: Sequence[Label]) -> Scheduled:
        scheduled = super().schedule(labels)
        self.history += [None] * len(scheduled.outputs)
        return scheduled


def claims_of(before: State, what: Round) -> list[Claim]:
    """The labels of a round with what each of them showed."""
    claims = []
    for label in what.labels:
        fired = step(before, label)
        assert isinstance(fired, Step)
        claims.append(Claim(label, fired.outputs))
        before = fired.state
    return claims


def outside_answers(state: State) -> tuple[Label, ...]:
    """An answer to every call that waits for the outside world."""
    found = []
    for message_id, message in state.messages.entries:
        if is_outside(message):
            assert isinstance(message, CallMessage)
            labels = candidates(state, RULES[message.method_name])
            mine = (label for label in labels if label.arguments()["message_id"] == message_id)
            found += [drawn(state, label) for label in mine if isinstance(step(state, label), Step)][:1]
    return tuple(found)


def is_outside(message: object) -> bool:
    """The message is a call that waits for the outside world."""
    return (
        isinstance(message, CallMessage)
        and message.callee == MANAGEMENT_CANISTER
        and isinstance(message.queue, Unordered)
        and message.method_name in OUTSIDE_METHODS
    )


def main(arguments: list[str]) -> int:
    """Serves the specification, by rounds, on standard input and output."""
    if arguments:
        print(f"python -m conformance.served.rounds takes no arguments, not {arguments[0]!r}", file=sys.stderr)
        return 2
    serve(RoundsImplementation(), sys.stdin.buffer, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
