"""What may be told of a log: the canister's own records, and any text of the system where code failed."""

import pytest

from conformance.judging.logs import Failure, Failures, log_agrees
from spec.rules.messages.effects import LARGEST_LOG
from spec.state.canister import LogRecord
from spec.values.identifiers import CanisterId, Principal
from spec.values.management import CanisterLogRecord

HERE, ELSEWHERE = (CanisterId(Principal(name)) for name in (b"here", b"elsewhere"))
KEPT = [LogRecord(0, 10, b"one"), LogRecord(1, 20, b"two"), LogRecord(2, 30, b"three")]
FAILED_BEFORE_TWO, FAILED_AFTER_TWO, FAILED_ELSEWHERE = (
    Failures(frozenset({place}))
    for place in (Failure(HERE, 20, 1, 1), Failure(HERE, 20, 2, 2), Failure(ELSEWHERE, 20, 2, 2))
)
TWO_IS_OF_A_FAILURE = Failures(frozenset({Failure(HERE, 20, 1, 2)}), frozenset({(HERE, 1)}))


def told(*records: tuple[int, int, bytes]) -> list[CanisterLogRecord]:
    """Records by index, time and text."""
    return [CanisterLogRecord(*each) for each in records]


ONE, TWO, THREE = (0, 10, b"one"), (1, 20, b"two"), (2, 30, b"three")


@pytest.mark.checklist("unspec.fn.logs", "unspec.spont.log-trimming")
@pytest.mark.parametrize(
    ("records", "failures", "agrees"),
    [
        ((ONE, TWO, THREE), Failures(), True),
        ((ONE, TWO), Failures(), False),
        ((TWO, THREE), Failures(), False),
        ((ONE, (1, 30, b"three")), Failures(), False),
        ((ONE, (1, 30, b"three")), TWO_IS_OF_A_FAILURE, True),
        ((ONE, TWO, (2, 20, b"[TRAP]: any text"), (3, 30, b"three")), FAILED_AFTER_TWO, True),
        ((ONE, TWO, (2, 20, b"[TRAP]: any text"), (3, 30, b"three")), Failures(), False),
        ((ONE, TWO, (2, 20, b"any"), (3, 30, b"three")), FAILED_ELSEWHERE, False),
        ((ONE, TWO, (2, 21, b"at another time"), (3, 30, b"three")), FAILED_AFTER_TWO, False),
        ((ONE, (1, 20, b"any"), (2, 20, b"two"), (3, 30, b"three")), FAILED_AFTER_TWO, False),
        ((ONE, TWO, (2, 20, b"any"), (3, 30, b"three")), FAILED_BEFORE_TWO, False),
        ((ONE, (1, 20, b"any"), (2, 20, b"two"), (3, 30, b"three")), FAILED_BEFORE_TWO, True),
        ((ONE, (1, 20, b"any"), (2, 20, b"two"), (3, 20, b"any"), (4, 30, b"three")), TWO_IS_OF_A_FAILURE, True),
        ((ONE, TWO, THREE, (3, 20, b"any")), TWO_IS_OF_A_FAILURE, False),
        (((5, 10, b"one"), (6, 20, b"two"), (7, 30, b"three")), Failures(), True),
        ((ONE, (2, 20, b"two"), (3, 30, b"three")), Failures(), False),
        ((TWO, ONE, THREE), Failures(), False),
        ((ONE, (1, 20, b"TWO"), THREE), Failures(), False),
        ((ONE, (1, 20, b"tw"), THREE), Failures(), False),
        (((0, 10, b"on"), (1, 20, b"tw"), (2, 30, b"th")), Failures(), True),
        (((0, 10, b"one"), (1, 20, b"two"), (2, 30, b"thr")), Failures(), True),
        (((0, 10, b"on"), (1, 20, b"tw"), (2, 30, b"thr")), Failures(), False),
        (((0, 10, b""), (1, 20, b""), (2, 30, b"")), Failures(), False),
    ],
)
def test_a_log_may_be_told_as_the_text_leaves_it_open(records, failures, agrees) -> None:
    """Own records are complete up to one size, in order, unchanged, at their time, and numbered without gaps."""
    assert log_agrees(HERE, KEPT, told(*records), failures) is agrees


def test_of_a_long_log_old_records_may_be_missing_and_texts_be_cut() -> None:
    """But none in between, and no more is told than 4 KiB."""
    long = [LogRecord(number, number, bytes([65 + number]) * 3_000) for number in range(3)]
    newest = (2, 2, long[2].content)
    assert log_agrees(HERE, long, told(newest), Failures())
    assert log_agrees(HERE, long, told((1, 1, long[1].content[:10]), newest), Failures())
    assert not log_agrees(HERE, long, told((1, 1, long[1].content)), Failures())
    assert not log_agrees(HERE, long, told((1, 0, long[0].content), newest), Failures())
    assert sum(len(record.content) for record in long) > LARGEST_LOG
    assert not log_agrees(HERE, long, told((1, 1, long[1].content), newest), Failures())
