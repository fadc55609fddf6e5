"""The types of Candid, and which type is a subtype of which. Source: the Candid specification, "Type Structure"."""

from collections.abc import Iterable, Mapping
from enum import Enum, IntEnum
from functools import lru_cache
from typing import Final

from attrs import field, frozen

FIELD_ID_MODULUS: Final[int] = 2**32
"""Field ids are 32 bits wide."""

MAXIMUM_NESTING: Final[int] = 100
"""How deeply values and types may nest. Candid leaves it open and asks decoders to have such a limit."""


class MalformedCandid(Exception):
    """Bytes that are not Candid, or that go beyond a limit of this decoder. It does not leave this package."""


class Primitive(IntEnum):
    """A primitive type. The value is the code that stands for it in the binary format."""

    NULL = -1
    BOOL = -2
    NAT = -3
    INT = -4
    NAT8 = -5
    NAT16 = -6
    NAT32 = -7
    NAT64 = -8
    INT8 = -9
    INT16 = -10
    INT32 = -11
    INT64 = -12
    FLOAT32 = -13
    FLOAT64 = -14
    TEXT = -15
    RESERVED = -16
    EMPTY = -17
    PRINCIPAL = -24


class FunctionAnnotation(IntEnum):
    """How a function may be called. The value is its code in the binary format."""

    QUERY = 1
    ONEWAY = 2
    COMPOSITE_QUERY = 3


FieldLabel = str | int
"""The name of a field, or its id where it has none."""


@lru_cache(maxsize=1 << 14)
def field_id(label: FieldLabel) -> int:
    """The id of a field: a number stands for itself, a name for its hash."""
    if isinstance(label, int):
        return label
    total = 0
    for byte in label.encode():
        total = (total * 223 + byte) % FIELD_ID_MODULUS
    return total


Fields = tuple[tuple[FieldLabel, "CandidType"], ...]
"""Labels and types, in increasing order of the ids."""


def _in_order(fields: "Mapping[str, CandidType] | Iterable[tuple[FieldLabel, CandidType]]") -> Fields:
    pairs: list[tuple[FieldLabel, CandidType]] = list(fields.items() if isinstance(fields, Mapping) else fields)
    pairs.sort(key=lambda pair: field_id(pair[0]))
    ids = [field_id(label) for label, _ in pairs]
    if len(set(ids)) != len(ids) or any(not 0 <= one < FIELD_ID_MODULUS for one in ids):
        raise ValueError(f"field ids must differ and be below 2^32: {[label for label, _ in pairs]}")
    return tuple(pairs)


@frozen(cache_hash=True)
class Opt:
    """`opt T`: `None`, or `Some` of a value of `T`."""

    content: "CandidType"


@frozen(cache_hash=True)
class Vec:
    """`vec T`: a tuple of values of `T`; for `vec nat8` the bytes themselves."""

    element: "CandidType"


@frozen(cache_hash=True)
class Record:
    """`record {...}`: a dictionary from the labels to the values. Made from a mapping or from pairs."""

    fields: Fields = field(default=(), converter=_in_order)


@frozen(cache_hash=True)
class Variant:
    """`variant {...}`: a `Case`. Made from a mapping or from pairs."""

    fields: Fields = field(default=(), converter=_in_order)


@frozen(cache_hash=True)
class Func:
    """`func (...) -> (...)`: a `FunctionReference`."""

    parameters: tuple["CandidType", ...] = ()
    results: tuple["CandidType", ...] = ()
    annotations: frozenset[FunctionAnnotation] = frozenset()


@frozen(cache_hash=True)
class Service:
    """`service {...}`: a `ServiceReference`. Each method's type is a `Func`, or a `Defined` one."""

    methods: tuple[tuple[str, "CandidType"], ...] = ()
    """Names and types, in increasing order of the names' UTF-8 bytes."""


@frozen
class Defined:
    """
    A type given elsewhere under a key, so that types can be recursive.

    Keys are names in types that a program writes down, and table indices in types that came with a message.
    """

    key: str | int


@frozen
class Future:
    """A type of a later version of Candid. Its values can be skipped, and read as `reserved` or as an empty option."""

    code: int


CandidType = Primitive | Opt | Vec | Record | Variant | Func | Service | Defined | Future

Definitions = Mapping[str | int, CandidType]
"""What the keys of `Defined` types stand for."""

BLOB: Final[CandidType] = Vec(Primitive.NAT8)
"""`blob`, short for `vec nat8`."""


def resolved(candid_type: CandidType, definitions: Definitions) -> CandidType:
    """The type itself, if it is given elsewhere."""
    seen = 0
    while isinstance(candid_type, Defined):
        candid_type = definitions[candid_type.key]
        seen += 1
        if seen > len(definitions):
            raise ValueError("a type is defined as itself")
    return candid_type


def null_is_subtype_of(candid_type: CandidType, definitions: Definitions) -> bool:
    """A missing value may be read at this type."""
    match resolved(candid_type, definitions):
        case Primitive.NULL | Primitive.RESERVED | Opt():
            return True
        case _:
            return False


def check_nesting(depth: int) -> None:
    """Refuses what nests too deeply."""
    if depth > MAXIMUM_NESTING:
        raise MalformedCandid(f"types or values nest more than {MAXIMUM_NESTING} deep")


class _Answer(Enum):
    """What comparing two types came to without looking inside."""

    YES = "subtype"
    NO = "not a subtype"
    LOOK_INSIDE = "depends on the parts"


def _compare_heads(actual: CandidType, expected: CandidType) -> _Answer:
    match actual, expected:
        case (_, Primitive.RESERVED) | (Primitive.EMPTY, _) | (_, Opt()):
            # Source: "Options": by the two unusual rules every type is a subtype of every option.
            return _Answer.YES
        case (Primitive.NAT, Primitive.INT) | (Service(), Primitive.PRINCIPAL):
            return _Answer.YES
        case Primitive(), Primitive():
            return _Answer.YES if actual == expected else _Answer.NO
        case (Vec(), Vec()) | (Record(), Record()) | (Variant(), Variant()) | (Func(), Func()) | (Service(), Service()):
            return _Answer.LOOK_INSIDE
        case _:
            return _Answer.NO


def is_subtype(actual: CandidType, expected: CandidType, definitions: Definitions) -> bool:
    """`actual <: expected`, read coinductively, so recursive types are compared too."""
    return _Subtyping(definitions).holds(actual, expected, 0)


@frozen
class _Subtyping:
    definitions: Definitions
    assumed: set[tuple[CandidType, CandidType]] = field(factory=set)
    """Pairs under examination or found to hold. One "no" makes the whole answer "no", so none has to be taken back."""

    def holds(self, actual: CandidType, expected: CandidType, depth: int) -> bool:
        check_nesting(depth)
        if (actual, expected) in self.assumed:
            return True
        self.assumed.add((actual, expected))
        actual, expected = resolved(actual, self.definitions), resolved(expected, self.definitions)
        match _compare_heads(actual, expected):
            case _Answer.YES:
                return True
            case _Answer.NO:
                return False
            case _Answer.LOOK_INSIDE:
                return self.parts_hold(actual, expected, depth + 1)

    def parts_hold(self, actual: CandidType, expected: CandidType, depth: int) -> bool:
        match actual, expected:
            case Vec(), Vec():
                return self.holds(actual.element, expected.element, depth)
            case Record(), Record():
                return self.records_hold(actual.fields, expected.fields, depth)
            case Variant(), Variant():
                allowed = {field_id(label): content for label, content in expected.fields}
                return all(
                    field_id(label) in allowed and self.holds(content, allowed[field_id(label)], depth)
                    for label, content in actual.fields
                )
            case Func(), Func():
                return (
                    actual.annotations == expected.annotations
                    and self.records_hold(as_fields(expected.parameters), as_fields(actual.parameters), depth)
                    and self.records_hold(as_fields(actual.results), as_fields(expected.results), depth)
                )
            case Service(), Service():
                offered = dict(actual.methods)
                return all(
                    name in offered and self.holds(offered[name], method, depth) for name, method in expected.methods
                )
        raise AssertionError("the heads of the two types agree")

    def records_hold(self, actual: Fields, expected: Fields, depth: int) -> bool:
        given = {field_id(label): content for label, content in actual}
        return all(
            self.holds(given[field_id(label)], content, depth)
            if field_id(label) in given
            else null_is_subtype_of(content, self.definitions)
            for label, content in expected
        )


def as_fields(types: tuple[CandidType, ...]) -> Fields:
    """A sequence of types as the fields of a tuple-like record."""
    return tuple(enumerate(types))
