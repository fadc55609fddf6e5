"""How text from outside is shown: what a terminal or a report would act on is escaped, and what is long is cut."""

import json
from typing import Any, Final

from spec.values.identifiers import Text

LONGEST: Final = 240
"""So many characters of a foreign text are shown in a verdict: enough to recognise it."""

KEPT_END: Final = 60
"""So many of them are its last ones."""


def escaped(text: Text) -> Text:
    """
    The text with every character that is not printable written as Python does: `\\x1b`, `\\n`, `\\u202e`, `\\ud800`.

    So it is one line, valid in UTF-8 and in XML, and no terminal obeys it.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def shown(text: Text | bytes, longest: int = LONGEST) -> Text:
    """A foreign text, escaped and cut; bytes are read as UTF-8 as far as they are."""
    # Reason: escaping makes a text up to ten times as long, so what is long is cut before it is escaped.
    kept = text if len(text) <= longest else text[: longest - min(KEPT_END, longest // 3)]
    if len(text) == len(kept):
        return escaped(_decoded(text))
    end, unit = text[-min(KEPT_END, longest // 3) :], "bytes" if isinstance(text, bytes) else "characters"
    return f"{escaped(_decoded(kept))} … {escaped(_decoded(end))} ({len(text):,} {unit})"


def _decoded(text: Text | bytes) -> Text:
    return text.decode(errors="backslashreplace") if isinstance(text, bytes) else text


def quoted(text: Text | bytes, longest: int = LONGEST) -> Text:
    """A foreign text in quotation marks, escaped and cut."""
    return f"'{shown(text, longest)}'"


def quoted_value(value: Any) -> Text:
    """A value of JSON in a few words."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return quoted(value, 60)
        case int() if abs(value) >= 10**40:
            return "a very large number"
        case _:
            return json.dumps(value)
