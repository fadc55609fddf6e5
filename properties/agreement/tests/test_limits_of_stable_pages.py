"""How many 4 KiB pages of stable memory an execution may read and write: both engines stop it at the same one."""

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import ModulePair, load_pair, running_canister
from spec.canister.environment import Environment
from spec.canister.outcome import Returned, Trapped
from spec.production.capacities.schedules import of_system_subnet
from spec.profile import Profile, load_profile

PROFILE = load_profile()
IMPORTS = """
    (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
    (import "ic0" "stable64_write" (func $write64 (param i64 i64 i64)))
    (import "ic0" "stable64_read" (func $read64 (param i64 i64 i64)))
    (import "ic0" "stable_write" (func $write (param i32 i32 i32)))
    (import "ic0" "stable_read" (func $read (param i32 i32 i32)))
    (import "ic0" "msg_reply" (func $reply))
    (memory 1)"""


def touching(access: str, pages: int) -> str:
    """Grows stable memory, and accesses one byte in each of so many pages of 4 KiB."""
    accesses = {
        "stable_write": "(call $write ({at}) (i32.const 0) (i32.const 1))",
        "stable_read": "(call $read (i32.const 0) ({at}) (i32.const 1))",
        "stable64_write": "(call $write64 ({wide}) (i64.const 0) (i64.const 1))",
        "stable64_read": "(call $read64 (i64.const 0) ({wide}) (i64.const 1))",
    }
    each = "".join(
        accesses[access].format(at=f"i32.const {4_096 * page}", wide=f"i64.const {4_096 * page}")
        for page in range(pages)
    )
    return f"(drop (call $grow (i64.const 2))) {each} (call $reply)"


def pair_of(profile: Profile, access: str, pages: int) -> ModulePair:
    """A module that does this as an update and as a query."""
    body = touching(access, pages)
    functions = f"""(func (export "canister_update go") {body}) (func (export "canister_query ask") {body})"""
    pair = load_pair(bytes(wasmtime.wat2wasm(f"(module {IMPORTS} {functions})")), profile)
    assert pair is not None
    return pair


def limited(profile: Profile, in_message: int, in_query: int) -> tuple[Profile, Environment]:
    """The profile with these limits, and what an execution sees."""
    limits = evolve(profile.limits, stable_pages_in_message=in_message, stable_pages_in_query=in_query)
    limited = evolve(profile, limits=limits)
    return limited, running_canister(limited)


def updates(access: str, pages: int, limit: int, profile: Profile = PROFILE) -> bool:
    """An update may access so many pages."""
    given, environment = limited(profile, limit, 1)
    pair = pair_of(given, access, pages)
    outcome = pair.update("go", pair.initial_state(), environment)
    assert isinstance(outcome, Returned | Trapped)
    return isinstance(outcome, Returned)


def queries(pages: int, limit: int, *, replicated: bool) -> bool:
    """A query may write to so many pages."""
    given, environment = limited(PROFILE, 100, limit)
    pair = pair_of(given, "stable64_write", pages)
    outcome = pair.query("ask", pair.initial_state(), evolve(environment, replicated=replicated))
    return isinstance(outcome, Returned)


@pytest.mark.parametrize(
    ("reading", "writing"),
    [
        pytest.param(
            "stable_read",
            "stable_write",
            marks=pytest.mark.checklist("prod.wasmtime_embedder.stable_read_accessed_pages_allowance"),
        ),
        pytest.param(
            "stable64_read",
            "stable64_write",
            marks=pytest.mark.checklist("prod.wasmtime_embedder.stable64_read_accessed_pages_allowance"),
        ),
    ],
)
def test_with_three_pages_to_access_the_fourth_ends_the_execution(reading: str, writing: str) -> None:
    for access in (reading, writing):
        assert updates(access, 3, limit=3)
        assert not updates(access, 4, limit=3)


@pytest.mark.checklist(
    "prod.call_or_task.can_write_to_each_page_in_stable_memory",
    "prod.call_or_task.hitting_page_delta_limit_fails_message",
)
def test_an_update_writes_to_ten_pages_and_not_to_eleven() -> None:
    assert updates("stable64_write", 10, limit=10)
    assert not updates("stable64_write", 11, limit=10)


@pytest.mark.checklist("prod.call_or_task.hitting_page_delta_limit_fails_message_system_subnet")
def test_it_is_the_same_on_a_system_subnet() -> None:
    system = of_system_subnet(PROFILE)
    assert system.limits.stable_pages_in_message == PROFILE.limits.stable_pages_in_message
    assert updates("stable64_write", 10, limit=10, profile=system)
    assert not updates("stable64_write", 11, limit=10, profile=system)


@pytest.mark.parametrize(
    "replicated",
    [
        pytest.param(
            False, marks=pytest.mark.checklist("prod.call_or_task.hitting_page_delta_limit_fails_non_replicated_query")
        ),
        pytest.param(
            True, marks=pytest.mark.checklist("prod.call_or_task.hitting_page_delta_limit_fails_replicated_query")
        ),
    ],
)
def test_a_query_has_a_limit_of_its_own_wherever_it_runs(replicated: bool) -> None:
    assert queries(9, limit=9, replicated=replicated)
    assert not queries(10, limit=9, replicated=replicated)
