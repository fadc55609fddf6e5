"""What is seen of an implementation, in words for people: answers, blobs, values of the state tree, differences."""

from collections.abc import Sequence
from typing import Final

import cbor2

from conformance.judging.candid_text import (
    MANAGEMENT_NAMES,
    SHOWN_BYTES,
    FieldNames,
    blob_difference,
    candid_differences,
    candid_text,
    shown_principal,
)
from conformance.protocol.interface import Path, Refused, Rejected, Replied, Seen, Values
from spec.certification.certificate import SELF_DESCRIBING_TAG
from spec.values.identifiers import Blob, RequestId, Text
from spec.values.leb128 import from_groups
from spec.values.rejects import RejectCode

SHOWN_LETTERS: Final = 200
"""How much of a text is shown to people."""


def shown_blob(content: Blob, known: FieldNames = MANAGEMENT_NAMES) -> Text:
    """A blob: as a Candid message or a text where it is one, else its bytes, cut where it is long."""
    as_candid = candid_text(content, known)
    if as_candid is not None:
        return as_candid
    before = candid_text(before_certificate(content), known)
    if before is not None:
        return f"{before}, then {len(content) - len(before_certificate(content))} bytes"
    if content and content.isascii() and content.decode("ascii").isprintable():
        return repr(content[:SHOWN_BYTES].decode("ascii")) + ("..." if len(content) > SHOWN_BYTES else "")
    if len(content) <= SHOWN_BYTES:
        return "0x" + content.hex()
    return f"0x{content[:SHOWN_BYTES].hex()}... ({len(content)} bytes)"


def before_certificate(content: Blob) -> Blob:
    """What stands before what may be a certificate."""
    return content.partition(SELF_DESCRIBING_TAG)[0]


def shown_code(code: int) -> Text:
    """A reject code by its name and number."""
    return f"{RejectCode(code).name} ({code})" if code in set(RejectCode) else f"code {code}"


def shown(seen: Seen, known: FieldNames = MANAGEMENT_NAMES) -> Text:
    """An answer in words."""
    match seen:
        case Replied(data):
            return f"reply {shown_blob(data, known)}"
        case Rejected(reject):
            reason = "" if reject.reason is None else f" {reject.reason.name}"
            return f"reject {shown_code(reject.code)}{reason}: {reject.message[:SHOWN_LETTERS]!r}"
        case Refused(code, reason):
            named = [] if code is None else [shown_code(code)]
            return " ".join(["refused", *named, *([] if reason is None else [reason.name])])
        case _:
            return type(seen).__name__.lower()


def differences(allowed: Blob, seen: Blob, known: FieldNames = MANAGEMENT_NAMES) -> tuple[Text, ...]:
    """
    Where two blobs differ that should be equal: by fields if both are Candid messages, else by bytes.

    A certificate may stand behind a message.
    """
    if allowed == seen:
        return ()
    found = candid_differences(allowed, seen, known)
    if not found:
        found = candid_differences(before_certificate(allowed), before_certificate(seen), known)
    return found or (blob_difference(allowed, seen),)


def shown_other(allowed: Seen, seen: Seen, known: FieldNames = MANAGEMENT_NAMES) -> Text:
    """An answer that would have been allowed, in words; of a reply first what is otherwise in the one seen."""
    match allowed, seen:
        case Replied(one), Replied(other) if one != other:
            return f"{'; '.join(differences(one, other, known))}; all of it: {shown(allowed, known)}"
        case _:
            return shown(allowed, known)


def shown_id(request_id: RequestId) -> Text:
    """A request in words."""
    return f"request {request_id.hex()[:8]}"


def shown_status(request_id: RequestId, seen: Seen, known: FieldNames = MANAGEMENT_NAMES) -> Text:
    """The status of a request in words."""
    return f"{shown_id(request_id)}: {shown(seen, known)}"


# The state tree


def shown_path(path: Path) -> Text:
    """A path into the state tree."""
    match path:
        case (b"canister" | b"subnet" as first, identifier, *rest):
            return "/".join(["", first.decode(), shown_principal(identifier), *map(_shown_label, rest)])
        case _:
            return "".join(f"/{_shown_label(label)}" for label in path)


def _shown_label(label: Blob) -> Text:
    return label.decode("ascii") if label.isascii() and label.decode("ascii").isprintable() else f"0x{label.hex()}"


def shown_value(path: Path, value: Blob | None) -> Text:
    """What stands at a path, in the terms of what it is there."""
    if value is None:
        return "nothing"
    try:
        match path:
            case (b"time",) | (b"canister", _, b"canister_creation_timestamp" | b"last_install_timestamp"):
                return f"{_natural(value):,}"
            case (b"request_status", _, b"reject_code"):
                return shown_code(_natural(value))
            case (b"canister", _, b"controllers"):
                return f"[{', '.join(map(shown_principal, cbor2.loads(value)))}]"
            case (b"canister", _, b"metadata", _):
                text = value.decode()
                return repr(text[:SHOWN_LETTERS]) + ("..." if len(text) > SHOWN_LETTERS else "")
            case _:
                return shown_blob(value)
    except Exception:
        # Reason: the bytes are an implementation's and may be anything.
        return shown_blob(value)


def _natural(value: Blob) -> int:
    """An unsigned LEB128 number. Raises `ValueError` for anything else."""
    if not value or value[-1] & 0x80 or any(not byte & 0x80 for byte in value[:-1]):
        raise ValueError("not a number")
    return from_groups(value)


def shown_values(values: Values | Refused, paths: Sequence[Path]) -> Text:
    """What was read at some paths, in words."""
    match values:
        case Values(read):
            return ", ".join(
                f"{shown_path(path)}: {shown_value(path, value)}" for path, value in zip(paths, read, strict=False)
            )
        case Refused():
            return shown(values)
