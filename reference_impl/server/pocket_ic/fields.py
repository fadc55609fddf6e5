"""
What is in a body: JSON with numbers of any size, and blobs and principals in base64.

What does not have the form that is asked for is `Malformed`, as the real server's JSON library says it; what has it and
makes no sense is `Refused`, which an operation may be for other reasons too.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH, Blob, Principal, Text

Json = Any
"""What JSON can say: None, truth values, numbers, texts, lists, and dictionaries with texts as keys."""
Fields = Mapping[Text, Json]

NUMBER_BITS: Final = 64
CYCLES_BITS: Final = 128


class Malformed(Exception):
    """A body is not JSON of the form that is asked for. The message is one line."""


class Refused(Exception):
    """An operation is not done; nothing has changed. The message is what the client is told."""

    status: int = 400


class Forbidden(Refused):
    """The operation is not for this caller."""

    status = 403


def conversion_error(what: Text) -> Refused:
    """A value has the right form and stands for nothing."""
    return Refused(f'ConversionError {{ message: "{what}" }}')


def _no_number(text: Text) -> Json:
    raise ValueError(f"{text} is no number of JSON")


def json_of(body: Blob) -> Json:
    """The value in a body; None if it is empty. Raises `Malformed`."""
    if not body:
        return None
    try:
        value = json.loads(body, parse_constant=_no_number)
        if b"\\u" in body:
            # Reason: halves of characters may be written so, of which no text is made.
            written(value)
        return value
    except (ValueError, RecursionError) as problem:
        raise Malformed(f"Failed to parse the request body as JSON: {problem or type(problem).__name__}") from None


def written(value: Json) -> Blob:
    """A value as a body."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def base64_of(blob: Blob) -> Text:
    """A blob as texts have it."""
    return base64.b64encode(blob).decode()


def wrong(name: Text, what: Text) -> Malformed:
    """A field is not what it must be."""
    return Malformed(f"Failed to deserialize the JSON body into the target type: {name}: expected {what}")


def fields_of(value: Json, name: Text = "body") -> Fields:
    """An object."""
    if isinstance(value, dict):
        return value
    raise wrong(name, "an object")


def list_of(fields: Fields, name: Text) -> list[Json]:
    """A list, empty if the field is missing or null."""
    value = fields.get(name)
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise wrong(name, "a list")


def text_of(fields: Fields, name: Text) -> Text:
    """A text."""
    value = fields.get(name)
    if isinstance(value, str):
        return value
    raise wrong(name, "a string")


def path_of(fields: Fields, name: Text) -> Path:
    """The path of a file or directory."""
    text = text_of(fields, name)
    if "\0" in text:
        raise wrong(name, "a path")
    return Path(text)


def number_of(fields: Fields, name: Text, bits: int = NUMBER_BITS) -> int:
    """A natural number of at most so many bits."""
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0 and value.bit_length() <= bits:
        return value
    raise wrong(name, f"u{bits}")


def number_in(text: Text) -> int | None:
    """The number in a part of a path, which stands for a place in a list; None if it can be none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def optional_number_of(fields: Fields, name: Text) -> int | None:
    """A natural number of at most 64 bits, None if the field is missing or null."""
    return None if fields.get(name) is None else number_of(fields, name)


def flag_of(fields: Fields, name: Text) -> bool:
    """A truth value, false if the field is missing or null."""
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise wrong(name, "a boolean")


def blob_of(fields: Fields, name: Text) -> Blob:
    """A blob in base64."""
    text = text_of(fields, name)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise wrong(name, "base64") from None


def principal_of(fields: Fields, name: Text, what: Text = "canister id") -> Principal:
    """A principal in base64; `what` names it in the refusal of one that is too long."""
    blob = blob_of(fields, name)
    if len(blob) > MAXIMUM_PRINCIPAL_LENGTH:
        raise conversion_error(f"Bad {what}")
    return Principal(blob)


def nested_principal_of(fields: Fields, name: Text, what: Text = "canister id") -> Principal:
    """A principal in an object of one field whose name is what it is: `{"canister_id": "…"}`."""
    return principal_of(fields_of(fields.get(name), name), what.replace(" ", "_"), what)


def case_of(value: Json, name: Text) -> tuple[Text, Json]:
    """A variant: a text is a case without content, an object of one field is a case with it."""
    if isinstance(value, str):
        return value, None
    if isinstance(value, dict) and len(value) == 1:
        return next(iter(value.items()))
    raise wrong(name, "a variant")
