"""Programs and acts as data: calls of functions by name, which can be kept, changed, evaluated, written as Python."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import evolve, field, frozen

from conformance.canisters import ic0, scripted
from spec.values.identifiers import MANAGEMENT_CANISTER, Text

Value = Any
"""None, a truth value, a number, a text, bytes, a tuple of values, or a `Call`."""


@frozen
class Call:
    """A function by its name, with what it is called with."""

    name: Text
    arguments: tuple[Value, ...] = ()
    named: tuple[tuple[Text, Value], ...] = field(default=())

    @property
    def options(self) -> dict[Text, Value]:
        """What it is called with by name."""
        return dict(self.named)

    def with_option(self, name: Text, value: Value) -> "Call":
        """The call with another value for what it has by that name."""
        return evolve(self, named=tuple((each, value if each == name else old) for each, old in self.named))


def call(name: Text, *arguments: Value, **named: Value) -> Call:
    """A function by its name, with what it is called with."""
    return Call(name, arguments, tuple(named.items()))


Course = tuple[Call, ...]
"""What is done, one act after the other: methods of `acts.Players`."""


# Evaluating


CONSTANTS: Final[Mapping[Text, bytes]] = {
    "RELAY_REPLY": scripted.RELAY_REPLY,
    "RELAY_REJECT": scripted.RELAY_REJECT,
    "MANAGEMENT_CANISTER": MANAGEMENT_CANISTER,
}
"""Programs and principals that have a name."""


def function_named(name: Text) -> Any:
    """The function of the scripted canister, or of the System API, that has this name."""
    home, _, rest = name.rpartition(".")
    return getattr(ic0 if home == "ic0" else scripted, rest)


def evaluated(value: Value, own: Mapping[Text, Any]) -> Any:
    """The value with all calls made; `own` are functions that are no part of the scripted canister."""
    match value:
        case Call(name) if name in CONSTANTS:
            return CONSTANTS[name]
        case Call(name, arguments, named):
            function = own[name] if name in own else function_named(name)
            given = [evaluated(each, own) for each in arguments]
            return function(*given, **{each: evaluated(part, own) for each, part in named})
        case tuple():
            return tuple(evaluated(each, own) for each in value)
        case _:
            return value


# As JSON, for the corpus


def as_json(value: Value) -> Any:
    """The value as what JSON can hold."""
    match value:
        case bytes():
            return {"bytes": value.hex()}
        case tuple():
            return [as_json(each) for each in value]
        case Call(name, arguments, named):
            return {"call": name, "with": as_json(arguments), "named": {each: as_json(part) for each, part in named}}
        case _:
            return value


def from_json(value: Any) -> Value:
    """What `as_json` wrote."""
    match value:
        case {"bytes": text}:
            return bytes.fromhex(text)
        case {"call": name, "with": arguments, "named": named}:
            return Call(name, from_json(arguments), tuple((each, from_json(part)) for each, part in named.items()))
        case list():
            return tuple(from_json(each) for each in value)
        case _:
            return value


# As Python, for people


def as_python(value: Value, written: Mapping[Text, Text], indented: int = 0) -> Text:
    """
    The expression in Python; what is long goes over several lines.

    `written` says how functions are called there whose names alone would not do.
    """
    match value:
        case Call(name) if name in CONSTANTS:
            return name
        case Call(name, arguments, named):
            parts = [(each, "") for each in arguments] + [(part, f"{each}=") for each, part in named]
            return _joined(f"{written.get(name, name)}(", parts, ")", written, indented)
        case tuple():
            return _joined("(", [(each, "") for each in value], ",)" if len(value) == 1 else ")", written, indented)
        case _:
            return repr(value)


LONGEST_LINE: Final = 100


def _joined(
    opening: Text, parts: list[tuple[Value, Text]], closing: Text, written: Mapping[Text, Text], indented: int
) -> Text:
    line = f"{opening}{', '.join(name + as_python(part, written) for part, name in parts)}{closing}"
    if len(line) + indented <= LONGEST_LINE or not parts:
        return line
    inside = indented + 4
    margin = " " * inside
    lines = [f"{margin}{name}{as_python(part, written, inside)}," for part, name in parts]
    return "\n".join([opening, *lines, " " * indented + closing.lstrip(",")])


def names_in(value: Value) -> Iterator[Text]:
    """The names of the functions that an expression calls."""
    match value:
        case Call(name, arguments, named):
            yield name
            yield from names_in(arguments)
            yield from names_in(tuple(part for _, part in named))
        case tuple():
            for each in value:
                yield from names_in(each)
