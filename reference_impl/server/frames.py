"""
Lines of the conformance protocol as JSON values. Reading is strict, so that a line means one thing to everybody.

Written from conformance/PROTOCOL.md, independently of the judge's own reader.
"""

import json
import re
from collections.abc import Iterator
from typing import IO, Any, Final, NoReturn

from reference_impl.server.wire import DIGITS_LIMIT, Json, Malformed

LINE_LIMIT: Final = 64 << 20
"""Bytes of a line, its end included. Source: PROTOCOL.md, frames."""

DEPTH_LIMIT: Final = 100
"""Brackets that are open at one time. Source: PROTOCOL.md, frames."""

TEXT_LIMIT: Final = 500
"""Characters of the text of an error that are written; the rest tells nobody more."""

STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
"""The strings of a JSON text, in which brackets do not count."""

HALF_PAIR: Final = re.compile("[\ud800-\udfff]")
"""What is left of an escape sequence that is only half of a character."""


def lines_of(source: IO[bytes]) -> Iterator[bytes]:
    """The lines of the source. Of one that is over the limit only the beginning is kept, which is over it too."""
    line = source.readline(LINE_LIMIT + 1)
    while line:
        end = line[-1:]
        while end not in (b"\n", b""):
            end = source.readline(1 << 16)[-1:]
        yield line
        line = source.readline(LINE_LIMIT + 1)


def frame_of(line: bytes) -> Json:
    """The value on a line. Raises `Malformed`."""
    if len(line) > LINE_LIMIT:
        raise Malformed(f"frame: the line is longer than {LINE_LIMIT} bytes")
    try:
        text = str(line, "utf-8")
    except UnicodeDecodeError:
        raise Malformed("frame: the line is not UTF-8") from None
    if depth_of(text) > DEPTH_LIMIT:
        raise Malformed(f"frame: brackets are nested more than {DEPTH_LIMIT} deep")
    try:
        value = DECODER.decode(text)
    except json.JSONDecodeError as problem:
        raise Malformed(f"frame: the line is not JSON: {problem}") from None
    if "\\u" in text and HALF_PAIR.search(json.dumps(value, ensure_ascii=False)):
        raise Malformed("frame: a text is not Unicode")
    return value


def depth_of(text: str) -> int:
    """How many brackets are open at one time at most, whether or not the text is JSON."""
    if text.count("{") + text.count("[") <= DEPTH_LIMIT:
        return 0
    depth = deepest = 0
    for bracket in re.findall(r"[][{}]", STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def error_text(text: str) -> str:
    """A text of an error in one line of limited length."""
    kept = text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in kept)


def _object_of(pairs: list[tuple[str, Json]]) -> Json:
    names = [name for name, _ in pairs]
    if len(names) > len(set(names)):
        raise Malformed("frame: an object has a field twice")
    return dict(pairs)


def _integer_of(digits: str) -> int:
    if len(digits.lstrip("-")) > DIGITS_LIMIT:
        raise Malformed(f"frame: an integer has more than {DIGITS_LIMIT} digits")
    return int(digits)


def _no_number(name: str) -> NoReturn:
    raise Malformed(f"frame: {name} is not JSON")


DECODER: Final[Any] = json.JSONDecoder(object_pairs_hook=_object_of, parse_int=_integer_of, parse_constant=_no_number)
