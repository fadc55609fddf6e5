"""The grammar of Candid's textual form, and what its parts have in common."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from lark import Lark, Transformer, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken, VisitError
from lark.lexer import Token

from spec.values.candid import (
    BLOB,
    CandidType,
    Defined,
    Func,
    FunctionAnnotation,
    Opt,
    Primitive,
    Record,
    Service,
    Variant,
    Vec,
    field_id,
)
from spec.values.candid.types import FieldLabel

Content = TypeVar("Content")

GRAMMAR: Final = Path(__file__).with_name("candid.lark")

DEEPEST: Final = 200
"""So many brackets may be open at once. Reason: a deeper text would end the interpreter's stack."""

SHORT_ESCAPES: Final = {"n": b"\n", "r": b"\r", "t": b"\t", '"': b'"', "'": b"'", "\\": b"\\"}

ESCAPE: Final = re.compile(
    r"\\(?:u\{(?P<point>[0-9a-fA-F][0-9a-fA-F_]*)\}|(?P<byte>[0-9a-fA-F]{2})|(?P<short>[nrt\"'\\]))"
)


class CandidTextError(Exception):
    """A text is not in the format, or has no value of the expected type. The message is one line, with the place."""


@cache
def parser() -> Lark:
    """The parser, made when it is needed for the first time."""
    starts = ["interface", "values"]
    return Lark(
        GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        start=starts,
        maybe_placeholders=False,
        propagate_positions=True,
    )


def parsed(text: str, start: str) -> "Tree[Token]":
    """The tree of a text. Raises `CandidTextError`."""
    depth = deepest = 0
    for letter in text:
        depth += (letter in "({") - (letter in ")}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise CandidTextError(f"more than {DEEPEST} brackets are open at once")
    try:
        return parser().parse(text, start=start)
    except UnexpectedEOF:
        raise CandidTextError("the text ends too early") from None
    except UnexpectedToken as problem:
        found = problem.token
        what = "the text ends too early" if found.type == "$END" else f"{str(found)!r} is not expected here"
        raise CandidTextError(f"{place_of(problem)}{what}") from None
    except UnexpectedCharacters as problem:
        raise CandidTextError(f"{place_of(problem)}{text[problem.pos_in_stream or 0]!r} is not expected here") from None


def place_of(problem: UnexpectedInput) -> str:
    """Where a text is wrong, for the beginning of a message."""
    return f"line {problem.line}, column {problem.column}: " if problem.line > 0 else ""


def transformed(tree: "Tree[Token]", transformer: "Transformer[Token, object]") -> object:
    """What a transformer makes of a tree. Raises `CandidTextError`."""
    try:
        return transformer.transform(tree)
    except VisitError as problem:
        if isinstance(problem.orig_exc, CandidTextError | ValueError):
            line = getattr(getattr(problem.obj, "meta", None), "line", None)
            place = "" if line is None else f"line {line}: "
            raise CandidTextError(f"{place}{problem.orig_exc}") from None
        raise


def unescaped(quoted: str) -> bytes:
    """The bytes that a quoted text stands for. Raises `CandidTextError`."""
    parts, position, text = [], 0, quoted[1:-1]
    while position < len(text):
        if text[position] != "\\":
            following = text.find("\\", position)
            end = len(text) if following < 0 else following
            parts.append(text[position:end].encode())
            position = end
            continue
        found = ESCAPE.match(text, position)
        if found is None:
            raise CandidTextError(f"the escape {text[position : position + 2]!r} is not known")
        if found["point"] is not None:
            parts.append(_character(int(found["point"].replace("_", ""), 16)))
        elif found["byte"] is not None:
            parts.append(bytes.fromhex(found["byte"]))
        else:
            parts.append(SHORT_ESCAPES[found["short"]])
        position = found.end()
    return b"".join(parts)


def _character(point: int) -> bytes:
    if point > 0x10FFFF or 0xD800 <= point < 0xE000:
        raise CandidTextError(f"{point:x} is no Unicode scalar value")
    return chr(point).encode()


def text_of(quoted: str) -> str:
    """The text that a quoted text stands for. Raises `CandidTextError`."""
    try:
        return unescaped(quoted).decode()
    except UnicodeDecodeError:
        raise CandidTextError("a text is not UTF-8") from None


def natural(written: str) -> int:
    """A number without a sign."""
    return int(written.replace("_", ""), 16 if written.startswith("0x") else 10)


class Types(Transformer[Token, object]):
    """Makes types of their trees."""

    def primitive(self, children: list[Token]) -> CandidType:
        return Primitive[children[0].upper()]

    def reference(self, children: list[Token]) -> CandidType:
        return Defined(str(children[0]))

    def blob_type(self, _: list[object]) -> CandidType:
        return BLOB

    def opt_type(self, children: list[CandidType]) -> CandidType:
        return Opt(children[0])

    def vec_type(self, children: list[CandidType]) -> CandidType:
        return Vec(children[0])

    def record_type(self, children: list[tuple[FieldLabel | None, CandidType]]) -> CandidType:
        return Record(numbered(children))

    def variant_type(self, children: list[tuple[FieldLabel, CandidType]]) -> CandidType:
        return Variant(children)

    def function_type(self, children: list[Func]) -> CandidType:
        return children[0]

    def service_type(self, children: list[tuple[tuple[str, CandidType], ...]]) -> CandidType:
        return Service(children[0])

    def named_field(self, children: list[object]) -> object:
        return children[0], children[1]

    def plain_field(self, children: list[object]) -> object:
        return None, children[0]

    def plain_case(self, children: list[object]) -> object:
        return children[0], Primitive.NULL

    def label(self, children: list[Token | str]) -> FieldLabel:
        label = children[0]
        return natural(label) if isinstance(label, Token) and label.type == "NATURAL" else str(label)

    def word(self, children: list[Token]) -> str:
        return text_of(children[0]) if children[0].type == "TEXT" else str(children[0])

    def parameter(self, children: list[object]) -> object:
        return children[-1]

    def parameters(self, children: list[CandidType]) -> tuple[CandidType, ...]:
        return tuple(children)

    def annotation(self, children: list[Token]) -> FunctionAnnotation:
        return FunctionAnnotation[children[0].upper()]

    def function(self, children: list[object]) -> Func:
        parameters, results, *annotations = children
        return Func(parameters, results, frozenset(annotations))  # type: ignore[arg-type]

    def method(self, children: list[object]) -> object:
        return children[0], children[1]

    def methods(self, children: list[tuple[str, CandidType]]) -> tuple[tuple[str, CandidType], ...]:
        return tuple(sorted(children, key=lambda method: method[0].encode()))


def numbered(fields: Iterable[tuple[FieldLabel | None, Content]]) -> list[tuple[FieldLabel, Content]]:
    """Fields, of a type or a value, with labels; one without has the number after that of the field before it."""
    labelled: list[tuple[FieldLabel, Content]] = []
    following = 0
    for label, content in fields:
        chosen: FieldLabel = following if label is None else label
        labelled.append((chosen, content))
        following = field_id(chosen) + 1
    return labelled
