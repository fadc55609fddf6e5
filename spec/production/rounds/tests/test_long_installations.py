"""Installations that take several slices, and how they end. `init` and `post_upgrade` include the start function."""

import pytest

from spec.production.rounds import Ingress
from spec.production.rounds.tests.playing import SLICE, Played
from spec.rules.tests.worlds import A, a_request, canister, code, module, returns, traps, world
from spec.state.canister import Canister, Code, Empty
from spec.state.request import Processing, Rejected, Replied
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.management import CanisterInstallMode, InstallMode, UpgradeMode
from spec.values.rejects import RejectReason

LONG = SLICE + 5
"""It takes two slices."""


def installing(raw_module: bytes, mode: CanisterInstallMode) -> Ingress:
    given = management.InstallCodeArguments(mode, A, raw_module)
    return Ingress(a_request(MANAGEMENT_CANISTER, "install_code", management.encode_arguments(given)), A)


def ended(before: tuple[Principal, Canister], request: Ingress, rounds: int) -> Played:
    """After so many rounds; in all of them but the last the installation goes on."""
    played = Played(world(before)).round(request)
    for _ in range(rounds - 1):
        assert played.status(request.request) == Processing()
        assert played.state.canisters[A].code == before[1].code
        played = played.round()
    return played


def fails(before: tuple[Principal, Canister], request: Ingress) -> bool:
    """In the end the request is rejected for a trap, and the code is as it was."""
    played = Played(world(before)).round(request).idle(6)
    status = played.status(request.request)
    assert isinstance(status, Rejected)
    return status.reject.reason is RejectReason.CANISTER_TRAPPED and played.state.canisters[A].code == before[1].code


NEW = A, canister(A, Empty())


def old(**gives) -> tuple[Principal, Canister]:
    """A canister with code."""
    return A, canister(A, code(A, module(gives=gives)))


@pytest.mark.checklist(
    "prod.install_code.install_code_with_start_with_success", "prod.install_code.install_code_with_init_method_success"
)
def test_a_new_module_that_begins_with_two_slices_is_there_after_two_rounds():
    request = installing(module(gives={"init": returns(LONG)}), InstallMode())
    played = ended(NEW, request, 2)
    assert isinstance(played.status(request.request), Replied)
    assert isinstance(played.state.canisters[A].code, Code)


@pytest.mark.checklist(
    "prod.install_code.install_code_with_start_with_err", "prod.install_code.install_code_with_init_method_with_error"
)
def test_a_new_module_that_traps_in_its_second_slice_is_not_installed():
    assert fails(NEW, installing(module(gives={"init": traps(LONG)}), InstallMode()))


@pytest.mark.checklist("prod.upgrade.upgrade_ok_with_long_start", "prod.upgrade.upgrade_ok_with_long_post_upgrade")
def test_an_upgrade_whose_new_code_begins_with_two_slices_is_done_after_two_rounds():
    request = installing(module(gives={"post_upgrade": returns(LONG)}), UpgradeMode())
    assert isinstance(ended(old(), request, 2).status(request.request), Replied)


@pytest.mark.checklist(
    "prod.upgrade.upgrade_fails_on_long_pre_upgrade_trap", "prod.upgrade.upgrade_fails_on_long_post_upgrade_trap"
)
def test_an_upgrade_that_traps_in_the_second_slice_of_a_hook_changes_nothing():
    assert fails(old(pre_upgrade=traps(LONG)), installing(module(), UpgradeMode()))
    assert fails(old(), installing(module(gives={"post_upgrade": traps(LONG)}), UpgradeMode()))


@pytest.mark.checklist("prod.upgrade.upgrade_ok_with_long_pre_upgrade_long_start_long_post_upgrade")
def test_three_functions_of_two_slices_each_are_done_in_four_rounds():
    """The last slice of one and the first of the next share a round; the start function is one of the three."""
    request = installing(module(gives={"post_upgrade": returns(2 * LONG)}), UpgradeMode())
    played = ended(old(pre_upgrade=returns(LONG)), request, 4)
    assert isinstance(played.status(request.request), Replied)
