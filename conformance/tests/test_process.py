"""A process that misbehaves is ended in time, with all that it started, and told in one line that quotes it."""

import contextlib
import sys
import time
from pathlib import Path

import pytest
from attrs import evolve

from conformance.protocol.frames import MOST_BYTES
from conformance.protocol.interface import BrokeProtocol, CannotStart, Died, ImplementationError, TimedOut, TimeLimits
from conformance.protocol.process import Process

SECOND = TimeLimits.uniform(1.0)
PATIENT = TimeLimits.uniform(20.0)

START = """
import os, sys, time, json
def hear():
    return json.loads(sys.stdin.readline())
def say(text, end='\\n'):
    sys.stdout.write(text + end)
    sys.stdout.flush()
def answer(result='{}'):
    say('{"id": %d, "result": %s}' % (hear()["id"], result))
"""


def process(script: str, limits: TimeLimits = PATIENT) -> Process:
    """A process that runs this."""
    return Process([sys.executable, "-S", "-E", "-c", START + script], limits)


def problem_with(script: str, limits: TimeLimits = PATIENT, requests: int = 1) -> ImplementationError:
    """What a request, the last of some, meets."""
    started = process(script, limits)
    try:
        for _ in range(requests - 1):
            started.request("answer", {}, lambda result: result)
        with pytest.raises(ImplementationError) as caught:
            started.request("answer", {}, lambda result: result)
        return caught.value
    finally:
        started.kill()


DEEP = "'[' * 100000"

UNREADABLE = {
    "no JSON": ("say('no JSON')", "not JSON at character 0"),
    "an empty line": ("say('')", "not JSON at character 0"),
    "half an object": ("say('{')", "not JSON at character 1"),
    "two values": ("say('{} {}')", "not JSON at character 3"),
    "no object": ("say('[1]')", "an object is needed"),
    "bytes that are not UTF-8": ("sys.stdout.buffer.write(b'{\"\\xff\\n'); sys.stdout.flush()", "not UTF-8 at byte 2"),
    "UTF-16": (
        "sys.stdout.buffer.write('{}'.encode('utf-16') + b'\\n'); sys.stdout.flush()",
        "not UTF-8 at byte 0",
    ),
    "a byte order mark": ("say('\\ufeff{}')", "not JSON at character 0"),
    "brackets without end": (f"say({DEEP})", "deep in each other"),
    "deep objects": ("say('{\"a\":' * 100000)", "deep in each other"),
    "deep and closed": ("say('[' * 300 + ']' * 300)", "more than 100 deep"),
    "an integer of 5,000 digits": ("say('{\"id\": ' + '9' * 5000 + '}')", "more than 100 digits"),
    "not a number": ("say('{\"id\": NaN}')", "NaN is not JSON"),
    "infinity": ("say('{\"id\": -Infinity}')", "-Infinity is not JSON"),
    "a field twice": ('say(\'{"id": 1, "id": 1, "result": {}}\')', "the field 'id' stands twice"),
    "half a surrogate pair": ('say(\'{"id": 1, "result": "\\\\ud800"}\')', "half of a surrogate pair"),
    "an id that is a fraction": ('say(\'{"id": 1.0, "result": {}}\')', "1.0 is not a natural number"),
    "an id that is true": ('say(\'{"id": true, "result": {}}\')', "true is not a natural number"),
    "another id": ('say(\'{"id": 7, "result": {}}\')', "it is for request 7, not for 1"),
    "no id": ("say('{\"result\": {}}')", "id: the field is missing"),
    "an id that is null": ('say(\'{"id": null, "result": {}}\')', "it is for request None"),
    "no result": ("say('{\"id\": 1}')", "result: the field is missing"),
    "result and error": (
        'say(\'{"id": 1, "result": {}, "error": {"kind": "internal", "text": ""}}\')',
        "result: the field is not known",
    ),
    "one field more": ('say(\'{"id": 1, "result": {}, "more": 1}\')', "more: the field is not known"),
    "an error of no kind": ('say(\'{"id": 1, "error": {"text": ""}}\')', "kind: the field is missing"),
    "an error of unknown kind": (
        'say(\'{"id": 1, "error": {"kind": "bad", "text": ""}}\')',
        "'bad' is none of malformed, unsupported, internal",
    ),
    "an error without text": (
        'say(\'{"id": 1, "error": {"kind": "internal"}}\')',
        "text: the field is missing",
    ),
    "an unsupported of nothing": (
        'say(\'{"id": null, "error": {"kind": "unsupported", "text": ""}}\')',
        "it is for request None",
    ),
    "an error for another request": (
        'say(\'{"id": 2, "error": {"kind": "unsupported", "text": ""}}\')',
        "it is for request 2",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_line_that_cannot_be_read_breaks_the_protocol_and_is_quoted(case: str) -> None:
    """In one printable line, however long it is."""
    script, complaint = UNREADABLE[case]
    problem = problem_with("hear();" + script)
    assert isinstance(problem, BrokeProtocol)
    assert complaint in str(problem)
    assert "; it is '" in str(problem)
    assert str(problem).isprintable()
    assert len(str(problem)) < 1000


@pytest.mark.parametrize(
    "frame",
    [
        '  {"result" : {"a":\t1} , "id":1 }  ',
        '{"id": "1", "result": {"a": 1}}',
        '{"id": 1, "result": {"\\u0061": 1}}\\r',
    ],
)
def test_blanks_order_escapes_and_both_forms_of_integers_do_no_harm(frame: str) -> None:
    """JSON has many ways to say one thing."""
    started = process(f"hear(); say({frame!r}.replace('\\\\r', '\\r')); hear()")
    assert started.request("answer", {}, lambda result: result) == {"a": 1}
    started.kill()


ENDINGS = {
    "ends at once": ("sys.exit(3)", Died, "answer: the process ended with code 3"),
    "ends without a response": ("hear(); sys.exit(3)", Died, "answer: the process ended with code 3"),
    "tells why": (
        "hear(); sys.stderr.write('one\\n\\x1b[31mtwo\\n'); sys.exit(3)",
        Died,
        "answer: the process ended with code 3: \\x1b[31mtwo",
    ),
    "is killed": ("hear(); os.kill(os.getpid(), 11)", Died, "answer: the process was ended by SIGSEGV"),
    "ends in the middle of a line": (
        "hear(); say('{\"id\": 1', end=''); sys.exit(0)",
        Died,
        "answer: the process ended with code 0, in the middle of the line '{\"id\": 1'",
    ),
    "closes its output": (
        "hear(); os.close(1); time.sleep(60)",
        Died,
        "answer: the process has closed its output",
    ),
    "closes its input and ends": ("os.close(0); sys.exit(4)", Died, "answer: the process ended with code 4"),
    "leaves its output to a child": (
        "hear()\nif os.fork(): os._exit(5)\ntime.sleep(60)",
        Died,
        "answer: the process ended with code 5",
    ),
}


@pytest.mark.parametrize("case", ENDINGS)
def test_how_a_process_ended_is_told(case: str) -> None:
    """Long before the time limit."""
    script, kind, message = ENDINGS[case]
    began = time.monotonic()
    problem = problem_with(script)
    assert type(problem) is kind
    assert str(problem) == message
    assert time.monotonic() - began < 15


def test_silence_ends_with_the_time_limit() -> None:
    """And the process with it."""
    problem = problem_with("hear(); time.sleep(60)", SECOND)
    assert isinstance(problem, TimedOut)
    assert str(problem) == "answer: no response within 1 seconds"


def test_half_a_line_is_silence() -> None:
    """Bytes do not prolong the limit."""
    script = "hear()\nwhile True:\n    say(' ', end=''); time.sleep(0.01)"
    assert isinstance(problem_with(script, SECOND), TimedOut)


def test_a_process_that_reads_nothing_ends_with_the_time_limit() -> None:
    """Pipes hold little; the rest of a request waits to be written."""
    started = process("time.sleep(60)", SECOND)
    began = time.monotonic()
    with pytest.raises(TimedOut, match="^submit: the process does not read the request within 1 seconds$"):
        started.request("submit", {"argument": "0x" + "00" * 10**6}, lambda result: result)
    assert time.monotonic() - began < 20
    assert started.is_over


def test_a_process_that_reads_slowly_is_served() -> None:
    """A megabyte, in pieces."""
    script = """
given = b''
while not given.endswith(b'\\n'):
    given += os.read(0, 50000)
say('{"id": 1, "result": %d}' % len(given))
hear()
"""
    started = process(script)
    assert started.request("submit", {"argument": "0x" + "00" * 10**6}, lambda result: result) > 2 * 10**6
    started.kill()


def test_a_long_response_is_read() -> None:
    """Some megabytes."""
    started = process("""hear(); say('{"id": 1, "result": "%s"}' % ('x' * 5_000_000)); hear()""")
    assert started.request("answer", {}, len) == 5_000_000
    started.kill()


def test_a_line_without_end_is_not_kept() -> None:
    """It breaks the protocol when it is longer than any may be."""
    problem = problem_with("hear()\nwhile True: os.write(1, b'x' * 65536)")
    assert isinstance(problem, BrokeProtocol)
    assert f"the response has more than {MOST_BYTES:,} bytes: 'xxx" in str(problem)


def test_lines_without_end_are_not_kept() -> None:
    """The second breaks the protocol."""
    problem = problem_with("hear()\nwhile True: os.write(1, b'{}\\n' * 10000)")
    assert isinstance(problem, BrokeProtocol)
    assert "more than one line answers" in str(problem)


def test_two_answers_break_the_protocol() -> None:
    """At once."""
    problem = problem_with("""hear(); say('{"id": 1, "result": {}}\\n{"id": 1, "result": {}}'); time.sleep(60)""")
    assert isinstance(problem, BrokeProtocol)
    assert 'more than one line answers: \'{"id": 1' in str(problem)


def test_a_line_that_answers_nothing_breaks_the_protocol() -> None:
    """Here it comes while nothing is asked; the answer before it meets it, the next request, or the answer to that."""
    started = process("answer(); say('hello'); answer(); time.sleep(60)", PATIENT)
    try:
        with pytest.raises(BrokeProtocol, match="hello"):
            for _ in range(2):
                started.request("answer", {}, lambda result: result)
    finally:
        started.kill()


def test_a_log_without_end_is_read_and_not_kept() -> None:
    """Standard error is free; a process that floods it is served like any other."""
    script = """
import threading
def flood():
    while True: os.write(2, b'noise ' * 10000)
threading.Thread(target=flood, daemon=True).start()
answer(); answer(); hear(); os._exit(9)
"""
    started = process(script)
    assert [started.request("answer", {}, lambda result: result) for _ in range(2)] == [{}, {}]
    with pytest.raises(Died, match="the process ended with code 9: .*noise") as caught:
        started.request("answer", {}, lambda result: result)
    assert len(str(caught.value)) < 500


# Stopping

STOPS = {
    "ends": ("answer()", None, ""),
    "ends a little later": ("answer(); time.sleep(0.5)", None, ""),
    "closes its output first": ("answer(); os.close(1); time.sleep(0.5); os._exit(0)", None, ""),
    "never ends": ("answer(); time.sleep(60)", TimedOut, "stop: the process has not ended within 2 seconds"),
    "never ends, with its output closed": (
        "answer(); os.close(1); time.sleep(60)",
        TimedOut,
        "stop: the process has not ended within 2 seconds",
    ),
    "ends with a code": (
        "answer(); sys.exit(3)",
        BrokeProtocol,
        "stop: the process ended with code 3, not with code 0",
    ),
    "is killed": ("answer(); os.abort()", BrokeProtocol, "stop: the process was ended by SIGABRT, not with code 0"),
    "says more": ("answer(); time.sleep(0.3); say('bye')", BrokeProtocol, "more comes after the response: 'bye\\n'"),
    "leaves a child": ("answer()\nif os.fork(): os._exit(0)\ntime.sleep(60)", None, ""),
}


@pytest.mark.parametrize("case", STOPS)
def test_a_process_ends_with_code_zero_soon_after_stop(case: str) -> None:
    """And says nothing more."""
    script, kind, message = STOPS[case]
    started = process(script, evolve(PATIENT, stop=2.0))
    started.request("stop", {}, lambda result: result)
    if kind is None:
        started.expect_end("stop")
    else:
        with pytest.raises(kind) as caught:
            started.expect_end("stop")
        assert message in str(caught.value)
    assert started.is_over


# What processes start


def status(process_id: int) -> list[str]:
    """The state, the parent and the group of a process; nothing if there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[:3]
    return []


def lives(process_id: int) -> bool:
    """The process is there, and no zombie."""
    return bool(status(process_id)) and status(process_id)[:1] != ["Z"]


def living_in(group: int) -> list[int]:
    """The living processes of a group."""
    everyone = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [each for each in everyone if lives(each) and status(each)[2:] == [str(group)]]


def all_end(process_ids: list[int]) -> bool:
    """They end within a second."""
    deadline = time.monotonic() + 1
    while any(map(lives, process_ids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(lives, process_ids))


CHILDREN = {
    "a child": "child = os.fork()",
    "a child in a session of its own": "child = os.fork()\nif child == 0: os.setsid()",
    "a child that ignores signals": (
        "import signal\nchild = os.fork()\n"
        "if child == 0: signal.signal(15, signal.SIG_IGN); signal.signal(1, signal.SIG_IGN)"
    ),
}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell who lives")
@pytest.mark.parametrize("case", CHILDREN)
def test_what_a_process_has_started_ends_with_it(case: str) -> None:
    """Children hold neither the judge nor the machine."""
    script = (
        f"{CHILDREN[case]}\nif child == 0: time.sleep(60); os._exit(0)\ntime.sleep(0.2)\nanswer(str(child)); hear()"
    )
    started = process(script)
    child = started.request("answer", {}, int)
    assert lives(child)
    began = time.monotonic()
    started.kill()
    assert time.monotonic() - began < 2
    assert all_end([child])


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell who lives")
def test_a_process_that_forks_without_end_is_ended() -> None:
    """A chain of children each of which starts the next and ends."""
    script = """
if os.fork() == 0:
    for _ in range(300):
        if os.fork(): os._exit(0)
        time.sleep(0.01)
    os._exit(0)
answer(str(os.getpgid(0))); hear()
"""
    started = process(script)
    group = started.request("answer", {}, int)
    assert living_in(group)
    started.kill()
    time.sleep(0.2)
    assert not living_in(group)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["no-such-command-here"], "No such file or directory"),
        (["/"], "Permission denied"),
        ([__file__], "Permission denied"),
        (["a\0b"], "null byte"),
        (["no\x1bsuch"], "No such file"),
    ],
)
def test_a_command_that_cannot_be_started_is_told(command: list[str], why: str) -> None:
    """In one printable line."""
    with pytest.raises(CannotStart, match=why) as caught:
        Process(command, PATIENT)
    assert str(caught.value).isprintable()


def test_a_process_that_was_ended_answers_nothing() -> None:
    """Nor does ending it again do harm."""
    started = process("hear()")
    started.kill()
    started.kill()
    with pytest.raises(Died, match="the process has ended"):
        started.request("answer", {}, lambda result: result)
