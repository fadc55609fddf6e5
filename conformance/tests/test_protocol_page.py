"""PROTOCOL.md: its tables are those of the code, and what it says of missing methods is so."""

import pytest
from attrs import evolve

from conformance.judging.verdicts import NotApplicable
from conformance.protocol.interface import MAY_BE_MISSING, Description, TimeLimits
from conformance.protocol.page import PAGE, TABLES, with_tables
from conformance.protocol.stdio import _read_missing
from conformance.protocol.wire import WireError
from conformance.running.case import Manner
from conformance.running.run import judge
from conformance.served.specification import SpecificationImplementation
from conformance.suite.acting import REQUEST_LIFETIME
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.bugs import BlackBox
from spec.values.rejects import RejectCode, RejectReason

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}


def test_the_tables_are_those_of_the_code() -> None:
    """`make docs` writes them."""
    page = PAGE.read_text()
    assert with_tables(page) == page
    assert all(f"<!-- generated: {name} -->" in page for name in TABLES)


def test_the_tables_have_every_reason_code_limit_and_method() -> None:
    """None is left out."""
    page = PAGE.read_text()
    for name in (*RejectReason.__members__, *RejectCode.__members__, *MAY_BE_MISSING):
        assert f"`{name}`" in page
    assert f"| `submit` | {TimeLimits().submit:g} |" in page


def test_requests_expire_when_the_page_says() -> None:
    """Whoever refuses those that expire later need not expect them."""
    assert REQUEST_LIFETIME == 4 * 60
    assert "more than four minutes after the time that the instance told last" in PAGE.read_text()


def test_a_table_that_nothing_writes_is_told() -> None:
    """A mistyped mark."""
    with pytest.raises(KeyError, match="no such"):
        with_tables("<!-- generated: no such -->\n<!-- end -->")


class WithoutSome(BlackBox):
    """The specification, saying that it does not have some things. It has them, so nothing else differs."""

    def __init__(self, *missing: str) -> None:
        super().__init__()
        self._missing = frozenset(missing)

    def describe(self) -> Description:
        return evolve(super().describe(), missing=self._missing)


class ExplainsWithoutSome(WithoutSome):
    """The same, and it explains itself."""

    capabilities = SpecificationImplementation.capabilities


@pytest.mark.parametrize("kind", [WithoutSome, ExplainsWithoutSome])
@pytest.mark.parametrize(
    ("missing", "scenario_id"),
    [
        ("query", "queries/query_sees_caller"),
        ("read", "reads/timestamps"),
        ("stop_canister", "lifecycle/stop_and_start"),
        ("raw_rand", "calls/random_bytes"),
    ],
)
def test_a_scenario_that_needs_what_is_missing_does_not_apply(
    kind: type[WithoutSome], missing: str, scenario_id: str
) -> None:
    """Verbs, methods called by users, methods called by canisters; it passes where it is not missing."""
    case = judge(SCENARIOS[scenario_id], kind(missing))
    assert case.verdict == NotApplicable(f"the implementation does not have {missing!r}")
    assert judge(SCENARIOS[scenario_id], kind("vetkd_public_key"), Manner()).verdict.name == "pass"


def test_what_cannot_be_missing_breaks_the_protocol() -> None:
    """A mistyped name would hide failures."""
    with pytest.raises(WireError, match=r"describe.missing\[1\]: 'raw_rant' is not what can be missing"):
        _read_missing(["raw_rand", "raw_rant"], "describe.missing")
