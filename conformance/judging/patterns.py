"""Patterns of answers: what a scenario says about what is seen."""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from conformance.judging.candid_replies import say_the_same
from conformance.judging.wording import shown_blob, shown_code
from conformance.protocol.interface import (
    Done,
    Processing,
    Received,
    Refused,
    Rejected,
    Replied,
    Seen,
    SeenReject,
    Unknown,
)
from spec.values.candid import MAGIC
from spec.values.identifiers import Blob, Text
from spec.values.rejects import RejectCode, RejectReason


@frozen
class Pattern:
    """A set of answers, with words for it."""

    words: Text
    """Completes the sentence "the answer ..."."""
    admits: Callable[[Seen], bool]

    def __or__(self, other: "Pattern") -> "Pattern":
        return Pattern(f"{self.words}, or {other.words}", lambda seen: self.admits(seen) or other.admits(seen))


def replies() -> Pattern:
    """Any reply."""
    return Pattern("is a reply", lambda seen: isinstance(seen, Replied))


def replies_with(content: Blob) -> Pattern:
    """This reply."""
    return Pattern(
        f"is the reply {shown_blob(content)}",
        lambda seen: isinstance(seen, Replied) and replies_agree(content, seen.data, costs_are_exact=True),
    )


def replies_where(words: Text, holds: Callable[[Blob], bool]) -> Pattern:
    """A reply for which something holds; a reply that cannot be read is none of them."""

    def admits(seen: Seen) -> bool:
        try:
            return isinstance(seen, Replied) and holds(seen.data)
        except ValueError:
            return False

    return Pattern(f"is a reply {words}", admits)


def rejects(code: RejectCode, reason: RejectReason | None = None) -> Pattern:
    """A reject with this code, and this reason if the implementation tells reasons."""

    def admits(seen: Seen) -> bool:
        if not isinstance(seen, Rejected) or seen.reject.code != code:
            return False
        return reason is None or seen.reject.reason is None or seen.reject.reason == reason

    return Pattern(f"is the reject {shown_code(code)}" + ("" if reason is None else f" {reason.name}"), admits)


def fails(reason: RejectReason | None = None) -> Pattern:
    """A reject whose code the text leaves open, with this reason if the implementation tells reasons."""

    def admits(seen: Seen) -> bool:
        if not isinstance(seen, Rejected):
            return False
        return reason is None or seen.reject.reason is None or seen.reject.reason == reason

    return Pattern("is a reject" + ("" if reason is None else f" {reason.name}"), admits)


def rejects_with(message: Text) -> Pattern:
    """A reject that the canister itself gave."""

    def admits(seen: Seen) -> bool:
        return (
            isinstance(seen, Rejected)
            and seen.reject.code == RejectCode.CANISTER_REJECT
            and seen.reject.message == message
        )

    return Pattern(f"is the canister's own reject {message!r}", admits)


def refuses(reason: RejectReason | None = None) -> Pattern:
    """The request or query is not taken in."""

    def admits(seen: Seen) -> bool:
        return isinstance(seen, Refused) and (reason is None or seen.reason is None or seen.reason == reason)

    return Pattern("is a refusal" + ("" if reason is None else f" {reason.name}"), admits)


def is_forgotten() -> Pattern:
    """The answer is no longer kept, which may come at any time. Source: abstract-behavior, request clean up."""
    return Pattern("is not kept any more", lambda seen: isinstance(seen, Done | Unknown))


def is_unanswered() -> Pattern:
    """There is no answer yet."""
    return Pattern("is not there yet", lambda seen: isinstance(seen, Received | Processing))


# Comparing what is seen with what the specification says


def agrees(allowed: Seen, seen: Seen, costs_are_exact: bool = True) -> bool:
    """
    What is seen is what the specification says.

    Reasons are compared if the implementation tells them; texts only where they are the canister's.
    """
    match allowed, seen:
        case Rejected(one), Rejected(other):
            return rejects_agree(one, other)
        case Refused(code, reason), Refused(seen_code, seen_reason):
            return _agree_if_known(code, seen_code) and _agree_if_known(reason, seen_reason)
        case Replied(), Replied():
            return replies_agree(allowed.data, seen.data, costs_are_exact)
        case _:
            return allowed == seen


def replies_agree(allowed: Blob, seen: Blob, costs_are_exact: bool) -> bool:
    """
    The bytes are equal, or both are Candid and say the same.

    Without exact costs other replies may differ in all but their length: they may be made of numbers.
    """
    if allowed == seen or say_the_same(allowed, seen, costs_are_exact):
        return True
    return not costs_are_exact and len(allowed) == len(seen) and not allowed.startswith(MAGIC)


def rejects_agree(allowed: SeenReject, seen: SeenReject) -> bool:
    """The codes are equal, and so are reason and the canister's own text as far as they are known."""
    if allowed.code != seen.code or not _agree_if_known(allowed.reason, seen.reason):
        return False
    return allowed.reason != RejectReason.EXPLICIT or allowed.message == seen.message


def _agree_if_known(allowed: Any, seen: Any) -> bool:
    return allowed is None or seen is None or allowed == seen
