"""Candid values as they are written for people, as far as assertions use it. Source: Candid, "Core Grammar"."""

import re
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import define, frozen

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
    field_id,
)
from spec.values.candid.encoding import INTEGER_WIDTHS
from spec.values.candid.types import null_is_subtype_of, resolved
from spec.values.identifiers import Principal, principal_from_text

TOKEN: Final = re.compile(
    r"""
    (?P<space> \s+ | //[^\n]* | /\*.*?\*/ )
    | (?P<token>
        "(?:[^"\\]|\\.)*"
        | [A-Za-z_]\w*
        | [+-]?0x[0-9a-fA-F_]+
        | [+-]?\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?
        | -> | !: | == | != | [(){};:,=.]
    )
    """,
    re.VERBOSE | re.DOTALL,
)

SHORT_ESCAPES: Final = {"n": b"\n", "r": b"\r", "t": b"\t", '"': b'"', "'": b"'", "\\": b"\\"}


class TextError(Exception):
    """A text is not in the format, or has no value of the expected type."""


@define
class Tokens:
    """The words and signs of a text, read one after the other."""

    tokens: list[tuple[str, int]]
    """Each with its line."""
    position: int = 0

    @classmethod
    def of(cls, text: str) -> "Tokens":
        """Splits a text. Raises `TextError`."""
        tokens, position = [], 0
        while position < len(text):
            found = TOKEN.match(text, position)
            line = text.count("\n", 0, position) + 1
            if found is None:
                raise TextError(f"line {line}: {text[position]!r} does not begin anything")
            if found["token"] is not None:
                tokens.append((found["token"], line))
            position = found.end()
        return cls(tokens)

    @property
    def line(self) -> int:
        return self.tokens[min(self.position, len(self.tokens) - 1)][1] if self.tokens else 1

    @property
    def next(self) -> str | None:
        return self.tokens[self.position][0] if self.position < len(self.tokens) else None

    @property
    def after_next(self) -> str | None:
        return self.tokens[self.position + 1][0] if self.position + 1 < len(self.tokens) else None

    def take(self) -> str:
        if self.next is None:
            raise TextError("the text ends too early")
        self.position += 1
        return self.tokens[self.position - 1][0]

    def accept(self, token: str) -> bool:
        if self.next != token:
            return False
        self.position += 1
        return True

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise TextError(f"{token} is expected, not {self.next or 'the end'}")

    def text(self) -> str:
        try:
            return unescaped(self.take()).decode()
        except UnicodeDecodeError:
            raise TextError("a text is not UTF-8") from None

    def label(self) -> str | int:
        """The name or the number of a field."""
        token = self.next or ""
        if token.startswith('"'):
            return self.text()
        if re.fullmatch(r"\d[\d_]*", token):
            return int(self.take().replace("_", ""))
        if re.fullmatch(r"[A-Za-z_]\w*", token):
            return self.take()
        raise TextError(f"{token} is not a label")


def unescaped(quoted: str) -> bytes:
    """The bytes that a quoted text stands for. Raises `TextError`."""
    if not quoted.startswith('"'):
        raise TextError(f"a quoted text is expected, not {quoted}")
    escape = r"\\(?:u\{(?P<point>[0-9a-fA-F][0-9a-fA-F_]*)\}|(?P<byte>[0-9a-fA-F]{2})|(?P<short>[nrt\"'\\]))"
    parts, position, text = [], 0, quoted[1:-1]
    while position < len(text):
        found = re.compile(escape).match(text, position)
        if found is None:
            if text[position] == "\\":
                raise TextError("an escape is not known")
            parts.append(text[position].encode())
            position += 1
            continue
        if found["point"] is not None:
            parts.append(chr(int(found["point"].replace("_", ""), 16)).encode())
        elif found["byte"] is not None:
            parts.append(bytes.fromhex(found["byte"]))
        else:
            parts.append(SHORT_ESCAPES[found["short"]])
        position = found.end()
    return b"".join(parts)


# Written values, before a type is known


@frozen
class Written:
    """A written value: what it begins with, and what it holds."""

    kind: str
    content: object = None


def read_text(text: str, types: Sequence[CandidType], definitions: Definitions) -> tuple[CandidValue, ...]:
    """The values in parentheses at the types. Raises `TextError`."""
    tokens = Tokens.of(text)
    written = {}
    tokens.expect("(")
    while not tokens.accept(")"):
        written[len(written)] = _value(tokens)
        if tokens.next != ")":
            tokens.expect(",")
    if tokens.next is not None:
        raise TextError(f"{tokens.next} follows the values")
    read = _record(written, Record(list(enumerate(types))), definitions)
    return tuple(read[index] for index in range(len(types)))


def _value(tokens: Tokens) -> Written:
    token = tokens.take()
    match token:
        case "null" | "true" | "false":
            return Written(token)
        case "opt":
            return Written("opt", _value(tokens))
        case "vec":
            return Written("vec", tuple(content for _, content in _fields(tokens)))
        case "record":
            return Written("record", dict(_fields(tokens)))
        case "variant":
            cases = list(_fields(tokens, are_cases=True))
            if len(cases) != 1:
                raise TextError("a value of a variant has one case")
            return Written("variant", cases[0])
        case "blob":
            return Written("blob", unescaped(tokens.take()))
        case "principal" | "service":
            return Written(token, _principal(tokens))
        case "func":
            principal = _principal(tokens)
            tokens.expect(".")
            return Written("func", (principal, str(tokens.label())))
        case _ if token.startswith('"'):
            tokens.position -= 1
            return Written("text", tokens.text())
        case _ if token[0] in "+-0123456789":
            return Written("number", token.replace("_", ""))
    raise TextError(f"{token} does not begin a value")


def _principal(tokens: Tokens) -> Principal:
    try:
        return principal_from_text(tokens.text())
    except ValueError as problem:
        raise TextError(str(problem)) from None


def _fields(tokens: Tokens, *, are_cases: bool = False) -> Iterator[tuple[int, Written]]:
    """The ids and contents of what stands in braces."""
    tokens.expect("{")
    following = 0
    while not tokens.accept("}"):
        if tokens.after_next == "=":
            label = field_id(tokens.label())
            tokens.expect("=")
            content = _value(tokens)
        elif are_cases:
            label, content = field_id(tokens.label()), Written("null")
        else:
            label, content = following, _value(tokens)
        yield label, content
        following = label + 1
        if tokens.next != "}":
            tokens.expect(";")


# Written values at a type


def _at(written: Written, candid_type: CandidType, definitions: Definitions) -> CandidValue:
    """The value at the type. Raises `TextError`."""
    head = resolved(candid_type, definitions)
    content = written.content
    match head, written.kind:
        case (Primitive.RESERVED, _) | (Primitive.NULL | Opt(), "null"):
            return None
        case Primitive.BOOL, "true" | "false":
            return written.kind == "true"
        case Primitive.TEXT, "text":
            return content
        case Primitive.PRINCIPAL, "principal" | "service":
            return content
        case Primitive(), "number":
            return _number(str(content), head)
        case Opt(), "opt":
            return Some(_at(content, head.content, definitions))
        case Vec(), "blob" if head == BLOB:
            return content
        case Vec(), "vec":
            elements = tuple(_at(element, head.element, definitions) for element in content)
            return bytes(elements) if head == BLOB else elements
        case Record(), "record":
            return _record(content, head, definitions)
        case Variant(), "variant":
            for label, case_type in head.fields:
                if field_id(label) == content[0]:
                    return Case(label, _at(content[1], case_type, definitions))
        case Service(), "service":
            return ServiceReference(content)
        case Func(), "func":
            return FunctionReference(*content)
    raise TextError(f"a {written.kind} where {head} is expected")


def _record(given: dict[int, Written], expected: Record, definitions: Definitions) -> dict[str | int, CandidValue]:
    read: dict[str | int, CandidValue] = {}
    for label, content in expected.fields:
        if field_id(label) in given:
            read[label] = _at(given[field_id(label)], content, definitions)
        elif null_is_subtype_of(content, definitions):
            read[label] = None
        else:
            raise TextError(f"the field {label} is missing")
    return read


def _number(written: str, primitive: Primitive) -> CandidValue:
    """A number, if it is one of the type."""
    try:
        match primitive:
            case Primitive.FLOAT32:
                return struct.unpack("<f", struct.pack("<f", float(written)))[0]
            case Primitive.FLOAT64:
                return float(written)
        number = int(written, 16 if "0x" in written else 10)
    except ValueError as problem:
        raise TextError(str(problem)) from None
    if primitive in INTEGER_WIDTHS:
        width, signed = INTEGER_WIDTHS[primitive]
        lowest, limit = (-(1 << 8 * width - 1), 1 << 8 * width - 1) if signed else (0, 1 << 8 * width)
        fits = lowest <= number < limit
    else:
        fits = primitive == Primitive.INT or (primitive == Primitive.NAT and number >= 0)
    if not fits:
        raise TextError(f"{number} is no {primitive.name.lower()}")
    return number
