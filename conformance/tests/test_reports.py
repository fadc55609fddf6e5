"""What reports say of cases: causes, rules concerned, the column "as production"."""

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance.judging.judge import FiredRules
from conformance.judging.verdicts import AsProduction, Fail, Pass, Verdict
from conformance.protocol.interface import Description, InstanceKind
from conformance.reporting.causes import message_of
from conformance.reporting.concerned import Concerned, concerned, concerned_by
from conformance.reporting.machines import as_json, write_junit
from conformance.reporting.page import write_html
from conformance.reporting.report import Report
from conformance.reporting.terminal import case_details, summary, table
from conformance.running.case import Case, Manner
from spec.transition import RULES


def case(
    name: str,
    verdict: Verdict,
    as_production: AsProduction = AsProduction.NOT_CLAIMED,
    departures: tuple[str, ...] = (),
    fired_last: tuple[str, ...] = (),
) -> Case:
    """A case of which nothing else is known."""
    return Case(
        id=name,
        title="It is told",
        covers=(),
        verdict=verdict,
        seconds=0.0,
        judged_by="",
        effort={},
        fired=(),
        fired_last=fired_last,
        transcript=(),
        is_broken=False,
        as_production=as_production,
        departures=departures,
    )


def report(*cases: Case) -> Report:
    """A run with these cases."""
    return Report(Description("x", "1", "0.66.0", (), frozenset(), InstanceKind.LIVE), Manner(), cases, 1.0)


# Causes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a reply 'abc' of 5 bytes", "a reply 'de' of 1,000 bytes"),
        ("request 0xab12: rejected", "request 0x: rejected"),
        (
            'canister rrkah-fqaaa-aaaaa-aaaaq-cai, principal "aaaaa-aa"',
            'canister rwlgt-iiaaa-aaaaa-aaaaa-cai, principal "x"',
        ),
        ("request 1dd9fa78: reply ()", "request ffc99d8f: reply ()"),
        ('blob "a \\22 b" x', 'blob "" x'),
        ("the answer is reply 0x00", "the answer is reply 'abc'"),
    ],
)
def test_messages_that_differ_in_ids_numbers_and_contents_are_one(one: str, other: str) -> None:
    """A failure of each is the same cause."""
    assert message_of(one) == message_of(other)


def test_messages_that_differ_in_words_are_two() -> None:
    """Codes and rules are words."""
    assert message_of("reject CANISTER_ERROR (5)") != message_of("reject SYS_FATAL (1)")
    assert message_of("rule stop_canister") != message_of("rule start_canister")
    assert "not-enabled-here" in message_of("it is not-enabled-here")


def test_failures_are_of_one_cause_if_they_say_the_same_of_what_was_seen_and_of_what_is_allowed() -> None:
    """The most frequent cause comes first; what passes has none."""
    alike = [case(f"calls/{name}", Fail(f"the answer is reply 0x0{name}", ("a reject",))) for name in "ab"]
    other = case("calls/0", Fail("the answer is reply 0x07", ("no answer",)))
    found = report(other, *alike, case("calls/c", Pass())).causes
    assert [(cause.message, [each.id for each in cause.cases]) for cause in found] == [
        ("the answer is reply …; allowed: a reject", ["calls/a", "calls/b"]),
        ("the answer is reply …; allowed: no answer", ["calls/0"]),
    ]


# What a failure concerns


def test_a_failure_concerns_the_rules_that_do_not_allow_it_or_those_that_fired_last() -> None:
    """With their pages and sections."""
    install = Concerned(
        "install_code",
        "docs/generated/rules/install_code.md",
        "abstract-behavior#ic-management-canister-code-installation",
    )
    assert [each.rule for each in concerned(case("a/b", Fail("x"), fired_last=("upgrade_code",)))] == ["upgrade_code"]
    assert (
        concerned(case("a/b", Fail("x", rules=("install_code",)), fired_last=("upgrade_code",)))[0].rule == install.rule
    )
    assert concerned_by("install_code") is not None
    assert concerned(case("a/b", Pass(), fired_last=("upgrade_code",))) == ()


def test_where_digests_alone_tell_a_difference_it_is_said_how_to_learn_what_users_see_of_it() -> None:
    """Judged as a black box, the same scenario names it."""
    pages = "at rest: in its state canister x.code.wasm_state.wasm_memory.contents[4] is 4096 bytes with SHA-256 00"
    told = case_details(case("a/b", Fail(pages)), ("icspec", "conform"))
    assert told[-1].strip() == "what users see of it is told by: icspec conform --only '^a/b$' --black-box"
    fields = case_details(case("a/b", Fail("at rest: in its state canister x.version is 2")), ("icspec", "conform"))
    assert fields[-1].strip() == "repeat: icspec conform --only '^a/b$'"


def test_every_rule_and_every_read_has_a_page_that_exists() -> None:
    """Whatever fails can be looked up."""
    root = Path(__file__).parents[2]
    for name in (*RULES, "query", "read_state"):
        found = concerned_by(name)
        assert found is not None
        assert (root / found.page).is_file(), found.page
        assert "#" in found.section
    assert concerned_by("no_such_rule") is None


def test_rules_are_kept_in_the_order_in_which_they_fired_last() -> None:
    """The last one first."""
    fired = FiredRules()
    for name in ("a", "b", "c", "a"):
        fired.add(name)
    assert fired.latest(2) == ("a", "c")
    assert set(fired) == {"a", "b", "c"}


# As production


SOME = report(
    case("calls/a", Pass(), AsProduction.YES),
    case("calls/b", Pass(), AsProduction.NO, ("the reject code is SYS_FATAL (1), not CANISTER_ERROR (5)",)),
    case("traps/c", Fail("not allowed")),
)


def test_every_report_says_what_went_as_in_production() -> None:
    """A column beside the verdicts, counts, and what differs."""
    assert [line.rsplit("  ", 1)[1].strip() for line in table(SOME)] == ["as production", "1 yes, 1 no", "not claimed"]
    assert "as production: 1 yes, 1 no, 1 not claimed" in summary(SOME)
    departure = "not as production: the reject code is SYS_FATAL (1), not CANISTER_ERROR (5)"
    assert f"    {departure}" in case_details(SOME.cases[1])
    written = as_json(SOME)
    assert written["as_production"] == {"yes": 1, "no": 1, "not_claimed": 1}
    assert [each["as_production"] for each in written["cases"]] == ["yes", "no", "not_claimed"]
    assert written["cases"][1]["departures"] == list(SOME.cases[1].departures)
    assert json.loads(json.dumps(written)) == written
    junit, page = io.StringIO(), io.StringIO()
    write_junit(SOME, junit)
    properties = ElementTree.fromstring(junit.getvalue()).findall("testcase/properties/property[@name='as_production']")
    assert [each.get("value") for each in properties] == ["yes", "no", "not_claimed"]
    write_html(SOME, page)
    assert "as production: <span class='no'>no</span>" in page.getvalue()
    assert departure in page.getvalue()


def test_what_is_not_as_production_fails_no_run() -> None:
    """The verdict is about what the interface specification admits."""
    assert report(*SOME.cases[:2]).is_success
    assert not SOME.is_success
    assert not report().is_success
