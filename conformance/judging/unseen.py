"""
Answers of the outside world that nobody was shown.

What code was answered from outside the subnet may be anything, and how long it is is charged. Where code tells nothing
of it, a judge takes one answer for all; so amounts that differ by what was charged later on are nothing that can be
judged. Checklist: `unspec.value.http-outcalls` and `unspec.value.bitcoin`.
"""

from typing import Any, Final

from conformance.protocol.interface import Answer, QueryAnswer, Replied
from spec.rules.management.answers import ANSWERS
from spec.state.label import Label
from spec.state.message import ResponseMessage
from spec.state.state import State
from spec.transition import Step
from spec.values.candid import CandidValue, Case, Message, Some, read_as_sent
from spec.values.identifiers import Blob
from spec.values.rejects import Reply

LEFT_OPEN: Final = "amounts depend on what the outside world answered, which nobody was shown"

OF_ONE_LENGTH: Final = frozenset({"raw_rand", "bitcoin_get_balance", "vetkd_public_key", "vetkd_derive_key"})
"""Rules whose answers all have the same length."""

WORD: Final = 16
"""How many bytes an amount takes at most where code tells it by itself."""


def answer_for_all(state: State, label: Label, fired: Step) -> Blob | None:
    """What code is answered from outside the subnet, if it stands for other answers, longer or shorter."""
    chosen = label.arguments()
    usual = ANSWERS.get(label.rule, {}) if label.rule not in OF_ONE_LENGTH else {}
    if not usual or not all(chosen.get(name) in values for name, values in usual.items()):
        return None
    new = [message for message_id, message in fired.state.messages.entries if message_id not in state.messages]
    answers = [each.response for each in new if isinstance(each, ResponseMessage)]
    return next((answer.data for answer in answers if isinstance(answer, Reply)), None)


def differ_in_amounts(allowed: Answer | QueryAnswer, seen: Answer | QueryAnswer | None) -> bool:
    """Both are replies that say the same, but for amounts."""
    if not isinstance(allowed, Replied) or not isinstance(seen, Replied):
        return False
    ours, theirs = read_as_sent(allowed.data), read_as_sent(seen.data)
    if isinstance(ours, Message) and isinstance(theirs, Message):
        return _same_but_for_amounts(ours.values, theirs.values)
    return len(allowed.data) == len(seen.data) <= WORD


def _same_but_for_amounts(allowed: CandidValue, seen: CandidValue) -> bool:
    match allowed, seen:
        case bool(), bool():
            return allowed is seen
        case int(), int():
            return True
        case dict(), dict():
            return all(name in seen and _same_but_for_amounts(value, seen[name]) for name, value in allowed.items())
        case tuple(), tuple():
            pairs: Any = zip(allowed, seen, strict=False)
            return len(allowed) <= len(seen) and all(_same_but_for_amounts(*pair) for pair in pairs)
        case Some(ours), Some(theirs):
            return _same_but_for_amounts(ours, theirs)
        case Case(name, ours), Case(other, theirs):
            return name == other and _same_but_for_amounts(ours, theirs)
        case _:
            return bool(allowed == seen)
