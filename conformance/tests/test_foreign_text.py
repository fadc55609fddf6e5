"""Text from outside is shown so that neither a terminal nor a report obeys it."""

import io
import json
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as some

from conformance.judging.verdicts import Fail, Inconclusive
from conformance.protocol.interface import Description, InstanceKind
from conformance.protocol.quoting import LONGEST, escaped, quoted, quoted_value
from conformance.reporting.machines import write_json, write_junit
from conformance.reporting.page import write_html
from conformance.reporting.report import Report
from conformance.reporting.terminal import case_details
from conformance.running.case import Case, Manner
from conformance.suite.transcript import Event

NASTY = "\x1b[31mred\x07\x00 \x85 </pre><script>alert(1)</script> \u202eback \ufffe"


def test_what_is_printable_stays_as_it_is() -> None:
    """Letters of any script too."""
    assert escaped("Grüße, 世界 <&> \\ '\"") == "Grüße, 世界 <&> \\ '\""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
        ("\x9b31m", "\\x9b31m"),
        ("\ufeff\ufffe", "\\ufeff\\ufffe"),
    ],
)
def test_what_is_not_printable_is_written_as_an_escape(text: str, shown: str) -> None:
    """Controls, line ends, directions, halves of surrogate pairs."""
    assert escaped(text) == shown


@given(some.text(some.characters()) | some.binary())
def test_a_quoted_text_is_one_short_printable_line(text: str | bytes) -> None:
    """Whatever it is."""
    shown = quoted(text)
    assert shown.isprintable()
    assert shown.startswith("'")


@pytest.mark.parametrize("text", ["x" * 10**6, b"\xff" * 10**6, "\x1b" * 10**6])
def test_a_long_text_is_cut_and_its_length_told(text: str | bytes) -> None:
    """Its begin and its end are kept."""
    shown = quoted(text)
    assert len(shown) < 10 * LONGEST
    assert "(1,000,000 " in shown


def test_a_value_is_told_in_a_few_words() -> None:
    """However large and deep it is."""
    assert quoted_value({"a": [1] * 10**5}) == "an object"
    assert quoted_value(10**99) == "a very large number"
    assert quoted_value(True) == "true"
    assert quoted_value("\x1b") == "'\\x1b'"


def report() -> Report:
    """A run that saw much that is nasty."""
    description = Description(NASTY, NASTY, NASTY, (NASTY,), frozenset(), InstanceKind.LIVE)
    common = {"title": "It is told", "covers": (), "seconds": 0.0, "judged_by": "", "effort": {}, "fired": ()}
    transcript = (Event("the system", NASTY),)
    failed = Case(
        id="a/b",
        verdict=Fail(NASTY, (NASTY,)),
        transcript=transcript,
        is_broken=False,
        **common,  # type: ignore[arg-type]
    )
    other = Case(
        id="a/c",
        verdict=Inconclusive(NASTY),
        transcript=transcript,
        is_broken=False,
        **common,  # type: ignore[arg-type]
    )
    return Report(description, Manner(), (failed, other), 1.0)


def test_lines_for_the_terminal_are_printable() -> None:
    """Each of them one line."""
    lines = [line for case in report().cases for line in case_details(case)]
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)


def test_a_junit_report_is_xml() -> None:
    """XML has no control characters, not even as references."""
    file = io.StringIO()
    write_junit(report(), file)
    failure = ElementTree.fromstring(file.getvalue()).find("testcase/failure")
    assert failure is not None
    assert "\\x1b[31mred" in str(failure.get("message"))


def test_a_page_holds_no_markup_from_outside() -> None:
    """And no controls."""
    file = io.StringIO()
    write_html(report(), file)
    assert "<script" not in file.getvalue()
    assert not [letter for letter in file.getvalue() if not letter.isprintable() and letter != "\n"]


def test_a_json_report_is_plain_ascii_that_gives_the_text_back() -> None:
    """Machines get it as it was."""
    file = io.StringIO()
    write_json(report(), file)
    assert file.getvalue().isascii()
    assert json.loads(file.getvalue())["cases"][0]["why"] == NASTY
