"""
What PROTOCOL.md says that an implementation does with requests, right or wrong, and with `stop`.

It is no part of the checklist, so these scenarios cover its sections.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from conformance.judging.verdicts import fail
from conformance.protocol.quoting import shown
from conformance.suite.scenario import scenario
from conformance.suite.stage import Stage
from spec.values.identifiers import Text

Frame = Callable[[int], bytes]
"""A line, given the id of the request."""

UNKNOWN: Final = {"request_id": "0x" + "00" * 32}
"""The arguments of `answer` about a request that nobody has handed in."""


def frame(verb: Any, arguments: Any, **more: Any) -> Frame:
    """A request."""
    return lambda request_id: json.dumps({"id": request_id, "verb": verb, "arguments": arguments, **more}).encode()


def expect_error(stage: Stage, line: Frame, kind: Text, has_id: bool = True) -> None:
    """The line is answered with an error of this kind."""
    request_id, answer = stage.exchange(line)
    error = answer.get("error") if isinstance(answer, dict) else None
    found = error.get("kind") if isinstance(error, dict) else None
    allowed_id = request_id if has_id else None
    if found != kind or answer.get("id") != allowed_id:
        asked = shown(line(request_id))
        raise fail(
            f"the line {asked} is answered {shown(json.dumps(answer))}", (f"id {allowed_id}, an error {kind!r}",)
        )


def expect_result(stage: Stage, line: Frame, result: Any) -> None:
    """The line is answered with this result."""
    request_id, answer = stage.exchange(line)
    if answer != {"id": request_id, "result": result}:
        asked = shown(line(request_id))
        raise fail(f"the line {asked} is answered {shown(json.dumps(answer))}", (json.dumps(result),))


def expect_life(stage: Stage) -> None:
    """The next request is answered as if nothing had been."""
    expect_result(stage, frame("answer", UNKNOWN), {"status": "unknown"})


@scenario(
    "A line that cannot be read is malformed, has no id, and ends nothing",
    covers=("PROTOCOL.md#lines", "PROTOCOL.md#frames"),
)
def unreadable_lines(stage: Stage) -> None:
    for line in (
        b"hello",
        b"[]",
        b'{"id": 1',
        b'{"id": 1, "verb": "\xff"}',
        b'{"id": 1, "verb": "\\ud800", "arguments": {}}',
        b'{"id": NaN}',
        b"[" * 100_000,
        b'{"id": ' + b"9" * 5_000 + b"}",
        b'{"id": 1, "id": 1, "verb": "state", "arguments": {}}',
    ):
        expect_error(stage, lambda _, line=line: line, "malformed", has_id=False)  # type: ignore[misc]
        expect_life(stage)


@scenario(
    "An unknown field, a missing field and a value of the wrong type are malformed, and end nothing",
    covers=("PROTOCOL.md#values", "PROTOCOL.md#frames"),
)
def malformed_requests(stage: Stage) -> None:
    for line in (
        frame("answer", UNKNOWN, more=1),
        frame("answer", {**UNKNOWN, "more": 1}),
        frame("answer", {}),
        frame("answer", None),
        frame("answer", {"request_id": "0x"}),
        frame("answer", {"request_id": "0x" + "AB" * 32}),
        frame("answer", {"request_id": 7}),
        frame(7, UNKNOWN),
        frame("advance", {"rounds": -1, "nanoseconds": 0}),
        frame("advance", {"rounds": 0.5, "nanoseconds": 0}),
        frame("advance", {"rounds": True, "nanoseconds": 0}),
    ):
        expect_error(stage, line, "malformed")
        expect_life(stage)


@scenario(
    "A verb, a version and a profile that are not there are unsupported, and end nothing",
    covers=("PROTOCOL.md#frames", "PROTOCOL.md#describe", "PROTOCOL.md#reset"),
)
def unsupported_requests(stage: Stage) -> None:
    reset = {"profile": "no-such-profile", "subnet_size": 13, "system_time": 1, "subnet_admins": []}
    for line in (frame("dance", {}), frame("describe", {"protocol": 2}), frame("reset", reset)):
        expect_error(stage, line, "unsupported")
        expect_life(stage)


@scenario("Blanks, escapes and the order of fields mean nothing", covers=("PROTOCOL.md#lines",))
def other_words(stage: Stage) -> None:
    zeros = "00" * 32
    for line in (
        lambda number: b' {"arguments" : {"request_id":"0x%s"},\t"verb":"answer","id":%d} ' % (zeros.encode(), number),
        lambda number: (
            b'{"\\u0069d":%d,"verb":"\\u0061nswer","arguments":{"request_id":"0x%s"}}\r' % (number, zeros.encode())
        ),
    ):
        expect_result(stage, line, {"status": "unknown"})


@scenario("After stop the process ends", covers=("PROTOCOL.md#stop",))
def end_after_stop(stage: Stage) -> None:
    stage.stop()
