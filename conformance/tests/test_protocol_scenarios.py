"""Scenarios about the protocol fail implementations that do not keep to it."""

import sys

import pytest
from attrs import evolve

from conformance.protocol.interface import TimeLimits
from conformance.running.case import Manner
from conformance.running.processes import Runner, Target
from conformance.suite.loading import all_scenarios

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

NAIVE = """
import json, sys, time
DESCRIPTION = {"protocol": 1, "name": "naive", "version": "1", "interface_specification": "0.66.0",
               "profiles": ["production"], "capabilities": [], "instance": "deterministic"}
def error(number, kind):
    return {"id": number, "error": {"kind": kind, "text": "no"}}
def reading(line):
    return json.loads(line)
def unreadable():
    return error(None, "malformed")
def answering(frame):
    verb, arguments = frame["verb"], frame["arguments"]
    if verb == "describe":
        return {"id": frame["id"], "result": DESCRIPTION}
    if verb == "reset":
        instance = {"subnet_id": "0x01", "root_key": "0x", "system_time": arguments["system_time"]}
        return {"id": frame["id"], "result": instance}
    return {"id": frame["id"], "result": {"status": "unknown"} if verb == "answer" else {}}
def ending():
    sys.exit(0)
%s
for line in sys.stdin.buffer:
    try:
        frame = reading(line)
    except Exception:
        answer = unreadable()
    else:
        answer = answering(frame)
    print(json.dumps(answer), flush=True)
    if answer.get("result") == {}:
        ending()
"""
"""An implementation that looks right as long as nothing goes wrong."""

WRONG = {
    "dies of a line that it cannot read": (
        "def unreadable(): sys.exit('oh')",
        "unreadable_lines",
        "the process ended with code 1: oh",
    ),
    "guesses an id": ("def unreadable(): return error(1, 'malformed')", "unreadable_lines", "is answered"),
    "calls it an internal error": ("def unreadable(): return error(None, 'internal')", "unreadable_lines", "internal"),
    "dies of a list": ("", "unreadable_lines", "the process ended with code 1: TypeError"),
    "takes unknown fields": ("", "malformed_requests", '"more": 1'),
    "knows every verb": ("", "unsupported_requests", "dance"),
    "minds blanks": (
        "def reading(line): return json.loads(line if line[:1] == b'{' else b'')",
        "other_words",
        "is answered",
    ),
    "lives on after stop": ("def ending(): time.sleep(60)", "end_after_stop", "has not ended within 2 seconds"),
    "ends with a code": (
        "def ending(): sys.exit(3)",
        "end_after_stop",
        "ended with code 3, not with code 0",
    ),
    "says goodbye": ("def ending(): print('bye'); sys.exit(0)", "end_after_stop", "bye\\n'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_implementation_that_does_not_keep_to_the_protocol_fails(case: str) -> None:
    """The verdict says what it did."""
    change, name, complaint = WRONG[case]
    command = (sys.executable, "-S", "-E", "-c", NAIVE % change)
    limits = evolve(TimeLimits.uniform(20.0), stop=2.0)
    runner = Runner(Target(command, Manner(), limits))
    try:
        verdict = runner.run(SCENARIOS[f"protocol/{name}"]).verdict
    finally:
        runner.close()
    assert verdict.name == "fail"
    assert complaint in verdict.why


def test_an_implementation_that_ends_after_stop_passes() -> None:
    """And the next scenario has a new process."""
    runner = Runner(Target((sys.executable, "-S", "-E", "-c", NAIVE % ""), Manner(), TimeLimits.uniform(20.0)))
    try:
        verdicts = [runner.run(SCENARIOS["protocol/end_after_stop"]).verdict.name for _ in range(2)]
    finally:
        runner.close()
    assert verdicts == ["pass", "pass"]
