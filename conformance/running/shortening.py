"""
The shortest way in which a difference is seen from outside.

An implementation that explains may say of its own state what nobody saw: a digest that is not the right one names no
canister and no field, that of a part of a memory not what stands there, and how many instructions code used not what it
did. So the scenario is played again to a judge who sees only what users see, and looks at everything
in the end: first as little of its beginning as shows the difference, then without each request that is not needed.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from attrs import define, evolve, field

from conformance.judging.engines import executed_by
from conformance.judging.judge import Terms
from conformance.judging.patterns import Pattern
from conformance.judging.searching import Search
from conformance.judging.verdicts import Fail, Judged
from conformance.protocol.earlier import as_judged
from conformance.protocol.interface import (
    Description,
    Implementation,
    ImplementationError,
    Refused,
    Replied,
    Seen,
    Unsupported,
)
from conformance.protocol.versions import following
from conformance.running.case import Case, Manner
from conformance.running.run import missing_need, terms_of
from conformance.suite.acting import START, Sent
from conformance.suite.looking import Look
from conformance.suite.scenario import Scenario
from conformance.suite.shortest import Shortest
from conformance.suite.stage import Stage
from spec.profile import load_profile
from spec.state.request import Endpoint, Request
from spec.values.identifiers import Blob, Principal
from spec.values.quantities import Count, Seconds

MOST_PLAYED: Final[Count] = 40
"""So often a scenario is played; then the shortest way that was found is told."""

Numbers = frozenset[Count]
"""Of what users do in a scenario, by their order: requests that they hand in, times that they let pass."""


class Enough(Exception):
    """What comes later in the scenario is left out."""


class NotPlayable(Exception):
    """The scenario cannot go on without what was left out."""


class ShortStage(Stage):
    """A stage on which some of what users do is left out. What a scenario expects is not asked."""

    finds_out_more = False
    done: Count = 0
    """How much users have done, or would have."""
    most: Count | None = None
    """After so much nothing more is done; None if all is."""
    left_out: Numbers = frozenset()

    def _leaves_out(self) -> bool:
        """What comes next is left out. Raises `Enough` if all that follows is."""
        if self.done == self.most:
            raise Enough
        number = self.done
        self.done += 1
        return number in self.left_out

    def resend(self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER) -> Sent:
        if self._leaves_out():
            return Sent(request, None, Refused())
        return super().resend(request, effective_id, endpoint)

    def settle(self, seconds: Seconds = 0) -> None:
        super().settle(0 if seconds and self._leaves_out() else seconds)

    def expect(self, seen: Seen, pattern: Pattern) -> None:
        """Nothing is expected."""

    def require(self, holds: bool, words: str) -> None:
        """Nothing is required."""

    def _must(self, seen: Seen) -> Blob:
        if not isinstance(seen, Replied):
            raise NotPlayable
        return seen.data


@define
class Player:
    """Plays one scenario to a judge who sees what users see."""

    chosen: Scenario
    implementation: Implementation
    description: Description
    terms: Terms
    played: Count = field(default=0)

    @property
    def is_tired(self) -> bool:
        """It has played as often as it may."""
        return self.played >= MOST_PLAYED

    def play(self, most: Count | None = None, left_out: Iterable[Count] = ()) -> tuple[Shortest | None, Count]:
        """What shows the difference, or None if nothing does; and how much users did, or would have done."""
        self.played += 1
        profile, chosen = self.terms.profile.name, self.chosen
        instance = self.implementation.reset(profile, chosen.subnet_size, START, chosen.subnet_admins, chosen.elsewhere)
        judge = Search(self.terms, instance)
        stage = ShortStage(self.implementation, self.description, judge, self.terms, instance)
        stage.most, stage.left_out = most, frozenset(left_out)
        try:
            with suppress(Enough):
                chosen.script(stage)
            Look(stage, judge, self.description, self.terms).at_the_end()
        except Judged as judged:
            if isinstance(judged.verdict, Fail):
                done = stage.done - len(stage.left_out)
                return Shortest(done, judged.verdict, tuple(stage.transcript)), stage.done
        except ImplementationError:
            raise
        except Exception:
            # Reason: without what was left out, a scenario may make no sense; then it shows nothing.
            return None, stage.done
        return None, stage.done


def with_shortest(
    case: Case, chosen: Scenario, implementation: Implementation, description: Description, manner: Manner
) -> Case:
    """The case of a difference that nobody saw, with the shortest way found in which it is seen from outside."""
    if not isinstance(case.verdict, Fail) or not case.verdict.is_unseen:
        return case
    black_box = evolve(manner, black_box=True)
    description = following(description, manner.interface)
    profile = load_profile(chosen.profile or manner.profile)
    if missing_need(chosen, description, black_box, profile.name) is not None:
        return case
    implementation = as_judged(implementation, description.interface_specification)
    player = Player(chosen, implementation, description, terms_of(chosen, description, manner, profile))
    try:
        with executed_by(manner.engine):
            shortest = shortest_way(player)
    except Unsupported:
        return case
    except ImplementationError:
        return evolve(case, is_broken=True)
    if shortest is None:
        return case
    verdict = evolve(case.verdict, rules=case.verdict.rules or shortest.verdict.rules)
    return evolve(case, verdict=verdict, shortest=shortest)


def shortest_way(player: Player) -> Shortest | None:
    """The shortest way that is found; None if the difference is not seen. Raises `ImplementationError`."""
    found, most = player.play()
    if found is None:
        return None
    least = 0
    while least < most and not player.is_tired:
        middle = (least + most) // 2
        shown, _ = player.play(middle)
        if shown is None:
            least = middle + 1
        else:
            found, most = shown, middle
    left_out: Numbers = frozenset()
    for number in reversed(range(most)):
        if player.is_tired:
            break
        shown, _ = player.play(most, left_out | {number})
        if shown is not None:
            found, left_out = shown, left_out | {number}
    return found
