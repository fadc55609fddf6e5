"""
Candid messages as text, with the names of fields, and where two messages differ.

A message bears ids of fields, not names. Names come from the interface of the management canister, and from the
`candid:service` section of a module where a caller gives it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from spec.values.candid import (
    CandidError,
    CandidType,
    CandidValue,
    Case,
    Func,
    FunctionReference,
    Message,
    Opt,
    Primitive,
    Record,
    Service,
    ServiceReference,
    Some,
    Variant,
    Vec,
    field_id,
    read_as_sent,
)
from spec.values.candid.types import resolved
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH, Blob, Principal, Text, principal_to_text
from spec.values.management import ARGUMENT_TYPES, RESULT_TYPES

SHOWN_BYTES: Final = 64
"""How much of a blob is shown to people."""

SHOWN_ITEMS: Final = 12
"""How many items of a vector are shown to people."""

SHOWN_BITS: Final = 256
"""How large numbers are shown to people. Beyond, a message of a canister may hold what takes minutes to write."""

SHOWN_DIFFERENCES: Final = 4
"""How many differing fields of two messages are told."""

FieldNames = Mapping[int, Text]
"""From ids of fields to their names."""


# Names of fields


def _labels(candid_type: CandidType) -> Iterator[Text]:
    match candid_type:
        case Opt(content):
            yield from _labels(content)
        case Vec(element):
            yield from _labels(element)
        case Record(fields) | Variant(fields):
            for label, content in fields:
                if isinstance(label, str):
                    yield label
                yield from _labels(content)


def names(labels: Iterable[Text]) -> FieldNames:
    """A table of names by the ids that stand for them."""
    return {field_id(label): label for label in labels}


MANAGEMENT_NAMES: Final[FieldNames] = names(
    label for candid_type in (*ARGUMENT_TYPES.values(), *RESULT_TYPES.values()) for label in _labels(candid_type)
)
"""The names of the fields of all methods of the management canister."""

SERVICE_SECTION: Final = re.compile(rb"icp:(?:public|private) candid:service([^\0]*)")
"""The section of a module that tells its interface, with what stands behind its name, up to a byte that no text has."""


def names_of_interface(text: Text) -> FieldNames:
    """The names in a Candid interface: whatever is a name or a quoted text in it may be one of a field."""
    return names(quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([A-Za-z_]\w*)', text))


def names_of_module(module: Blob) -> FieldNames:
    """The names in the `candid:service` section of a module that is not compressed; none if it has no such section."""
    found = SERVICE_SECTION.search(module)
    return {} if found is None else names_of_interface(found[1].decode(errors="replace"))


# Text


def candid_text(blob: Blob, known: FieldNames = MANAGEMENT_NAMES) -> Text | None:
    """
    A message in the textual form of Candid; None if the bytes are no message.

    Long blobs and vectors are cut, and fields that are null are left out.
    """
    if not blob.startswith(b"DIDL"):
        return None
    message = read_as_sent(blob)
    if isinstance(message, CandidError):
        return None
    written = _Writer(message, known)
    return f"({', '.join(map(written.value, message.types, message.values))})"


def shown_principal(principal: Blob) -> Text:
    """A principal in its textual form; bytes that are too long for one in hexadecimal digits."""
    return (
        principal_to_text(Principal(principal))
        if len(principal) <= MAXIMUM_PRINCIPAL_LENGTH
        else f"0x{principal.hex()}"
    )


def blob_text(content: Blob) -> Text:
    """A blob in the textual form of Candid, cut where it is long."""
    cut = "".join(_escaped(byte) for byte in content[:SHOWN_BYTES])
    more = f" /* {len(content):,} bytes */" if len(content) > SHOWN_BYTES else ""
    return f'blob "{cut}"{more}'


def _escaped(byte: int) -> Text:
    letter = chr(byte)
    return letter if " " <= letter <= "~" and letter not in '"\\' else f"\\{byte:02x}"


def _quoted(text: Text) -> Text:
    escaped = "".join(
        f"\\{letter}" if letter in '"\\' else letter if letter.isprintable() else f"\\u{{{ord(letter):x}}}"
        for letter in text
    )
    return f'"{escaped}"'


class _Writer:
    """Writes the values of one message."""

    def __init__(self, message: Message, known: FieldNames) -> None:
        self._definitions = message.definitions
        self._known = known

    def head(self, candid_type: CandidType) -> CandidType:
        """The type itself, if the message gives it elsewhere."""
        return resolved(candid_type, self._definitions)

    def label(self, label: str | int) -> Text:
        """The name of a field, or its id where the name is not known."""
        return self._known.get(field_id(label), str(label))

    def value(self, candid_type: CandidType, value: CandidValue) -> Text:
        """A value of a type."""
        match self.head(candid_type), value:
            case Primitive() as primitive, _:
                return _primitive(primitive, value)
            case Opt(), None:
                return "null"
            case Opt(content), Some(inner):
                return f"opt {self.value(content, inner)}"
            case Vec(), bytes():
                return blob_text(value)
            case Vec(element), _:
                shown = "; ".join(self.value(element, each) for each in value[:SHOWN_ITEMS])
                more = f" /* {len(value):,} items */" if len(value) > SHOWN_ITEMS else ""
                return f"vec {{{shown}}}{more}"
            case Record(fields), _:
                return f"record {{{self._fields(fields, value)}}}"
            case Variant(fields), Case(label, content):
                inner_type = dict(fields)[label]
                is_plain = self.head(inner_type) == Primitive.NULL
                written = "" if is_plain else f" = {self.value(inner_type, content)}"
                return f"variant {{{self.label(label)}{written}}}"
            case Func(), FunctionReference(principal, method_name):
                return f'func "{principal_to_text(principal)}".{_quoted(method_name)}'
            case Service(), ServiceReference(principal):
                return f'service "{principal_to_text(principal)}"'
            case _:
                return "reserved"

    def _fields(self, fields: Iterable[tuple[str | int, CandidType]], value: Mapping[str | int, CandidValue]) -> Text:
        pairs = list(fields)
        values = [self.value(of, value[label]) for label, of in pairs]
        if [label for label, _ in pairs] == list(range(len(pairs))):
            return "; ".join(values)
        labelled = zip(pairs, values, strict=True)
        return "; ".join(f"{self.label(label)} = {each}" for (label, _), each in labelled if each != "null")


def _primitive(primitive: Primitive, value: CandidValue) -> Text:
    match primitive:
        case Primitive.NULL | Primitive.RESERVED:
            return primitive.name.lower()
        case Primitive.BOOL:
            return "true" if value else "false"
        case Primitive.TEXT:
            return _quoted(value)
        case Primitive.PRINCIPAL:
            return f'principal "{principal_to_text(value)}"'
        case Primitive.NAT | Primitive.INT if value.bit_length() > SHOWN_BITS:
            return f"/* a number of {value.bit_length():,} bits */"
        case Primitive.NAT:
            return f"{value:_}"
        case Primitive.INT:
            return f"{value:+_}"
        case Primitive.FLOAT32 | Primitive.FLOAT64:
            return f"({value!r} : {primitive.name.lower()})"
        case _:
            return f"({value:_} : {primitive.name.lower()})"


# Differences


def blob_difference(allowed: Blob, seen: Blob) -> Text:
    """Where two blobs begin to differ, with some bytes from there."""
    pairs = enumerate(zip(allowed, seen, strict=False))
    at = next((index for index, (one, other) in pairs if one != other), min(len(allowed), len(seen)))
    return (
        f"the first difference is at byte {at} of {len(seen)} (allowed: {len(allowed)}): "
        f"{seen[at : at + 16].hex() or 'the end'}, not {allowed[at : at + 16].hex() or 'the end'}"
    )


def candid_differences(allowed: Blob, seen: Blob, known: FieldNames = MANAGEMENT_NAMES) -> tuple[Text, ...] | None:
    """Which fields of two messages differ, and how; None if one of the two is no message."""
    first, second = read_as_sent(allowed), read_as_sent(seen)
    if isinstance(first, CandidError) or isinstance(second, CandidError):
        return None
    comparison = _Comparison(_Writer(first, known), _Writer(second, known))
    found = list(comparison.messages(first, second))
    more = len(found) - SHOWN_DIFFERENCES
    return (*found[:SHOWN_DIFFERENCES], *([f"and {more} more differences"] if more > 0 else []))


class _Comparison:
    """Compares values of two messages."""

    def __init__(self, allowed: _Writer, seen: _Writer) -> None:
        self._allowed = allowed
        self._seen = seen

    def messages(self, allowed: Message, seen: Message) -> Iterator[Text]:
        """The differences of all values of two messages."""
        if len(allowed.values) != len(seen.values):
            yield f"{len(seen.values)} values, not {len(allowed.values)}"
            return
        are_several = len(allowed.values) > 1
        both = zip(allowed.types, allowed.values, seen.types, seen.values, strict=True)
        for index, (allowed_type, one, seen_type, other) in enumerate(both):
            yield from self.values(f"value {index}" if are_several else "", allowed_type, one, seen_type, other)

    def values(
        self, place: Text, allowed_type: CandidType, allowed: CandidValue, seen_type: CandidType, seen: CandidValue
    ) -> Iterator[Text]:
        """The differences of two values at a place."""
        match self._allowed.head(allowed_type), allowed, self._seen.head(seen_type), seen:
            case Record(fields), dict(), Record(seen_fields), dict():
                yield from self._records(place, dict(fields), allowed, dict(seen_fields), seen)
            case Opt(content), Some(one), Opt(seen_content), Some(other):
                yield from self.values(place, content, one, seen_content, other)
            case Vec(element), tuple(), Vec(seen_element), tuple() if len(allowed) == len(seen):
                for index, (one, other) in enumerate(zip(allowed, seen, strict=True)):
                    yield from self.values(f"{place}[{index}]", element, one, seen_element, other)
            case Variant(cases), Case(label, one), Variant(seen_cases), Case(seen_label, other) if label == seen_label:
                inside = f"{place}.{self._allowed.label(label)}"
                yield from self.values(inside, dict(cases)[label], one, dict(seen_cases)[seen_label], other)
            case Primitive(), int(), Primitive(), int() if allowed == seen:
                return
            case Primitive(), int(), Primitive(), int():
                both_shown = self._seen.value(seen_type, seen), self._allowed.value(allowed_type, allowed)
                yield f"{place.removeprefix('.') or 'the value'} is {both_shown[0]}, not {both_shown[1]}"
            case _, bytes(), _, bytes():
                if allowed != seen:
                    yield f"{place.removeprefix('.') or 'the value'}: {blob_difference(allowed, seen)}"
            case _:
                one_text, other_text = self._allowed.value(allowed_type, allowed), self._seen.value(seen_type, seen)
                if one_text != other_text:
                    yield f"{place.removeprefix('.') or 'the value'} is {other_text}, not {one_text}"

    def _records(
        self,
        place: Text,
        allowed_fields: Mapping[str | int, CandidType],
        allowed: Mapping[str | int, CandidValue],
        seen_fields: Mapping[str | int, CandidType],
        seen: Mapping[str | int, CandidValue],
    ) -> Iterator[Text]:
        for label, of in allowed_fields.items():
            inside = f"{place}.{self._allowed.label(label)}"
            if label in seen_fields:
                yield from self.values(inside, of, allowed[label], seen_fields[label], seen[label])
            elif allowed[label] is not None:
                yield f"{inside.removeprefix('.')} is missing, not {self._allowed.value(of, allowed[label])}"
        for label in seen_fields.keys() - allowed_fields.keys():
            inside = f"{place}.{self._seen.label(label)}"
            if seen[label] is not None:
                yield f"{inside.removeprefix('.')} is there: {self._seen.value(seen_fields[label], seen[label])}"
