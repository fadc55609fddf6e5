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
    UnknownRequest,
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
    """A reject of the system with this code. The reason is for people: no text of the specification names it."""

    def admits(seen: Seen) -> bool:
        return isinstance(seen, Rejected) and seen.reject.code == code and is_of_the_system(seen.reject)

    return Pattern(f"is the reject {shown_code(code)}" + ("" if reason is None else f" {reason.name}"), admits)


def fails(reason: RejectReason | None = None) -> Pattern:
    """A reject of the system whose code the text leaves open. The reason is for people."""

    def admits(seen: Seen) -> bool:
        return isinstance(seen, Rejected) and is_of_the_system(seen.reject)

    return Pattern("is a reject" + ("" if reason is None else f" {reason.name}"), admits)


def is_of_the_system(reject: SeenReject) -> bool:
    """It is not said that the canister itself rejected."""
    return reject.reason != RejectReason.EXPLICIT


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
    """The request or query is not taken in. The reason is for people."""

    def admits(seen: Seen) -> bool:
        return isinstance(seen, Refused)

    return Pattern("is a refusal" + ("" if reason is None else f" {reason.name}"), admits)


def is_forgotten() -> Pattern:
    """The answer is no longer kept, which may come at any time. Source: abstract-behavior, request clean up."""
    return Pattern("is not kept any more", lambda seen: isinstance(seen, Done | UnknownRequest))


def denies() -> Pattern:
    """A query that may not be asked, or of which the text says nothing, is answered with any refusal or reject."""
    return Pattern("is a refusal or a reject", lambda seen: isinstance(seen, Refused | Rejected))


def is_unanswered() -> Pattern:
    """There is no answer yet."""
    return Pattern("is not there yet", lambda seen: isinstance(seen, Received | Processing))


# Comparing what is seen with what the specification says


def agrees(allowed: Seen, seen: Seen, costs_are_exact: bool = True, versions_rise: bool = True) -> bool:
    """
    What is seen is what the specification says, as far as it says it.

    A refusal is any: the text gives it neither code nor reason. Of rejects it states the code, and the text of those
    that a canister makes; reasons are ours (`departures_of`).
    """
    match allowed, seen:
        case Rejected(one), Rejected(other):
            return rejects_agree(one, other)
        case Refused(), Refused():
            return True
        case Replied(), Replied():
            return replies_agree(allowed.data, seen.data, costs_are_exact, versions_rise)
        case _:
            return allowed == seen


def replies_agree(allowed: Blob, seen: Blob, costs_are_exact: bool, versions_rise: bool = True) -> bool:
    """
    The bytes are equal, or both are Candid and say the same.

    Without exact costs other replies may differ in all but their length: they may be made of numbers.
    """
    if allowed == seen or say_the_same(allowed, seen, costs_are_exact, versions_rise):
        return True
    return not costs_are_exact and len(allowed) == len(seen) and not allowed.startswith(MAGIC)


def agrees_by_leave(allowed: Seen, seen: Seen, costs_are_exact: bool) -> bool:
    """An answer that agrees does so only since costs are the implementation's own: its bytes say something else."""
    return not costs_are_exact and isinstance(seen, Replied) and not agrees(allowed, seen)


def rejects_agree(allowed: SeenReject, seen: SeenReject) -> bool:
    """The codes are equal. Either both are a canister's own with the same text, or none is, as far as that is told."""
    if allowed.code != seen.code:
        return False
    if allowed.reason == RejectReason.EXPLICIT:
        return seen.reason in (None, RejectReason.EXPLICIT) and allowed.message == seen.message
    return seen.reason != RejectReason.EXPLICIT


def departures_of(allowed: Seen, seen: Seen) -> tuple[Text, ...]:
    """What is told otherwise than production does, in an answer that agrees."""
    match allowed, seen:
        case Rejected(one), Rejected(other):
            return _departure("is rejected for the reason", one.reason, other.reason)
        case Refused(code, reason), Refused(seen_code, seen_reason):
            names = [None if each is None else shown_code(each) for each in (code, seen_code)]
            return _departure("is refused with", *names) or _departure("is refused for the reason", reason, seen_reason)
        case _:
            return ()


def _departure(words: Text, allowed: Any, seen: Any) -> tuple[Text, ...]:
    if allowed is None or seen is None or allowed == seen:
        return ()
    one, other = (each.name if isinstance(each, RejectReason) else each for each in (allowed, seen))
    return (f"{words} {other}; production: {one}",)
