"""
Scripts of Candid assertions: what they look like, and whether this package does what they say.

The format is that of Candid's public test suite: type definitions, then assertions that a message or a written value
can be read at given types (`:`), cannot (`!:`), or means the same as another one (`==`) or something else (`!=`).
"""

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

from spec.tooling.candid_text import CandidTextError, read_values
from spec.tooling.candid_text.grammar import unescaped
from spec.values.candid import (
    BLOB,
    CandidError,
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
    decode,
)
from spec.values.tests.candid_text import Tokens


class ScriptError(Exception):
    """A script is not in the format. The message names the file and the line."""


@frozen
class Assertion:
    """One line of a script."""

    place: str
    """`file:line`."""
    title: str
    given: bytes | str
    """A message, or a written value."""
    relation: str
    """One of `:`, `!:`, `==` and `!=`."""
    other: bytes | str | None
    """What it is compared with."""
    types: tuple[CandidType, ...]
    definitions: dict[str, CandidType] = field(repr=False)

    def fault(self) -> str | None:
        """What is not as the assertion says; None if nothing is."""
        value = self.read(self.given)
        match self.relation:
            case "!:":
                return None if isinstance(value, CandidError) else f"it was read as {value}"
            case _ if isinstance(value, CandidError):
                return f"it was not read: {value.because}"
            case ":":
                return None
        other = self.read(self.other)
        if isinstance(other, CandidError):
            return f"the other side was not read: {other.because}"
        return None if (value == other) == (self.relation == "==") else f"{value} {self.relation} {other} does not hold"

    def read(self, side: bytes | str):
        """The values of one side."""
        if isinstance(side, bytes):
            return decode(self.types, side, self.definitions)
        try:
            return read_values(side, self.types, self.definitions)
        except CandidTextError as problem:
            return CandidError(str(problem))


def read_script(path: Path) -> tuple[Assertion, ...]:
    """The assertions of a file. Raises `ScriptError`."""
    try:
        tokens = Tokens.of(path.read_text(encoding="utf-8"))
    except CandidTextError as problem:
        raise ScriptError(f"{path}: {problem}") from None
    try:
        return tuple(_Reader(tokens, path.name).assertions())
    except CandidTextError as problem:
        raise ScriptError(f"{path}:{tokens.line}: {problem}") from None


@define
class _Reader:
    """Reads one script."""

    tokens: Tokens
    file: str
    definitions: dict[str, CandidType] = field(factory=dict)

    def assertions(self) -> Iterator[Assertion]:
        while self.tokens.next is not None:
            if self.tokens.accept("type"):
                name = self.tokens.take()
                self.tokens.expect("=")
                self.definitions[name] = self.type()
            else:
                self.tokens.expect("assert")
                yield self.assertion()
            self.tokens.expect(";")

    def assertion(self) -> Assertion:
        place = f"{self.file}:{self.tokens.line}"
        given = self.side()
        relation, other = self.tokens.take(), None
        if relation in ("==", "!="):
            other = self.side()
            self.tokens.expect(":")
        elif relation not in (":", "!:"):
            raise CandidTextError(f"{relation} is not a relation")
        types = tuple(self.types())
        title = self.tokens.text() if (self.tokens.next or "").startswith('"') else ""
        return Assertion(place, title, given, relation, other, types, self.definitions)

    def side(self) -> bytes | str:
        if self.tokens.accept("blob"):
            return unescaped(self.tokens.take())
        return self.tokens.text()

    def types(self) -> Iterator[CandidType]:
        """Types in parentheses; names of parameters mean nothing."""
        self.tokens.expect("(")
        while not self.tokens.accept(")"):
            if self.tokens.after_next == ":":
                self.tokens.take()
                self.tokens.take()
            yield self.type()
            if self.tokens.next != ")":
                self.tokens.expect(",")

    def type(self) -> CandidType:
        match word := self.tokens.take():
            case "opt":
                return Opt(self.type())
            case "vec":
                return Vec(self.type())
            case "blob":
                return BLOB
            case "record":
                return Record(list(self.fields(are_cases=False)))
            case "variant":
                return Variant(list(self.fields(are_cases=True)))
            case "func":
                return self.function()
            case "service":
                return Service(tuple(sorted(self.methods(), key=lambda method: method[0].encode())))
            case _ if word.islower() and word.upper() in Primitive.__members__:
                return Primitive[word.upper()]
            case _ if re.fullmatch(r"[A-Za-z_]\w*", word):
                return Defined(word)
        raise CandidTextError(f"{word} does not begin a type")

    def fields(self, *, are_cases: bool) -> Iterator[tuple[str | int, CandidType]]:
        """The fields of a record, or the cases of a variant. Fields without a label are numbered."""
        self.tokens.expect("{")
        following = 0
        while not self.tokens.accept("}"):
            if self.tokens.after_next == ":":
                label = self.tokens.label()
                self.tokens.expect(":")
                yield label, self.type()
            elif are_cases:
                label = self.tokens.label()
                yield label, Primitive.NULL
            else:
                label = following
                yield label, self.type()
            following = label + 1 if isinstance(label, int) else following
            if self.tokens.next != "}":
                self.tokens.expect(";")

    def function(self) -> Func:
        parameters = tuple(self.types())
        self.tokens.expect("->")
        results = tuple(self.types())
        annotations = set()
        while self.tokens.next in ("query", "oneway", "composite_query"):
            annotations.add(FunctionAnnotation[self.tokens.take().upper()])
        return Func(parameters, results, frozenset(annotations))

    def methods(self) -> Iterator[tuple[str, CandidType]]:
        self.tokens.expect("{")
        while not self.tokens.accept("}"):
            name = str(self.tokens.label())
            self.tokens.expect(":")
            yield name, self.function() if self.tokens.next == "(" else self.type()
            if self.tokens.next != "}":
                self.tokens.expect(";")
