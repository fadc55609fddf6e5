"""Reports on a run: lines and a table for people, JSON and JUnit for machines, a page of HTML."""

import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from attrs import frozen

from conformance.judging.verdicts import VERDICT_NAMES, Fail, Pass
from conformance.protocol.interface import Description
from conformance.protocol.quoting import escaped
from conformance.running.case import Case, Manner
from spec.transition import RULES
from spec.values.identifiers import Text

SHOWN_EVENTS: Final = 30
"""How much of the transcript of a failure is printed, from its end."""


@frozen
class Report:
    """A finished run."""

    description: Description
    manner: Manner
    cases: tuple[Case, ...]
    seconds: float

    @property
    def counts(self) -> Mapping[Text, int]:
        """How often each verdict was given."""
        found = Counter(case.verdict.name for case in self.cases)
        return {name: found[name] for name in VERDICT_NAMES}

    @property
    def is_success(self) -> bool:
        """Nothing failed, and something passed."""
        return self.counts[Fail.name] == 0 and self.counts[Pass.name] > 0

    @property
    def rules_without_scenario(self) -> Sequence[Text]:
        """The rules that fired in no case."""
        fired = {rule for case in self.cases for rule in case.fired}
        return sorted(RULES.keys() - fired)


def _allowed(case: Case) -> tuple[Text, ...]:
    return case.verdict.allowed if isinstance(case.verdict, Fail) else ()


# For people


def case_line(case: Case) -> Text:
    """One line on one case."""
    judged_by = f" {case.judged_by}" if case.judged_by else ""
    return f"{case.verdict.name:<14} {case.seconds:6.2f} s{judged_by:<8} {case.id}: {case.title}"


def case_details(case: Case) -> list[Text]:
    """Why a case did not pass."""
    lines = [f"    {case.verdict.why}"] if case.verdict.why else []
    lines += [f"    allowed: {allowed}" for allowed in _allowed(case)]
    if isinstance(case.verdict, Fail):
        lines += [f"    | {event.actor} {event.text}" for event in case.transcript[-SHOWN_EVENTS:]]
    return [escaped(line) for line in lines]


def table(report: Report) -> list[Text]:
    """A table of verdicts by group."""
    groups: dict[Text, Counter[Text]] = {}
    for case in sorted(report.cases, key=lambda each: each.id):
        groups.setdefault(case.id.partition("/")[0], Counter())[case.verdict.name] += 1
    width = max([len("group"), *map(len, groups)])
    titles = [name.replace("_", " ") for name in VERDICT_NAMES]
    lines = [f"{'group':<{width}}  " + "  ".join(f"{title:>14}" for title in titles)]
    for group, counts in groups.items():
        lines.append(f"{group:<{width}}  " + "  ".join(f"{counts[name] or '':>14}" for name in VERDICT_NAMES))
    return lines


def summary(report: Report) -> Text:
    """The last line."""
    counted = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report.counts.items())
    return f"{counted}; {report.seconds:.1f} s"


# For machines


def as_json(report: Report) -> dict[str, Any]:
    """The report as JSON."""
    description = report.description
    return {
        "counts": dict(report.counts),
        "implementation": {
            "name": description.name,
            "version": description.version,
            "interface_specification": description.interface_specification,
            "capabilities": sorted(capability.value for capability in description.capabilities),
            "instance": description.instance.value,
        },
        "environment": report.manner.environment.name,
        "profile": report.manner.profile,
        "seconds": round(report.seconds, 3),
        "rules_without_scenario": list(report.rules_without_scenario),
        "cases": [
            {
                "id": case.id,
                "title": case.title,
                "verdict": case.verdict.name,
                "why": case.verdict.why,
                "allowed": list(_allowed(case)),
                "seconds": round(case.seconds, 3),
                "judged_by": case.judged_by,
                "effort": dict(case.effort),
                "rules": list(case.fired),
                "covers": list(case.covers),
            }
            for case in sorted(report.cases, key=lambda each: each.id)
        ],
    }


def write_json(report: Report, path: Path) -> None:
    """Writes the report as JSON."""
    path.write_text(json.dumps(as_json(report), indent=1) + "\n", encoding="utf-8")


def write_junit(report: Report, path: Path) -> None:
    """Writes the report as JUnit XML. What is inconclusive or not applicable counts as skipped."""
    counts = report.counts
    suite = ElementTree.Element(
        "testsuite",
        name=f"conformance of {escaped(report.description.name)}",
        tests=str(len(report.cases)),
        failures=str(counts[Fail.name]),
        skipped=str(counts["inconclusive"] + counts["not_applicable"]),
        time=f"{report.seconds:.3f}",
    )
    for case in sorted(report.cases, key=lambda each: each.id):
        group, _, name = case.id.partition("/")
        element = ElementTree.SubElement(
            suite, "testcase", classname=group, name=f"{name}: {case.title}", time=f"{case.seconds:.3f}"
        )
        if isinstance(case.verdict, Fail):
            failure = ElementTree.SubElement(element, "failure", message=escaped(case.verdict.why))
            failure.text = "\n".join(case_details(case))
        elif not isinstance(case.verdict, Pass):
            message = escaped(f"{case.verdict.name}: {case.verdict.why}")
            ElementTree.SubElement(element, "skipped", message=message)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
summary { cursor: pointer; } summary small { color: #777; }
pre { white-space: pre-wrap; background: #f4f4f4; padding: .5em; }
.pass { color: #17702d; } .fail { color: #b00020; font-weight: bold; }
.inconclusive, .not_applicable { color: #8a6100; }
"""


def _html(text: Text) -> Text:
    """A text that may come from outside, in a page."""
    return html.escape(escaped(text))


def write_html(report: Report, path: Path) -> None:
    """Writes the report as a page, with the transcript of every case."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        f"<title>Conformance of {_html(report.description.name)}</title><style>{STYLE}</style>",
        f"<h1>Conformance of {_html(report.description.name)} {_html(report.description.version)}</h1>",
        f"<p>{html.escape(summary(report))}; environment {html.escape(report.manner.environment.name)}, "
        f"profile {html.escape(report.manner.profile)}.</p>",
    ]
    group = ""
    for case in sorted(report.cases, key=lambda each: each.id):
        if case.id.partition("/")[0] != group:
            group = case.id.partition("/")[0]
            parts.append(f"<h2>{html.escape(group.replace('_', ' '))}</h2>")
        parts.append(_html_of_case(case))
    path.write_text("\n".join(parts) + "\n</html>\n", encoding="utf-8")


def _html_of_case(case: Case) -> Text:
    opened = " open" if isinstance(case.verdict, Fail) else ""
    lines = [case.verdict.why] if case.verdict.why else []
    lines += [f"allowed: {allowed}" for allowed in _allowed(case)]
    lines += [f"{event.actor} {event.text}" for event in case.transcript]
    return (
        f"<details{opened}><summary><span class='{case.verdict.name}'>{case.verdict.name.replace('_', ' ')}</span> "
        f"{html.escape(case.title)} <small>{html.escape(case.id)}, {case.seconds:.2f} s</small></summary>"
        f"<pre>{chr(10).join(map(_html, lines))}</pre>"
        f"<p><small>Shows: {html.escape(', '.join(case.covers))}. "
        f"Rules: {html.escape(', '.join(case.fired))}.</small></p>"
        "</details>"
    )
