"""One scenario on one implementation, up to its verdict."""

import time
import traceback
from pathlib import Path
from typing import Final

from conformance.judging.engines import executed_by
from conformance.judging.judge import Judge, Terms
from conformance.judging.looking_back import LookingBack
from conformance.judging.replaying import Replay
from conformance.judging.verdicts import AsProduction, Fail, Inconclusive, Judged, NotApplicable, Pass, Verdict
from conformance.protocol.earlier import as_judged
from conformance.protocol.interface import (
    Capability,
    Description,
    Implementation,
    ImplementationError,
    InstanceKind,
    Unsupported,
)
from conformance.protocol.versions import following, has
from conformance.running.again import OnceMore
from conformance.running.case import Case, Manner
from conformance.suite.acting import START
from conformance.suite.looking import Look, Looked, Looking
from conformance.suite.scenario import Scenario
from conformance.suite.stage import Stage
from conformance.suite.transcript import Event
from spec.profile import Profile, load_profile
from spec.values.identifiers import Text

CONCERNED: Final = 3
"""A failure whose rule the judge cannot tell concerns so many rules: those that fired last."""


PRODUCTION: Final = "production"
"""The name of the profile that says what production does."""


def missing_need(chosen: Scenario, description: Description, manner: Manner, profile: Text) -> Text | None:
    """Why a scenario cannot be run on an implementation, under the profile of this name; None if it can."""
    needs = chosen.needs
    if not has(following(description, manner.interface).interface_specification, chosen.since):
        return f"it shows what came with version {chosen.since} of the interface specification"
    if manner.black_box and needs.capabilities:
        return "the implementation is judged as a black box"
    for capability in sorted(needs.capabilities - description.capabilities, key=lambda each: each.value):
        return f"the implementation does not offer {capability.value!r}"
    if needs.deterministic and description.instance is not InstanceKind.DETERMINISTIC:
        return "the implementation moves by itself"
    if needs.own_subnet and manner.is_shared:
        return "the subnet holds what others made, on which it hangs what is reserved"
    if (needs.exact_costs or chosen.profile is not None) and profile not in description.profiles:
        return f"the implementation does not follow the profile {profile!r} to the last cycle"
    return None


def terms_of(chosen: Scenario, description: Description, manner: Manner, profile: Profile) -> Terms:
    """On which terms an implementation is judged in a scenario."""
    return Terms(
        profile=profile,
        subnet_size=chosen.subnet_size,
        subnet_admins=chosen.subnet_admins,
        environment=manner.environment,
        costs_are_exact=profile.name in description.profiles and description.instance is InstanceKind.DETERMINISTIC,
        is_live=description.instance is InstanceKind.LIVE,
        missing=description.missing,
        elsewhere=chosen.elsewhere,
        steps=manner.steps,
        seconds=manner.seconds,
    )


def _shown_problem(problem: Exception) -> Text:
    """What went wrong, and in which line."""
    frames = traceback.extract_tb(problem.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(problem).__name__}: {problem}{place}"


def run_scenario(chosen: Scenario, implementation: Implementation, description: Description, manner: Manner) -> Case:
    """Runs a scenario. What goes wrong with the implementation becomes a verdict."""
    with executed_by(manner.engine):
        return _run_scenario(chosen, implementation, description, manner)


def _run_scenario(chosen: Scenario, implementation: Implementation, description: Description, manner: Manner) -> Case:
    started = time.monotonic()
    description = following(description, manner.interface)
    implementation = as_judged(implementation, description.interface_specification)
    is_broken = False
    stage: Stage | None = None
    judge: Judge | None = None
    look: Look | None = None
    fired: tuple[Text, ...] | None = None
    verdict: Verdict
    try:
        profile = load_profile(chosen.profile or manner.profile)
        missing = missing_need(chosen, description, manner, profile.name)
        if missing is not None:
            raise Judged(NotApplicable(missing))
        terms = terms_of(chosen, description, manner, profile)
        instance = implementation.reset(profile.name, chosen.subnet_size, START, chosen.subnet_admins, chosen.elsewhere)
        if Capability.EXPLAIN in description.capabilities and not manner.black_box:
            judge = Replay(terms, instance, implementation, description.capabilities)
        else:
            judge = LookingBack(terms, instance)
        stage = Stage(implementation, description, judge, terms, instance)
        stage.is_met_instead = OnceMore(chosen.script, judge, description, terms, instance)
        look = Look(stage, judge, description, terms)
        if manner.looking is Looking.AFTER_EACH_SETTLING:
            stage.when_settled = look.in_between
        chosen.script(stage)
        fired = tuple(sorted(judge.fired))
        if manner.looking is not Looking.NEVER and not stage.is_over:
            look.at_the_end()
        verdict = Pass()
    except Judged as judged:
        verdict = judged.verdict
    except Unsupported as problem:
        verdict = NotApplicable(str(problem))
    except ImplementationError as problem:
        verdict, is_broken = Fail(str(problem)), True
    except Exception as problem:
        # Reason: a mistake of the harness or of the scenario is never held against the implementation.
        verdict = Inconclusive(f"the scenario itself failed: {_shown_problem(problem)}")
    transcript: tuple[Event, ...] = ()
    if stage is not None and (manner.tells_all or verdict != Pass()):
        try:
            transcript = tuple(stage.transcript)
        except Exception as problem:
            verdict = Inconclusive(f"what was seen cannot be put into words: {_shown_problem(problem)}")
    return Case(
        id=chosen.id,
        title=chosen.title,
        covers=chosen.covers,
        verdict=verdict,
        seconds=time.monotonic() - started,
        judged_by={Replay: "replay", LookingBack: "search"}.get(type(judge), ""),
        effort={} if judge is None else dict(judge.effort),
        fired=tuple(sorted(judge.fired)) if fired is None and judge is not None else fired or (),
        fired_last=() if judge is None else judge.fired.latest(CONCERNED),
        transcript=transcript,
        is_broken=is_broken,
        as_production=as_production(chosen, description, manner, judge, verdict),
        departures=() if judge is None else tuple(judge.departures),
        looked=Looked() if look is None else look.looked,
    )


def as_production(
    chosen: Scenario, description: Description, manner: Manner, judge: Judge | None, verdict: Verdict
) -> AsProduction:
    """
    Whether what was seen is what production does; an implementation that lists the profile claims that.

    What the text does not admit is not what production does.
    """
    profile = chosen.profile or manner.profile
    if judge is None or profile != PRODUCTION or PRODUCTION not in description.profiles:
        return AsProduction.NOT_CLAIMED
    if isinstance(verdict, Fail):
        return AsProduction.NO
    if not isinstance(verdict, Pass):
        return AsProduction.NOT_CLAIMED
    return AsProduction.NO if judge.departures else AsProduction.YES


def judge(chosen: Scenario, implementation: Implementation, manner: Manner | None = None) -> Case:
    """Asks an implementation what it is, and runs a scenario on it."""
    return run_scenario(chosen, implementation, implementation.describe(), Manner() if manner is None else manner)
