"""A report as a page of HTML, with the transcript of every case."""

import html
from collections.abc import Iterator
from typing import IO

from conformance.judging.verdicts import AsProduction, Fail
from conformance.protocol.quoting import escaped
from conformance.reporting.concerned import concerned, shown_concerned
from conformance.reporting.report import Report
from conformance.reporting.terminal import (
    causes_told,
    expectation,
    observations_told,
    reasons,
    shortest_told,
    summary,
    unexpected_passes_told,
)
from conformance.running.case import Case
from spec.values.identifiers import Text

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
summary { cursor: pointer; } summary small { color: #777; }
pre { white-space: pre-wrap; background: #f4f4f4; padding: .5em; }
.pass, .yes { color: #17702d; } .fail { color: #b00020; font-weight: bold; }
.inconclusive, .not_applicable, .no { color: #8a6100; } .not_claimed { color: #777; }
"""


def _html(text: Text) -> Text:
    """A text that may come from outside, in a page."""
    return html.escape(escaped(text))


def write_html(report: Report, file: IO[str]) -> None:
    """Writes the report as a page."""
    title = f"Conformance of {_html(report.description.name)}"
    file.write(f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style>\n")
    file.write(f"<h1>{title} {_html(report.description.version)}</h1>\n")
    for part in _parts(report):
        file.write(part + "\n")
    file.write("</html>\n")


def _parts(report: Report) -> Iterator[Text]:
    manner = report.manner
    where = f"environment {manner.environment.name}, profile {manner.profile}"
    yield f"<p>{_html(summary(report))}; {_html(where)}.</p>"
    observed = "; ".join(line.strip() for line in observations_told(report))
    if observed:
        yield f"<p>{_html(observed)}.</p>"
    told = [*causes_told(report), *unexpected_passes_told(report)]
    if told:
        yield f"<pre>{chr(10).join(map(html.escape, told))}</pre>"
    group = ""
    for case in report.sorted_cases:
        if case.id.partition("/")[0] != group:
            group = case.id.partition("/")[0]
            yield f"<h2>{html.escape(group.replace('_', ' '))}</h2>"
        yield _case(report, case)


def _case(report: Report, case: Case) -> Text:
    opened = " open" if isinstance(case.verdict, Fail) else ""
    reason = report.expected.reason(case.id)
    lines = [] if reason is None else [expectation(case, reason).strip()]
    lines += reasons(case)
    lines += map(shown_concerned, concerned(case))
    lines += [f"{event.actor} {event.text}" for event in case.transcript]
    lines += shortest_told(case)
    return (
        f"<details{opened}><summary><span class='{case.verdict.name}'>{_words(case.verdict.name)}</span> "
        f"{html.escape(case.title)} <small>{html.escape(case.id)}, {case.seconds:.2f} s, "
        f"as production: {_as_production(case.as_production)}</small></summary>"
        f"<pre>{chr(10).join(map(_html, lines))}</pre>"
        f"<p><small>Shows: {html.escape(', '.join(case.covers))}. "
        f"Rules: {html.escape(', '.join(case.fired))}. "
        f"Repeat: <code>{_html(report.repeat(case))}</code></small></p>"
        "</details>"
    )


def _as_production(each: AsProduction) -> Text:
    return f"<span class='{each.value}'>{_words(each.value)}</span>"


def _words(name: Text) -> Text:
    return name.replace("_", " ")
