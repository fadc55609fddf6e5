"""The table of production's errors, and that what conditions predict is in it."""

import ast
from pathlib import Path

import pytest

import spec.rules
from spec.production.errors import ERRORS, error_of
from spec.values.rejects import USUAL_CODES, RejectCode, RejectReason, system_reject

STATING = {"require", "require_present", "require_kind"}
WITHOUT_NUMBER = {RejectReason.UNKNOWN_KEY, RejectReason.OUTSIDE_WORLD_FAILED}


def stated() -> set[tuple[RejectReason, RejectCode]]:
    """The reasons that conditions of rules give, each with the code that stands beside it or is usual."""
    found = set()
    for path in Path(spec.rules.__file__).parent.rglob("*.py"):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in STATING:
                names = [each.attr for each in node.args if isinstance(each, ast.Attribute)]
                reasons = [RejectReason[name] for name in names if name in RejectReason.__members__]
                codes = [RejectCode[name] for name in names if name in RejectCode.__members__]
                for reason in reasons:
                    found.add((reason, codes[0] if codes else USUAL_CODES.get(reason, RejectCode.CANISTER_ERROR)))
    return found


def test_every_reason_has_its_errors():
    assert set(ERRORS) == set(RejectReason)
    assert {reason for reason, errors in ERRORS.items() if not errors} == WITHOUT_NUMBER


def test_an_error_has_one_name_and_one_number():
    names = {(error.name, error.number) for errors in ERRORS.values() for error in errors}
    assert len(names) == len({name for name, _ in names}) == len({number for _, number in names})


def test_the_usual_code_of_a_reason_is_that_of_one_of_its_errors():
    for reason, code in USUAL_CODES.items():
        assert reason in WITHOUT_NUMBER or error_of(system_reject(code, reason)) is not None


def test_every_code_that_a_condition_predicts_is_that_of_an_error_of_production():
    pairs = stated()
    assert len(pairs) > 30
    unknown = {
        pair for pair in pairs if pair[0] not in WITHOUT_NUMBER and error_of(system_reject(pair[1], pair[0])) is None
    }
    assert unknown == set()


@pytest.mark.parametrize(
    ("reason", "code", "shown"),
    [
        (RejectReason.SNAPSHOT_NOT_FOUND, RejectCode.DESTINATION_INVALID, "IC0305"),
        (RejectReason.INSUFFICIENT_CYCLES_ATTACHED, RejectCode.CANISTER_REJECT, "IC0403"),
        (RejectReason.CANISTER_OUT_OF_CYCLES, RejectCode.SYS_TRANSIENT, "IC0207"),
        (RejectReason.CANISTER_OUT_OF_CYCLES, RejectCode.CANISTER_ERROR, "IC0530"),
    ],
)
def test_users_see_the_number_of_an_error(reason, code, shown):
    error = error_of(system_reject(code, reason))
    assert error is not None
    assert error.shown == shown
