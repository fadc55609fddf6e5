"""
Rewrites the bodies of functions, so that they charge for themselves and count how deep calls nest.

Source: facts on instruction weights, rules S1 to S10, D1 to D6 and G2.
"""

import re
from operator import itemgetter
from typing import Final

from attrs import frozen

from reference_impl.wasm.layout.encoding import Malformed, Reader, unsigned
from reference_impl.wasm.layout.parsed_module import I32, I64, FunctionType, ParsedModule
from reference_impl.wasm.rewriting.compiling_effort import CompilingEffort
from reference_impl.wasm.rewriting.counting_code import CLOSING, CounterInGlobal, Segment, segment_of
from reference_impl.wasm.rewriting.instruction_table import (
    COMPLEXITY_OF_BULK,
    COMPLEXITY_OF_BYTES,
    COMPLEXITY_OF_VECTORS,
    weights_of_bulk,
    weights_of_bytes,
    weights_of_vectors,
)
from reference_impl.wasm.rewriting.lexer import instructions, number_after_prefix
from reference_impl.wasm.rewriting.passed_counter import (
    ADDED_PARAMETERS,
    MOST_ADDED_LOCALS,
    CounterPassed,
    PassedCode,
)


@frozen
class Bounds:
    """What the code of a module may be and do."""

    memory_pages: int
    """The memory may not grow beyond this."""
    function_instructions: int
    function_complexity: int
    admits_table_changes: bool = False
    """Tables may change, at no charge for their size. No canister may do that; test scripts of WebAssembly do."""
    keeps_types: bool = False
    """Functions keep their types, as other modules may call them. Test scripts of WebAssembly need that."""


class NoRoom(Exception):
    """The counter cannot be passed in this module: it would exceed a limit of the engine."""


_GROW: Final = 0x40
_GROWING: Final = re.compile(rb"\x40")
_GOING_AWAY: Final = b"\x00\x0c\x0e\x0f\x12\x13"
"""Of these, those after which control does not go on."""
_OPENING_BLOCKS: Final = b"\x03\x04"
_ELSE, _END = 0x05, 0x0B
_LEAVING_BLOCKS: Final = bytes([_ELSE, _END])
_BRANCH_TABLE: Final = 0x0E
_CALL, _RETURN_CALL = 0x10, 0x12
_REFERENCE: Final = 0xD2
_INDIRECT: Final = re.compile(rb"[\x11\x13]")
_LOCAL: Final = re.compile(rb"[\x20-\x22]")
_COUNTED: Final = b"\x03\x04\x05\x0b\x0c\x0d\x0e\x10\x11\x40"
"""loop, if, else, end, br, br_if, br_table, call, call_indirect, memory.grow."""
_REWRITTEN: Final = re.compile(rb"[\x10-\x13\xfc]")
_TYPED_BLOCK: Final = re.compile(rb"[\x02-\x04](?![\x40-\x7f]\Z)")
"""A block whose type has an index; the values that it takes and gives are brought together like locals."""
_MANY_MERGES: Final = 10_000
"""Below this the types of blocks are not looked at."""
_PREFIXED: Final = re.compile(rb"[\xfc\xfd]")
_MEMORY_INIT, _DATA_DROP, _MEMORY_COPY, _MEMORY_FILL = 8, 9, 10, 11
_MOST_LOCALS: Final = 50_000
"""The locals a function may have, parameters included. Source: the limit that WebAssembly engines share."""
_MOST_BYTES: Final = 7_654_321
"""Of a function body. Source: the limit that WebAssembly engines share."""
_ROOM, _PLACES_IN_ALL = 80, 8
"""
What code that counts needs at most at each place, and at how many places of each function beside those of its
instructions. Source: errata, how large the parts of a module may be.
"""
_REFUSED_TABLE_INSTRUCTIONS: Final = {12: "table.init", 14: "table.copy", 15: "table.grow", 17: "table.fill"}
_INJECTED_UNCHECKED, _INJECTED_CHECKED = 4, 10
_INJECTED_DYNAMIC_32_BIT, _INJECTED_DYNAMIC_64_BIT, _INJECTED_GROW = 3, 1, 3


@frozen
class Places:
    """Indices of what is added to the module."""

    counter: int
    depth: int
    exhausted: int
    limit: int
    one_slice: int
    charge: int
    fast: dict[int, int]
    """The functions that stand for imported functions, by the indices of those."""
    wrappers: dict[bytes, bytes]
    """The type of a block without parameters, by its results."""
    grow: int | None
    """The function that stands for `memory.grow`, in exact code."""
    passes_counter: bool
    """Functions pass the counter to each other."""
    imported: int
    """How many functions are imported, which do not."""
    first_type: int
    """From here on come types that pass the counter."""


@frozen
class _Locals:
    """The declarations of the locals of a function."""

    groups: int
    declarations: bytes
    number: int
    """Parameters included."""
    end: int
    """Where the code starts in the body."""

    def with_place(self, value_type: int) -> bytes:
        """The declarations, with a local for places in the table at the end."""
        return unsigned(self.groups + 1) + self.declarations + bytes([1, value_type])

    def as_they_are(self) -> bytes:
        """The declarations."""
        return unsigned(self.groups) + self.declarations


def _locals(body: bytes, parameters: int) -> _Locals:
    reader, number = Reader(body), parameters
    groups = reader.unsigned()
    start = reader.position
    for _ in range(groups):
        number += reader.unsigned()
        reader.byte()
    return _Locals(groups, body[start : reader.position], number, reader.position)


def _is_counted(token: bytes) -> bool:
    """Code that counts may be written at the instruction. What leaves a function counts with the end before it."""
    if token[0] == 0xFC:
        return number_after_prefix(token) in (_MEMORY_INIT, _MEMORY_COPY, _MEMORY_FILL)
    return token[0] in _COUNTED


def _table_of(token: bytes) -> int:
    """The table through which an instruction calls."""
    reader = Reader(token, 1)
    reader.unsigned()
    return reader.unsigned()


class _Moved(dict[bytes, bytes]):
    """Instructions on locals, whose numbers have moved up if they are not those of parameters."""

    def __init__(self, parameters: int) -> None:
        self.parameters = parameters

    def __missing__(self, token: bytes) -> bytes:
        index = Reader(token, 1).unsigned()
        moved = token[:1] + unsigned(index if index < self.parameters else index + ADDED_PARAMETERS)
        self[token] = moved
        return moved


class CodeWriter:
    """Rewrites the function bodies of one module, and adds up what compilation is charged for."""

    def __init__(self, parsed: ParsedModule, places: Places, bounds: Bounds) -> None:
        is_64_bit = parsed.has_64_bit_memory
        self.imported_functions = len(parsed.imports)
        self.function_instructions = bounds.function_instructions
        self.complexity = bounds.function_complexity
        self.admits_table_changes = bounds.admits_table_changes
        weights = weights_of_bytes(is_64_bit)
        # This weight does not fit a byte, so it is added apart.
        self.grow_weight, weights[_GROW] = weights[_GROW], 0
        self.weights = bytes(weights)
        self.bulk_weights = weights_of_bulk(is_64_bit)
        self.vector_weights = weights_of_vectors(is_64_bit)
        self.segments: dict[bytes, Segment] = {}
        self.fast = places.fast
        self.effort = CompilingEffort()
        self.largest_type = max((len(one.parameters) + len(one.results) for one in parsed.types), default=0)
        self.count = 0
        self.drops_data = False
        self.has_references = False
        """Some code refers to functions."""
        self.places = places
        self.in_global = CounterInGlobal(places.counter, places.depth, places.exhausted, parsed.has_imports_in_table)
        self.passed: dict[int, PassedCode] = {}
        self.moved: dict[int, _Moved] = {}
        self.types = parsed.types
        self.table_addresses = [I64 if one.limits.is_64_bit else I32 for one in parsed.tables]
        self.types_with_counter: dict[int, int] = {}
        charge = b"\x10" + unsigned(places.charge)
        self.charge_32 = b"\xad" + charge + b"\xa7"
        self.charge_64 = charge if is_64_bit else self.charge_32

    def type_with_counter(self, index: int) -> int:
        """The index of the type that passes the counter and is like another one besides."""
        types = self.types_with_counter
        return types.setdefault(index, self.places.first_type + len(types))

    def body(self, body: bytes, function_type: FunctionType) -> bytes:
        """A function body that charges for itself. Raises `NoRoom`."""
        declared = _locals(body, len(function_type.parameters))
        tokens = instructions(body[declared.end :])
        opcodes = bytes(map(itemgetter(0), tokens))
        self._check_limits(tokens, opcodes, len(body))
        self.has_references |= _REFERENCE in opcodes
        self._add_effort(tokens, opcodes, declared.number)
        self.count += len(tokens) + _INJECTED_GROW * opcodes.count(_GROW)
        if self.places.passes_counter:
            return self._passing_counter(declared, tokens, opcodes, function_type)
        written = [body[: declared.end], self.in_global.arrive]
        self._write_segments(written, tokens, opcodes, self.in_global)
        return b"".join(written)

    def _passing_counter(
        self, declared: _Locals, tokens: list[bytes], opcodes: bytes, function_type: FunctionType
    ) -> bytes:
        parameters = len(function_type.parameters)
        if declared.number + MOST_ADDED_LOCALS > _MOST_LOCALS:
            raise NoRoom
        code = self.passed.get(parameters)
        if code is None:
            code = self.passed[parameters] = PassedCode(parameters, self.places.counter, self.places.exhausted)
            self.moved[parameters] = _Moved(parameters)
        if declared.groups:
            moved = self.moved[parameters]
            for match in _LOCAL.finditer(opcodes):
                position = match.start()
                tokens[position] = moved[tokens[position]]
        counter = CounterPassed(
            code, declared.number + ADDED_PARAMETERS, _BRANCH_TABLE in opcodes, self.type_with_counter
        )
        # Branches to the end of the function come to the end of a block, after which the counter is given.
        block = b"\x02" + self.places.wrappers[function_type.results]
        written = [self._declarations(declared, tokens, opcodes), block]
        self._write_segments(written, tokens, opcodes, counter)
        whole = b"".join(written) + counter.give() + b"\x0b"
        if len(whole) > _MOST_BYTES:
            raise NoRoom
        return whole

    def _add_effort(self, tokens: list[bytes], opcodes: bytes, values: int) -> None:
        segments = len(CLOSING.findall(opcodes))
        if segments * self.largest_type > _MANY_MERGES and any(map(_TYPED_BLOCK.match, tokens)):
            values += self.largest_type
        self.effort.add(len(tokens), values, segments)

    def _check_limits(self, tokens: list[bytes], opcodes: bytes, size: int) -> None:
        if size + _ROOM * (len(tokens) + _PLACES_IN_ALL) > _MOST_BYTES:
            places = sum(map(_is_counted, tokens)) + _PLACES_IN_ALL
            if size + _ROOM * places > _MOST_BYTES:
                raise Malformed(f"a function body of {size} bytes has no room for code that counts at {places} places")
        if len(tokens) > self.function_instructions:
            raise Malformed(f"a function has {len(tokens)} instructions, more than {self.function_instructions}")
        points = sum(opcodes.translate(COMPLEXITY_OF_BYTES))
        for match in _PREFIXED.finditer(opcodes):
            token = tokens[match.start()]
            is_bulk = token[0] == 0xFC
            points += COMPLEXITY_OF_BULK[number_after_prefix(token)] if is_bulk else COMPLEXITY_OF_VECTORS
        if points > self.complexity:
            raise Malformed(f"a function has the complexity {points}, more than {self.complexity}")
        if b"\x26" in opcodes and not self.admits_table_changes:
            raise Malformed("the instruction table.set is not allowed")

    def _declarations(self, declared: _Locals, tokens: list[bytes], opcodes: bytes) -> bytes:
        """Those of the locals, with one for places in the table if something is called through a table."""
        addresses = {self.table_addresses[_table_of(tokens[match.start()])] for match in _INDIRECT.finditer(opcodes)}
        if len(addresses) > 1:
            raise NoRoom
        return declared.with_place(addresses.pop()) if addresses else declared.as_they_are()

    def _rewrite(
        self, tokens: list[bytes], opcodes: bytes, counter: CounterInGlobal | CounterPassed
    ) -> dict[int, bytes]:
        """Lets calls count; gives the code that charges for bulk operations, by position."""
        dynamic = {}
        calls: list[int] = []
        if self.places.grow is not None:
            for match in _GROWING.finditer(opcodes):
                tokens[match.start()] = b"\x10" + unsigned(self.places.grow)
        for match in _REWRITTEN.finditer(opcodes):
            position = match.start()
            token = tokens[position]
            opcode = token[0]
            if opcode == 0xFC:
                charge = self._dynamic_charge(number_after_prefix(token))
                if charge:
                    dynamic[position] = counter.seen_by(charge)
            elif opcode == _CALL and (callee := Reader(token, 1).unsigned()) < self.imported_functions:
                tokens[position] = counter.seen_by(b"\x10" + unsigned(self.fast.get(callee, callee)))
            elif opcode == _RETURN_CALL and (callee := Reader(token, 1).unsigned()) < self.imported_functions:
                if isinstance(counter, CounterPassed):
                    tokens[position] = counter.imported_instead(self.fast.get(callee, callee))
            else:
                calls.append(position)
        if calls:
            counter.nest(calls, tokens, opcodes)
        return dynamic

    def _dynamic_charge(self, number: int) -> bytes:
        """The code that charges for the bulk operation with this number after its prefix; empty if none does."""
        if number in _REFUSED_TABLE_INSTRUCTIONS and not self.admits_table_changes:
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
        counter: CounterInGlobal | CounterPassed,
    ) -> None:
        dynamic = self._rewrite(tokens, opcodes, counter)
        extra = {match.start(): self._prefixed_weight(tokens[match.start()]) for match in _PREFIXED.finditer(opcodes)}
        for position in dynamic:
            extra.setdefault(position, 0)
        start, cost, is_checked = 0, 1, True
        blocks_in_dead_code = None
        for match in CLOSING.finditer(opcodes):
            end = match.end()
            segment = self._segment(opcodes[start:end])
            cost += segment.cost
            charged_inside = []
            if extra:
                inside = [position for position in range(start, end) if position in extra]
                cost += sum(extra[position] for position in inside)
                charged_inside = [position for position in inside if position != start and position in dynamic]
            if is_checked or cost:
                self.count += _INJECTED_CHECKED if is_checked else _INJECTED_UNCHECKED
            closing = opcodes[end - 1]
            if blocks_in_dead_code is not None:
                # Control never comes here: only the end of the block around is written, or its other part.
                blocks_in_dead_code += segment.blocks
                if blocks_in_dead_code == 0 and closing in _LEAVING_BLOCKS:
                    written += (counter.close(tokens[end - 1]), tokens[end - 1])
                    blocks_in_dead_code = None
                elif closing in _OPENING_BLOCKS:
                    blocks_in_dead_code += 1
                elif closing == _END:
                    blocks_in_dead_code -= 1
                start, cost, is_checked = end, 0, segment.begins_loop
                continue
            # Source: D5. At one position, the dynamic charge comes before that of the segment.
            if start in dynamic:
                written += (counter.settle(), dynamic[start])
            written.append(counter.charge(cost, is_checked, segment, bool(charged_inside)))
            for position in charged_inside:
                written.extend(tokens[start:position])
                written.append(dynamic[position])
                start = position
            written.extend(tokens[start : end - 1])
            written += (counter.close(tokens[end - 1]), tokens[end - 1])
            start, cost, is_checked = end, 0, segment.begins_loop
            blocks_in_dead_code = 0 if closing in _GOING_AWAY else None

    def _segment(self, opcodes: bytes) -> Segment:
        segment = self.segments.get(opcodes)
        if segment is None:
            cost = sum(opcodes.translate(self.weights)) + self.grow_weight * opcodes.count(_GROW)
            segment = self.segments[opcodes] = segment_of(opcodes, cost)
        return segment

    def _prefixed_weight(self, token: bytes) -> int:
        number = number_after_prefix(token)
        return self.bulk_weights[number] if token[0] == 0xFC else self.vector_weights[number]
