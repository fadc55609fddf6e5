"""The words and signs of scripts of Candid assertions. Source: Candid, "Core Grammar"."""

import re
from typing import Final

from attrs import define

from spec.tooling.candid_text.grammar import CandidTextError, text_of

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


@define
class Tokens:
    """The words and signs of a text, read one after the other."""

    tokens: list[tuple[str, int]]
    """Each with its line."""
    position: int = 0

    @classmethod
    def of(cls, text: str) -> "Tokens":
        """Splits a text. Raises `CandidTextError`."""
        tokens, position = [], 0
        while position < len(text):
            found = TOKEN.match(text, position)
            line = text.count("\n", 0, position) + 1
            if found is None:
                raise CandidTextError(f"line {line}: {text[position]!r} does not begin anything")
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
            raise CandidTextError("the text ends too early")
        self.position += 1
        return self.tokens[self.position - 1][0]

    def accept(self, token: str) -> bool:
        if self.next != token:
            return False
        self.position += 1
        return True

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise CandidTextError(f"{token} is expected, not {self.next or 'the end'}")

    def text(self) -> str:
        quoted = self.take()
        if not quoted.startswith('"'):
            raise CandidTextError(f"a quoted text is expected, not {quoted}")
        return text_of(quoted)

    def label(self) -> str | int:
        """The name or the number of a field."""
        token = self.next or ""
        if token.startswith('"'):
            return self.text()
        if re.fullmatch(r"\d[\d_]*", token):
            return int(self.take().replace("_", ""))
        if re.fullmatch(r"[A-Za-z_]\w*", token):
            return self.take()
        raise CandidTextError(f"{token} is not a label")
