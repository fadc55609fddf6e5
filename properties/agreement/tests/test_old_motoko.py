"""Modules of old Motoko compilers leave the last pages of the heap for their upgrade, on both engines."""

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import ModulePair, load_pair, running_canister
from spec.canister.outcome import Outcome, Returned, SystemRecord, Trapped, TrapReason
from spec.profile import load_profile
from spec.values.quantities import WASM_PAGE

PROFILE = load_profile()
SMALL = evolve(PROFILE, limits=evolve(PROFILE.limits, wasm_memory_32=40 * WASM_PAGE, wasm_memory_64=40 * WASM_PAGE))
"""Heaps have 40 pages at most, so that modules of old Motoko may use 24."""

ENVIRONMENT = running_canister(SMALL)
HELPER = '(func (export "canister_update __motoko_async_helper"))'


def section(name: str) -> bytes:
    """An empty custom section."""
    return bytes([0, len(name) + 1, len(name)]) + name.encode()


def compiled(last: str, width: str = "i32", helper: str = HELPER, sections: bytes = b"") -> ModulePair:
    """A module with a heap of one page; `grow_to_24` writes to it, grows it, and ends with some instructions."""
    memory = "(memory i64 1)" if width == "i64" else "(memory 1)"

    def grow(pages: int) -> str:
        return f"""(i32.store ({width}.const 0) (i32.const 7))
            (drop (memory.grow ({width}.const {pages - 1}))) {last}"""

    raw = wasmtime.wat2wasm(f"""(module {memory} {helper}
        (func (export "canister_update grow_to_24") {grow(24)})
        (func (export "canister_update grow_to_25") {grow(25)})
        (func (export "canister_query grow_to_25_in_query") {grow(25)}))""")
    pair = load_pair(bytes(raw) + sections, SMALL)
    assert pair is not None
    return pair


def run(pair: ModulePair, method: str, limit: int = 1_000_000) -> Outcome:
    """What both engines say of an update call."""
    return pair.update(method, pair.initial_state(), evolve(ENVIRONMENT, instruction_limit=limit))


@pytest.mark.checklist("error.motoko-reserved-pages")
def test_the_last_16_pages_are_kept_and_what_was_done_is_charged_all_the_same() -> None:
    assert PROFILE.limits.pages_kept_from_old_motoko == 16
    pair = compiled("")
    fits, does_not_fit = run(pair, "grow_to_24"), run(pair, "grow_to_25")
    assert isinstance(fits, Returned)
    record = SystemRecord(otherwise=None, cause=None)
    assert does_not_fit == Trapped(fits.instructions_used, TrapReason.TRAPPED, "", logs=(record,))


@pytest.mark.checklist("error.motoko-reserved-pages")
@pytest.mark.parametrize("last", ["unreachable", "(loop (br 0))"])
def test_an_execution_that_fails_anyway_fails_for_the_pages(last: str) -> None:
    outcome = run(compiled(last), "grow_to_25")
    assert isinstance(outcome, Trapped)
    assert outcome.reason is TrapReason.TRAPPED


@pytest.mark.checklist("error.motoko-reserved-pages")
def test_queries_may_not_use_the_pages_either() -> None:
    pair = compiled("")
    assert isinstance(pair.query("grow_to_25_in_query", pair.initial_state(), ENVIRONMENT), Trapped)


@pytest.mark.checklist("error.motoko-reserved-pages")
@pytest.mark.parametrize(
    "others",
    [
        {"width": "i64"},
        {"helper": ""},
        {"helper": '(func (export "canister_query __motoko_async_helper"))'},
        {"sections": section("icp:public motoko:compiler")},
        {"sections": section("icp:private motoko:compiler")},
    ],
)
def test_other_modules_may_use_the_whole_heap(others: dict[str, str]) -> None:
    assert isinstance(run(compiled("", **others), "grow_to_25"), Returned)


def test_a_section_that_is_not_of_the_internet_computer_says_nothing() -> None:
    assert isinstance(run(compiled("", sections=section("motoko:compiler")), "grow_to_25"), Trapped)
