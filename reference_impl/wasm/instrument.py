"""
Rewrites a module once, so that it counts its instructions and its state can be read and set.

Source: facts on instruction weights, rules S1 to S10, D1 to D6 and G2. Function, global and data indices stay as they
are: what is added comes last. A run out of instructions ends the execution inside the module, which sets a flag.
"""

import re
from operator import itemgetter
from typing import Final

from attrs import frozen

from reference_impl.wasm.counting_code import (
    MOST_LOCALS,
    SHOWING,
    CounterInGlobal,
    CounterInLocal,
    counter_in_local,
    run_out,
)
from reference_impl.wasm.encoding import HEADER, Malformed, Reader, name, section, signed, unsigned, vector
from reference_impl.wasm.fast_functions import FAST, PAGES, FastCode
from reference_impl.wasm.instruction_table import (
    COMPLEXITY_OF_BULK,
    COMPLEXITY_OF_BYTES,
    COMPLEXITY_OF_VECTORS,
    weights_of_bulk,
    weights_of_bytes,
    weights_of_vectors,
)
from reference_impl.wasm.lexer import instructions, number_after_prefix
from reference_impl.wasm.parsed_module import (
    CODE,
    DATA,
    DATA_COUNT,
    ELEMENT,
    EXPORT,
    FUNCREF,
    FUNCTION,
    GLOBAL,
    I32,
    I64,
    IMPORT,
    KIND_FUNCTION,
    KIND_GLOBAL,
    KIND_MEMORY,
    KIND_TABLE,
    MEMORY,
    TABLE,
    TYPE,
    FunctionType,
    ParsedModule,
)
from spec.values.quantities import Instructions

COUNTER: Final = "counter"
"""The exported global that holds the instructions left."""
DEPTH: Final = "depth"
"""The exported global that holds how many more calls may nest."""
EXHAUSTED: Final = "exhausted"
"""The exported global that is 1 after a run out of instructions."""
THE_MEMORY: Final = "memory"
SYSTEM_MEMORY: Final = "system"
START_FUNCTION: Final = "start"
CALL_CLOSURE: Final = "closure"
"""The exported function that calls the function at an index of table 0 with one argument."""


def function_export(index: int) -> str:
    """The name under which an exported function of the original module is exported."""
    return f"function:{index}"


def global_export(index: int) -> str:
    """The name under which a persistent global is exported."""
    return f"global:{index}"


@frozen
class Instrumented:
    """A rewritten module."""

    binary: bytes
    instructions_in_instrumented_code: Instructions
    """What compilation is charged for. Source: facts on weights, compilation."""
    drops_data: bool
    """The module contains `data.drop`, so an instance cannot serve a second execution."""
    has_system_memory: bool
    """Some system functions run inside the module."""


_GROW: Final = 0x40
_CLOSING: Final = re.compile(rb"[\x00\x03-\x05\x0b-\x0f\x12\x13]")
"""loop, if, else, end, br, br_if, br_table, return, unreachable, return_call, return_call_indirect. Source: S3."""
_LOOP: Final = 0x03
_REWRITTEN: Final = re.compile(rb"[\x10\x11\xfc]")
_PREFIXED: Final = re.compile(rb"[\xfc\xfd]")
_MEMORY_INIT, _DATA_DROP, _MEMORY_COPY, _MEMORY_FILL = 8, 9, 10, 11
_REFUSED_TABLE_INSTRUCTIONS: Final = {12: "table.init", 14: "table.copy", 15: "table.grow", 17: "table.fill"}
_INJECTED_UNCHECKED, _INJECTED_CHECKED = 4, 10
_INJECTED_DYNAMIC_32_BIT, _INJECTED_DYNAMIC_64_BIT, _INJECTED_GROW = 3, 1, 3
_INJECTED_HELPERS: Final = 20 + 46
"""The counter helper and the clean page counter, their closing ends included."""
_INJECTED_GLOBALS: Final = 3
_INSTRUCTIONS_PER_GLOBAL: Final = 2


@frozen
class _Places:
    """Indices of what is added to the module."""

    counter: int
    depth: int
    exhausted: int
    charge: int
    fast: dict[int, int]
    """The functions that stand for imported functions, by the indices of those."""


@frozen
class _Locals:
    """The declarations of the locals of a function."""

    groups: int
    declarations: bytes
    number: int
    """Parameters included."""
    end: int
    """Where the code starts in the body."""

    def with_counter(self) -> bytes:
        """The declarations, with a local for the counter at the end."""
        return unsigned(self.groups + 1) + self.declarations + bytes([1, I64])


def _locals(body: bytes, parameters: int) -> _Locals:
    reader, number = Reader(body), parameters
    groups = reader.unsigned()
    start = reader.position
    for _ in range(groups):
        number += reader.unsigned()
        reader.byte()
    return _Locals(groups, body[start : reader.position], number, reader.position)


class _CodeWriter:
    """Rewrites the function bodies of one module, and adds up what compilation is charged for."""

    def __init__(self, parsed: ParsedModule, places: _Places, function_instructions: int, complexity: int) -> None:
        is_64_bit = parsed.has_64_bit_memory
        self.imported_functions = len(parsed.imports)
        self.function_instructions = function_instructions
        self.complexity = complexity
        weights = weights_of_bytes(is_64_bit)
        # This weight does not fit a byte, so it is added apart.
        self.grow_weight, weights[_GROW] = weights[_GROW], 0
        self.weights = bytes(weights)
        self.bulk_weights = weights_of_bulk(is_64_bit)
        self.vector_weights = weights_of_vectors(is_64_bit)
        self.fast = places.fast
        self.count = 0
        self.drops_data = False
        self.places = places
        self.wrappers = _wrapper_types(parsed)
        self.held: dict[int, CounterInLocal] = {}
        # A local for the depth would make calls slower: it must be saved across them.
        depth = unsigned(places.depth)
        descend = b"\x23" + depth + b"\x41\x01\x6b\x24" + depth
        self.enter = b"\x23" + depth + b"\x45\x04\x40\x00\x0b" + descend
        self.enter_indirectly = self.enter
        self.arrive = b""
        if parsed.has_imports_in_table:
            # What is called is known only in the callee, and calls of imported functions do not nest.
            self.enter_indirectly = descend
            self.arrive = b"\x23" + depth + b"\x41\x00\x48\x04\x40\x00\x0b"
        self.leave = b"\x23" + depth + b"\x41\x01\x6a\x24" + depth
        charge = b"\x10" + unsigned(places.charge)
        self.charge_32 = b"\xad" + charge + b"\xa7"
        self.charge_64 = charge if is_64_bit else self.charge_32

    def body(self, body: bytes, function_type: FunctionType) -> bytes:
        """A function body that charges for itself."""
        declared = _locals(body, len(function_type.parameters))
        tokens = instructions(body[declared.end :])
        opcodes = bytes(map(itemgetter(0), tokens))
        self._check_limits(tokens, opcodes)
        self.count += len(tokens) + _INJECTED_GROW * opcodes.count(_GROW)
        has_several_segments = _CLOSING.search(opcodes, 0, len(opcodes) - 1) is not None
        if not has_several_segments or declared.number >= MOST_LOCALS:
            counter = CounterInGlobal(self.places.counter, self.places.exhausted)
            written = [body[: declared.end], self.arrive]
            self._write_segments(written, tokens, opcodes, counter)
            return b"".join(written)
        held = self.held.get(declared.number)
        if held is None:
            held = counter_in_local(declared.number, self.places.counter, self.places.exhausted)
            self.held[declared.number] = held
        # Branches to the end of the function come to the end of a block, after which the counter is shown.
        written = [declared.with_counter(), self.arrive, b"\x02", self.wrappers[function_type.results]]
        self._write_segments(written, tokens, opcodes, held)
        return b"".join(written) + held.show + b"\x0b"

    def _check_limits(self, tokens: list[bytes], opcodes: bytes) -> None:
        if len(tokens) > self.function_instructions:
            raise Malformed(f"a function has {len(tokens)} instructions, more than {self.function_instructions}")
        points = sum(opcodes.translate(COMPLEXITY_OF_BYTES))
        for match in _PREFIXED.finditer(opcodes):
            token = tokens[match.start()]
            is_bulk = token[0] == 0xFC
            points += COMPLEXITY_OF_BULK[number_after_prefix(token)] if is_bulk else COMPLEXITY_OF_VECTORS
        if points > self.complexity:
            raise Malformed(f"a function has the complexity {points}, more than {self.complexity}")
        if b"\x26" in opcodes:
            raise Malformed("the instruction table.set is not allowed")

    def _rewrite(
        self, tokens: list[bytes], opcodes: bytes, counter: CounterInGlobal | CounterInLocal
    ) -> dict[int, bytes]:
        """Guards calls against nesting too deep; gives the code that charges for bulk operations, by position."""
        dynamic = {}
        for match in _REWRITTEN.finditer(opcodes):
            position = match.start()
            token = tokens[position]
            if token[0] == 0x11:
                tokens[position] = self.enter_indirectly + token + self.leave + counter.renew
            elif token[0] == 0x10:
                callee = Reader(token, 1).unsigned()
                if callee >= self.imported_functions:
                    tokens[position] = self.enter + token + self.leave + counter.renew
                else:
                    tokens[position] = b"\x10" + unsigned(self.fast.get(callee, callee)) + counter.renew
            else:
                charge = self._dynamic_charge(number_after_prefix(token))
                if charge:
                    dynamic[position] = counter.show + charge + counter.renew
        return dynamic

    def _dynamic_charge(self, number: int) -> bytes:
        """The code that charges for the bulk operation with this number after its prefix; empty if none does."""
        if number in _REFUSED_TABLE_INSTRUCTIONS:
            raise Malformed(f"the instruction {_REFUSED_TABLE_INSTRUCTIONS[number]} is not allowed")
        if number == _DATA_DROP:
            self.drops_data = True
        if number not in (_MEMORY_INIT, _MEMORY_COPY, _MEMORY_FILL):
            return b""
        charge = self.charge_32 if number == _MEMORY_INIT else self.charge_64
        self.count += _INJECTED_DYNAMIC_32_BIT if charge is self.charge_32 else _INJECTED_DYNAMIC_64_BIT
        return charge

    def _write_segments(
        self,
        written: list[bytes],
        tokens: list[bytes],
        opcodes: bytes,
        counter: CounterInGlobal | CounterInLocal,
    ) -> None:
        dynamic = self._rewrite(tokens, opcodes, counter)
        extra = {match.start(): self._prefixed_weight(tokens[match.start()]) for match in _PREFIXED.finditer(opcodes)}
        for position in dynamic:
            extra.setdefault(position, 0)
        start, cost, is_checked = 0, 1, True
        for match in _CLOSING.finditer(opcodes):
            end = match.end()
            segment = opcodes[start:end]
            cost += sum(segment.translate(self.weights)) + self.grow_weight * segment.count(_GROW)
            inside = [position for position in range(start, end) if position in extra] if extra else []
            cost += sum(extra[position] for position in inside)
            # Source: D5. At one position, the dynamic charge comes before that of the segment.
            if start in dynamic:
                written.append(dynamic[start])
            if is_checked or cost:
                self.count += _INJECTED_CHECKED if is_checked else _INJECTED_UNCHECKED
                is_shown = SHOWING.search(segment) is not None
                written.append(counter.charge(cost, start == 0, is_checked, is_shown))
            for position in inside:
                if position != start and position in dynamic:
                    written.extend(tokens[start:position])
                    written.append(dynamic[position])
                    start = position
            written.extend(tokens[start:end])
            start, cost, is_checked = end, 0, segment[-1] == _LOOP

    def _prefixed_weight(self, token: bytes) -> int:
        number = number_after_prefix(token)
        return self.bulk_weights[number] if token[0] == 0xFC else self.vector_weights[number]


def _closure_type(parsed: ParsedModule) -> FunctionType:
    return FunctionType(bytes([I64 if parsed.has_64_bit_memory else I32]), b"")


def _added_types(parsed: ParsedModule) -> list[FunctionType]:
    closure = _closure_type(parsed)
    is_64_bit_table = bool(parsed.tables) and parsed.tables[0].limits.is_64_bit
    index = bytes([I64 if is_64_bit_table else I32])
    return [
        FunctionType(bytes([I64]), bytes([I64])),
        closure,
        FunctionType(index + closure.parameters, b""),
        *(FunctionType(b"", results) for results in _several_results(parsed)),
    ]


_TYPES_BEFORE_RESULTS: Final = 3


def _several_results(parsed: ParsedModule) -> list[bytes]:
    """The lists of more than one result that functions of the module give."""
    return sorted(
        {one.results for index in set(parsed.function_types) if len((one := parsed.types[index]).results) > 1}
    )


def _wrapper_types(parsed: ParsedModule) -> dict[bytes, bytes]:
    """The type of a block without parameters, by its results."""
    first = len(parsed.types) + _TYPES_BEFORE_RESULTS
    several = {results: signed(first + place) for place, results in enumerate(_several_results(parsed))}
    return {b"": b"\x40"} | {one.results: one.results for one in parsed.types if len(one.results) == 1} | several


def _function_type(one: FunctionType) -> bytes:
    return (
        b"\x60"
        + vector([one.parameters[i : i + 1] for i in range(len(one.parameters))])
        + vector([one.results[i : i + 1] for i in range(len(one.results))])
    )


def _charge_helper(places: _Places) -> bytes:
    """
    Subtracts its argument, counted as unsigned, from the counter, which saturates at the lowest number; gives the
    argument back. Source: D4.
    """
    counter = unsigned(places.counter)
    lowest = b"\x42" + signed(-(2**63))
    return (
        b"\x01\x01\x7e"  # a local for the counter before
        b"\x23" + counter + b"\x22\x01"  # the counter
        b"\x20\x00\x7d\x24"
        + counter  # less the argument
        # The argument is below 0 as signed number, or the result is above the counter before.
        + b"\x20\x00\x42\x00\x53\x23"
        + counter
        + b"\x20\x01\x55\x72\x04\x40"
        + lowest
        + b"\x24"
        + counter
        + b"\x0b"
        b"\x23" + counter + b"\x42\x00\x53\x04\x40" + run_out(places.exhausted) + b"\x0b"
        b"\x20\x00\x0b"
    )


def _helpers(parsed: ParsedModule, places: _Places, first_type: int) -> list[tuple[int, bytes]]:
    """Type index and body of each function that is added."""
    helpers = [(first_type, _charge_helper(places))]
    if _has_closures(parsed):
        call = b"\x00\x20\x01\x20\x00\x11" + unsigned(first_type + 1) + b"\x00\x0b"
        helpers.append((first_type + 2, call))
    writer = FastCode(places.counter, parsed.has_64_bit_memory)
    for imported in places.fast:
        one = parsed.imports[imported]
        helpers.append((one.type_index, writer.body(one.name, imported)))
    return helpers


def _fast_functions(parsed: ParsedModule, first: int) -> dict[int, int]:
    """Indices for the functions that stand for imported ones, by the indices of those."""
    if parsed.memory is None:
        return {}
    imported = [index for index, one in enumerate(parsed.imports) if one.name in FAST]
    return {index: first + place for place, index in enumerate(imported)}


def _has_closures(parsed: ParsedModule) -> bool:
    return bool(parsed.tables) and parsed.tables[0].reference_type == FUNCREF


def _memory_section(parsed: ParsedModule, most_pages: int, has_system_memory: bool) -> bytes:
    """The memory with its maximum cut to what the profile allows, so that memory.grow beyond it gives -1."""
    assert parsed.memory
    declared = parsed.memory.maximum
    maximum = most_pages if declared is None else min(declared, most_pages)
    flags = 1 | (4 if parsed.memory.is_64_bit else 0)
    memories = [bytes([flags]) + unsigned(parsed.memory.minimum) + unsigned(maximum)]
    if has_system_memory:
        memories.append(b"\x01" + unsigned(PAGES) + unsigned(PAGES))
    return vector(memories)


def _data_section(parsed: ParsedModule) -> bytes:
    """Active segments become passive and empty: after instantiation that is what they are, and the indices stay."""
    return vector(
        [
            b"\x01" + (unsigned(len(segment.content)) + segment.content if segment.offset is None else b"\x00")
            for segment in parsed.data_segments
        ]
    )


def _export_section(parsed: ParsedModule, places: _Places, closure_function: int) -> bytes:
    exports = [
        name(function_export(index)) + bytes([KIND_FUNCTION]) + unsigned(index)
        for index in sorted(set(parsed.exported_functions().values()))
    ]
    for index in parsed.persistent_globals():
        exports.append(name(global_export(index)) + bytes([KIND_GLOBAL]) + unsigned(index))
    for text, index in ((COUNTER, places.counter), (DEPTH, places.depth), (EXHAUSTED, places.exhausted)):
        exports.append(name(text) + bytes([KIND_GLOBAL]) + unsigned(index))
    if parsed.memory:
        exports.append(name(THE_MEMORY) + bytes([KIND_MEMORY, 0]))
    if places.fast:
        exports.append(name(SYSTEM_MEMORY) + bytes([KIND_MEMORY, 1]))
    if parsed.tables:
        exports.append(name("table") + bytes([KIND_TABLE, 0]))
    if parsed.start is not None:
        exports.append(name(START_FUNCTION) + bytes([KIND_FUNCTION]) + unsigned(parsed.start))
    if _has_closures(parsed):
        exports.append(name(CALL_CLOSURE) + bytes([KIND_FUNCTION]) + unsigned(closure_function))
    return vector(exports)


def _extended(parsed: ParsedModule, section_id: int, more: list[bytes]) -> bytes:
    """The content of a section that is a vector, with more items at its end."""
    reader = Reader(parsed.raw_sections.get(section_id, b"\x00"))
    count = reader.unsigned()
    return unsigned(count + len(more)) + reader.content[reader.position :] + b"".join(more)


def instrument(parsed: ParsedModule, most_pages: int, function_instructions: int, complexity: int) -> Instrumented:
    """
    Rewrites a valid module. The memory may not grow beyond `most_pages`. Raises `Malformed` for a forbidden instruction
    and for a function with too many instructions or too much complexity.
    """
    first_function = len(parsed.imports) + len(parsed.function_types)
    first_global = len(parsed.globals)
    first_fast = first_function + (2 if _has_closures(parsed) else 1)
    places = _Places(
        counter=first_global,
        depth=first_global + 1,
        exhausted=first_global + 2,
        charge=first_function,
        fast=_fast_functions(parsed, first_fast),
    )
    writer = _CodeWriter(parsed, places, function_instructions, complexity)
    helpers = _helpers(parsed, places, len(parsed.types))
    types = [parsed.types[index] for index in parsed.function_types]
    bodies = [writer.body(body, one) for body, one in zip(parsed.bodies, types, strict=True)]
    bodies += [body for _, body in helpers]
    new_sections: dict[int, bytes] = {
        TYPE: _extended(parsed, TYPE, [_function_type(one) for one in _added_types(parsed)]),
        FUNCTION: _extended(parsed, FUNCTION, [unsigned(type_index) for type_index, _ in helpers]),
        GLOBAL: _extended(parsed, GLOBAL, [b"\x7e\x01\x42\x00\x0b", b"\x7f\x01\x41\x00\x0b", b"\x7f\x01\x41\x00\x0b"]),
        EXPORT: _export_section(parsed, places, first_function + 1),
        CODE: vector([unsigned(len(body)) + body for body in bodies]),
    }
    if parsed.memory:
        new_sections[MEMORY] = _memory_section(parsed, most_pages, bool(places.fast))
    if parsed.data_segments:
        new_sections[DATA] = _data_section(parsed)
    kept = {key: parsed.raw_sections[key] for key in (IMPORT, TABLE, ELEMENT, DATA_COUNT) if key in parsed.raw_sections}
    new_sections.update(kept)
    order = (TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, ELEMENT, DATA_COUNT, CODE, DATA)
    binary = HEADER + b"".join(section(key, new_sections[key]) for key in order if key in new_sections)
    count = writer.count + _INJECTED_HELPERS + _INSTRUCTIONS_PER_GLOBAL * (len(parsed.globals) + _INJECTED_GLOBALS)
    return Instrumented(binary, count, writer.drops_data, bool(places.fast))
