"""What production chooses, and what is told where a label chooses otherwise."""

import pytest

from spec.machine import candidates, canonical_label, step, submission_label
from spec.production.choices import as_production, departure
from spec.rules.tests.worlds import STRANGER, USER, A, a_request, asked, canister, managing, world
from spec.state.label import Label
from spec.transition import RULES, NotEnabled, Step
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import RejectCode

SNAPSHOT = management.SnapshotArguments(A, b"\x00" * 8)


def rejected(code, argument=SNAPSHOT, method_name="delete_canister_snapshot"):
    """A state with a management call that fails, and the label that rejects it with a code."""
    state = managing((A, canister(A)), call=asked(argument, method_name))
    return state, Label("management_call_rejection", {"message_id": 0, "code": code})


def test_a_label_that_chooses_otherwise_is_told_with_what_production_does():
    state, label = rejected(RejectCode.CANISTER_ERROR)
    assert departure(state, label) == "rejects with CANISTER_ERROR; production: DESTINATION_INVALID"


def test_a_label_that_chooses_as_production_is_no_departure():
    assert departure(*rejected(RejectCode.DESTINATION_INVALID)) is None


@pytest.mark.parametrize("code", [code for code in RejectCode if code is not RejectCode.SYS_UNKNOWN])
def test_the_choices_of_a_label_are_replaced_by_those_of_production(code):
    state, label = rejected(code)
    _, right = rejected(RejectCode.DESTINATION_INVALID)
    assert as_production(state, label) == canonical_label(right)
    assert departure(state, as_production(state, label)) is None


def change_of_settings(padding, **changes):
    """A state in which A is, and the label with which a change of its settings is submitted."""
    controllers = List((USER,) * padding) if padding else None
    settings = management.SettingsArguments(freezing_threshold=0, controllers=controllers)
    argument = management.encode_arguments(management.UpdateSettingsArguments(A, settings))
    request = a_request(MANAGEMENT_CANISTER, "update_settings", argument)
    return world((A, canister(A, **changes))), submission_label(request, A)


FROZEN = {"balance": 0, "freezing_threshold": 2**64 - 1, "compute_allocation": 1}


@pytest.mark.parametrize(("padding", "is_taken"), [(0, True), (12, False)])
def test_production_takes_a_short_change_of_settings_for_a_frozen_canister(padding, is_taken):
    state, label = change_of_settings(padding, **FROZEN)
    assert isinstance(step(state, label), NotEnabled)
    assert isinstance(step(state, as_production(state, label)), Step) == is_taken
    told = "takes it for a frozen canister: no; production: yes" if is_taken else None
    assert departure(state, label) == told


def test_nothing_is_told_of_a_change_of_settings_for_a_canister_that_is_not_frozen():
    state, label = change_of_settings(0)
    assert (departure(state, label), as_production(state, label)) == (None, label)


def test_the_candidates_begin_with_what_production_does():
    for state, _ in (rejected(RejectCode.CANISTER_ERROR), rejected(RejectCode.CANISTER_ERROR, b"rubbish")):
        first = next(candidates(state, RULES["management_call_rejection"]))
        assert departure(state, first) is None


def test_a_rule_without_choices_of_the_kind_is_no_departure():
    state = managing((A, canister(A)), call=asked(management.CanisterIdArguments(A), "start_canister", STRANGER))
    label = Label("canister_time_progress", {"canister_id": A, "time": 10**30})
    assert departure(state, label) is None
    assert as_production(state, label) == label
