"""
The code of the functions inside the module that move cycles, and pieces of text for amounts of 128 bits.

An amount is given as the text of its lower and of its upper half.
"""

from typing import Final

from reference_impl.wasm.layout.fast_functions import (
    ACCEPTED,
    AVAILABLE,
    BALANCE,
    BURNED,
    HEAP_SPENDING,
    KEPT_BACK,
    SPENDABLE,
    STABLE_PAGES,
    STABLE_SPENDING,
)
from reference_impl.wasm.rewriting.fast_text import HEAP, FunctionText, both, cell, set_cell

_LOW, _HIGH = "(local.get $low)", "(local.get $high)"
AMOUNT: Final = "(local $low i64) (local $high i64)"
"""Locals for an amount."""
_FAR_FROM_TOO_LARGE: Final = 62
"""Upper halves of fewer bits may be added, and still be added once more."""
_SIZE: Final = "(i64.const 16)"


def at_most(low: str, high: str, cells: int) -> str:
    """The amount is at most what two cells hold."""
    is_less = f"(i64.lt_u {high} {cell(cells + 1)})"
    return f"(i32.or {is_less} (i32.and (i64.eq {high} {cell(cells + 1)}) (i64.le_u {low} {cell(cells)})))"


def take(cells: int, low: str, high: str) -> str:
    """Takes an amount from what two cells hold, which is at least as much."""
    borrow = f"(i64.extend_i32_u (i64.lt_u {cell(cells)} {low}))"
    return set_cell(cells + 1, f"(i64.sub (i64.sub {cell(cells + 1)} {high}) {borrow})") + set_cell(
        cells, f"(i64.sub {cell(cells)} {low})"
    )


def add(cells: int, low: str, high: str) -> str:
    """Adds an amount to what two cells hold; the sum has 128 bits."""
    carry = f"(i64.extend_i32_u (i64.lt_u {cell(cells)} {low}))"
    return set_cell(cells, f"(i64.add {cell(cells)} {low})") + set_cell(
        cells + 1, f"(i64.add (i64.add {cell(cells + 1)} {high}) {carry})"
    )


def are_small(first: str, second: str) -> str:
    """The amounts with these upper halves may be added."""
    return f"(i64.eqz (i64.shr_u (i64.or {first} {second}) (i64.const {_FAR_FROM_TOO_LARGE})))"


def knows_spendable(text: FunctionText) -> str:
    """The memories have the sizes for which it is known what may be spent."""
    return both(
        f"(i64.eq {text.heap_size()} {cell(HEAP_SPENDING)})", f"(i64.eq {cell(STABLE_PAGES)} {cell(STABLE_SPENDING)})"
    )


def spend(low: str, high: str) -> str:
    """Takes an amount from the balance that may be spent."""
    return take(BALANCE, low, high) + take(SPENDABLE, low, high)


def given_amount(text: FunctionText) -> tuple[str, str]:
    """The amount that the first parameters say, 128 bits or 64."""
    if text.function.parameters.startswith("ll"):
        return text.wide(1), text.wide(0)
    return text.wide(0), "(i64.const 0)"


def accept(text: FunctionText) -> str:
    """Accepts as much as is wanted and available."""
    low, high = given_amount(text)
    is_less = at_most(low, high, AVAILABLE)
    conditions = [text.is_plain, are_small(cell(BALANCE + 1), cell(AVAILABLE + 1)), text.affordable(text.fixed_cost)]
    return f"""{AMOUNT}
        (if {both(*conditions, *_has_place(text))} (then
          {text.charge(text.fixed_cost)}
          (if {is_less}
            (then (local.set $low {low}) (local.set $high {high}))
            (else (local.set $low {cell(AVAILABLE)}) (local.set $high {cell(AVAILABLE + 1)})))
          {take(AVAILABLE, _LOW, _HIGH)} {add(ACCEPTED, _LOW, _HIGH)} {add(BALANCE, _LOW, _HIGH)}
          {_give(text)}))"""


def burn(text: FunctionText) -> str:
    """Burns all that is wanted, if so much may be spent."""
    low, high = given_amount(text)
    conditions = [text.is_plain, knows_spendable(text), at_most(low, high, SPENDABLE), *_has_place(text)]
    return f"""{AMOUNT}
        (if {both(*conditions, text.affordable(text.fixed_cost))} (then
          {text.charge(text.fixed_cost)}
          (local.set $low {low}) (local.set $high {high})
          {spend(_LOW, _HIGH)} {add(BURNED, _LOW, _HIGH)}
          {_give(text)}))"""


def tell_liquid(text: FunctionText) -> str:
    """Writes the balance less what may not be spent, or nothing."""
    conditions = [text.is_plain, knows_spendable(text), text.in_heap(0, _SIZE), text.affordable(text.fixed_cost)]
    borrow = f"(i64.extend_i32_u (i64.lt_u {cell(BALANCE)} {cell(KEPT_BACK)}))"
    return f"""{AMOUNT}
        (if {both(*conditions)} (then
          {text.charge(text.fixed_cost)}
          (if {at_most(cell(KEPT_BACK), cell(KEPT_BACK + 1), BALANCE)} (then
            (local.set $low (i64.sub {cell(BALANCE)} {cell(KEPT_BACK)}))
            (local.set $high (i64.sub (i64.sub {cell(BALANCE + 1)} {cell(KEPT_BACK + 1)}) {borrow}))))
          {_write(text, 0)} (return)))"""


def _has_place(text: FunctionText) -> list[str]:
    """Where the amount is to be written, the place lies inside the heap."""
    return [] if text.result else [text.in_heap(2, _SIZE)]


def _give(text: FunctionText) -> str:
    """Gives the amount back, or writes it."""
    if text.result:
        return f"(return {_LOW})"
    return f"{_write(text, 2)} (return)"


def _write(text: FunctionText, parameter: int) -> str:
    """Writes the amount to where a parameter says."""
    return f"""(i64.store {HEAP} align=1 {text.address(parameter)} {_LOW})
          (i64.store {HEAP} offset=8 align=1 {text.address(parameter)} {_HIGH})"""
