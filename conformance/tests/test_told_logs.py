"""What may be told of a log."""

import pytest

from conformance.judging.logs import NONE_FAILED, log_agrees
from spec.rules.tests.worlds import NOW, A
from spec.state.canister import LogRecord
from spec.system_api.debugging import UNREADABLE
from spec.values.management import CanisterLogRecord


def agrees(printed, told):
    kept = [LogRecord(number, NOW, text) for number, text in enumerate(printed)]
    return log_agrees(A, kept, [CanisterLogRecord(number, NOW, text) for number, text in enumerate(told)], NONE_FAILED)


@pytest.mark.checklist("api.debug-print", "unspec.fn.logs")
def test_for_bytes_that_are_not_there_the_system_has_any_text() -> None:
    printed = [b"one", UNREADABLE, b"three"]
    assert agrees(printed, printed)
    assert agrees(printed, [b"one", b"(debug_print message out of memory bounds)", b"three"])
    assert not agrees(printed, [b"one", b"three"])
    assert not agrees(printed, [b"one", b"two", b"four"])
    assert not agrees([b"one", b"two"], [b"one", b"(debug_print message out of memory bounds)"])
