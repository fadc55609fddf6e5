"""Scenarios: what they are, where they are found, and how one is run."""

import importlib.util
import pkgutil
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from attrs import frozen

from conformance.judging.environment import CALM, Environment
from conformance.judging.judge import DEFAULT_SECONDS, DEFAULT_STEPS, Judge, Terms
from conformance.judging.replaying import Replay
from conformance.judging.searching import Search
from conformance.judging.verdicts import Fail, Inconclusive, Judged, NotApplicable, Pass, Verdict
from conformance.protocol.interface import (
    Capability,
    Description,
    Implementation,
    ImplementationError,
    InstanceKind,
    Needs,
    Unsupported,
)
from conformance.suite import scenarios as bundled_scenarios
from conformance.suite.stage import START, Event, Stage
from spec.profile import load_profile
from spec.values.identifiers import Principal, Text
from spec.values.quantities import Count

Script = Callable[[Stage], None]
"""What happens in a scenario."""


@frozen
class Scenario:
    """A story about users and canisters, which an implementation is judged by."""

    id: Text
    """`group/name`, for reports and selections."""
    title: Text
    """A sentence that says what is true."""
    covers: tuple[Text, ...]
    """Ids of the checklist of statements that it shows."""
    script: Script
    needs: Needs = Needs()
    subnet_size: Count = 13
    subnet_admins: tuple[Principal, ...] = ()
    profile: Text | None = None
    """The bundled profile that it needs; None if any will do."""


_registered: list[Scenario] = []


def scenario(
    title: Text,
    *,
    covers: tuple[Text, ...],
    needs: Needs | None = None,
    subnet_size: Count = 13,
    subnet_admins: tuple[Principal, ...] = (),
    profile: Text | None = None,
) -> Callable[[Script], Scenario]:
    """Registers the decorated script; its module is the group and its name the rest of the id."""

    def register(script: Script) -> Scenario:
        group = script.__module__.rpartition(".")[2]
        made = Scenario(
            id=f"{group}/{script.__name__}",
            title=title,
            covers=covers,
            script=script,
            needs=Needs() if needs is None else needs,
            subnet_size=subnet_size,
            subnet_admins=subnet_admins,
            profile=profile,
        )
        assert all(made.id != other.id for other in _registered), f"two scenarios are called {made.id}"
        _registered.append(made)
        return made

    return register


class ScenarioFileError(Exception):
    """A file with scenarios cannot be used. The message names the file and says why."""


def all_scenarios() -> list[Scenario]:
    """The scenarios of the suite, group by group."""
    for found in sorted(pkgutil.iter_modules(bundled_scenarios.__path__), key=lambda each: each.name):
        import_module(f"{bundled_scenarios.__name__}.{found.name}")
    prefix = bundled_scenarios.__name__ + "."
    return [each for each in _registered if each.script.__module__.startswith(prefix)]


def scenarios_of_file(path: Path) -> list[Scenario]:
    """The scenarios that a Python file registers. Raises `ScenarioFileError` if it cannot be used."""
    if path.suffix != ".py":
        raise ScenarioFileError(f"{path}: a scenario file is a Python file (.py)")
    if not path.is_file():
        raise ScenarioFileError(f"{path}: there is no such file")
    bundled = [each for each in all_scenarios() if _file_of(each) == path.resolve()]
    if bundled:
        return bundled
    name = f"scenario_files.{path.stem}"
    loader_spec = importlib.util.spec_from_file_location(name, path)
    assert loader_spec is not None
    assert loader_spec.loader is not None
    module = importlib.util.module_from_spec(loader_spec)
    try:
        loader_spec.loader.exec_module(module)
    except Exception as problem:
        line = getattr(problem, "lineno", None)
        place = f"{path}:{line}" if line else f"{path}"
        raise ScenarioFileError(f"{place}: {type(problem).__name__}: {problem}") from None
    found = [each for each in _registered if each.script.__module__ == name]
    if not found:
        raise ScenarioFileError(f"{path}: no function in it is marked with @scenario")
    return found


def _file_of(scenario: Scenario) -> Path:
    """The file of the group that a scenario belongs to."""
    return Path(str(sys.modules[scenario.script.__module__].__file__))


def selected(scenarios: list[Scenario], pattern: Text | None) -> list[Scenario]:
    """Those whose id or title matches a regular expression."""
    if pattern is None:
        return scenarios
    wanted = re.compile(pattern)
    return [each for each in scenarios if wanted.search(each.id) or wanted.search(each.title)]


# Running


@frozen
class Manner:
    """In which manner a run judges."""

    environment: Environment = CALM
    black_box: bool = False
    """Ignore what the implementation can explain."""
    profile: Text = "production"
    """The name of a bundled profile, or a file. For scenarios that do not need one of their own."""
    steps: Count = DEFAULT_STEPS
    seconds: float = DEFAULT_SECONDS


@frozen
class Case:
    """The verdict on one scenario."""

    id: Text
    title: Text
    covers: tuple[Text, ...]
    verdict: Verdict
    seconds: float
    judged_by: Text
    """`replay` or `search`, or nothing if it did not come to that."""
    effort: Mapping[str, int]
    fired: tuple[Text, ...]
    """The rules of the specification that fired, by name."""
    transcript: tuple[Event, ...]
    is_broken: bool
    """The implementation gave no usable response, so its process is of no more use."""


def missing_need(chosen: Scenario, description: Description, manner: Manner, profile: Text) -> Text | None:
    """Why a scenario cannot be run on an implementation, under the profile of this name; None if it can."""
    needs = chosen.needs
    if manner.black_box and needs.capabilities:
        return "the implementation is judged as a black box"
    for capability in sorted(needs.capabilities - description.capabilities, key=lambda each: each.value):
        return f"the implementation does not offer {capability.value!r}"
    if needs.deterministic and description.instance is not InstanceKind.DETERMINISTIC:
        return "the implementation moves by itself"
    if (needs.exact_costs or chosen.profile is not None) and profile not in description.profiles:
        return f"the implementation does not follow the profile {profile!r} to the last cycle"
    return None


def _shown_problem(problem: Exception) -> Text:
    """What went wrong, and in which line."""
    frames = traceback.extract_tb(problem.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(problem).__name__}: {problem}{place}"


def run_scenario(chosen: Scenario, implementation: Implementation, description: Description, manner: Manner) -> Case:
    """Runs a scenario. What goes wrong with the implementation becomes a verdict."""
    started = time.monotonic()
    is_broken = False
    stage: Stage | None = None
    judge: Judge | None = None
    verdict: Verdict
    try:
        profile = load_profile(chosen.profile or manner.profile)
        missing = missing_need(chosen, description, manner, profile.name)
        if missing is not None:
            raise Judged(NotApplicable(missing))
        terms = Terms(
            profile=profile,
            subnet_size=chosen.subnet_size,
            subnet_admins=chosen.subnet_admins,
            environment=manner.environment,
            costs_are_exact=profile.name in description.profiles,
            steps=manner.steps,
            seconds=manner.seconds,
        )
        instance = implementation.reset(profile.name, chosen.subnet_size, START, chosen.subnet_admins)
        if Capability.EXPLAIN in description.capabilities and not manner.black_box:
            judge = Replay(terms, instance, implementation, description.capabilities)
        else:
            judge = Search(terms, instance)
        stage = Stage(implementation, description, judge, terms, instance)
        chosen.script(stage)
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
    return Case(
        id=chosen.id,
        title=chosen.title,
        covers=chosen.covers,
        verdict=verdict,
        seconds=time.monotonic() - started,
        judged_by={Replay: "replay", Search: "search"}.get(type(judge), ""),
        effort={} if judge is None else dict(judge.effort),
        fired=() if judge is None else tuple(sorted(judge.fired)),
        transcript=() if stage is None else tuple(stage.transcript),
        is_broken=is_broken,
    )


__all__ = [
    "Case",
    "Manner",
    "Scenario",
    "ScenarioFileError",
    "all_scenarios",
    "run_scenario",
    "scenario",
    "scenarios_of_file",
    "selected",
]
