"""
The function in the module that charges for bulk operations, written as WebAssembly text.

Slices are not told apart while an execution runs: where a slice ends follows from what was used. Only an amount of a
whole slice or more can be too large for slices, so all others cost one comparison more.
"""

from functools import cache
from typing import Final

import wasmtime
from attrs import frozen

from reference_impl.wasm.layout.encoding import Reader, sections
from reference_impl.wasm.layout.parsed_module import CODE
from reference_impl.wasm.rewriting.counting_code import OVERRUN, RUN_OUT

_LOWEST: Final = f"(i64.const {-(2**63)})"


@frozen
class ChargePlaces:
    """The indices of the globals that the function uses."""

    counter: int
    limit: int
    """With which the counter started."""
    one_slice: int
    """What a slice holds."""
    end: int
    """Why the execution ended in the module."""


@cache
def charge_body(places: ChargePlaces) -> bytes:
    """
    The body of a function that takes its argument, an unsigned number, from the counter, and gives it back. The counter
    saturates at the lowest number. Source: facts on instruction weights, rules D4, T4 and T5.
    """
    counter = f"(global.get {places.counter})"
    rest = f"(i64.sub {counter} (local.get 0))"
    # As a signed number the argument is below 0, or the rest is above the counter before.
    is_too_low = f"(i32.or (i64.lt_s (local.get 0) (i64.const 0)) (i64.gt_s {rest} {counter}))"
    text = f"""(module (func (param i64) (result i64) (local $is_overrun i32)
        (if (i64.ge_u (local.get 0) (global.get {places.one_slice})) (then
          (local.set $is_overrun {_is_overrun(places)})))
        (global.set {places.counter} (select {_LOWEST} {rest} {is_too_low}))
        (if (local.get $is_overrun) (then (global.set {places.end} (i32.const {OVERRUN})) (unreachable)))
        (if (i64.lt_s {counter} (i64.const 0)) (then (global.set {places.end} (i32.const {RUN_OUT})) (unreachable)))
        (local.get 0)))"""
    found = sections(bytes(wasmtime.wat2wasm(text)))
    reader = Reader(next(one.content for one in found if one.section_id == CODE))
    reader.unsigned()
    return reader.take(reader.unsigned())


def _is_overrun(places: ChargePlaces) -> str:
    """The slice that is running is not the last one, and the argument reaches the end of the slice after it."""
    one_slice, limit = f"(global.get {places.one_slice})", f"(global.get {places.limit})"
    used = f"(i64.sub {limit} (global.get {places.counter}))"
    # Exactly at its end a slice still runs.
    within = f"(i64.sub {used} (i64.extend_i32_u (i64.ne {used} (i64.const 0))))"
    end = f"(i64.add (i64.mul (i64.div_u {within} {one_slice}) {one_slice}) {one_slice})"
    is_last = f"(i64.ge_u {end} {limit})"
    reaches = f"(i64.ge_u (local.get 0) (i64.sub (i64.add {end} {one_slice}) {used}))"
    return f"(i32.and (i32.eqz {is_last}) {reaches})"


def is_overrun(used: int, amount: int, limit: int, one_slice: int) -> bool:
    """The same for what the host charges."""
    if amount < one_slice:
        return False
    end = (max(used, 1) - 1) // one_slice * one_slice + one_slice
    return end < limit and amount >= end + one_slice - used
