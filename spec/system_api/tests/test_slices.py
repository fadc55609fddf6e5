"""A single copy that is too large for slices ends a replicated execution."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller, Environment
from spec.canister.outcome import Outcome, Returned, SystemRecord, Trapped, TrapReason
from spec.profile import load_profile
from spec.system_api.count import count_export
from spec.values.identifiers import Principal
from spec.values.rejects import Reject, RejectCode, RejectReason

PROFILE = load_profile()
USER = Caller(Principal(b"user"))
REJECT = Reject(RejectCode.CANISTER_REJECT, RejectReason.EXPLICIT, "no")
SLICE, INSTALL_SLICE, LIMIT = 50_000, 80_000, 1_000_000

TOO_LARGE = "(memory.fill (i32.const 0) (i32.const 1) (i32.const {}))"
FILLING = 1 + 3 + 100
"""What a function that only fills memory is charged, without the bytes."""


def sliced(environment: Environment, limit: int = LIMIT) -> Environment:
    """Slices are small here."""
    rounds = evolve(environment.profile.rounds, slice_instructions=SLICE, install_slice_instructions=INSTALL_SLICE)
    return evolve(environment, profile=evolve(environment.profile, rounds=rounds), instruction_limit=limit)


def filling(size: int) -> str:
    """All entry points fill so many bytes."""
    fill = TOO_LARGE.format(size)
    return f"""(table 1 funcref) (elem (i32.const 0) $fill)
        (func $fill (param i32) {fill})
        (func (export "canister_init") {fill}) (func (export "canister_pre_upgrade") {fill})
        (func (export "canister_heartbeat") {fill}) (func (export "canister_update go") {fill})
        (func (export "canister_query look") {fill})
        (func (export "canister_composite_query look_around") {fill})
        (func (export "canister_inspect_message") {fill} (call $accept_message))"""


def reason(outcome: Outcome) -> TrapReason | None:
    return outcome.reason if isinstance(outcome, Trapped) else None


def ends(canister, environment: Environment, size: int) -> dict[str, TrapReason | None]:
    """How the replicated executions end, of which each fills so many bytes."""
    one, given = canister(filling(size)), sliced(environment)
    module, small = one.module, {"profile": given.profile, "instruction_limit": LIMIT}
    outcomes = {
        "update": one.update(**small),
        "replicated query": one.query("look", replicated=True, **small),
        "task": module.heartbeat(one.state, given),
        "callback": one.callback(REJECT, **small),
        "init": module.init(one.state, b"", USER, given),
        "pre_upgrade": module.pre_upgrade(one.state, USER, given),
    }
    return {name: reason(outcome) for name, outcome in outcomes.items()}


SLICED = {
    "update": SLICE,
    "replicated query": SLICE,
    "task": SLICE,
    "callback": SLICE,
    "init": INSTALL_SLICE,
    "pre_upgrade": INSTALL_SLICE,
}


@pytest.mark.checklist("error.slice-overrun")
@pytest.mark.parametrize("kind", SLICED)
def test_what_all_nodes_execute_fills_less_than_two_slices_at_once(canister, environment: Environment, kind) -> None:
    # The heap is too small for either, but the charge comes first.
    smallest = 2 * SLICED[kind] - FILLING
    assert smallest > 65_536
    assert ends(canister, environment, smallest - 1)[kind] is TrapReason.TRAPPED
    assert ends(canister, environment, smallest)[kind] is TrapReason.SLICE_OVERRUN


def test_what_one_node_executes_is_not_sliced(canister, environment: Environment) -> None:
    # 65,536 bytes are one page, which is all there is.
    tiny = evolve(environment.profile.rounds, slice_instructions=1_000, install_slice_instructions=1_000)
    given = evolve(sliced(environment), profile=evolve(environment.profile, rounds=tiny))
    small = {"profile": given.profile, "instruction_limit": LIMIT}
    one = canister(filling(65_536))
    assert isinstance(one.query("look", replicated=False, **small), Returned)
    assert isinstance(one.module.composite_query("look_around", one.state, b"", USER, given), Returned)
    assert isinstance(one.module.transform("look", one.state, b"", given), Returned)
    assert one.module.inspect_message("go", one.state, b"", USER, given).accepts
    assert reason(one.update(**small)) is TrapReason.SLICE_OVERRUN


@pytest.mark.checklist("error.slice-overrun")
def test_what_was_used_up_to_the_overrun_is_charged_and_nothing_is_kept(canister, environment: Environment) -> None:
    body = f"""(func (export "canister_update go")
        (i32.store (i32.const 4096) (i32.const 7)) {TOO_LARGE.format(2 * SLICE)})"""
    outcome = canister(body).update(profile=sliced(environment).profile, instruction_limit=LIMIT)
    changed_page = 1_000
    assert outcome == Trapped(
        1 + 3 + FILLING - 1 + 2 * SLICE + changed_page, TrapReason.SLICE_OVERRUN, logs=(SystemRecord(),)
    )


def test_beyond_the_last_slice_it_is_the_limit_that_is_exceeded(go, environment: Environment) -> None:
    fill = TOO_LARGE.format(3 * SLICE)
    one_slice, more = (
        {"instruction_limit": limit, "profile": sliced(environment).profile} for limit in (SLICE, SLICE + 1)
    )
    assert go(fill, **one_slice) == Trapped(SLICE, TrapReason.OUT_OF_INSTRUCTIONS, logs=(SystemRecord(),))
    assert go(fill, **more) == Trapped(SLICE + 1, TrapReason.SLICE_OVERRUN, logs=(SystemRecord(),))


@pytest.mark.checklist("error.slice-overrun")
@pytest.mark.parametrize(
    "copy",
    [
        "(drop (call $stable64_grow (i64.const 5))) (call $stable64_write (i64.const 0) (i64.const 0) (i64.const {}))",
        "(call $stable64_read (i64.const 0) (i64.const 0) (i64.const {}))",
        "(call $msg_arg_data_copy (i32.const 0) (i32.const 0) (i32.const {}))",
        "(call $debug_print (i32.const 0) (i32.const {}))",
    ],
)
def test_copies_of_system_functions_may_be_too_large(go, environment: Environment, copy: str) -> None:
    given = {"profile": sliced(environment).profile, "instruction_limit": LIMIT}
    assert reason(go(copy.format(2 * SLICE), **given)) is TrapReason.SLICE_OVERRUN
    assert reason(go(copy.format(0), **given)) is not TrapReason.SLICE_OVERRUN


def test_counting_says_that_a_slice_was_overrun(raw) -> None:
    module = raw(
        '(module (memory 1) (func (export "canister_update go") (memory.fill (i32.const 0) (i32.const 0)'
        " (i32.const -1))))"
    )
    counted = count_export(module, "canister_update go", PROFILE.limits.message_instructions, PROFILE)
    assert (counted.outcome, counted.instructions) == ("overruns_slice", 104 + 2**32 - 1)
