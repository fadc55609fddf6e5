"""The protocol over pipes: what goes wrong there gets its own error, in one line."""

import io
import json
import sys

import pytest

from conformance.protocol.interface import (
    BrokeProtocol,
    CannotStart,
    Died,
    InternalError,
    TimedOut,
    TimeLimits,
    Unsupported,
)
from conformance.protocol.serving import serve
from conformance.protocol.stdio import StdioImplementation
from conformance.served.specification import SpecificationImplementation
from spec.values.identifiers import RequestId

QUICK = TimeLimits.uniform(5.0)


def answering(*lines: str) -> StdioImplementation:
    """A process that answers each request with the next of these lines."""
    script = f"import sys\nfor line in {list(lines)!r}:\n    sys.stdin.readline()\n    print(line, flush=True)"
    return StdioImplementation([sys.executable, "-c", script], QUICK)


def error_of(*lines: str) -> str:
    """What `describe` complains about."""
    process = answering(*lines)
    try:
        with pytest.raises(BrokeProtocol) as caught:
            process.describe()
        return str(caught.value)
    finally:
        process.close()


DESCRIPTION = {
    "protocol": 1,
    "name": "one",
    "version": "2",
    "interface_specification": "0.66.0",
    "profiles": [],
    "capabilities": [],
    "instance": "live",
}


def test_a_description_is_read() -> None:
    """The plain case."""
    process = answering(json.dumps({"id": 1, "result": DESCRIPTION}))
    assert process.describe().name == "one"
    process.close()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("no JSON", "does not follow the protocol"),
        ("[1]", "an object is needed"),
        ('{"id": 1}', "'result' is missing"),
        ('{"id": 1, "result": {}, "more": 1}', "'more' is not known"),
        (json.dumps({"id": 2, "result": DESCRIPTION}), "for request 2, not for 1"),
        (json.dumps({"id": 1, "result": DESCRIPTION | {"mood": "good"}}), "'mood' is not known"),
        (json.dumps({"id": 1, "result": DESCRIPTION | {"protocol": 2}}), "version 2, but 1 was asked for"),
        (json.dumps({"id": 1, "result": DESCRIPTION | {"capabilities": ["magic"]}}), "'magic' is not a capability"),
    ],
)
def test_a_response_that_breaks_the_protocol_is_told_in_one_line(line: str, complaint: str) -> None:
    """Whatever is wrong."""
    message = error_of(line)
    assert complaint in message
    assert "\n" not in message


@pytest.mark.parametrize(("kind", "error"), [("unsupported", Unsupported), ("internal", InternalError)])
def test_an_error_response_becomes_an_error_of_its_kind(kind: str, error: type[Exception]) -> None:
    """With the text of the implementation."""
    process = answering(json.dumps({"id": 1, "error": {"kind": kind, "text": "because"}}))
    with pytest.raises(error, match="because"):
        process.describe()
    process.close()


def test_a_process_that_ends_is_told_with_the_last_line_of_its_log() -> None:
    """Not the whole traceback."""
    process = StdioImplementation([sys.executable, "-c", "import sys; sys.exit('too\\nbad')"], QUICK)
    with pytest.raises(Died, match="^describe: the process ended with code 1: bad$"):
        process.describe()


def test_a_command_that_does_not_exist_is_told() -> None:
    """By its name."""
    with pytest.raises(CannotStart, match="cannot start no-such-command-here"):
        StdioImplementation(["no-such-command-here"])


def test_a_process_that_is_silent_is_killed() -> None:
    """After the time limit."""
    process = StdioImplementation([sys.executable, "-c", "import time; time.sleep(60)"], TimeLimits.uniform(0.5))
    with pytest.raises(TimedOut, match="describe: no response within 0.5 seconds"):
        process.describe()


def answers_to(*frames: object) -> list[dict[str, object]]:
    """What the specification's server answers."""
    lines = b"".join((frame if isinstance(frame, bytes) else json.dumps(frame).encode()) + b"\n" for frame in frames)
    responses = io.BytesIO()
    serve(SpecificationImplementation(), io.BytesIO(lines), responses)
    return [json.loads(line) for line in responses.getvalue().splitlines()]


RESET = {"profile": "production", "subnet_size": 13, "system_time": 1, "subnet_admins": []}


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"no JSON", "malformed"),
        ({"id": 1, "verb": "describe"}, "malformed"),
        ({"id": 1, "verb": "describe", "arguments": {"protocol": 2}}, "unsupported"),
        ({"id": 1, "verb": "describe", "arguments": {"protocol": 1, "please": True}}, "malformed"),
        ({"id": 1, "verb": "dance", "arguments": {}}, "unsupported"),
        ({"id": 1, "verb": "reset", "arguments": RESET | {"profile": "no such"}}, "unsupported"),
        ({"id": 1, "verb": "reset", "arguments": RESET | {"subnet_size": "many"}}, "malformed"),
        ({"id": 1, "verb": "answer", "arguments": {"request_id": "0x"}}, "malformed"),
    ],
)
def test_a_bad_request_is_answered_with_an_error(frame: object, kind: str) -> None:
    """And the server goes on."""
    first, second = answers_to(frame, {"id": 2, "verb": "describe", "arguments": {"protocol": 1}})
    assert first["error"]["kind"] == kind  # type: ignore[index]
    assert "result" in second


def test_a_reset_with_an_unknown_field_changes_nothing() -> None:
    """The request is read in full before anything is done."""
    frames = [
        {"id": 1, "verb": "reset", "arguments": RESET | {"colour": "blue"}},
        {"id": 2, "verb": "advance", "arguments": {"rounds": 1, "nanoseconds": 0}},
    ]
    first, second = answers_to(*frames)
    assert first["error"]["kind"] == "malformed"  # type: ignore[index]
    assert second["error"]["kind"] == "unsupported"  # type: ignore[index]


def test_the_server_ends_after_stop() -> None:
    """What comes later is not read."""
    frames = [{"id": 1, "verb": "stop", "arguments": {}}, {"id": 2, "verb": "describe", "arguments": {"protocol": 1}}]
    assert answers_to(*frames) == [{"id": 1, "result": {}}]


def test_the_specification_is_served_as_a_process() -> None:
    """Through `python -m`, as through `icspec stdio --spec`."""
    process = StdioImplementation([sys.executable, "-m", "conformance.served.specification"])
    assert process.describe().name == "the specification"
    instance = process.reset("production", 13, 5, [])
    assert instance.system_time == 5
    assert process.advance(1, 2**60).system_time == 5 + 2**60
    assert type(process.answer(RequestId(bytes(32)))).__name__ == "Unknown"
    process.stop()
