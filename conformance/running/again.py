"""
What a scenario pins, asked of the specification after the same refusal.

Where the system refused something to code that ran, the scenario went on otherwise than its author had in mind. What it
pins then binds an implementation only if the specification, which went on in the same way, meets it. So the scenario
is played once more to what was seen; but where a reply was taken for that of the specification since costs are the
implementation's own, the specification's reply stands instead.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from attrs import frozen

from conformance.judging.judge import Judge, Terms
from conformance.protocol.interface import (
    Accepted,
    Advanced,
    Answer,
    CanisterElsewhere,
    Claim,
    Description,
    Instance,
    InstanceKind,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Replied,
    Scheduled,
    Seen,
    Values,
)
from conformance.suite.acting import Listens, Played, essence
from conformance.suite.scenario import Script
from conformance.suite.stage import Stage
from spec.state.label import Label
from spec.state.request import Endpoint, Request
from spec.values.identifiers import Blob, Principal, RequestId, Text
from spec.values.quantities import Count, Nanoseconds


class Otherwise(Exception):
    """The scenario does something else than before, so nobody knows what the specification says."""


class Pinned(Exception):
    """The place has come that was asked for; the first argument says whether what is pinned there holds."""


class Told:
    """An implementation that repeats what was seen, or what the specification says instead."""

    def __init__(self, played: Played, said: Mapping[Blob, Seen], description: Description, instance: Instance) -> None:
        self._events = iter(played)
        self._said = said
        self._description = description
        self._instance = instance

    def _repeat(self, asked: object) -> Any:
        """What was seen of this, which must have been asked next."""
        before, seen, identifier = next(self._events, (None, None, b""))
        if before != asked:
            raise Otherwise
        return self._said.get(identifier, seen) if isinstance(seen, Replied) else seen

    def describe(self) -> Description:
        return self._description

    def reset(
        self,
        profile: Text,
        subnet_size: Count,
        system_time: Nanoseconds,
        subnet_admins: Sequence[Principal],
        elsewhere: Sequence[CanisterElsewhere] = (),
    ) -> Instance:
        return self._instance

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        seen: Accepted | Refused = self._repeat((*essence(request), effective_id, endpoint))
        return seen

    def answer(self, request_id: RequestId) -> Answer:
        seen: Answer = self._repeat(request_id)
        return seen

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        seen: QueryAnswer = self._repeat((*essence(query), effective_id))
        return seen

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        seen: Values | Refused = self._repeat((sender, effective_id, *paths))
        return seen

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        seen: Advanced = self._repeat(nanoseconds)
        return seen

    def stop(self) -> None:
        """There is nothing to end."""

    def explain(self) -> Sequence[Claim]:
        raise Otherwise

    def state(self) -> Blob:
        raise Otherwise

    def dump(self) -> Mapping[Text, Text]:
        raise Otherwise

    def schedule(self, labels: Sequence[Label]) -> Scheduled:
        raise Otherwise

    def attempt(self, labels: Sequence[Label]) -> Count | None:
        raise Otherwise


class StageOnceMore(Stage):
    """A stage on which a scenario is played up to what it pins at some place."""

    until: Count = 0

    def _pins(self, holds: bool) -> bool:
        self._pinned += 1
        if self._pinned == self.until:
            raise Pinned(holds)
        return True

    def _must(self, seen: Seen) -> Blob:
        if not isinstance(seen, Replied):
            raise Otherwise
        return seen.data

    def exchange(self, frame: Callable[[int], bytes]) -> NoReturn:
        raise Otherwise

    def probe(self, canister_id: Principal, argument: Blob, method_name: Text) -> NoReturn:
        raise Otherwise


@frozen
class OnceMore:
    """Plays a scenario once more, in the way of `stage.MetInstead`."""

    script: Script
    judge: Judge
    description: Description
    terms: Terms
    instance: Instance

    def __call__(self, played: Played, pinned: Count, said: Mapping[Blob, Seen]) -> bool:
        """
        What the scenario pins at this place holds with what the specification says.

        Where the specification says nothing else than what was seen, it does not.
        """
        if not said or self.description.instance is InstanceKind.LIVE:
            return False
        told = Told(played, said, self.description, self.instance)
        listening: Any = Listens(self.judge)
        stage = StageOnceMore(told, self.description, listening, self.terms, self.instance)
        stage.until = pinned
        try:
            self.script(stage)
        except Pinned as place:
            holds: bool = place.args[0]
            return holds
        except Exception:
            # Reason: with other replies a scenario may make no sense; then it says nothing.
            return False
        return False
