"""Replies of the management canister may be written in any way that says the same, and in no other."""

import pytest

from conformance.judging.candid_replies import say_the_same
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.candid_writers import (
    AddsFields,
    AddsResults,
    HasUnusedTypes,
    LeavesOutAField,
    LeavesOutOptions,
    ListsEverythingBackwards,
    ListsSetsBackwards,
    WritesCandid,
)
from spec.values.candid import Opt, Primitive, Record, Some, Variant, Vec, encode
from spec.values.candid.contents import Case as CandidCase

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

DIFFERENT = (AddsFields, AddsResults, HasUnusedTypes, LeavesOutOptions, ListsSetsBackwards)
"""Implementations that are right."""

SAMPLE = ("settings/twenty_variables", "chunks/uploading")


def judged(implementation: WritesCandid, scenario_id: str) -> Case:
    """The case of one scenario on an implementation in this process."""
    return run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), Manner())


def record(**fields: object) -> bytes:
    """A message with one record of natural numbers, and options of them."""
    kinds = {name: Primitive.NAT if isinstance(value, int) else Opt(Primitive.NAT) for name, value in fields.items()}
    return encode((Record(kinds),), (fields,))


def principals(label: str, *texts: str) -> bytes:
    """A message with a record that has a list of texts."""
    return encode((Record({label: Vec(Primitive.TEXT)}),), ({label: texts},))


def test_a_record_may_have_more_fields_but_not_fewer() -> None:
    """Subtyping of records."""
    assert say_the_same(record(a=1), record(a=1, b=2))
    assert not say_the_same(record(a=1, b=2), record(a=1))
    assert not say_the_same(record(a=1), record(a=2))


def test_an_option_that_holds_nothing_may_be_left_out_but_not_be_filled() -> None:
    """Subtyping of options; a value that was not to be there is a difference."""
    assert say_the_same(record(a=1, b=None), record(a=1))
    assert not say_the_same(record(a=1, b=None), record(a=1, b=Some(2)))
    assert not say_the_same(record(a=1, b=Some(2)), record(a=1))
    assert say_the_same(record(b=Some(2)), record(b=2))


def test_only_sets_may_be_listed_in_another_order() -> None:
    """Controllers are a set; what a canister's history tells is not."""
    assert say_the_same(principals("controllers", "a", "b"), principals("controllers", "b", "a"))
    assert not say_the_same(principals("controllers", "a", "a"), principals("controllers", "b", "a"))
    assert not say_the_same(principals("controllers", "a"), principals("controllers", "a", "b"))
    assert not say_the_same(principals("recent_changes", "a", "b"), principals("recent_changes", "b", "a"))


def test_another_type_is_a_difference() -> None:
    """A number of another width cannot be read by whoever expects this one; a natural number is an integer."""
    assert not say_the_same(encode((Primitive.NAT,), (1,)), encode((Primitive.NAT64,), (1,)))
    assert say_the_same(encode((Primitive.INT,), (1,)), encode((Primitive.NAT,), (1,)))
    assert not say_the_same(encode((Primitive.NAT,), (1,)), encode((Primitive.INT,), (1,)))


def test_another_case_is_a_difference_and_another_list_of_cases_is_none() -> None:
    """A variant."""
    one, more = Variant({"running": Primitive.NULL}), Variant({"running": Primitive.NULL, "later": Primitive.NULL})
    assert say_the_same(encode((one,), (CandidCase("running"),)), encode((more,), (CandidCase("running"),)))
    assert not say_the_same(encode((one,), (CandidCase("running"),)), encode((more,), (CandidCase("later"),)))


def test_a_version_may_be_higher_than_it_had_to_be_but_not_lower() -> None:
    """Versions may rise at any time."""
    assert say_the_same(record(canister_version=3), record(canister_version=5))
    assert not say_the_same(record(canister_version=3), record(canister_version=2))


def test_without_exact_costs_numbers_may_differ_and_nothing_else() -> None:
    """Amounts depend on prices; the number of fields and what they hold do not."""
    assert say_the_same(record(a=1), record(a=2), numbers_count=False)
    assert not say_the_same(record(a=1, b=None), record(a=1, b=Some(1)), numbers_count=False)
    assert not say_the_same(principals("a", "x"), principals("a", "y"), numbers_count=False)


def test_what_is_no_candid_says_nothing() -> None:
    """Bytes that cannot be read are compared by nobody as Candid."""
    assert not say_the_same(b"DIDL", record(a=1))
    assert not say_the_same(record(a=1), record(a=1) + b"\x00")


@pytest.mark.parametrize("scenario_id", SAMPLE)
@pytest.mark.parametrize("different", DIFFERENT, ids=lambda each: each.__name__)
def test_an_implementation_that_writes_results_in_another_way_passes(
    different: type[WritesCandid], scenario_id: str
) -> None:
    """The verdict is about what a reply says."""
    case = judged(different(), scenario_id)
    assert case.verdict.name == "pass", case.verdict.why


@pytest.mark.parametrize("scenario_id", SAMPLE)
def test_an_implementation_that_leaves_out_a_field_fails(scenario_id: str) -> None:
    """It goes beyond what subtyping admits."""
    assert judged(LeavesOutAField(), scenario_id).verdict.name == "fail"


def test_an_implementation_that_tells_records_in_another_order_fails() -> None:
    """The records of a log are no set."""
    assert judged(ListsEverythingBackwards(), "composite/logs").verdict.name == "fail"
