"""Management calls for which the subnet has no capacity left, or that come too soon after others."""

import pytest
from attrs import evolve

from spec.production.capacities.management import outcalls_under_way
from spec.production.capacities.room import free_memory
from spec.production.capacities.tests.growing import MIB, PAGES_OF_MIB
from spec.production.capacities.tests.test_executions import holding, one_of
from spec.production.rounds.tests.playing import Played, asking, doing
from spec.production.rounds.tests.test_management import installing, managing, uploading
from spec.rules.tests.services import module_with_globals, sha256
from spec.rules.tests.worlds import PROFILE, A, B, C, canister, module, performed, returns
from spec.state.canister import Empty
from spec.state.request import Rejected, Replied
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.management import InstallMode, SettingsArguments, UpgradeMode
from spec.values.rejects import RejectCode, RejectReason

GIB = 2**30
OVERSUBSCRIBED = RejectCode.SYS_FATAL
"""The code of `SubnetOversubscribed` and of `MaxNumberOfCanistersReached`."""


def creating(nonce=0, **settings):
    """A request to create a canister with these settings."""
    arguments = management.ProvisionalCreateArguments(10**16, SettingsArguments(**settings))
    return managing(arguments, "provisional_create_canister_with_cycles", nonce)


def changing(canister_id, nonce=0, **settings):
    """A request to change settings."""
    arguments = management.UpdateSettingsArguments(canister_id, SettingsArguments(**settings))
    return managing(arguments, "update_settings", nonce, canister_id)


def snapshotting(canister_id, nonce=0):
    """A request to take a snapshot."""
    arguments = management.TakeSnapshotArguments(canister_id)
    return managing(arguments, "take_canister_snapshot", nonce, canister_id)


def answers(played, *ingress):
    """For each request, whether it was answered; or the code with which the system refused it."""
    results = []
    for one in ingress:
        played = played.round(one)
        status = played.status(one.request)
        if isinstance(status, Rejected):
            assert status.reject.reason is RejectReason.SYSTEM_OVERLOADED, status
        results.append(True if isinstance(status, Replied) else status.reject.code)
    return results, played


def empty(canister_id=A, **settings):
    """A canister without code that uses no memory."""
    return canister_id, canister(canister_id, Empty(), **{"balance": 10**18, **settings})


# Memory.


@pytest.mark.checklist("prod.execution_test.exceeding_memory_capacity_fails_when_memory_allocation_changes")
def test_an_allocation_is_at_most_the_part_of_one_core():
    """80 MiB are left, for four cores."""
    played = Played(holding(empty(), memory=81 * MIB, memory_for_callbacks=MIB))
    assert answers(played, creating(0, memory_allocation=20 * MIB + 1))[0] == [OVERSUBSCRIBED]
    assert answers(played, creating(0, memory_allocation=20 * MIB))[0] == [True]


@pytest.mark.checklist("prod.execution_test.take_canister_snapshot_request_fails_when_subnet_capacity_reached")
def test_a_snapshot_for_which_a_core_has_not_enough_left_is_not_taken():
    large, small = (one_of(one, module_with_globals(), pages * PAGES_OF_MIB) for one, pages in ((A, 30), (B, 25)))
    played = Played(holding(large, small, threads=2, memory=120 * MIB, memory_for_callbacks=0))
    assert answers(played, snapshotting(A), snapshotting(B))[0] == [True, OVERSUBSCRIBED]


@pytest.mark.checklist("prod.canister_manager.update_settings_makes_subnet_oversubscribed")
def test_settings_are_not_changed_beyond_what_the_subnet_has():
    given = {"threads": 1, "compute": 99, "memory": 100 * MIB, "memory_for_callbacks": 0}
    played = Played(holding(empty(A), empty(B), empty(C), **given))
    results, played = answers(
        played, *(changing(one, compute_allocation=share) for one, share in ((A, 50), (B, 25), (C, 30)))
    )
    assert results == [True, True, OVERSUBSCRIBED]
    assert answers(
        played, *(changing(one, 1, memory_allocation=share * MIB) for one, share in ((A, 10), (B, 30), (C, 65)))
    )[0] == [True, True, OVERSUBSCRIBED]


@pytest.mark.checklist("prod.canister_manager.create_canister_memory_allocation_makes_subnet_oversubscribed")
def test_a_second_canister_is_not_created_with_half_of_all_memory():
    played = Played(holding(one_of(A, module()), threads=1, memory=8 * GIB, memory_for_callbacks=0))
    asked = [creating(number, memory_allocation=4 * GIB) for number in range(2)]
    assert answers(played, *asked)[0] == [True, OVERSUBSCRIBED]


@pytest.mark.checklist("prod.canister_manager.create_canister_computes_allocation_makes_subnet_oversubscribed")
def test_canisters_are_created_while_their_shares_are_less_than_the_whole():
    asked = [creating(number, compute_allocation=share) for number, share in enumerate((50, 25, 30, 24))]
    assert answers(Played(holding(empty(), compute=99)), *asked)[0] == [True, True, OVERSUBSCRIBED, True]


@pytest.mark.checklist("prod.canister_manager.create_canister_when_compute_capacity_is_oversubscribed")
def test_on_an_oversubscribed_subnet_canisters_without_a_share_are_created():
    played = Played(holding(empty(A, compute_allocation=60), empty(B, compute_allocation=60), compute=99))
    asked = (creating(0), creating(1, compute_allocation=0), creating(2, compute_allocation=10))
    assert answers(played, *asked)[0] == [True, True, OVERSUBSCRIBED]


@pytest.mark.checklist("prod.canister_manager.max_number_of_canisters_is_respected_when_creating_canisters")
def test_a_fourth_canister_is_not_created_where_three_may_be():
    played = Played(holding(canisters=3))
    asked = [creating(number) for number in range(4)]
    assert answers(played, *asked)[0] == [True, True, True, OVERSUBSCRIBED]


@pytest.mark.checklist("prod.canister_manager.chunk_store_counts_against_subnet_memory_in_initial_round_computation")
def test_a_second_chunk_is_refused_where_there_is_room_for_one():
    played = Played(holding(empty(), threads=1, memory=2 * MIB - 1, memory_for_callbacks=0))
    asked = [uploading(A, bytes([number]), number) for number in range(2)]
    assert answers(played, *asked)[0] == [True, OVERSUBSCRIBED]


@pytest.mark.checklist("prod.canister_snapshots.canister_snapshots_and_memory_allocation")
def test_what_is_allocated_can_be_used_on_a_full_subnet():
    """Each canister has 40 GiB of stable memory, and 100 GiB allocated, but for the last."""
    forty = 40 * 1024 * PAGES_OF_MIB
    ids = [Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(4)]
    full = [one_of(one, module_with_globals(), forty, memory_allocation=100 * GIB) for one in ids]
    played = Played(holding(*full, threads=1, memory=400 * GIB, memory_for_callbacks=0))
    assert free_memory(played.state) == 0
    results, played = answers(played, changing(ids[3], memory_allocation=0))
    assert results == [True]
    assert answers(played, *(snapshotting(one) for one in ids))[0] == [True] * 4
    assert 0 < free_memory(answers(played, *(snapshotting(one) for one in ids))[1].state) < 20 * GIB


# Custom sections.


def with_sections(size):
    """A module whose one custom section takes so many bytes with its name and one byte more."""
    return module(private_custom_sections=Map.of([("name", bytes(size - 5))]))


@pytest.mark.checklist(
    "prod.install_code.install_code_fails_when_not_enough_wasm_custom_sections_memory",
    "prod.install_code.install_code_succeeds_with_enough_wasm_custom_sections_memory",
)
def test_a_module_is_installed_if_there_is_room_for_its_custom_sections():
    for capacity, result in ((32, OVERSUBSCRIBED), (MIB, True)):
        played = Played(holding(empty(), threads=1, custom_sections_memory=capacity))
        assert answers(played, installing(A, with_sections(33)))[0] == [result]


# Too soon.


@pytest.mark.checklist("prod.canister_manager.test_install_code_rate_limiting")
def test_an_upgrade_right_after_an_installation_is_refused_again_and_again():
    limit = PROFILE.rounds.install_instructions_of_canister
    code = module(gives={"init": returns(100)}, instructions_to_compile=100)
    state = holding(empty())
    figures = evolve(state.profile.rounds, install_instructions_of_canister=10)
    asked = [installing(A, code), *(installing(A, code, UpgradeMode(), number) for number in (1, 2))]
    results, played = answers(Played(evolve(state, profile=evolve(state.profile, rounds=figures))), *asked)
    assert results == [True] + [RejectCode.SYS_TRANSIENT] * 2
    assert played.record(A).install_debit > 0
    assert limit == 2_000_000_000


@pytest.mark.checklist("prod.sched_rate_limiting.rate_limiting_of_install_code")
def test_five_rounds_after_ten_milliards_an_upgrade_succeeds_at_two_milliards_a_round():
    """With millions in place of milliards."""
    code = module(gives={"init": returns(10_000_000)})
    state = holding(empty())
    figures = evolve(state.profile.rounds, install_instructions_of_canister=2_000_000)
    played = Played(evolve(state, profile=evolve(state.profile, rounds=figures)))
    results, played = answers(played, installing(A, code), installing(A, code, UpgradeMode(), 1))
    assert results == [True, RejectCode.SYS_TRANSIENT]
    assert answers(played.idle(3), installing(A, code, UpgradeMode(), 2))[0] == [True]


@pytest.mark.checklist("prod.canister_manager.upload_chunk_increases_subnet_heap_delta")
def test_a_new_chunk_of_any_size_changes_a_mebibyte_and_a_known_one_nothing():
    played = Played(holding(empty()))
    results, played = answers(played, uploading(A, b"one", 0))
    assert (results, played.rounds.heap_delta) == ([True], MIB)
    results, played = answers(played, uploading(A, b"one", 1))
    assert (results, played.rounds.heap_delta) == ([True], MIB)


def test_a_canister_that_changed_much_memory_gets_no_chunk_until_later():
    state = holding(empty())
    figures = evolve(state.profile.rounds, heap_delta_of_canister=MIB // 2)
    played = Played(evolve(state, profile=evolve(state.profile, rounds=figures)))
    results, played = answers(played, *(uploading(A, bytes([number]), number) for number in range(2)))
    assert results == [True, RejectCode.SYS_TRANSIENT]
    assert answers(played.idle(1), uploading(A, b"later", 3))[0] == [True]


# Outcalls.


@pytest.mark.checklist("prod.ee_tests.http_request_bound_holds")
def test_so_many_outcalls_are_under_way_and_no_more():
    arguments = management.HttpRequestArguments("https://example.com")
    argument = management.encode_arguments(arguments)
    calls = [
        performed(MANAGEMENT_CANISTER, "http_request", argument, transferred_cycles=10**12, number=number)
        for number in range(16)
    ]
    caller = doing(A, go=returns(new_calls=List(tuple(calls))), callback=returns())
    played = Played(holding(caller, outcalls=10)).round(asking(A)).idle(2)
    assert outcalls_under_way(played.state) == 10


# Work that fails.


@pytest.mark.checklist("prod.canister_manager.upload_chunk_charges_if_failing")
def test_a_chunk_for_which_there_is_no_memory_costs_what_storing_it_costs():
    state = holding(empty(), threads=1, memory=1_022 * 1_024, memory_for_callbacks=0)
    results, played = answers(Played(state), uploading(A, b"chunk"))
    assert results == [OVERSUBSCRIBED]
    assert state.canisters[A].balance - played.state.canisters[A].balance == 200_000_000


def installing_chunk(module_hash, nonce=0):
    """A request to install the module `chunk`, which one chunk holds."""
    arguments = management.InstallChunkedCodeArguments(
        InstallMode(), A, module_hash, chunk_hashes_list=List.of(sha256(b"chunk"))
    )
    return managing(arguments, "install_chunked_code", nonce)


@pytest.mark.checklist("prod.install_code.failed_install_chunked_charges_for_wasm_assembly")
def test_putting_a_module_together_costs_an_instruction_for_each_byte_that_its_chunks_may_have():
    with_chunk = empty(chunk_store=Map.of([(sha256(b"chunk"), b"chunk")]))
    asked = installing_chunk(sha256(b"another module"))
    played = Played(holding(with_chunk)).round(asked)
    assert played.status(asked.request).reject.reason is RejectReason.MODULE_HASH_MISMATCH
    assert with_chunk[1].balance - played.state.canisters[A].balance == 1_048_576
    asked = installing_chunk(sha256(b"chunk"))
    played = Played(holding(with_chunk)).round(asked)
    assert played.status(asked.request).reject.reason is RejectReason.INVALID_MODULE
    assert with_chunk[1].balance - played.state.canisters[A].balance == 1_048_576
