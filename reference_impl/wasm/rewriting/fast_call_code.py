"""
The code of the functions for calls that run inside the module.

A call is constructed in a record of the system memory, and stays there when it is performed, until the host takes the
records over: when a function needs the host that concerns calls, and when the execution ends. What is performed here is
paid for by what may be spent in any case; whether the subnet has room for it the host asks afterwards. In any other
case the host decides at once.
"""

from typing import Final

from reference_impl.wasm.layout.fast_functions import (
    CALL_FEE,
    CALL_IN_MODULE,
    CALL_NUMBER,
    CALL_PLACE,
    CALL_RESERVE,
    CALL_ROOM,
    CALL_STATE,
    CALLEE,
    CALLEE_SIZE,
    CALLS,
    CALLS_MADE,
    CALLS_ROOM,
    CALLS_TRIED,
    CLEANUP_CLOSURE,
    CYCLES,
    FEE,
    FEE_OF_BYTES,
    FEE_PARTS,
    HAS_CLEANUP,
    LONGEST_RESPONSE,
    NAME_MOST,
    NAME_SIZE,
    NO_CALL,
    PAYLOAD,
    PAYLOAD_MOST,
    RECORD,
    REJECT_CLOSURE,
    REPLY_CLOSURE,
    REQUEST_RECORD,
    ROOM_MOST,
    ROOM_TAKEN,
    SPENDABLE,
    TIMEOUT,
    TIMEOUT_MOST,
)
from reference_impl.wasm.rewriting.fast_cycles_code import are_small, at_most, given_amount, knows_spendable, spend
from reference_impl.wasm.rewriting.fast_text import HEAP, SYSTEM, FunctionText, both, cell, cell_32, set_cell
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH

_PLACE: Final = "(local.get $place)"
_FIND: Final = f"(local.set $place {cell_32(CALL_PLACE)})"
_NOT_VERY_LARGE: Final = 2**22
"""So many bytes, twice, have a fee of 64 bits."""
_NOTHING, _ONE = "(i64.const 0)", "(i64.const 1)"


def _number(place: int) -> str:
    """A number of the record."""
    return f"(i64.load {SYSTEM} offset={CALLS + 8 * place} {_PLACE})"


def _set_number(place: int, value: str) -> str:
    return f"(i64.store {SYSTEM} offset={CALLS + 8 * place} {_PLACE} {value})"


def _set_closure(place: int, text: FunctionText, parameter: int) -> str:
    """A closure whose function and argument are this parameter and the next."""
    return _set_number(place, text.wide(parameter)) + _set_number(place + 1, text.wide(parameter + 1))


def _state_is(state: int) -> str:
    return f"(i64.eq {cell(CALL_STATE)} (i64.const {state}))"


def _has_room(payload: str) -> str:
    """The record has room for so many bytes, which are not very many."""
    end = f"(i64.add (i64.extend_i32_u {_PLACE}) {payload})"
    return f"(i64.le_u {end} (i64.const {CALLS_ROOM - RECORD}))"


def _copy_into(place: int, more: str, text: FunctionText, source: int) -> str:
    """Copies from the heap what a parameter and the next one say, to a place of the record and so many bytes more."""
    destination = f"(i32.add (i32.add {_PLACE} (i32.const {CALLS + place})) {more})"
    return f"(memory.copy {SYSTEM} {HEAP} {destination} {text.address(source)} {text.narrow(source + 1)})"


def begin(text: FunctionText) -> str:
    """Begins a record, if there is no call under construction."""
    callee, name = "(local.get $callee)", "(local.get $name)"
    cost = text.cost_of_parameters()
    conditions = both(
        text.is_plain,
        _state_is(NO_CALL),
        f"(i64.le_u {callee} (i64.const {MAXIMUM_PRINCIPAL_LENGTH}))",
        f"(i64.le_u {name} {cell(NAME_MOST)})",
        _has_room(name),
        text.in_heap(0, callee),
        text.in_heap(2, name),
        text.affordable(cost),
    )
    zeroes = "".join(_set_number(place, _NOTHING) for place in (HAS_CLEANUP, TIMEOUT, CYCLES, CYCLES + 1))
    return f"""(local $place i32) (local $callee i64) (local $name i64) {_FIND}
        (local.set $callee {text.wide(1)}) (local.set $name {text.wide(3)})
        (if {conditions} (then
          {text.charge(cost)}
          {_set_number(CALLEE_SIZE, callee)} {_set_number(NAME_SIZE, name)} {_set_number(PAYLOAD, name)}
          {_set_closure(REPLY_CLOSURE, text, 4)} {_set_closure(REJECT_CLOSURE, text, 6)} {zeroes}
          {_copy_into(CALLEE, "(i32.const 0)", text, 0)} {_copy_into(RECORD, "(i32.const 0)", text, 2)}
          {set_cell(CALL_STATE, f"(i64.const {CALL_IN_MODULE})")}
          (return)))"""


def set_cleanup(text: FunctionText) -> str:
    """Sets the closure, if there is none yet."""
    is_first = f"(i64.eqz {_number(HAS_CLEANUP)})"
    return f"""(local $place i32) {_FIND}
        (if {both(text.is_plain, _state_is(CALL_IN_MODULE), is_first, text.affordable(text.fixed_cost))} (then
          {text.charge(text.fixed_cost)}
          {_set_number(HAS_CLEANUP, _ONE)} {_set_closure(CLEANUP_CLOSURE, text, 0)}
          (return)))"""


def append(text: FunctionText) -> str:
    """Appends to the argument, if the record has room for it."""
    size, payload = "(local.get $size)", "(local.get $payload)"
    cost = text.cost_of_parameters()
    conditions = both(
        text.is_plain,
        _state_is(CALL_IN_MODULE),
        # Sizes that pass this cannot make the next sums overflow.
        f"(i64.le_u {size} {cell(PAYLOAD_MOST)})",
        f"(i64.le_u {payload} {cell(PAYLOAD_MOST)})",
        _has_room(payload),
        text.in_heap(0, size),
        text.affordable(cost),
    )
    return f"""(local $place i32) (local $size i64) (local $payload i64) {_FIND}
        (local.set $size {text.wide(1)})
        (local.set $payload (i64.add {_number(PAYLOAD)} {size}))
        (if {conditions} (then
          {text.charge(cost)}
          {_copy_into(RECORD, f"(i32.wrap_i64 {_number(PAYLOAD)})", text, 0)}
          {_set_number(PAYLOAD, payload)}
          (return)))"""


def set_timeout(text: FunctionText) -> str:
    """Sets the time-out, if there is none yet."""
    is_first = f"(i64.eqz {_number(TIMEOUT)})"
    most = cell(TIMEOUT_MOST)
    seconds = f"(select {text.wide(0)} {most} (i64.lt_u {text.wide(0)} {most}))"
    return f"""(local $place i32) {_FIND}
        (if {both(text.is_plain, _state_is(CALL_IN_MODULE), is_first, text.affordable(text.fixed_cost))} (then
          {text.charge(text.fixed_cost)}
          {_set_number(TIMEOUT, f"(i64.add {seconds} {_ONE})")}
          (return)))"""


def attach(text: FunctionText) -> str:
    """Moves cycles onto the call, if so many may be spent in any case."""
    low, high = given_amount(text)
    conditions = both(
        text.is_plain,
        _state_is(CALL_IN_MODULE),
        knows_spendable(text),
        at_most(low, high, SPENDABLE),
        are_small(high, _number(CYCLES + 1)),
        text.affordable(text.fixed_cost),
    )
    carry = f"(i64.extend_i32_u (i64.lt_u {_number(CYCLES)} {low}))"
    return f"""(local $place i32) {_FIND}
        (if {conditions} (then
          {text.charge(text.fixed_cost)}
          {spend(low, high)}
          {_set_number(CYCLES, f"(i64.add {_number(CYCLES)} {low})")}
          {_set_number(CYCLES + 1, f"(i64.add (i64.add {_number(CYCLES + 1)} {high}) {carry})")}
          (return)))"""


def _fee_of(payload: str) -> str:
    """The fee for so many bytes, which are not very many."""
    return f"(i64.add {cell(CALL_FEE)} (i64.div_u (i64.mul {payload} {cell(FEE_OF_BYTES)}) {cell(FEE_PARTS)}))"


def cost(text: FunctionText) -> str:
    """Writes what a call takes, if its sizes are not very large."""
    sizes = [f"(i64.le_u {text.wide(parameter)} (i64.const {_NOT_VERY_LARGE}))" for parameter in (0, 1)]
    conditions = both(text.is_plain, *sizes, text.in_heap(2, "(i64.const 16)"), text.affordable(text.fixed_cost))
    fee = _fee_of(f"(i64.add {text.wide(0)} {text.wide(1)})")
    return f"""(if {conditions} (then
          {text.charge(text.fixed_cost)}
          (i64.store {HEAP} align=1 {text.address(2)} (i64.add {fee} {cell(CALL_RESERVE)}))
          (i64.store {HEAP} offset=8 align=1 {text.address(2)} {_NOTHING}) (return)))"""


def perform(text: FunctionText) -> str:
    """Performs the call, if what it takes may be spent in any case."""
    payload, fee, price, room = "(local.get $payload)", "(local.get $fee)", "(local.get $price)", "(local.get $room)"
    waits = f"(select {_NOTHING} {cell(LONGEST_RESPONSE)} (i64.ne {_number(TIMEOUT)} {_NOTHING}))"
    conditions = both(
        text.is_plain,
        _state_is(CALL_IN_MODULE),
        knows_spendable(text),
        at_most(price, _NOTHING, SPENDABLE),
        f"(i64.le_u {room} (i64.sub {cell(ROOM_MOST)} {cell(ROOM_TAKEN)}))",
        text.affordable(text.fixed_cost),
    )
    end = f"(i64.and (i64.add {payload} (i64.const {RECORD + 7})) (i64.const -8))"
    return f"""(local $place i32) (local $payload i64) (local $fee i64) (local $price i64) (local $room i64)
        (local $waits i64) {_FIND}
        (local.set $payload {_number(PAYLOAD)})
        (local.set $fee {_fee_of(payload)})
        (local.set $price (i64.add {fee} {cell(CALL_RESERVE)}))
        (local.set $waits {waits})
        (local.set $room (i64.add {payload} {cell(REQUEST_RECORD)}))
        (local.set $room (select {room} (local.get $waits) (i64.gt_u {room} (local.get $waits))))
        (if {conditions} (then
          {text.charge(text.fixed_cost)}
          {spend(price, _NOTHING)}
          {_set_number(FEE, fee)} {_set_number(CALL_ROOM, room)} {_set_number(CALL_NUMBER, cell(CALLS_TRIED))}
          {set_cell(CALLS_TRIED, f"(i64.add {cell(CALLS_TRIED)} {_ONE})")}
          {set_cell(CALLS_MADE, f"(i64.add {cell(CALLS_MADE)} {_ONE})")}
          {set_cell(ROOM_TAKEN, f"(i64.add {cell(ROOM_TAKEN)} {room})")}
          {set_cell(CALL_PLACE, f"(i64.add {cell(CALL_PLACE)} {end})")}
          {set_cell(CALL_STATE, f"(i64.const {NO_CALL})")}
          (return (i32.const 0))))"""
