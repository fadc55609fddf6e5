"""
Arguments in every form that Candid's subtyping admits, and in forms that it does not.

A form says how a value of a type is written; the writer is one of its own, so that nothing depends on the one that
implementations share with the specification. `FORMS` holds each with a name for people.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from attrs import frozen

from spec.values.candid import (
    BLOB,
    CandidType,
    Case,
    Defined,
    Definitions,
    Func,
    Message,
    Opt,
    Primitive,
    Record,
    Service,
    Some,
    Variant,
    Vec,
    field_id,
    read_as_sent,
)
from spec.values.candid.contents import FunctionReference, ServiceReference
from spec.values.candid.encoding import INTEGER_WIDTHS
from spec.values.identifiers import Blob, Text

# Trees of types and values


@frozen
class Typed:
    """A value with its type, in which no part is given elsewhere."""

    type: Any
    value: Any


@frozen
class Recursive:
    """The type `type T = opt record { nat; T }`, in the first two entries of a table."""


def tree(candid_type: CandidType, definitions: Definitions) -> Any:
    """A type without references to a table."""
    match candid_type:
        case Defined(key):
            return tree(definitions[key], definitions)
        case Opt(content):
            return Opt(tree(content, definitions))
        case Vec(element):
            return Vec(tree(element, definitions))
        case Record(fields):
            return Record([(label, tree(content, definitions)) for label, content in fields])
        case Variant(fields):
            return Variant([(label, tree(content, definitions)) for label, content in fields])
        case Func(parameters, results, annotations):
            taken, given = (tuple(tree(each, definitions) for each in types) for types in (parameters, results))
            return Func(taken, given, annotations)
        case _:
            return candid_type


def typed(plain: Blob) -> list[Typed]:
    """The arguments of a message."""
    message = read_as_sent(plain)
    assert isinstance(message, Message), "the plain form is Candid"
    return [
        Typed(tree(candid_type, message.definitions), value)
        for candid_type, value in zip(message.types, message.values, strict=True)
    ]


# Writing


@frozen
class Writer:
    """Writes messages, in one of the ways in which that can be done."""

    longer_numbers: int = 0
    """So many bytes are added to every number in LEB128, which do not change it."""
    backwards: bool = False
    """The table of types begins with the parts of which others are made, or with the whole."""
    unused: Sequence[bytes] = ()
    """Entries of the table that nothing refers to; they come first."""
    repeated: bool = False
    """Every type stands twice in the table; the second one is used."""

    def unsigned(self, value: int) -> bytes:
        """LEB128."""
        groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
        groups += [0] * self.longer_numbers
        return bytes(group | 0x80 for group in groups[:-1]) + bytes(groups[-1:])

    def signed(self, value: int) -> bytes:
        """SLEB128."""
        length = value.bit_length() // 7 + 1
        groups = [value >> 7 * place & 0x7F for place in range(length + self.longer_numbers)]
        return bytes(group | 0x80 for group in groups[:-1]) + bytes(groups[-1:])

    def message(self, arguments: Sequence[Typed]) -> bytes:
        """The whole message."""
        found: dict[Any, None] = {}
        for each in arguments:
            _collect(each.type, found)
        order = list(found)
        if not self.backwards:
            order.reverse()
        first = len(self.unused)
        copies = 2 if self.repeated else 1
        places = {candid_type: first + copies * place + copies - 1 for place, candid_type in enumerate(order)}
        rows = [*self.unused]
        for candid_type in order:
            rows += [self._row(candid_type, places)] * copies
        references = b"".join(self._reference(each.type, places) for each in arguments)
        values = b"".join(self._value(each.type, each.value) for each in arguments)
        return b"DIDL" + self.unsigned(len(rows)) + b"".join(rows) + self.unsigned(len(arguments)) + references + values

    def _reference(self, candid_type: Any, places: dict[Any, int]) -> bytes:
        if isinstance(candid_type, Recursive):
            return self.signed(0)
        return self.signed(candid_type if isinstance(candid_type, Primitive) else places[candid_type])

    def _row(self, candid_type: Any, places: dict[Any, int]) -> bytes:
        match candid_type:
            case Opt(content):
                return self.signed(-18) + self._reference(content, places)
            case Vec(element):
                return self.signed(-19) + self._reference(element, places)
            case Record(fields) | Variant(fields):
                code = -20 if isinstance(candid_type, Record) else -21
                parts = (self.unsigned(field_id(label)) + self._reference(content, places) for label, content in fields)
                return self.signed(code) + self.unsigned(len(fields)) + b"".join(parts)
            case Service():
                return self.signed(-23) + self.unsigned(0)
            case Func(parameters, results, annotations):
                lists = (
                    self.unsigned(len(types)) + b"".join(self._reference(each, places) for each in types)
                    for types in (parameters, results)
                )
                return self.signed(-22) + b"".join(lists) + self.unsigned(len(annotations)) + bytes(sorted(annotations))
        raise AssertionError(f"{candid_type} has no entry")

    def _value(self, candid_type: Any, value: Any) -> bytes:
        match candid_type:
            case Recursive():
                return b"\x01" + self.unsigned(value) + b"\x01" + self.unsigned(0) + b"\x00"
            case Opt(content):
                return b"\0" if value is None else b"\1" + self._value(content, value.value)
            case Vec():
                if candid_type == BLOB:
                    return self.unsigned(len(value)) + bytes(value)
                return self.unsigned(len(value)) + b"".join(self._value(candid_type.element, each) for each in value)
            case Record(fields):
                return b"".join(self._value(content, value[label]) for label, content in fields)
            case Variant(fields):
                labels = [label for label, _ in fields]
                place = labels.index(value.label)
                return self.unsigned(place) + self._value(fields[place][1], value.value)
            case Func():
                assert isinstance(value, FunctionReference)
                reference = b"\1" + self.unsigned(len(value.principal)) + bytes(value.principal)
                return b"\1" + reference + self._primitive(Primitive.TEXT, value.method_name)
            case Service() | Primitive.PRINCIPAL:
                principal = value.principal if isinstance(value, ServiceReference) else value
                return b"\1" + self.unsigned(len(principal)) + bytes(principal)
        return self._primitive(candid_type, value)

    def _primitive(self, primitive: Primitive, value: Any) -> bytes:
        if primitive in INTEGER_WIDTHS:
            width, is_signed = INTEGER_WIDTHS[primitive]
            return int(value).to_bytes(width, "little", signed=is_signed)
        match primitive:
            case Primitive.NULL | Primitive.RESERVED:
                return b""
            case Primitive.BOOL:
                return bytes([value])
            case Primitive.NAT:
                return self.unsigned(value)
            case Primitive.INT:
                return self.signed(value)
            case Primitive.TEXT:
                content = str(value).encode()
                return self.unsigned(len(content)) + content
        raise AssertionError(f"{primitive} is not written here")


def _collect(candid_type: Any, found: dict[Any, None]) -> None:
    """The types that need an entry, parts before the whole."""
    match candid_type:
        case Opt(content) | Vec(content):
            _collect(content, found)
        case Record(fields) | Variant(fields):
            for _, content in fields:
                _collect(content, found)
        case Func(parameters, results, _):
            for each in (*parameters, *results):
                _collect(each, found)
        case Service():
            pass
        case _:
            return
    found.setdefault(candid_type)


# Changes of values that subtyping admits

SMALLEST_ID, LARGEST_ID = 0, 2**32 - 1

Change = Callable[[Typed], Typed]


def in_records(change: Callable[[dict[int, Typed]], dict[int, Typed]]) -> Change:
    """A change of the fields of every record that is not in a vector."""

    def changed(part: Typed) -> Typed:
        match part.type:
            case Record(fields):
                parts = {
                    field_id(label): changed(Typed(content, part.value[field_id(label)])) for label, content in fields
                }
                after = change(parts)
                pairs = [(label, each.type) for label, each in after.items()]
                return Typed(Record(pairs), {label: each.value for label, each in after.items()})
            case Opt(content) if part.value is not None:
                inner = changed(Typed(content, part.value.value))
                return Typed(Opt(inner.type), Some(inner.value))
            case _:
                return part

    return changed


def _more_fields(fields: dict[int, Typed]) -> dict[int, Typed]:
    new = {SMALLEST_ID: Typed(Vec(Primitive.TEXT), ("later", "")), LARGEST_ID: Typed(Opt(Primitive.NAT), Some(2**70))}
    return fields | new


def _of_options(change: Callable[[Typed], Typed | None]) -> Change:
    """A change of every field that is an option; None takes it away."""

    def changed(fields: dict[int, Typed]) -> dict[int, Typed]:
        after = {label: change(each) if isinstance(each.type, Opt) else each for label, each in fields.items()}
        return {label: each for label, each in after.items() if each is not None}

    return in_records(changed)


def _misfitting(option: Typed) -> Typed:
    if option.value is not None:
        return option
    other = Primitive.BOOL if option.type.content == Primitive.TEXT else Primitive.TEXT
    return Typed(Opt(other), Some(True if other is Primitive.BOOL else "of another type"))


def _services(fields: dict[int, Typed]) -> dict[int, Typed]:
    return {
        label: Typed(Service(), each.value) if each.type == Primitive.PRINCIPAL else each
        for label, each in fields.items()
    }


def _fewer_cases(fields: dict[int, Typed]) -> dict[int, Typed]:
    def only_used(each: Typed) -> Typed:
        match each.type, each.value:
            case Variant(cases), Case(used, _):
                return Typed(Variant([(label, content) for label, content in cases if label == used]), each.value)
            case _:
                return each

    return {label: only_used(each) for label, each in fields.items()}


ADMITTED_CHANGES: Final[dict[Text, Change]] = {
    "more fields in every record": in_records(_more_fields),
    "options that are not given left out": _of_options(lambda each: None if each.value is None else each),
    "options of another type": _of_options(_misfitting),
    "values where options are expected": _of_options(
        lambda each: each if each.value is None else Typed(each.type.content, each.value.value)
    ),
    "null where options are expected": _of_options(
        lambda each: Typed(Primitive.NULL, None) if each.value is None else each
    ),
    "reserved where options are expected": _of_options(
        lambda each: Typed(Primitive.RESERVED, None) if each.value is None else each
    ),
    "services where principals are expected": in_records(_services),
    "variants with the cases that are used": in_records(_fewer_cases),
}

# Forms

UNUSED: Final = (
    bytes.fromhex("6e01"),  # opt of the next entry
    bytes.fromhex("6c02007d0100"),  # record { nat; the entry before }
    bytes.fromhex("6d02"),  # a vector of itself
    bytes.fromhex("6b02017f0502"),  # a variant with and without content
    bytes.fromhex("6a017d01710101"),  # a query function
    bytes.fromhex("69010361626304"),  # a service with that function
    bytes.fromhex("6702abcd"),  # a type of a later version, whose description has two bytes
)
"""The first two make the recursive type; none is used by what is read."""

Form = Callable[[Blob], Blob]
"""From the plain form of an argument to another one."""


def _written(writer: Writer, change: Change = lambda part: part, *others: Typed) -> Form:
    return lambda plain: writer.message([*map(change, typed(plain)), *others])


PLAIN: Final = Writer()

LATER: Final = (Typed(Primitive.NAT, 7), Typed(Record([(3, Opt(Primitive.TEXT))]), {3: Some("later")}))
"""Arguments that come after those that are expected."""

ONE_CASE: Final = Typed(Variant([(5, Primitive.NULL)]), Case(5, None))
"""A variant with one case, whose number is the last byte."""


def _recursive_field(fields: dict[int, Typed]) -> dict[int, Typed]:
    return fields | {LARGEST_ID: Typed(Recursive(), 5)}


ADMITTED: Final[dict[Text, Form]] = {
    "as it is": _written(PLAIN),
    **{name: _written(PLAIN, change) for name, change in ADMITTED_CHANGES.items()},
    "more arguments": _written(PLAIN, lambda part: part, *LATER),
    "numbers with bytes that do not change them": _written(Writer(longer_numbers=2)),
    "types in another order": _written(Writer(backwards=True)),
    "types that nothing refers to": _written(Writer(unused=UNUSED)),
    "every type twice": _written(Writer(repeated=True)),
    "a field of a recursive type": _written(Writer(unused=UNUSED[:2]), in_records(_recursive_field)),
}
"""Forms that are read as the plain one is."""


def _first_required(change: Callable[[Typed], Typed | None]) -> Change:
    """A change of the first field that is no option, of the whole argument."""

    def changed(part: Typed) -> Typed:
        assert isinstance(part.type, Record)
        fields = dict(part.type.fields)
        label = next(each for each, content in fields.items() if not isinstance(content, Opt))
        after = change(Typed(fields[label], part.value[label]))
        values = {each: value for each, value in part.value.items() if each != label}
        types = {each: content for each, content in fields.items() if each != label}
        if after is not None:
            types[label], values[label] = after.type, after.value
        return Typed(Record(list(types.items())), values)

    return changed


def _beside(entry: bytes) -> Form:
    """What is sent is right, but for an entry of the table that nothing refers to."""
    return _written(Writer(unused=(entry,)))


REFUSED: Final[dict[Text, Form]] = {
    "a required field missing": _written(PLAIN, _first_required(lambda each: None)),
    "a required field of another type": _written(PLAIN, _first_required(lambda each: Typed(Primitive.BOOL, True))),
    "an option where a value is required": _written(
        PLAIN, _first_required(lambda each: Typed(Opt(each.type), Some(each.value)))
    ),
    "null where a value is required": _written(PLAIN, _first_required(lambda each: Typed(Primitive.NULL, None))),
    "no argument": lambda plain: b"DIDL\0\0",
    "the argument after another one": lambda plain: PLAIN.message([LATER[0], *typed(plain)]),
    "nothing": lambda plain: b"",
    "bytes after the last value": lambda plain: plain + b"\0",
    "a later argument in a case that its type does not have": lambda plain: (
        PLAIN.message([*typed(plain), ONE_CASE])[:-1] + b"\1"
    ),
    "the last byte missing": lambda plain: plain[:-1],
    "another magic": lambda plain: b"DIDM" + plain[4:],
    "no magic": lambda plain: plain[4:],
    "a type that is not in the table": lambda plain: b"DIDL\x00\x01\x00",
    "a primitive type in the table": lambda plain: b"DIDL\x01\x7d\x01\x00\x05",
    "fields in the wrong order": lambda plain: b"DIDL\x01\x6c\x02\x05\x7d\x04\x7d\x01\x00\x01\x01",
    "a field twice": _beside(bytes.fromhex("6c02057d057d")),
    "a service with a method that is no function": _beside(bytes.fromhex("6901016100")),
    "a field whose id is 2^32": _beside(bytes.fromhex("6c0180808080107d")),
}
"""Forms that are not read. Those about required fields are for arguments that have one."""

FORMS_OF_FIELDS: Final = tuple(name for name in REFUSED if "required" in name)


def has_required_field(plain: Blob) -> bool:
    """Some field of the argument is no option."""
    return any(
        isinstance(part.type, Record) and any(not isinstance(content, Opt) for _, content in part.type.fields)
        for part in typed(plain)
    )


def refused_forms(plain: Blob) -> dict[Text, Form]:
    """The forms of this argument that are not read."""
    has_one = has_required_field(plain)
    return {name: form for name, form in REFUSED.items() if has_one or name not in FORMS_OF_FIELDS}


COMBINED: Final[dict[Text, Form]] = {
    "more fields and arguments": _written(PLAIN, in_records(_more_fields), *LATER),
    "options left out, and types in another order": _written(
        Writer(backwards=True, unused=UNUSED),
        ADMITTED_CHANGES["options that are not given left out"],
    ),
    "options of another type, a recursive field, and longer numbers": _written(
        Writer(longer_numbers=1, unused=UNUSED[:2]),
        lambda part: in_records(_recursive_field)(ADMITTED_CHANGES["options of another type"](part)),
    ),
}
"""Several admitted forms at once."""
