"""The protocol over pipes: what goes wrong there gets its own error, in one line."""

import io
import json
import sys
from collections.abc import Callable

import pytest

from conformance.protocol.interface import (
    BrokeProtocol,
    CanisterElsewhere,
    CannotStart,
    Died,
    Instance,
    InternalError,
    TimedOut,
    TimeLimits,
    Unsupported,
)
from conformance.protocol.serving import serve
from conformance.protocol.stdio import StdioImplementation
from conformance.served.specification import SpecificationImplementation
from spec.state.label import Label
from spec.values.identifiers import ANONYMOUS, Principal, RequestId

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
        ('{"id": 1}', "result: the field is missing"),
        ('{"id": 1, "result": {}, "more": 1}', "more: the field is not known"),
        (json.dumps({"id": 2, "result": DESCRIPTION}), "for request 2, not for 1"),
        (json.dumps({"id": 1, "result": DESCRIPTION | {"mood": "good"}}), "mood: the field is not known"),
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


# What PROTOCOL.md says of responses


EXPLAINING = DESCRIPTION | {
    "profiles": ["production"],
    "capabilities": ["explain", "state", "schedule", "attempt"],
    "instance": "deterministic",
}
INSTANCE = {"subnet_id": "0x01", "root_key": "0x", "system_time": 5}
UNSUPPORTED = {"kind": "unsupported", "text": "not today"}
LABEL = Label("system_time_progress", {"time": 7})


def after_handshake(*answers: object, description: object = EXPLAINING) -> StdioImplementation:
    """An implementation that gives these results, or errors, after that of `describe`."""
    frames = [{"id": number, "result": result} for number, result in enumerate([description, *answers], 1)]
    for each in frames:
        if isinstance(each["result"], dict) and "kind" in each["result"]:
            each["error"] = each.pop("result")
    process = answering(*map(json.dumps, frames))
    process.describe()
    return process


def reset(process: StdioImplementation) -> Instance:
    """Starts an instance at time 5."""
    return process.reset("production", 13, 5, [])


BREAKING: dict[str, tuple[list[object], Callable[[StdioImplementation], object], str]] = {
    "another time at the start": (
        [INSTANCE | {"system_time": 6}],
        reset,
        "reset.system_time: 6, but a deterministic instance takes the given time, 5",
    ),
    "a profile that is listed is not there": ([UNSUPPORTED], reset, "its profiles list 'production'"),
    "explain is listed and not there": ([UNSUPPORTED], lambda one: one.explain(), "its capabilities list 'explain'"),
    "state is listed and not there": ([UNSUPPORTED], lambda one: one.state(), "its capabilities list 'state'"),
    "schedule is listed and not there": (
        [UNSUPPORTED],
        lambda one: one.schedule([]),
        "its capabilities list 'schedule'",
    ),
    "a time beyond 64 bits": ([INSTANCE | {"system_time": str(2**64)}], reset, "reset.system_time: times are below"),
    "a short digest": ([{"digest": "0x00"}], lambda one: one.state(), "state.digest: a digest has 32 bytes"),
    "more rounds than asked": (
        [{"rounds": 3, "quiescent": True, "system_time": 5}],
        lambda one: one.advance(2, 0),
        "advance.rounds: 3, but 2 were asked for",
    ),
    "time that stands still": (
        [INSTANCE, {"rounds": 1, "quiescent": True, "system_time": 5}],
        lambda one: (reset(one), one.advance(1, 2)),
        "advance.system_time: 5, but 2 later it is 7",
    ),
    "time that runs": (
        [INSTANCE, {"rounds": 1, "quiescent": True, "system_time": 6}],
        lambda one: (reset(one), one.advance(1, 0)),
        "advance.system_time: 6, but 0 later it is 5",
    ),
    "fewer values than paths": (
        [{"values": [None]}],
        lambda one: one.read(ANONYMOUS, ANONYMOUS, [(b"time",), (b"time",)]),
        "read.values: 1 values for 2 paths",
    ),
    "no output of a transition": (
        [{"taken": 1, "outputs": [], "stopped_by": None}],
        lambda one: one.schedule([LABEL]),
        "schedule.outputs: 0 entries for 1 transitions",
    ),
    "a transition too many": (
        [{"taken": 2, "outputs": [[], []], "stopped_by": None}],
        lambda one: one.schedule([LABEL]),
        "schedule.stopped_by: 2 of 1 transitions were taken",
    ),
    "no reason to stop": (
        [{"taken": 0, "outputs": [], "stopped_by": None}],
        lambda one: one.schedule([LABEL]),
        "schedule.stopped_by: 0 of 1 transitions were taken",
    ),
    "a reason without stop": (
        [{"taken": 1, "outputs": [[]], "stopped_by": "enough"}],
        lambda one: one.schedule([LABEL]),
        "schedule.stopped_by: 1 of 1 transitions were taken",
    ),
    "attempt is listed and not there": ([UNSUPPORTED], lambda one: one.attempt([]), "its capabilities list 'attempt'"),
    "a transition that was not given": (
        [{"taken": 1}],
        lambda one: one.attempt([LABEL]),
        "attempt.taken: 1, but 1 transitions were given",
    ),
    "a status that is none": (
        [{"status": "lost"}],
        lambda one: one.answer(RequestId(bytes(32))),
        "answer.status: 'lost' is not a status",
    ),
    "a reject code that is none": (
        [{"status": "rejected", "reject": {"code": 7, "reason": None, "message": ""}}],
        lambda one: one.answer(RequestId(bytes(32))),
        "answer.reject.code: 7 is not a reject code",
    ),
    "a reason that is none": (
        [{"status": "rejected", "reject": {"code": 5, "reason": "MOOD", "message": ""}}],
        lambda one: one.answer(RequestId(bytes(32))),
        "answer.reject.reason: 'MOOD' is not a reject reason",
    ),
    "a claimed choice of another kind": (
        [{"labels": [{"rule": "system_time_progress", "choices": {"time": "0x"}, "outputs": []}]}],
        lambda one: one.explain(),
        "explain.labels[0].choices.time: '0x' is not a natural number",
    ),
    "an output that is none": (
        [{"labels": [{"rule": "x", "choices": {}, "outputs": [{"kind": "smell"}]}]}],
        lambda one: one.explain(),
        "explain.labels[0].outputs[0].kind: 'smell' is not a kind of output",
    ),
    "something after stop": ([{"more": 1}], lambda one: one.stop(), "stop.more: the field is not known"),
}


@pytest.mark.parametrize("case", BREAKING)
def test_what_the_protocol_says_of_responses_is_enforced(case: str) -> None:
    """The statement that is broken is told, and the line quoted where there is one."""
    results, act, complaint = BREAKING[case]
    process = after_handshake(*results)
    with pytest.raises(BrokeProtocol) as caught:
        act(process)
    process.close()
    assert complaint in str(caught.value)


def test_a_live_instance_has_its_own_time() -> None:
    """At the start and later."""
    moved = {"rounds": 0, "quiescent": False, "system_time": 10**18}
    process = after_handshake(INSTANCE | {"system_time": 10**17}, moved, description=DESCRIPTION)
    assert reset(process).system_time == 10**17
    assert process.advance(1, 0).system_time == 10**18
    process.close()


def test_a_schedule_may_move_the_time() -> None:
    """What it is then, the next answer says."""
    took = {"taken": 1, "outputs": [[]], "stopped_by": None}
    process = after_handshake(INSTANCE, took, {"rounds": 0, "quiescent": True, "system_time": 7})
    reset(process)
    process.schedule([LABEL])
    assert process.advance(1, 0).system_time == 7
    process.close()


def test_what_is_not_listed_may_be_unsupported() -> None:
    """A profile, or a capability."""
    process = after_handshake(UNSUPPORTED, UNSUPPORTED, description=DESCRIPTION)
    for act in (reset, lambda one: one.explain()):
        with pytest.raises(Unsupported, match="unsupported: not today"):
            act(process)
    process.close()


# Requests


def answers_to(*frames: object) -> list[dict[str, object]]:
    """What the specification's server answers."""
    lines = b"".join((frame if isinstance(frame, bytes) else json.dumps(frame).encode()) + b"\n" for frame in frames)
    responses = io.BytesIO()
    serve(SpecificationImplementation(), io.BytesIO(lines), responses)
    return [json.loads(line) for line in responses.getvalue().splitlines()]


RESET = {"profile": "production", "subnet_size": 13, "system_time": 1, "subnet_admins": []}


def test_who_begins_with_canisters_elsewhere_says_where_they_are() -> None:
    """On another subnet; and is not asked about such canisters, and says nothing of them, where there are none."""
    standing = CanisterElsewhere(Principal(b"one"), (Principal(b"user"),), version=1, total_changes=2, cycles=2**70)
    asked = ("production", 13, 5, (), (standing,))
    assert after_handshake({**INSTANCE, "other_subnet_id": "0x02"}).reset(*asked).other_subnet_id == b"\2"
    with pytest.raises(BrokeProtocol, match=r"reset\.other_subnet_id: the field is missing"):
        after_handshake(INSTANCE).reset(*asked)
    with pytest.raises(BrokeProtocol, match=r"reset\.other_subnet_id: it is that of the first subnet"):
        after_handshake({**INSTANCE, "other_subnet_id": "0x01"}).reset(*asked)
    with pytest.raises(BrokeProtocol, match=r"reset\.other_subnet_id: the field is not known"):
        reset(after_handshake({**INSTANCE, "other_subnet_id": "0x02"}))


def test_canisters_elsewhere_are_unsupported_unless_that_is_a_capability() -> None:
    """Who lists it breaks the protocol by saying so."""
    standing = CanisterElsewhere(Principal(b"one"), (Principal(b"user"),), version=1, total_changes=2, cycles=2**70)
    asked = ("production", 13, 5, (), (standing,))
    with pytest.raises(Unsupported):
        after_handshake(UNSUPPORTED).reset(*asked)
    able = EXPLAINING | {"capabilities": ["elsewhere"]}
    with pytest.raises(BrokeProtocol, match="its capabilities list 'elsewhere'"):
        after_handshake(UNSUPPORTED, description=able).reset(*asked)


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
    assert type(process.answer(RequestId(bytes(32)))).__name__ == "UnknownRequest"
    process.stop()
