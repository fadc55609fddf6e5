"""Candid values as they are written for people, as far as assertions use it. Source: Candid, "Core Grammar"."""

import re
from typing import Final

from attrs import define

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
