"""
The scenarios of the conformance suite in lockstep: an engine takes every label that the specification takes in them.

The specification plays a scenario as an implementation, and beside it stands an engine. After each label the two must
agree on the state, on what was shown and on the cycles that came and went, as in random schedules. The specification
goes the shortest way, or by rounds of production.

`python -m properties.agreement.scenarios` plays all of them both ways and says how many labels that were.
"""

import argparse
import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Final

from attrs import frozen

from conformance.judging.environment import HOSTILE
from conformance.judging.verdicts import Pass
from conformance.protocol.interface import Accepted, Advanced, CanisterElsewhere, Claim, Instance, Refused, Scheduled
from conformance.running.case import Manner
from conformance.running.run import run_scenario
from conformance.served.rounds import RoundsImplementation
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from conformance.suite.scenario import Scenario
from properties.agreement.lockstep import Disagreement, Lockstep
from spec.state.label import Label
from spec.state.request import Endpoint, Request
from spec.values.identifiers import Principal, Text
from spec.values.quantities import Count, Nanoseconds


class _Accompanied(SpecificationImplementation):
    """The specification, and an engine that takes the labels that it has taken, after each verb."""

    def __init__(self) -> None:
        super().__init__()
        self.disagreement: Text | None = None
        """Where the two disagreed; None if they never did."""
        self.labels: Count = 0
        """How many labels both have taken."""
        self._lockstep: Lockstep | None = None
        self._compared: Count = 0
        """How many of the labels that are to be explained."""

    def reset(
        self,
        profile: Text,
        subnet_size: Count,
        system_time: Nanoseconds,
        subnet_admins: Sequence[Principal],
        elsewhere: Sequence[CanisterElsewhere] = (),
    ) -> Instance:
        instance = super().reset(profile, subnet_size, system_time, subnet_admins, elsewhere)
        self._lockstep, self._compared = Lockstep.beginning_with(self.current), 0
        return instance

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        outcome = super().submit(request, effective_id, endpoint)
        self._catch_up()
        return outcome

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        advanced = super().advance(rounds, nanoseconds)
        self._catch_up()
        return advanced

    def schedule(self, labels: Sequence[Label]) -> Scheduled:
        scheduled = super().schedule(labels)
        self._catch_up()
        return scheduled

    def explain(self) -> Sequence[Claim]:
        claims = super().explain()
        self._compared = 0
        return claims

    def _catch_up(self) -> None:
        assert self._lockstep is not None, "a scenario begins with a reset"
        try:
            for claim in self._claims[self._compared :]:
                if not self._lockstep.take(claim.label):
                    raise Disagreement(f"{claim.label} was taken and is not enabled")
                self.labels += 1
            if self._lockstep.state != self.current:
                raise Disagreement("the labels that are told do not lead to the state")
        except Disagreement as found:
            self.disagreement = self.disagreement or str(found)
            raise
        self._compared = len(self._claims)


class ShortestWay(_Accompanied):
    """The shortest way to rest."""


class ByRounds(_Accompanied, RoundsImplementation):
    """Rounds of production."""


WAYS: Final[dict[Text, type[_Accompanied]]] = {"shortest": ShortestWay, "rounds": ByRounds}
"""The ways in which the specification goes on, by name."""


@frozen
class Played:
    """What became of a scenario."""

    scenario: Text
    """Its id."""
    labels: Count
    disagreement: Text | None
    """Where the engines disagreed; None if they never did."""
    unfinished: Text | None
    """Why the scenario was not gone through to its end, if the engines agreed so far; None if it was."""


def played(way: Text, chosen: Scenario) -> Played:
    """A scenario on both engines."""
    implementation = WAYS[way]()
    # Reason: a round rejects calls for want of room, which the rules admit without a reason.
    manner = Manner(environment=HOSTILE, tells_all=False)
    case = run_scenario(chosen, implementation, implementation.describe(), manner)
    is_finished = implementation.disagreement is not None or isinstance(case.verdict, Pass)
    unfinished = None if is_finished else str(case.verdict)
    return Played(chosen.id, implementation.labels, implementation.disagreement, unfinished)


def _played_by_id(way: Text, scenario_id: Text) -> Played:
    return played(way, next(one for one in all_scenarios() if one.id == scenario_id))


def all_played(way: Text, ids: Iterable[Text], workers: Count) -> Iterable[Played]:
    """Scenarios on both engines, on so many processes."""
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(partial(_played_by_id, way), ids, chunksize=4)


def main() -> None:
    """Plays scenarios, and says how many labels were taken and where the engines disagreed."""
    parser = argparse.ArgumentParser(prog="python -m properties.agreement.scenarios", description=__doc__)
    parser.add_argument("--only", metavar="REGEX", default="", help="scenarios whose ids match (all)")
    parser.add_argument("--way", choices=sorted(WAYS), help="how the specification goes on (both ways)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (one a core)")
    given = parser.parse_args()
    ids = [one.id for one in all_scenarios() if re.search(given.only, one.id)]
    total = 0
    for way in [given.way] if given.way else sorted(WAYS):
        labels = different = unfinished = 0
        for one in all_played(way, ids, given.workers):
            labels += one.labels
            different += one.disagreement is not None
            unfinished += one.unfinished is not None
            if one.disagreement is not None or one.unfinished is not None:
                print(f"{one.scenario}: {one.disagreement or f'not to its end: {one.unfinished}'}", flush=True)
        counts = f"{different} with a difference, {unfinished} not to their ends"
        print(f"{way}: {len(ids)} scenarios, {labels:,} labels, {counts}", flush=True)
        total += labels
    print(f"{total:,} labels")


if __name__ == "__main__":
    main()
