"""
The code of functions through which those of the module are called from outside.

An execution begins at one that takes limits from cells and puts there what is left. Where functions pass the counter,
others stand for those that are exported, with their types, and take it from the global.
"""

from typing import Final

from reference_impl.wasm.layout.encoding import signed, unsigned
from reference_impl.wasm.layout.fast_functions import CELLS, COUNTER_LEFT, COUNTER_START, NESTED_CALLS, ONE_SLICE
from reference_impl.wasm.rewriting.code_rewriting import Places
from reference_impl.wasm.rewriting.fast_text import SYSTEM

_I32_CONST, _GET_LOCAL, _GET_GLOBAL, _SET_GLOBAL, _CALL, _END = b"\x41", b"\x20", b"\x23", b"\x24", b"\x10", b"\x0b"
_LOAD_64, _LOAD_32, _STORE_64 = b"\x29\x43", b"\x28\x42", b"\x37\x43"
"""With their alignment, and the sign that the number of a memory follows."""
_NO_LOCALS: Final = b"\x00"
_NOWHERE: Final = _I32_CONST + signed(0)


def _place(cell: int) -> bytes:
    return unsigned(SYSTEM) + unsigned(CELLS + 8 * cell)


def begin_body(places: Places, function: int, parameters: int = 0) -> bytes:
    """The body of the function that begins an execution at a function with so many parameters and no results."""
    counter_start = _NOWHERE + _LOAD_64 + _place(COUNTER_START)
    nested_calls = _NOWHERE + _LOAD_32 + _place(NESTED_CALLS)
    taken = (
        (counter_start, places.counter),
        (counter_start, places.limit),
        (_NOWHERE + _LOAD_64 + _place(ONE_SLICE), places.one_slice),
        (nested_calls, places.depth),
        (_NOWHERE, places.exhausted),
    )
    code = b"".join(value + _SET_GLOBAL + unsigned(index) for value, index in taken)
    call = b"".join(_GET_LOCAL + unsigned(index) for index in range(parameters))
    if places.passes_counter and function >= places.imported:
        left = call + counter_start + nested_calls + _CALL + unsigned(function)
        return _NO_LOCALS + code + _NOWHERE + left + _STORE_64 + _place(COUNTER_LEFT) + _END
    code += call + _CALL + unsigned(function)
    code += _NOWHERE + _GET_GLOBAL + unsigned(places.counter) + _STORE_64 + _place(COUNTER_LEFT)
    return _NO_LOCALS + code + _END


def outer_body(places: Places, function: int, parameters: int) -> bytes:
    """The body of a function that stands for one with so many parameters, which passes the counter."""
    given = b"".join(_GET_LOCAL + unsigned(index) for index in range(parameters))
    passed = _GET_GLOBAL + unsigned(places.counter) + _GET_GLOBAL + unsigned(places.depth)
    call = given + passed + _CALL + unsigned(function)
    return _NO_LOCALS + call + _SET_GLOBAL + unsigned(places.counter) + _END
