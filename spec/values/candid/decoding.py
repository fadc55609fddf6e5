"""From bytes to values of the types that the sender wrote. Source: the Candid specification, "Deserialisation"."""

import struct
from collections.abc import Callable
from typing import Final, TypeVar

from attrs import define, field

from spec.values.candid.contents import CandidValue, Case, FunctionReference, ServiceReference, Some
from spec.values.candid.encoding import INTEGER_WIDTHS, MAGIC
from spec.values.candid.types import (
    FIELD_ID_MODULUS,
    CandidType,
    Defined,
    Func,
    FunctionAnnotation,
    Future,
    MalformedCandid,
    Opt,
    Primitive,
    Record,
    Service,
    Variant,
    Vec,
    check_nesting,
    field_id,
)
from spec.values.float32 import float32
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH, Principal
from spec.values.leb128 import from_groups, from_signed_groups

FREE_VALUES_WITHOUT_BYTES: Final[int] = 10_000
"""
How many values that take no bytes (null, empty records) a message may hold beyond one for each of its bytes.

Candid leaves it open and asks decoders to have such a limit, because a few bytes can announce billions of such values.
"""

KNOWN_TYPES: Final[dict[int, dict[bytes, tuple[list[CandidType], list[CandidType]]]]] = {}
"""
What stood before the values of messages that were read: by its length and its bytes, the table of types and the types
of the values.
"""

KEPT_LENGTHS: Final = 64
KEPT_OF_A_LENGTH: Final = 64
LONGEST_KEPT: Final = 4_096
"""So many lengths, and bytes of each length, are kept, none of them longer."""

Item = TypeVar("Item")


@define
class WireReader:
    """Reads one message. It moves through the bytes; every method raises `MalformedCandid` where they are wrong."""

    blob: bytes
    position: int = 0
    table: list[CandidType] = field(factory=list)
    """The type definitions that came with the message."""
    values_without_bytes_left: int = 0

    def message(self) -> tuple[list[CandidType], list[CandidValue]]:
        """The types and the values of the whole message."""
        self.values_without_bytes_left = len(self.blob) + FREE_VALUES_WITHOUT_BYTES
        if not self.blob.startswith(MAGIC):
            raise MalformedCandid("the message does not begin with DIDL")
        argument_types = self.types_read_before() or self.types()
        values = [self.value(candid_type, 0) for candid_type in argument_types]
        if self.position != len(self.blob):
            raise MalformedCandid(f"{len(self.blob) - self.position} bytes follow the last value")
        return argument_types, values

    def types(self) -> list[CandidType]:
        """The types of the values. What stands before the values is remembered."""
        self.position = len(MAGIC)
        entries = self.count()
        self.table = self.several(entries, lambda: self.definition(entries))
        self.check_methods()
        argument_types = self.several(self.count(), lambda: self.type_reference(entries))
        self.remember(argument_types)
        return argument_types

    def remember(self, argument_types: list[CandidType]) -> None:
        """Keeps what was read before the values."""
        alike = KNOWN_TYPES.setdefault(self.position, {})
        if len(KNOWN_TYPES) > KEPT_LENGTHS or len(alike) >= KEPT_OF_A_LENGTH:
            KNOWN_TYPES.clear()
        elif self.position <= LONGEST_KEPT:
            alike[self.blob[: self.position]] = self.table, argument_types

    def types_read_before(self) -> list[CandidType] | None:
        """
        The types, if a message with the same ones was read before.

        What is read of a message before its values depends on these bytes alone: everything that is counted there
        takes a byte there.
        """
        for length, alike in KNOWN_TYPES.items():
            known = alike.get(self.blob[:length])
            if known is not None:
                self.position = length
                self.table, argument_types = known
                return argument_types
        return None

    # Bytes and numbers

    def take(self, length: int) -> bytes:
        taken = self.blob[self.position : self.position + length]
        if len(taken) != length:
            raise MalformedCandid("the message ends too early")
        self.position += length
        return taken

    def groups(self) -> bytes:
        end = self.position
        while end < len(self.blob) and self.blob[end] & 0x80:
            end += 1
        return self.take(end + 1 - self.position)

    def unsigned(self) -> int:
        if self.position < len(self.blob) and self.blob[self.position] < 0x80:
            self.position += 1
            return self.blob[self.position - 1]
        return from_groups(self.groups())

    def signed(self) -> int:
        return from_signed_groups(self.groups())

    def count(self) -> int:
        """A number of things that take at least a byte each."""
        number = self.unsigned()
        if number > len(self.blob) - self.position:
            raise MalformedCandid(f"{number} entries are announced, but fewer bytes are left")
        return number

    def several(self, count: int, read: Callable[[], Item]) -> list[Item]:
        return [read() for _ in range(count)]

    def text(self) -> str:
        try:
            return self.take(self.unsigned()).decode()
        except UnicodeDecodeError as problem:
            raise MalformedCandid("a text is not UTF-8") from problem

    # Types

    def definition(self, entries: int) -> CandidType:
        code = self.signed()
        match code:
            case -18:
                return Opt(self.type_reference(entries))
            case -19:
                return Vec(self.type_reference(entries))
            case -20:
                return Record(self.fields(entries))
            case -21:
                return Variant(self.fields(entries))
            case -22:
                parameters = self.several(self.count(), lambda: self.type_reference(entries))
                results = self.several(self.count(), lambda: self.type_reference(entries))
                annotations = self.several(self.count(), self.annotation)
                return Func(tuple(parameters), tuple(results), frozenset(annotations))
            case -23:
                return self.service(entries)
            case _ if code < Primitive.PRINCIPAL:
                self.take(self.unsigned())
                return Future(code)
            case _:
                raise MalformedCandid(f"{code} does not begin a type definition")

    def type_reference(self, entries: int) -> CandidType:
        code = self.signed()
        if 0 <= code < entries:
            return Defined(code)
        try:
            return Primitive(code)
        except ValueError as problem:
            raise MalformedCandid(f"{code} is neither a primitive type nor in the table of types") from problem

    def fields(self, entries: int) -> list[tuple[int, CandidType]]:
        fields: list[tuple[int, CandidType]] = []
        for _ in range(self.count()):
            one = self.unsigned()
            if one >= FIELD_ID_MODULUS:
                raise MalformedCandid(f"the field id {one} is too large")
            if fields and one <= fields[-1][0]:
                raise MalformedCandid("field ids do not increase")
            fields.append((one, self.type_reference(entries)))
        return fields

    def annotation(self) -> FunctionAnnotation:
        code = self.take(1)[0]
        try:
            return FunctionAnnotation(code)
        except ValueError as problem:
            raise MalformedCandid(f"{code} is not an annotation of a function") from problem

    def service(self, entries: int) -> Service:
        methods: list[tuple[str, CandidType]] = []
        for _ in range(self.count()):
            name = self.text()
            if methods and name.encode() <= methods[-1][0].encode():
                raise MalformedCandid("the methods of a service are not in order")
            methods.append((name, self.type_reference(entries)))
        return Service(tuple(methods))

    def check_methods(self) -> None:
        for candid_type in self.table:
            if isinstance(candid_type, Service):
                for name, method in candid_type.methods:
                    if not (isinstance(method, Defined) and isinstance(self.head(method), Func)):
                        raise MalformedCandid(f"the type of method {name} is not a function")

    def head(self, candid_type: CandidType) -> CandidType:
        """The type itself. An entry of the table is never another entry's name."""
        return self.table[int(candid_type.key)] if isinstance(candid_type, Defined) else candid_type

    # Values

    def value(self, candid_type: CandidType, depth: int) -> CandidValue:
        check_nesting(depth)
        start = self.position
        head = self.head(candid_type)
        value = self.primitive(head) if isinstance(head, Primitive) else self.constructed(head, depth + 1)
        if self.position == start:
            self.values_without_bytes_left -= 1
            if self.values_without_bytes_left < 0:
                raise MalformedCandid("too many values take no bytes")
        return value

    def primitive(self, primitive: Primitive) -> CandidValue:
        match primitive:
            case Primitive.NULL | Primitive.RESERVED:
                return None
            case Primitive.BOOL:
                return self.choice("a bool")
            case Primitive.NAT:
                return self.unsigned()
            case Primitive.INT:
                return self.signed()
            case Primitive.FLOAT32:
                return float32(int.from_bytes(self.take(4), "little"))
            case Primitive.FLOAT64:
                return struct.unpack("<d", self.take(8))[0]
            case Primitive.TEXT:
                return self.text()
            case Primitive.PRINCIPAL:
                return self.principal()
            case Primitive.EMPTY:
                raise MalformedCandid("there are no values of type empty")
            case _:
                width, signed = INTEGER_WIDTHS[primitive]
                return int.from_bytes(self.take(width), "little", signed=signed)

    def constructed(self, head: CandidType, depth: int) -> CandidValue:
        match head:
            case Opt():
                return Some(self.value(head.content, depth)) if self.choice("the tag of an option") else None
            case Vec():
                length = self.unsigned()
                if head.element == Primitive.NAT8:
                    return self.take(length)
                return tuple(self.value(head.element, depth) for _ in range(length))
            case Record():
                return {field_id(label): self.value(content, depth) for label, content in head.fields}
            case Variant():
                index = self.unsigned()
                if index >= len(head.fields):
                    raise MalformedCandid(f"a variant has no case number {index}")
                label, content = head.fields[index]
                return Case(field_id(label), self.value(content, depth))
            case Service():
                return ServiceReference(self.principal())
            case Func():
                self.transparent("a function")
                return FunctionReference(self.principal(), self.text())
            case _:
                return self.future_value()

    def choice(self, what: str) -> bool:
        byte = self.take(1)[0]
        if byte > 1:
            raise MalformedCandid(f"{what} is {byte}, not 0 or 1")
        return byte == 1

    def transparent(self, what: str) -> None:
        if not self.choice(f"the tag of {what}"):
            raise MalformedCandid(f"{what} is given by an opaque reference")

    def principal(self) -> Principal:
        self.transparent("a principal or service")
        length = self.unsigned()
        if length > MAXIMUM_PRINCIPAL_LENGTH:
            raise MalformedCandid(f"a principal of {length} bytes is too long")
        return Principal(self.take(length))

    def future_value(self) -> None:
        length, references = self.unsigned(), self.unsigned()
        if references:
            raise MalformedCandid("a value of a later version holds opaque references")
        self.take(length)
