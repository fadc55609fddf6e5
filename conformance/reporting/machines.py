"""Reports for machines: JSON and JUnit."""

import json
from typing import IO, Any
from xml.etree import ElementTree

from conformance.judging.verdicts import Fail, Pass
from conformance.protocol.quoting import escaped
from conformance.protocol.versions import since_rows
from conformance.reporting.causes import cause_of
from conformance.reporting.concerned import concerned
from conformance.reporting.report import Report
from conformance.reporting.terminal import allowed, case_details
from conformance.running.case import Case
from conformance.suite.shortest import Shortest
from spec.values.identifiers import Text


def as_json(report: Report) -> dict[str, Any]:
    """The report as JSON."""
    description = report.description
    return {
        "counts": dict(report.counts),
        "as_production": dict(report.as_production),
        "scenarios": len(report.cases),
        "observations": {"made": report.observations, "left_out": dict(report.left_out)},
        "expected_failures": {
            "failed": report.expected_failures,
            "passed": [case.id for case in report.unexpected_passes],
        },
        "success": report.is_success,
        "not_run": report.not_run,
        "implementation": {
            "name": description.name,
            "version": description.version,
            "interface_specification": description.interface_specification,
            "capabilities": sorted(capability.value for capability in description.capabilities),
            "instance": description.instance.value,
        },
        "environment": report.manner.environment.name,
        "profile": report.manner.profile,
        "engine": report.manner.engine,
        "seconds": round(report.seconds, 3),
        "rules_without_scenario": list(report.rules_without_scenario),
        "causes": [{"message": cause.message, "cases": [case.id for case in cause.cases]} for cause in report.causes],
        "cases": [_case_as_json(report, case) for case in report.sorted_cases],
    }


def _case_as_json(report: Report, case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "title": case.title,
        "verdict": case.verdict.name,
        "why": case.verdict.why,
        "allowed": list(allowed(case)),
        "cause": cause_of(case.verdict) if isinstance(case.verdict, Fail) else None,
        "concerns": [{"rule": each.rule, "page": each.page, "section": each.section} for each in concerned(case)],
        "expected_failure": report.expected.reason(case.id),
        "as_production": case.as_production.value,
        "departures": list(case.departures),
        "repeat": report.repeat(case),
        "transcript": [{"actor": event.actor, "text": event.text} for event in case.transcript],
        "shortest": None if case.shortest is None else _shortest_as_json(case.shortest),
        "seconds": round(case.seconds, 3),
        "judged_by": case.judged_by,
        "effort": dict(case.effort),
        "observations": {"made": case.looked.observations, "left_out": dict(case.looked.left_out)},
        "rules": list(case.fired),
        "covers": list(case.covers),
        "since": since_rows(case.covers),
    }


def _shortest_as_json(shortest: Shortest) -> dict[str, Any]:
    return {
        "done": shortest.done,
        "why": shortest.verdict.why,
        "allowed": list(shortest.verdict.allowed),
        "transcript": [{"actor": event.actor, "text": event.text} for event in shortest.transcript],
    }


def write_json(report: Report, file: IO[str]) -> None:
    """Writes the report as JSON."""
    file.write(json.dumps(as_json(report), indent=1) + "\n")


def write_junit(report: Report, file: IO[str]) -> None:
    """
    Writes the report as JUnit XML.

    What is inconclusive, not applicable or expected to fail counts as skipped, what passes unexpectedly as failed.
    """
    suite = ElementTree.Element(
        "testsuite",
        name=f"conformance of {escaped(report.description.name)}",
        tests=str(len(report.cases)),
        time=f"{report.seconds:.3f}",
    )
    ElementTree.SubElement(
        ElementTree.SubElement(suite, "properties"), "property", name="engine", value=report.manner.engine
    )
    for case in report.sorted_cases:
        _add_case(suite, report, case)
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    file.write("<?xml version='1.0' encoding='utf-8'?>\n")
    file.write(ElementTree.tostring(suite, encoding="unicode") + "\n")


def _add_case(suite: ElementTree.Element, report: Report, case: Case) -> None:
    group, _, name = case.id.partition("/")
    element = ElementTree.SubElement(
        suite, "testcase", classname=group, name=f"{name}: {case.title}", time=f"{case.seconds:.3f}"
    )
    properties = ElementTree.SubElement(element, "properties")
    for key, value in [("as_production", case.as_production.value), *(("departure", each) for each in case.departures)]:
        ElementTree.SubElement(properties, "property", name=key, value=escaped(value))
    reason = report.expected.reason(case.id)
    if isinstance(case.verdict, Pass):
        if reason is not None:
            ElementTree.SubElement(element, "failure", message=escaped(f"passes, but was expected to fail: {reason}"))
    elif isinstance(case.verdict, Fail) and reason is None:
        failure = ElementTree.SubElement(element, "failure", message=escaped(case.verdict.why))
        failure.text = "\n".join(case_details(case, report.command))
    else:
        ElementTree.SubElement(element, "skipped", message=escaped(_why_skipped(case, reason)))


def _why_skipped(case: Case, reason: Text | None) -> Text:
    expected = "" if reason is None or not isinstance(case.verdict, Fail) else f" (expected: {reason})"
    return f"{case.verdict.name}{expected}: {case.verdict.why}"
