"""
What the system says where it rejects, as far as code that hears it shows it.

The text of such a reject may be any. A judge who is not told it lets code hear a mark in its place: where an answer has
the mark, the implementation's own text may stand. How long a text is shows in what code counts or pays: then all that
was seen is judged again with texts of that length. Checklist: `unspec.value.reject-messages`.
"""

import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from attrs import Factory, define, evolve, frozen

from conformance.protocol.interface import Answer, QueryAnswer, Rejected, Replied
from spec.reads.answers import Wording
from spec.rules.messages.callback_invocation import is_of_the_system
from spec.state.label import Label
from spec.state.message import ResponseMessage
from spec.state.state import State
from spec.values.candid import CandidValue, Case, Message, Some, read_as_sent
from spec.values.containers import Map
from spec.values.identifiers import Blob, Text
from spec.values.quantities import ByteCount
from spec.values.rejects import Reject, RejectReason

MARK: Final = "\u2042"
"""How the text begins that code hears in place of a reject of the system; no implementation says this."""

WORD: Final = 8
"""How many bytes a number takes where code tells it."""

MOST_HEARD: Final = 16
"""Among so many texts bytes may be shared out, each mark having one more."""

MARKED: Final = re.compile(MARK.encode() + rb"~*")

LONGEST: Final[ByteCount] = 8_192
"""Texts are no longer: so many bytes of a text at most may have been paid for that the usual one does not have."""

LEFT_OPEN: Final = "the answer depends on the text of a reject, which is the system's own choice"


def text_heard(state: State, label: Label) -> Text | None:
    """The text of the reject of the system that code gets to hear by this label."""
    if label.rule != "callback_invocation":
        return None
    message = state.messages[label.arguments()["message_id"]]
    response = message.response if isinstance(message, ResponseMessage) else None
    return response.message if isinstance(response, Reject) and is_of_the_system(response) else None


def in_these_words(state: State, labels: Iterable[Label], wordings: tuple[Wording, ...]) -> Iterator[Label]:
    """The labels; where code hears a reject of the system, with each of these wordings."""
    for label in labels:
        usual = text_heard(state, label)
        if usual is None:
            yield label
            continue
        for wording in wordings:
            text = wording(usual)
            yield label if text == usual else Label(label.rule, {**label.arguments(), "reject_message": text})


def marked(text: Text) -> Text:
    """A mark, one byte longer than the text."""
    return MARK + "~" * (len(text.encode()) + 1 - len(MARK.encode()))


def longer(more: int) -> Wording:
    """It says what is usual, made longer by so many bytes, or shorter."""
    return lambda text: _of_length(text, max(0, len(text.encode()) + more))


@frozen
class Sayings:
    """What the system says in place of usual texts, as far as what was seen shows it."""

    texts: Map[Text, Text] = Map()
    """The implementation's own, by the usual ones."""
    more: Map[Text, int] = Map()
    """How many more bytes they have, by the usual ones. Fewer, if it is negative."""

    def with_text(self, heard: Iterable[Text], words: Collection[Text]) -> "Iterator[Sayings]":
        """These, and one more, if there is one of which it is not known, and these words are all that it says."""
        unknown = {text for text in heard if text not in self.texts}
        if len(unknown) == len(words) == 1:
            yield evolve(self, texts=self.texts.set(*unknown, *words))

    def with_more(self, heard: Iterable[Text], more: Fraction) -> "Iterator[Sayings]":
        """These, and so many bytes for each of which nothing is known, if there is one, and a text can be so long."""
        unknown = [text for text in heard if text not in self.texts and text not in self.more]
        lengths = [len(text.encode()) + more for text in unknown]
        if unknown and more.denominator == 1 and all(0 <= each <= LONGEST for each in lengths):
            yield evolve(self, more=Map.of([*self.more.items(), *((text, int(more)) for text in unknown)]))

    def stand_in(self, text: Text) -> Text:
        """What is said, or else something of the length that is known, or else the usual text."""
        if text in self.texts:
            return self.texts[text]
        return longer(self.more[text])(text) if text in self.more else text

    def marked(self, text: Text) -> Text:
        """What is said; if it is not known, a mark as long as it is, or one byte longer than the usual text."""
        if text in self.texts:
            return self.texts[text]
        return marked(longer(self.more[text] - 1)(text)) if text in self.more else marked(text)


def _of_length(text: Text, length: ByteCount) -> Text:
    """The text, made longer or cut to so many bytes."""
    return text.encode()[:length].decode(errors="ignore") + "~" * max(0, length - len(text.encode()))


def always(text: Text) -> Wording:
    """It says this, whatever happens."""
    return lambda _: text


# Texts in answers


def words_for_marks(with_marks: Answer | QueryAnswer, seen: Answer | QueryAnswer) -> tuple[Text, ...] | None:
    """What an answer says where another one has marks; None if it has no marks, or they differ elsewhere."""
    match with_marks, seen:
        case Replied(data), Replied(told):
            return _between(data, told)
        case Rejected(reject), Rejected(other) if reject.reason is RejectReason.EXPLICIT:
            is_own = other.reason in (None, RejectReason.EXPLICIT) and other.code == reject.code
            return _between(reject.message.encode(), other.message.encode()) if is_own else None
        case _:
            return None


def depends_on_words(
    usual: Iterable[Hashable], with_marks: Iterable[Hashable], seen: Mapping[Hashable, Answer | QueryAnswer]
) -> bool:
    """
    What would have been allowed depends on the texts of rejects in a way that may explain what was seen.

    Each key of what would have been allowed is an answer, or a pair of what it is about and an answer; `seen` has what
    was seen, by the keys.
    """
    ours, others = set(usual) - set(with_marks), set(with_marks) - set(usual)
    for key in ours | others:
        pairs = _pairs(key, ours, others)
        explained = [Comparison.of(answer_in(one), answer_in(other), seen.get(key)) for one, other in pairs]
        if all(each is None for each in explained) or any(each is not None and each.fits for each in explained):
            return True
    return False


def bytes_more(
    usual: Iterable[Hashable], with_marks: Iterable[Hashable], seen: Mapping[Hashable, Answer | QueryAnswer]
) -> Iterator[tuple[Hashable, Hashable, Fraction]]:
    """
    How many more bytes than the usual ones the texts have that explain what was seen, for each that was heard.

    With what would have been allowed with the usual texts, and with marks. Only what was counted or paid for tells.
    """
    ours, others = set(usual) - set(with_marks), set(with_marks) - set(usual)
    for key in ours | others:
        for one, other in _pairs(key, ours, others):
            comparison = Comparison.of(answer_in(one), answer_in(other), seen.get(key))
            if comparison is not None and comparison.fits:
                yield from ((one, other, more) for more in comparison.bytes_more)


def _pairs(key: Hashable, ours: set[Hashable], others: set[Hashable]) -> Iterator[tuple[Hashable, Hashable]]:
    """What would have been allowed with the usual texts, and with marks, about the same; one of them is this key."""
    if key in ours:
        yield from ((key, each) for each in others if is_about_the_same(key, each))
    if key in others:
        yield from ((each, key) for each in ours if is_about_the_same(each, key))


def is_about_the_same(key: Hashable, other: Hashable) -> bool:
    """Both keys are about the same."""
    return key[:-1] == other[:-1] if isinstance(key, tuple) and isinstance(other, tuple) else True


def answer_in(key: Any) -> Any:
    """The answer in a key."""
    return key[-1] if isinstance(key, tuple) else key


class NotUnderstood(Exception):
    """Two answers differ, and neither by marks nor by amounts."""


@define
class Comparison:
    """
    An answer with the usual text, the same with marks, and what was seen.

    Where the first two say the same, so must the third. Where one has a mark, there may be any words. Where numbers
    differ, bytes of the text were counted or paid for: the third is as if there were more or fewer of them.
    """

    bytes_more: set[Fraction] = Factory(set)
    """How many more bytes the texts have than the usual ones, for each that was heard, as far as is told."""
    fits: bool = False
    """What was seen is explained by another text."""

    @classmethod
    def of(cls, usual: Any, with_marks: Any, seen: Any) -> "Comparison | None":
        """The comparison of these; None if the answers differ in another way than by words."""
        comparison = cls()
        try:
            comparison.fits = comparison._answers(usual, with_marks, seen) and len(comparison.bytes_more) <= 1
        except NotUnderstood:
            return None
        return comparison

    def _answers(self, usual: Any, with_marks: Any, seen: Any) -> bool:
        if words_for_marks(with_marks, usual) is not None:
            return words_for_marks(with_marks, seen) is not None
        match usual, with_marks:
            case Replied(one), Replied(other):
                told = seen.data if isinstance(seen, Replied) else b""
                messages = [read_as_sent(each) for each in (one, other, told)]
                values = [each.values for each in messages if isinstance(each, Message)]
                if len(values) == len(messages):
                    return self._values(*values)
                return self._bytes(one, other, told)
            case _:
                raise NotUnderstood

    def _values(self, usual: CandidValue, with_marks: CandidValue, seen: CandidValue) -> bool:
        match usual, with_marks:
            case _ if usual == with_marks:
                return bool(usual == seen)
            case str(), str() if MARK in with_marks:
                return isinstance(seen, str)
            case bool(), bool():
                raise NotUnderstood
            case int(), int():
                return isinstance(seen, int) and self._numbers(usual, with_marks, seen)
            case bytes(), bytes():
                return isinstance(seen, bytes) and self._bytes(usual, with_marks, seen)
            case dict(), dict() if usual.keys() == with_marks.keys():
                parts = [(usual[name], with_marks[name], seen.get(name)) for name in usual if isinstance(seen, dict)]
                return isinstance(seen, dict) and all(self._values(*each) for each in parts)
            case tuple(), tuple() if len(usual) == len(with_marks):
                fits = isinstance(seen, tuple) and len(seen) >= len(usual)
                return fits and all(self._values(*each) for each in zip(usual, with_marks, seen, strict=False))
            case (Some(one), Some(other)) | (Case(_, one), Case(_, other)):
                return type(seen) is type(usual) and self._values(one, other, seen.value)
            case _:
                raise NotUnderstood

    def _bytes(self, usual: Blob, with_marks: Blob, seen: Blob) -> bool:
        """Bytes that code wrote, among which there may be a number, the least first."""
        differing = [place for place, pair in enumerate(zip(usual, with_marks, strict=False)) if pair[0] != pair[1]]
        if len(usual) != len(with_marks) or differing[-1] - differing[0] >= WORD:
            raise NotUnderstood
        numbers = [int.from_bytes(each, "little") for each in (usual, with_marks, seen)]
        return len(seen) == len(usual) and self._numbers(*numbers)

    def _numbers(self, usual: int, with_marks: int, seen: int) -> bool:
        more = Fraction(seen - usual, with_marks - usual)
        self.bytes_more.add(more)
        return more.denominator <= MOST_HEARD and abs(more) <= LONGEST


def _between(with_marks: Blob, told: Blob) -> tuple[Text, ...] | None:
    parts = MARKED.split(with_marks)
    found = re.fullmatch(b"(.*?)".join(map(re.escape, parts)), told, re.DOTALL)
    if len(parts) == 1 or found is None:
        return None
    try:
        return tuple(each.decode() for each in found.groups())
    except UnicodeDecodeError:
        return None


def texts_told(seen: Answer | QueryAnswer) -> Iterator[Text]:
    """The texts in a reply that is Candid."""
    message = read_as_sent(seen.data) if isinstance(seen, Replied) else None
    if isinstance(message, Message):
        yield from _texts_in(message.values)


def _texts_in(value: CandidValue) -> Iterator[Text]:
    match value:
        case str():
            yield value
        case dict():
            yield from _texts_in(tuple(value.values()))
        case tuple():
            for part in value:
                yield from _texts_in(part)
        case Some(inside) | Case(_, inside):
            yield from _texts_in(inside)
