"""Reads one line of the protocol as JSON, strictly. What cannot be read is a `WireError`, whatever it is."""

import json
from typing import Any, Final, NoReturn

from conformance.protocol.quoting import quoted
from spec.values.identifiers import Text

MOST_BYTES: Final = 64 * 2**20
"""The longest line, its end included. A transcript of a scenario's labels has a tenth of it."""

MOST_DIGITS: Final = 100
"""The longest integer. All quantities of the Internet Computer have 39 digits at most (128 bits)."""

MOST_DEEP: Final = 100
"""How deep lists and objects may stand in each other. The protocol itself needs 8."""


class WireError(Exception):
    """A value that the protocol does not allow. The message names the place, in one line."""


def read_frame(line: bytes) -> Any:
    """The JSON value that a line holds."""
    if len(line) > MOST_BYTES:
        raise WireError(f"frame: the line has more than {MOST_BYTES:,} bytes")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise WireError(f"frame: the line is not UTF-8 at byte {problem.start}") from None
    try:
        if text.startswith(BYTE_ORDER_MARK):
            raise json.JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
        value = DECODER.decode(text)
    except json.JSONDecodeError as problem:
        raise WireError(f"frame: the line is not JSON at character {problem.pos}: {problem.msg}") from None
    except RecursionError:
        raise WireError(f"frame: lists and objects stand more than {MOST_DEEP} deep in each other") from None
    if not _is_flat(text):
        _check_depth(value)
    if "\\u" in text:
        _check_unicode(value)
    return value


def _object(pairs: list[tuple[Text, Any]]) -> dict[Text, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise WireError(f"frame: the field {quoted(twice, 60)} stands twice in an object")
    return found


def _constant(name: Text) -> NoReturn:
    raise WireError(f"frame: {name} is not JSON")


def _integer(digits: Text) -> int:
    if len(digits) > MOST_DIGITS and len(digits.removeprefix("-")) > MOST_DIGITS:
        raise WireError(f"frame: an integer has more than {MOST_DIGITS} digits")
    return int(digits)


DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer)
"""Made once: every line is read with it."""

BYTE_ORDER_MARK: Final = "\ufeff"


def _is_flat(text: Text) -> bool:
    """There are too few brackets for anything to stand too deep."""
    return text.count("[") + text.count("{") <= MOST_DEEP


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEEP):
        level = [
            inner
            for one in level
            if isinstance(one, list | dict)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, list | dict)
        ]
        if not level:
            return
    raise WireError(f"frame: lists and objects stand more than {MOST_DEEP} deep in each other")


def _check_unicode(value: Any) -> None:
    """Escapes make text, and no halves of surrogate pairs."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise WireError("frame: a text holds half of a surrogate pair, so it is not Unicode") from None
