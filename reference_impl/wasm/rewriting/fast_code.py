"""The code of the system functions that run inside the module, written as WebAssembly text."""

from typing import assert_never

import wasmtime
from attrs import frozen

from reference_impl.wasm.layout.encoding import Reader, sections
from reference_impl.wasm.layout.fast_functions import (
    ACCEPTED_MESSAGE,
    ASKED_FOR,
    AVAILABLE,
    CERTIFIED,
    CERTIFIED_MOST,
    CERTIFIED_SIZE,
    CHARGED,
    CONTROLLERS,
    COUNTER_START,
    FAST,
    FLAGS,
    HEAP_SIZE,
    NUMBER_OF_CONTROLLERS,
    PARAMETERS,
    PLACES,
    REPLIED,
    REPLY,
    REPLY_LENGTH,
    REPLY_ROOM,
    RESULT,
    SHORT_BLOB,
    TIMER,
    TIMER_SET,
    AcceptsCycles,
    AcceptsMessage,
    Amount,
    Append,
    AppendsToCall,
    AttachesCycles,
    BeginsCall,
    BurnsCycles,
    Calling,
    Certifies,
    Copy,
    CostOfCall,
    Counter,
    Hosted,
    LiquidAmount,
    LooksForController,
    Number,
    PerformsCall,
    Replies,
    SetsCleanup,
    SetsTimeout,
    SetsTimer,
    SmallAmount,
    Stable,
    StableGrow,
    StableRead,
    StableSize,
    StableWrite,
)
from reference_impl.wasm.layout.parsed_module import CODE
from reference_impl.wasm.layout.system_functions import SYSTEM_API
from reference_impl.wasm.rewriting import fast_call_code, fast_cycles_code, fast_stable_code
from reference_impl.wasm.rewriting.fast_text import HEAP, SYSTEM, FunctionText, both, cell, cell_32, fits, set_cell
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH


@frozen
class FastCode:
    """Writes the functions of one module."""

    counter: int
    """The index of the global that counts down."""
    one_slice: int
    """The index of the global that holds what a slice holds."""
    is_64_bit: bool

    def bodies(self, functions: list[tuple[str, int]]) -> list[bytes]:
        """The bodies of functions, each given by its name and the index of the imported function in its place."""
        if not functions:
            return []
        text = " ".join(self._function(name, imported) for name, imported in functions)
        found = sections(bytes(wasmtime.wat2wasm(f"(module {text})")))
        reader = Reader(next(one.content for one in found if one.section_id == CODE))
        return [reader.take(reader.unsigned()) for _ in range(reader.unsigned())]

    def _function(self, name: str, imported: int) -> str:
        text = FunctionText(SYSTEM_API[name], self.counter, self.one_slice, self.is_64_bit)
        return f"(func {text.signature} {_plain_way(name, text, imported)} {text.call(imported)})"


def _plain_way(name: str, text: FunctionText, imported: int) -> str:
    match FAST[name]:
        case Number(number):
            return _number(number, text)
        case Copy(place, size_cell):
            return _copy(place, size_cell, text)
        case Append():
            return _append(text)
        case Replies():
            return _reply(text)
        case Counter():
            return _count(text)
        case Amount(number):
            return _amount(number, text)
        case SmallAmount(number):
            return _small_amount(number, text)
        case SetsTimer():
            return _set_timer(text)
        case Certifies():
            return _certify(text)
        case Hosted():
            return _hosted(text, imported)
        case AcceptsCycles():
            return fast_cycles_code.accept(text)
        case BurnsCycles():
            return fast_cycles_code.burn(text)
        case LooksForController():
            return _look_for_controller(text)
        case AcceptsMessage():
            return _accept_message(text)
        case LiquidAmount():
            return fast_cycles_code.tell_liquid(text)
        case CostOfCall():
            return fast_call_code.cost(text)
        case StableSize() | StableGrow() | StableRead() | StableWrite() as stable:
            return _stable(stable, text)
        case (
            BeginsCall()
            | SetsCleanup()
            | AppendsToCall()
            | SetsTimeout()
            | AttachesCycles()
            | PerformsCall() as calling
        ):
            return _calling(calling, text)
        case unknown:
            assert_never(unknown)


def _stable(kind: Stable, text: FunctionText) -> str:
    match kind:
        case StableSize():
            return fast_stable_code.size(text)
        case StableGrow():
            return fast_stable_code.grow(text)
        case StableRead():
            return fast_stable_code.read(text)
        case StableWrite():
            return fast_stable_code.write(text)
        case unknown:
            assert_never(unknown)


def _calling(kind: Calling, text: FunctionText) -> str:
    match kind:
        case BeginsCall():
            return fast_call_code.begin(text)
        case SetsCleanup():
            return fast_call_code.set_cleanup(text)
        case AppendsToCall():
            return fast_call_code.append(text)
        case SetsTimeout():
            return fast_call_code.set_timeout(text)
        case AttachesCycles():
            return fast_call_code.attach(text)
        case PerformsCall():
            return fast_call_code.perform(text)
        case unknown:
            assert_never(unknown)


def _number(number: int, text: FunctionText) -> str:
    given = cell(number) if text.gives_64_bits else cell_32(number)
    return f"""(if {both(text.is_plain, text.affordable(text.fixed_cost))} (then
        {text.charge(text.fixed_cost)} (return {given})))"""


def _copy(place: int, size_cell: int, text: FunctionText) -> str:
    size = "(local.get $size)"
    condition = both(
        text.is_plain,
        fits(text.wide(1), size, cell(size_cell)),
        text.in_heap(0, size),
        text.affordable(text.cost(size)),
    )
    source = f"(i32.add {text.narrow(1)} (i32.const {place}))"
    return f"""(local $size i64) (local.set $size {text.wide(2)})
        (if {condition} (then
          {text.charge(text.cost(size))}
          (memory.copy {HEAP} {SYSTEM} {text.address(0)} {source} {text.narrow(2)})
          (return)))"""


def _append(text: FunctionText) -> str:
    size = "(local.get $size)"
    cost = text.cost(size, factor=50)
    condition = both(
        text.is_plain, f"(i64.le_u {size} {cell(REPLY_ROOM)})", text.in_heap(0, size), text.affordable(cost)
    )
    destination = f"(i32.add {cell_32(REPLY_LENGTH)} (i32.const {REPLY}))"
    return f"""(local $size i64) (local.set $size {text.wide(1)})
        (if {condition} (then
          {text.charge(cost)}
          (memory.copy {SYSTEM} {HEAP} {destination} {text.address(0)} {text.narrow(1)})
          {set_cell(REPLY_LENGTH, f"(i64.add {cell(REPLY_LENGTH)} {size})")}
          {set_cell(REPLY_ROOM, f"(i64.sub {cell(REPLY_ROOM)} {size})")}
          (return)))"""


def _reply(text: FunctionText) -> str:
    off = "".join(
        f"(i32.store8 {SYSTEM} offset={FLAGS + PLACES[name]} (i32.const 0) (i32.const 0))"
        for name in ("msg_reply", "msg_reply_data_append")
    )
    nothing = "(i64.const 0)"
    return f"""(if {both(text.is_plain, text.affordable(text.fixed_cost))} (then
        {text.charge(text.fixed_cost)}
        {off} {set_cell(AVAILABLE, nothing)} {set_cell(AVAILABLE + 1, nothing)} {set_cell(REPLIED, "(i64.const 1)")}
        (return)))"""


def _count(text: FunctionText) -> str:
    is_known = f"(i64.le_u {text.wide(0)} (i64.const 1))"
    start = cell(COUNTER_START).replace("(i32.const 0)", "(i32.shl (local.get 0) (i32.const 3))")
    return f"""(if {both(text.is_plain, is_known, text.affordable(text.fixed_cost))} (then
        {text.charge(text.fixed_cost)}
        (return (i64.sub {start} (global.get {text.counter})))))"""


def _amount(number: int, text: FunctionText) -> str:
    condition = both(text.is_plain, text.in_heap(0, "(i64.const 16)"), text.affordable(text.fixed_cost))
    return f"""(if {condition} (then
        {text.charge(text.fixed_cost)}
        (i64.store {HEAP} align=1 {text.address(0)} {cell(number)})
        (i64.store {HEAP} offset=8 align=1 {text.address(0)} {cell(number + 1)})
        (return)))"""


def _small_amount(number: int, text: FunctionText) -> str:
    fits_64_bits = f"(i64.eqz {cell(number + 1)})"
    condition = both(text.is_plain, fits_64_bits, text.affordable(text.fixed_cost))
    return f"(if {condition} (then {text.charge(text.fixed_cost)} (return {cell(number)})))"


def _set_timer(text: FunctionText) -> str:
    return f"""(local $before i64) (local.set $before {cell(TIMER)})
        (if {both(text.is_plain, text.affordable(text.fixed_cost))} (then
          {text.charge(text.fixed_cost)}
          {set_cell(TIMER, text.wide(0))} {set_cell(TIMER_SET, "(i64.const 1)")}
          (return (local.get $before))))"""


def _certify(text: FunctionText) -> str:
    size = "(local.get $size)"
    cost = text.cost_of_parameters()
    fits_in = f"(i64.le_u {size} {cell(CERTIFIED_MOST)})"
    return f"""(local $size i64) (local.set $size {text.wide(1)})
        (if {both(text.is_plain, fits_in, text.in_heap(0, size), text.affordable(cost))} (then
          {text.charge(cost)}
          (memory.copy {SYSTEM} {HEAP} (i32.const {CERTIFIED}) {text.address(0)} {text.narrow(1)})
          {set_cell(CERTIFIED_SIZE, f"(i64.add {size} (i64.const 1))")}
          (return)))"""


def _look_for_controller(text: FunctionText) -> str:
    size = "(local.get $size)"
    cost = text.cost_of_parameters()
    is_short = f"(i64.le_u {size} (i64.const {MAXIMUM_PRINCIPAL_LENGTH}))"
    zeroes = "".join(
        f"(v128.store {SYSTEM} offset={ASKED_FOR + half} (i32.const 0) (v128.const i64x2 0 0))" for half in (0, 16)
    )
    differences = " ".join(
        f"""(v128.xor (v128.load {SYSTEM} offset={CONTROLLERS + half} (local.get $place))
                      (v128.load {SYSTEM} offset={ASKED_FOR + half} (i32.const 0)))"""
        for half in (0, 16)
    )
    return f"""(local $size i64) (local $place i32) (local.set $size {text.wide(1)})
        (if {both(text.is_plain, is_short, text.in_heap(0, size), text.affordable(cost))} (then
          {text.charge(cost)} {zeroes}
          (memory.copy {SYSTEM} {HEAP} (i32.const {ASKED_FOR}) {text.address(0)} {text.narrow(1)})
          (i32.store8 {SYSTEM} offset={ASKED_FOR + SHORT_BLOB - 1} (i32.const 0) {text.narrow(1)})
          (local.set $place (i32.mul {cell_32(NUMBER_OF_CONTROLLERS)} (i32.const {SHORT_BLOB})))
          (loop $next
            (if (i32.eqz (local.get $place)) (then (return (i32.const 0))))
            (local.set $place (i32.sub (local.get $place) (i32.const {SHORT_BLOB})))
            (br_if $next (v128.any_true (v128.or {differences}))))
          (return (i32.const 1))))"""


def _accept_message(text: FunctionText) -> str:
    is_first = f"(i64.eqz {cell(ACCEPTED_MESSAGE)})"
    return f"""(if {both(text.is_plain, is_first, text.affordable(text.fixed_cost))} (then
        {text.charge(text.fixed_cost)} {set_cell(ACCEPTED_MESSAGE, "(i64.const 1)")} (return)))"""


def _hosted(text: FunctionText, imported: int) -> str:
    cost = text.cost_of_parameters()
    parameters = range(len(text.function.parameters))
    # Sizes below this cannot make the cost overflow.
    moderate = [f"(i64.le_u {text.wide(index)} (i64.const {2**40}))" for index in text.sizes]
    given = "".join(set_cell(PARAMETERS + index, text.wide(index)) for index in parameters)
    result = {"": "", "i32": f"(drop) {cell_32(RESULT)}", "i64": f"(drop) {cell(RESULT)}"}[text.result]
    return f"""(if {both(text.is_plain, *moderate, text.affordable(cost))} (then
        {text.charge(cost)}
        {given}
        {set_cell(HEAP_SIZE, text.heap_size())}
        {set_cell(CHARGED, "(i64.const 1)")}
        {text.call(imported)} {result} (return)))"""
