"""What a worker does with a scenario that was drawn: it runs it, or looks for the least that still fails."""

import atexit
import time
from typing import Final

from attrs import evolve, frozen

from conformance.fuzzing.acts import script_of
from conformance.fuzzing.changing import smaller
from conformance.fuzzing.drawing import Drawn
from conformance.fuzzing.paths import Paths
from conformance.judging.verdicts import Fail
from conformance.running.case import Case
from conformance.running.processes import Runner, Target
from conformance.suite.scenario import Scenario
from spec.values.identifiers import Text
from spec.values.quantities import Count

MOST_TRIED: Final[Count] = 300
"""So often a scenario that fails is run again to find a smaller one."""

SECONDS_FOR_SHRINKING: Final = 60.0
"""So much of the judge's processor time may be spent on that."""

SECONDS_AT_ALL: Final = 300.0
"""So long may it take, also for an implementation that is waited for."""


@frozen
class Task:
    """What a worker is asked for."""

    number: Count
    """Of the scenario in its campaign."""
    drawn: Drawn
    target: Target
    shrinks: bool = False
    """Not the scenario is wanted, which is known to fail, but a smaller one that fails for the same cause."""


@frozen
class Outcome:
    """What came of it."""

    number: Count
    drawn: Drawn
    """What was run; or the smallest that was found."""
    verdict: Text
    why: Text
    cause: Text
    """The same for failures that have the same cause, as far as can be told. Empty if it is no failure."""
    allowed: tuple[Text, ...]
    rules: tuple[Text, ...]
    """Those that fired."""
    paths: tuple[Text, ...]
    seconds: float
    shrinks: bool = False


def scenario_of(drawn: Drawn, number: Count) -> Scenario:
    """The scenario that was drawn."""
    return Scenario(
        id=f"drawn/number_{number}",
        title=f"Drawn by chance, number {number}",
        covers=(),
        script=script_of(drawn.course),
        profile=drawn.profile,
    )


def done(task: Task) -> Outcome:
    """Does what is asked for. The process of the implementation stays for the next task."""
    return _shrunk(task) if task.shrinks else _run(task, task.drawn, is_watched=True)


def _run(task: Task, drawn: Drawn, *, is_watched: bool) -> Outcome:
    paths = Paths()
    manner = evolve(task.target.manner, black_box=task.target.manner.black_box or drawn.black_box)
    runner = _runner(evolve(task.target, manner=manner))
    chosen = scenario_of(drawn, task.number)
    if is_watched:
        with paths.watching():
            case = runner.run(chosen)
    else:
        case = runner.run(chosen)
    verdict = case.verdict
    return Outcome(
        number=task.number,
        drawn=drawn,
        verdict=verdict.name,
        why=verdict.why,
        cause=cause_of(case),
        allowed=verdict.allowed if isinstance(verdict, Fail) else (),
        rules=case.fired,
        paths=tuple(sorted(paths.taken)),
        seconds=case.seconds,
    )


def _shrunk(task: Task) -> Outcome:
    """The smallest scenario found that fails for the same cause; what was given, if it does not fail again."""
    least = _run(task, task.drawn, is_watched=False)
    if not least.cause:
        return evolve(least, drawn=task.drawn, shrinks=True)
    tried = 0
    deadline, end = time.process_time() + SECONDS_FOR_SHRINKING, time.monotonic() + SECONDS_AT_ALL
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for drawn in smaller(least.drawn):
            tried += 1
            if tried > MOST_TRIED or time.process_time() > deadline or time.monotonic() > end:
                break
            outcome = _run(task, drawn, is_watched=False)
            if outcome.cause == least.cause:
                least, is_smaller = outcome, True
                break
    return evolve(least, shrinks=True)


def cause_of(case: Case) -> Text:
    """The rules that do not admit what was seen, or else those that fired last, and how it was found."""
    if not isinstance(case.verdict, Fail):
        return ""
    if case.is_broken:
        return f"broken: {case.verdict.why.partition(':')[0]}"
    named = case.verdict.rules or case.fired_last[:1]
    return f"{', '.join(named)}: {' '.join(case.verdict.why.split()[:3])}"


# Processes of the implementation


_runners: Final[dict[Text, Runner]] = {}
"""Those of this process, by the command and the manner of judging. They end with it."""


def _runner(target: Target) -> Runner:
    key = repr(target)
    if key not in _runners:
        _runners[key] = Runner(target)
    return _runners[key]


@atexit.register
def end_implementations() -> None:
    """Ends the processes of the implementation that this process started."""
    while _runners:
        _runners.popitem()[1].close()
