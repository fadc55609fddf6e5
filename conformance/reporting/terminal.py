"""Reports for people, line by line. Whatever comes from outside is escaped."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from conformance.judging.engines import INTERPRETER
from conformance.judging.verdicts import VERDICT_NAMES, AsProduction, Fail, Pass
from conformance.protocol.quoting import escaped, shown
from conformance.reporting.concerned import concerned, shown_concerned
from conformance.reporting.report import Report, repeating
from conformance.running.case import Case, Manner
from spec.values.identifiers import Text

SHOWN_EVENTS: Final = 30
"""How much of the transcript of a failure is printed, from its end."""

SHOWN_CASES: Final = 8
"""How many cases of one cause are named."""


DIGEST: Final = " bytes with SHA-256 "
"""So long blobs of a state are told, parts of memories among them. See `spec.state.dump`."""

SEEN: Final = "what users see of it is told by"
"""Of an implementation that explains itself, the state is compared before anybody asks for what is in it."""


def allowed(case: Case) -> tuple[Text, ...]:
    """What the specification would have allowed where a case failed."""
    return case.verdict.allowed if isinstance(case.verdict, Fail) else ()


def case_line(case: Case) -> Text:
    """One line on one case."""
    judged_by = f" {case.judged_by}" if case.judged_by else ""
    return f"{case.verdict.name:<14} {case.seconds:6.2f} s{judged_by:<8} {case.id}: {case.title}"


def reasons(case: Case) -> Iterator[Text]:
    """Why a case did not pass, what would have been allowed, and what production does otherwise."""
    if case.verdict.why:
        yield case.verdict.why
    for each in allowed(case):
        yield f"allowed: {each}"
    for departure in case.departures:
        yield f"not as production: {departure}"


def case_details(case: Case, command: tuple[Text, ...] | None = None) -> list[Text]:
    """Why a case did not pass; of a failure also how it came, what to read, and how `command` repeats it alone."""
    lines = list(reasons(case))
    if isinstance(case.verdict, Fail):
        lines += map(shown_concerned, concerned(case))
        lines += [f"| {event.actor} {event.text}" for event in case.transcript[-SHOWN_EVENTS:]]
        lines += shortest_told(case)
        lines += [] if command is None else [f"repeat: {repeating(command, case)}"]
        lines += (
            [] if command is None or not tells_digests(case) else [f"{SEEN}: {repeating(command, case)} --black-box"]
        )
    return [f"    {escaped(line)}" for line in lines]


def tells_digests(case: Case) -> bool:
    """Of what differs in a memory the failure tells digests, and nothing tells what users see of it."""
    return isinstance(case.verdict, Fail) and case.shortest is None and DIGEST in case.verdict.why


def shortest_told(case: Case) -> Iterator[Text]:
    """The shortest way in which a difference is seen from outside that the implementation told of itself."""
    found = case.shortest
    if found is None:
        return
    yield f"seen from outside after {found.done} of its steps: {found.verdict.why}"
    for each in found.verdict.allowed:
        yield f"allowed: {each}"
    for event in found.transcript[-SHOWN_EVENTS:]:
        yield f"| {event.actor} {event.text}"


def expectation(case: Case, reason: Text) -> Text:
    """One line on a case that was expected to fail."""
    what = "passes unexpectedly; it was expected to fail" if isinstance(case.verdict, Pass) else "is expected to fail"
    return f"    {what}: {escaped(reason)}"


def table(report: Report) -> list[Text]:
    """A table by group: how often each verdict was given, and how often it went as production would have done."""
    groups: dict[Text, list[Case]] = {}
    for case in report.sorted_cases:
        groups.setdefault(case.id.partition("/")[0], []).append(case)
    width = max([len("group"), *map(len, groups)])
    titles = [name.replace("_", " ") for name in VERDICT_NAMES]
    lines = [f"{'group':<{width}}  " + "  ".join(f"{title:>14}" for title in titles) + "   as production"]
    for group, cases in groups.items():
        counts = Counter(case.verdict.name for case in cases)
        numbers = "  ".join(f"{counts[name] or '':>14}" for name in VERDICT_NAMES)
        lines.append(f"{group:<{width}}  {numbers}   {_as_production(cases)}".rstrip())
    return lines


def _as_production(cases: Sequence[Case]) -> Text:
    counts = Counter(case.as_production for case in cases)
    claimed = [each for each in (AsProduction.YES, AsProduction.NO) if counts[each]]
    return ", ".join(f"{counts[each]} {each.value}" for each in claimed) or "not claimed"


def causes_told(report: Report) -> Iterator[Text]:
    """The causes of failures with their cases; nothing if no two failures have one cause."""
    found = report.causes
    if all(len(cause.cases) == 1 for cause in found):
        return
    ending = "" if len(found) == 1 else "s"
    yield f"{sum(len(cause.cases) for cause in found)} failures, {len(found)} cause{ending}:"
    for cause in found:
        yield f"{len(cause.cases):>5} × {shown(cause.message)}"
        more = len(cause.cases) - SHOWN_CASES
        named = [case.id for case in cause.cases[:SHOWN_CASES]] + ([f"and {more} more"] if more > 0 else [])
        yield f"        {', '.join(named)}"


def unexpected_passes_told(report: Report) -> Iterator[Text]:
    """The cases that should leave the file of expected failures."""
    for case in report.unexpected_passes:
        yield f"{case.id}{expectation(case, report.expected.reason(case.id) or '').replace('    ', ' ', 1)}"


def observations_told(report: Report) -> Iterator[Text]:
    """How much the judge observed by itself, and what it left out."""
    if not report.observations:
        return
    yield f"{len(report.cases):,} scenarios, {report.observations:,} observations of the judge's own"
    for reason, count in report.left_out.items():
        yield f"{count:>9,} left out: {escaped(reason)}"


def engine_told(manner: Manner) -> Text:
    """What executes canisters for the judge, and that it is trusted; nothing of the specification's interpreter."""
    if manner.engine == INTERPRETER:
        return ""
    return f"canisters executed for the judge by the engine {manner.engine!r}, which is trusted to do as specified"


def summary(report: Report) -> Text:
    """The last line."""
    counted = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report.counts.items())
    as_production = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report.as_production.items())
    parts = [counted, f"as production: {as_production}"]
    if report.expected.reasons:
        parts.append(
            f"{report.expected_failures} failed as expected, {len(report.unexpected_passes)} passed unexpectedly"
        )
    if report.manner.engine != INTERPRETER:
        parts.append(engine_told(report.manner))
    if report.not_run:
        parts.append(f"{report.not_run} not run after the first failure")
    return "; ".join([*parts, f"{report.seconds:.1f} s"])
