"""Values in text: read at the types that an interface tells, or at those that they show by themselves."""

import struct
from collections.abc import Sequence
from typing import Any

from attrs import frozen
from lark.lexer import Token

from spec.tooling.candid_text.grammar import (
    CandidTextError,
    Types,
    natural,
    numbered,
    parsed,
    text_of,
    transformed,
    unescaped,
)
from spec.values.candid import (
    BLOB,
    CandidType,
    CandidValue,
    Case,
    Definitions,
    Func,
    FunctionReference,
    Opt,
    Primitive,
    Record,
    Service,
    ServiceReference,
    Some,
    Variant,
    Vec,
    encode,
    field_id,
    resolved,
)
from spec.values.candid.encoding import INTEGER_WIDTHS
from spec.values.candid.types import FieldLabel, null_is_subtype_of
from spec.values.identifiers import Blob, Principal, principal_from_text


@frozen
class Written:
    """A written value, before its type is known: what it begins with, and what it holds."""

    kind: str
    content: Any = None


Fields = tuple[tuple[FieldLabel, Written], ...]


class _Values(Types):
    """Makes written values of their trees."""

    def values(self, children: list[Written]) -> tuple[Written, ...]:
        return tuple(children)

    def annotated(self, children: list[object]) -> Written:
        return Written("annotated", tuple(children))

    def constant(self, children: list[Token]) -> Written:
        return Written(str(children[0]))

    def number(self, children: list[Token]) -> Written:
        return Written("number", children[0].replace("_", ""))

    def text(self, children: list[Token]) -> Written:
        return Written("text", text_of(children[0]))

    def opt_value(self, children: list[Written]) -> Written:
        return Written("opt", children[0])

    def vec_value(self, children: list[Written]) -> Written:
        return Written("vec", tuple(children))

    def record_value(self, children: list[tuple[FieldLabel | None, Written]]) -> Written:
        fields = numbered(children)
        if len({field_id(label) for label, _ in fields}) < len(fields):
            raise CandidTextError("a field is given twice")
        return Written("record", tuple(fields))

    def variant_value(self, children: list[tuple[FieldLabel, object]]) -> Written:
        label, content = children[0]
        return Written("variant", (label, content if isinstance(content, Written) else Written("null")))

    def named_value(self, children: list[object]) -> object:
        return children[0], children[1]

    def plain_value(self, children: list[object]) -> object:
        return None, children[0]

    def blob_value(self, children: list[Token]) -> Written:
        return Written("blob", unescaped(children[0]))

    def principal_value(self, children: list[Token]) -> Written:
        return Written("principal", _principal(children[0]))

    def service_value(self, children: list[Token]) -> Written:
        return Written("service", _principal(children[0]))

    def function_value(self, children: list[object]) -> Written:
        return Written("func", (_principal(str(children[0])), children[1]))


def _principal(quoted: str) -> Principal:
    try:
        return principal_from_text(text_of(quoted))
    except ValueError as problem:
        raise CandidTextError(str(problem)) from None


def read_values(text: str, types: Sequence[CandidType], definitions: Definitions) -> tuple[CandidValue, ...]:
    """
    The values in parentheses at expected types. Values that are missing are null where that fits.

    Raises `CandidTextError`, also if there are more values than types.
    """
    written = _written(text)
    if len(written) > len(types):
        raise CandidTextError(f"there are {len(written)} values, not {len(types)}")
    read = _record(tuple(enumerate(written)), Record(list(enumerate(types))), definitions, "value")
    return tuple(read[index] for index in range(len(types)))


def message_of(text: str, types: Sequence[CandidType] | None = None, definitions: Definitions | None = None) -> Blob:
    """The message that a text stands for, at types, or at those that the values show. Raises `CandidTextError`."""
    known = {} if definitions is None else definitions
    if types is None:
        shown = [_shown(each) for each in _written(text)]
        return encode([of for of, _ in shown], [value for _, value in shown])
    return encode(types, read_values(text, types, known), known)


def _written(text: str) -> tuple[Written, ...]:
    read = transformed(parsed(text, "values"), _Values())
    assert isinstance(read, tuple)
    return read


# At a type


def _at(written: Written, expected: CandidType, definitions: Definitions) -> CandidValue:
    """The value at the type. Raises `CandidTextError`."""
    head = resolved(expected, definitions)
    content = written.content
    match head, written.kind:
        case _, "annotated":
            inner, annotation = content
            _at(inner, annotation, definitions)
            return _at(inner, expected, definitions)
        case (Primitive.RESERVED, _) | (Primitive.NULL | Opt(), "null"):
            return None
        case Primitive.BOOL, "true" | "false":
            return written.kind == "true"
        case (Primitive.TEXT, "text") | (Primitive.PRINCIPAL, "principal" | "service"):
            return content
        case Primitive(), "number":
            return _number(content, head)
        case Opt(), "opt":
            return Some(_at(content, head.content, definitions))
        case Vec(), "blob" if resolved(head.element, definitions) == Primitive.NAT8:
            return content
        case Vec(), "vec":
            elements = tuple(_at(each, head.element, definitions) for each in content)
            return bytes(elements) if resolved(head.element, definitions) == Primitive.NAT8 else elements
        case Record(), "record":
            return _record(content, head, definitions, "field")
        case Variant(), "variant":
            return _case(content, head, definitions)
        case Service(), "service":
            return ServiceReference(content)
        case Func(), "func":
            return FunctionReference(*content)
    raise CandidTextError(f"a value of the kind {written.kind!r} stands where {_named(head)} is expected")


def _record(given: Fields, expected: Record, definitions: Definitions, part: str) -> dict[FieldLabel, CandidValue]:
    known = {field_id(label): content for label, content in given}
    ids = {field_id(label) for label, _ in expected.fields}
    unknown = [str(label) for label, _ in given if field_id(label) not in ids]
    if unknown:
        raise CandidTextError(f"there is no {part} {', '.join(unknown)} (there are: {_labels(expected)})")
    read: dict[FieldLabel, CandidValue] = {}
    for label, content in expected.fields:
        if field_id(label) in known:
            read[label] = _at(known[field_id(label)], content, definitions)
        elif null_is_subtype_of(content, definitions):
            read[label] = None
        else:
            raise CandidTextError(f"the {part} {label} is missing")
    return read


def _case(given: tuple[FieldLabel, Written], expected: Variant, definitions: Definitions) -> Case:
    for label, content in expected.fields:
        if field_id(label) == field_id(given[0]):
            return Case(label, _at(given[1], content, definitions))
    raise CandidTextError(f"there is no case {given[0]} (there are: {_labels(expected)})")


def _labels(expected: Record | Variant) -> str:
    return ", ".join(str(label) for label, _ in expected.fields) or "none"


def _named(expected: CandidType) -> str:
    return expected.name.lower() if isinstance(expected, Primitive) else type(expected).__name__.lower()


def _number(written: str, primitive: Primitive) -> CandidValue:
    """A number, if it is one of the type. Raises `CandidTextError`."""
    digits = written.lstrip("+-")
    sign = -1 if written.startswith("-") else 1
    if primitive in (Primitive.FLOAT32, Primitive.FLOAT64):
        value = sign * (float.fromhex(digits) if digits.startswith("0x") else float(digits))
        if primitive == Primitive.FLOAT64:
            return value
        try:
            return float(struct.unpack("<f", struct.pack("<f", value))[0])
        except OverflowError:
            raise CandidTextError(f"{written} is no float32") from None
    if not _is_whole(digits):
        raise CandidTextError(f"{written} is no {primitive.name.lower()}")
    number = sign * natural(digits)
    if primitive in INTEGER_WIDTHS:
        width, signed = INTEGER_WIDTHS[primitive]
        lowest, limit = (-(1 << 8 * width - 1), 1 << 8 * width - 1) if signed else (0, 1 << 8 * width)
        fits = lowest <= number < limit
    else:
        fits = primitive == Primitive.INT or (primitive == Primitive.NAT and number >= 0)
    if not fits:
        raise CandidTextError(f"{written} is no {primitive.name.lower()}")
    return number


def _is_whole(digits: str) -> bool:
    return digits.isdecimal() or (digits.startswith("0x") and not set(digits) & set(".pP"))


# At the type that it shows


def _shown(written: Written) -> tuple[CandidType, CandidValue]:
    """The type that a written value shows by itself, and the value. Raises `CandidTextError`."""
    content = written.content
    match written.kind:
        case "annotated":
            inner, annotation = content
            return annotation, _at(inner, annotation, {})
        case "null":
            return Primitive.NULL, None
        case "true" | "false":
            return Primitive.BOOL, written.kind == "true"
        case "number":
            number = Primitive.INT if _is_whole(content.lstrip("+-")) else Primitive.FLOAT64
            return number, _number(content, number)
        case "text":
            return Primitive.TEXT, content
        case "blob":
            return BLOB, content
        case "principal":
            return Primitive.PRINCIPAL, content
        case "service":
            return Service(()), ServiceReference(content)
        case "func":
            return Func(), FunctionReference(*content)
        case "opt":
            inner_type, value = _shown(content)
            return Opt(inner_type), Some(value)
        case "vec":
            return _shown_vector(content)
        case "record":
            fields = [(label, _shown(each)) for label, each in content]
            return Record([(label, of) for label, (of, _) in fields]), {label: value for label, (_, value) in fields}
    label, inner = content
    of, value = _shown(inner)
    return Variant([(label, of)]), Case(label, value)


def _shown_vector(elements: tuple[Written, ...]) -> tuple[CandidType, CandidValue]:
    if not elements:
        return Vec(Primitive.EMPTY), ()
    shown = [_shown(each) for each in elements]
    if len({of for of, _ in shown}) > 1:
        raise CandidTextError("the elements of a vector show different types: write them, as in `vec {(1 : nat)}`")
    values = tuple(value for _, value in shown)
    return Vec(shown[0][0]), bytes(values) if shown[0][0] == Primitive.NAT8 else values
