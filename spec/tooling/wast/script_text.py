"""
Reading test scripts of the core specification: nested lists of words and strings, and the values written in them.

Only scripts are read here; the text of a module inside a script is handed on as it stands.
"""

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from attrs import frozen

from spec.wasm.numerics_float import F32_FORMAT, F64_FORMAT, FloatFormat
from spec.wasm.syntax import NULL
from spec.wasm.vector_shapes import SHAPES, Shape


class ScriptError(Exception):
    """The text is no test script."""


@frozen
class Word:
    """A keyword, name or number."""

    text: str


@frozen
class Quoted:
    """A string: its bytes."""

    content: bytes


@frozen
class Group:
    """What stands between two parentheses, and where."""

    items: tuple["Node", ...]
    start: int
    end: int
    line: int

    @property
    def head(self) -> str:
        """The first word, or nothing."""
        first = self.items[0] if self.items else None
        return first.text if isinstance(first, Word) else ""

    def item(self, position: int) -> "Node":
        """The item at a place. Raises `ScriptError` if there is none."""
        if position >= len(self.items):
            raise ScriptError(f"line {self.line}: the list {self.head} is too short")
        return self.items[position]


Node = Word | Quoted | Group

_TOKEN: Final = re.compile(
    r"""
    (?P<space> [ \t\r\n]+ | ;;[^\n]* ) | (?P<comment> \(; ) | (?P<open> \( ) | (?P<close> \) )
    | "(?P<string> (?: [^"\\] | \\. )* )" | (?P<word> [^\s()";]+ | ; )
    """,
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(rb"\\(?:u\{([0-9a-fA-F_]+)\}|([0-9a-fA-F]{2})|(.))", re.DOTALL)
_SIMPLE_ESCAPES: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b'"': b'"', b"'": b"'", b"\\": b"\\"}


def string_bytes(text: str) -> bytes:
    """The bytes that a string with escapes stands for."""

    def replaced(match: re.Match[bytes]) -> bytes:
        code_point, two_digits, character = match.groups()
        if code_point is not None:
            return chr(int(code_point.replace(b"_", b""), 16)).encode()
        return bytes.fromhex(two_digits.decode()) if two_digits is not None else _SIMPLE_ESCAPES[character]

    return _ESCAPE.sub(replaced, text.encode("utf-8", "surrogateescape"))


def skip_comment(text: str, start: int) -> int:
    """Where a block comment that begins at `start` ends; such comments nest."""
    depth = 0
    for match in re.compile(r"\(;|;\)").finditer(text, start):
        depth += 1 if match.group() == "(;" else -1
        if depth == 0:
            return match.end()
    raise ScriptError("a comment is not closed")


def groups(text: str) -> Iterator[Group]:
    """The lists of a script, at the top level, in order."""
    open_groups: list[tuple[int, int, list[Node]]] = []
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ScriptError(f"line {line}: unexpected character {text[position]!r}")
        position, before = match.end(), match.start()
        match match.lastgroup:
            case "comment":
                position = skip_comment(text, before)
            case "open":
                open_groups.append((before, line, []))
            case "close":
                if not open_groups:
                    raise ScriptError(f"line {line}: unexpected )")
                start, first_line, items = open_groups.pop()
                group = Group(tuple(items), start, position, first_line)
                if group.head.startswith("@"):
                    pass  # An annotation may stand anywhere and says nothing.
                elif open_groups:
                    open_groups[-1][2].append(group)
                else:
                    yield group
            case "string" if open_groups:
                open_groups[-1][2].append(Quoted(string_bytes(match["string"])))
            case "word" if open_groups:
                open_groups[-1][2].append(Word(match["word"]))
            case "string" | "word":
                raise ScriptError(f"line {line}: a list is expected, not {match.group()[:40]}")
        line += text.count("\n", before, position)
    if open_groups:
        raise ScriptError(f"line {open_groups[-1][1]}: a list is not closed")


# Values


def integer(text: str, width: int) -> int:
    """The bit pattern of an integer."""
    return int(text.replace("_", ""), 0 if "0x" in text.lower() else 10) & ((1 << width) - 1)


def exact_number(text: str) -> Fraction:
    """The exact value of an unsigned number, decimal or hexadecimal, with fraction and exponent."""
    lowered = text.lower().replace("_", "")
    if not lowered.startswith("0x"):
        return Fraction(lowered.rstrip(".") if "e" not in lowered else lowered.replace(".e", "e"))
    digits, _, exponent = lowered[2:].partition("p")
    whole, _, fraction = digits.partition(".")
    return Fraction(int(whole + fraction, 16)) * Fraction(2) ** (int(exponent or "0") - 4 * len(fraction))


def nearest_bits(form: FloatFormat, number: Fraction) -> int:
    """The bits of the nearest number of a format that is not negative, ties to even."""
    if number == 0:
        return 0
    bias = (1 << form.width - form.fraction - 2) - 1
    exponent = math.floor(math.log2(number.numerator) - math.log2(number.denominator))
    exponent += (number >= Fraction(2) ** (exponent + 1)) - (number < Fraction(2) ** exponent)
    exponent = max(exponent, 1 - bias)
    significand = round(number / Fraction(2) ** (exponent - form.fraction))
    # The hidden digit and a carry both add one to the exponent field.
    return min(((exponent + bias - 1) << form.fraction) + significand, form.infinity)


def floating(text: str, form: FloatFormat) -> int:
    """The bit pattern of a floating-point number."""
    sign = form.sign_bit if text.startswith("-") else 0
    unsigned = text.lstrip("+-")
    if unsigned == "inf":
        return sign | form.infinity
    if unsigned == "nan":
        return sign | form.canonical_nan
    if unsigned.startswith("nan:0x"):
        return sign | form.infinity | int(unsigned[4:].replace("_", ""), 16)
    return sign | nearest_bits(form, exact_number(unsigned))


def vector_shape(group: Group) -> Shape:
    """How a vector is written: the word behind `v128.const`."""
    word = group.items[1] if len(group.items) > 1 else None
    if not isinstance(word, Word) or word.text not in SHAPES:
        raise ScriptError(f"line {group.line}: the shape of a vector is expected")
    return SHAPES[word.text]


def vector_lanes(group: Group) -> list[Group]:
    """The lanes of a vector, each as a constant of its own."""
    shape = vector_shape(group)
    constant = Word(f"{shape.name[0]}{shape.width if shape.width > 16 else 32}.const")
    if len(group.items) != 2 + shape.count:
        raise ScriptError(f"line {group.line}: {shape.count} lanes are expected")
    return [Group((constant, item), group.start, group.end, group.line) for item in group.items[2:]]


def value(group: Group) -> int:
    """The bit pattern that a constant stands for. Raises `NotImplementedError` for values of other kinds."""
    try:
        return _value(group)
    except ValueError:
        raise ScriptError(f"line {group.line}: a number is expected in {group.head}") from None


def _value(group: Group) -> int:
    operand = group.items[1].text if len(group.items) > 1 and isinstance(group.items[1], Word) else ""
    match group.head:
        case "i32.const":
            return integer(operand, 32)
        case "i64.const":
            return integer(operand, 64)
        case "f32.const":
            return floating(operand, F32_FORMAT)
        case "f64.const":
            return floating(operand, F64_FORMAT)
        case "v128.const":
            shape = vector_shape(group)
            return shape.vector(value(lane) for lane in vector_lanes(group))
        case "ref.null":
            return NULL
        case "ref.extern" | "ref.host":
            return integer(operand, 32)
        case other:
            raise NotImplementedError(other)


def matches(actual: int, group: Group) -> bool:
    """A result is what is expected: a value, one of several, some NaN, or some reference."""
    operand = group.items[1] if len(group.items) > 1 else None
    if group.head == "either":
        return any(isinstance(item, Group) and matches(actual, item) for item in group.items[1:])
    if group.head in ("ref.func", "ref.extern") and operand is None:
        return actual != NULL
    if group.head == "v128.const":
        shape, lanes = vector_shape(group), vector_lanes(group)
        if shape.name.startswith("f"):
            return all(map(matches, shape.lanes(actual), lanes))
    form = {"f32.const": F32_FORMAT, "f64.const": F64_FORMAT}.get(group.head)
    if form is not None and operand == Word("nan:canonical"):
        return actual & ~form.sign_bit == form.canonical_nan
    if form is not None and operand == Word("nan:arithmetic"):
        return form.is_nan(actual) and bool(actual & 1 << form.fraction - 1)
    return actual == value(group)
