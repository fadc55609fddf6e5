"""Forms of arguments are what their names say, and implementations that read them wrongly get their verdicts."""

import pytest

from conformance.running.case import Manner
from conformance.running.run import run_scenario
from conformance.suite.candid_forms import ADMITTED, COMBINED, REFUSED, refused_forms
from conformance.suite.loading import all_scenarios
from conformance.suite.scenarios import outside_answers
from conformance.suite.scenarios.candid import OF_CANISTERS, OF_USERS
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.readers import READERS
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import CanisterId, Principal

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

CANISTER = CanisterId(Principal(b"\0" * 7 + b"\1\1\1"))
ARGUMENTS = {
    "update_settings": management.UpdateSettingsArguments(CANISTER, management.SettingsArguments(compute_allocation=3)),
    "install_code": management.InstallCodeArguments(management.UpgradeMode(True), CANISTER, b"module", b"argument"),
    "canister_status": management.CanisterIdArguments(CANISTER),
    "provisional_create_canister_with_cycles": management.ProvisionalCreateArguments(10**12),
    "upload_canister_snapshot_metadata": management.UploadSnapshotMetadataArguments(CANISTER, 8, 0, 0),
    "install_chunked_code": management.InstallChunkedCodeArguments(
        management.ReinstallMode(), CANISTER, b"hash", chunk_hashes_list=List.of(b"one", b"two")
    ),
}


@pytest.mark.parametrize("form", ADMITTED | COMBINED)
@pytest.mark.parametrize("method_name", ARGUMENTS)
def test_an_admitted_form_is_read_as_the_plain_one(method_name: str, form: str) -> None:
    """By the specification's reader."""
    arguments = ARGUMENTS[method_name]
    written = (ADMITTED | COMBINED)[form](management.encode_arguments(arguments))
    assert management.decode_arguments(method_name, written) == arguments


@pytest.mark.parametrize("method_name", ARGUMENTS)
def test_other_forms_are_not_read(method_name: str) -> None:
    """Each form is tried where it makes sense."""
    plain = management.encode_arguments(ARGUMENTS[method_name])
    for form in refused_forms(plain).values():
        assert management.decode_arguments(method_name, form(plain)) is None


def test_every_form_differs_from_every_other_one() -> None:
    """None is another one under a second name."""
    plain = [management.encode_arguments(ARGUMENTS[name]) for name in ("update_settings", "install_code")]
    written = {tuple(map(form, plain)) for form in (ADMITTED | COMBINED | REFUSED).values()}
    assert len(written) == len(ADMITTED | COMBINED | REFUSED)


def test_every_management_method_is_tried() -> None:
    """Those that the outside world answers in a group of their own."""
    groups = (*OF_USERS.values(), *OF_CANISTERS.values(), *outside_answers.ASKED.values())
    assert {method for methods in groups for method in methods} == management.MANAGEMENT_METHODS


@pytest.mark.parametrize("name", READERS)
def test_who_reads_candid_wrongly_fails_and_is_told_the_form(name: str) -> None:
    """And the same scenario passes for who reads it rightly."""
    make, scenario_id, words = READERS[name]
    wrong, right = make(), BlackBox()
    verdict = run_scenario(SCENARIOS[scenario_id], wrong, wrong.describe(), Manner()).verdict
    assert verdict.name == "fail"
    assert words in verdict.why
    assert run_scenario(SCENARIOS[scenario_id], right, right.describe(), Manner()).verdict.name == "pass"
