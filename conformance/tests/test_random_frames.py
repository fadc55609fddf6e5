"""Whatever an implementation answers, the judge ends with a verdict; whatever is asked, both servers answer alike."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as some

from conformance.judging.verdicts import Inconclusive
from conformance.protocol.interface import ImplementationError, TimeLimits
from conformance.protocol.process import Process
from conformance.protocol.serving import respond
from conformance.protocol.stdio import StdioImplementation
from conformance.running.case import Case, Manner
from conformance.running.processes import case_without_handshake
from conformance.running.run import run_scenario
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

# Values

scalars = (
    some.none()
    | some.booleans()
    | some.integers()
    | some.integers(min_value=10**30, max_value=10**120)
    | some.floats()
    | some.text(some.characters(), max_size=20)
    | some.binary(max_size=40).map(lambda one: "0x" + one.hex())
    | some.sampled_from(["unknown", "received", "done", "replied", "rejected", "status", "executed", "EXPLICIT", "0x"])
    | some.integers(min_value=0, max_value=2**70).map(str)
)
values = some.recursive(
    scalars,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
"""Any JSON, and some that is none: NaN, halves of surrogate pairs."""


def places(value: Any) -> list[list[Any]]:
    """The ways to all values inside a value, and to itself."""
    found: list[list[Any]] = [[]]
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        found += [[key, *rest] for rest in places(each)]
    return found


def changed(value: Any, way: list[Any], change: Any) -> Any:
    """A value with what stands at the end of a way put elsewhere; `change` is a function of it."""
    if not way:
        return change(value)
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = changed(value[way[0]], way[1:], change)
    return copy


@some.composite
def mutated_json(draw: some.DrawFn, line: bytes) -> bytes:
    """A line with one value changed, removed, doubled or wrapped, or with a field more."""
    frame = json.loads(line)
    way = draw(some.sampled_from(places(frame)))
    kind = draw(some.sampled_from(["value", "value", "remove", "double", "wrap", "more", "text"]))

    def change(value: Any) -> Any:
        match kind, value:
            case "remove", dict() if value:
                gone = draw(some.sampled_from(sorted(value)))
                return {name: each for name, each in value.items() if name != gone}
            case "remove", list() if value:
                return value[:-1]
            case "double", list():
                return value + value
            case "wrap", _:
                return [value]
            case "more", dict():
                return value | {draw(some.text(max_size=5)): draw(values)}
            case "text", _:
                return json.dumps(value)
            case _:
                return draw(values)

    return json.dumps(changed(frame, way, change)).encode()


@some.composite
def mutated_bytes(draw: some.DrawFn, line: bytes) -> bytes:
    """A line with some bytes replaced."""
    start = draw(some.integers(min_value=0, max_value=len(line)))
    end = draw(some.integers(min_value=start, max_value=min(len(line), start + 5)))
    return line[:start] + draw(some.binary(max_size=6)).replace(b"\n", b"") + line[end:]


def mutated(line: bytes) -> some.SearchStrategy[bytes]:
    """A line that was damaged in some way, or any other."""
    junk = some.binary(max_size=60).map(lambda one: one.replace(b"\n", b""))
    return mutated_json(line) | mutated_bytes(line) | junk | values.map(lambda one: json.dumps(one).encode())


# Answers


class Damaged(Process):
    """The specification in this process, some of whose answers are damaged."""

    def __init__(self, data: some.DataObject, first: int, often: int) -> None:
        self._last_id = 0
        self._is_over = False
        self._implementation = SpecificationImplementation()
        self._data, self._first, self._often, self._asked = data, first, often, 0

    def kill(self) -> None:
        self._is_over = True

    def exchange(self, verb: str, request: bytes) -> bytes:
        response, _ = respond(self._implementation, request)
        line = json.dumps(response).encode()
        self._asked += 1
        if self._asked < self._first or (self._asked - self._first) % self._often:
            return line
        return self._data.draw(mutated(line), label=f"instead of {line[:300]!r}")


def judged(process: Process, scenario_id: str, manner: Manner) -> Case:
    """The case of a scenario."""
    implementation = StdioImplementation.__new__(StdioImplementation)
    implementation._process, implementation._description, implementation._time = process, None, None
    try:
        description = implementation.describe()
    except ImplementationError as problem:
        return case_without_handshake(SCENARIOS[scenario_id], problem)
    return run_scenario(SCENARIOS[scenario_id], implementation, description, manner)


CHOSEN = ["requests/anonymous_calls", "reads/timestamps", "calls/reply_comes_back"]


def check_damaged(data: some.DataObject, scenarios: list[str]) -> None:
    """Any damage leads to a verdict, and none to a mistake of the judge."""
    first = data.draw(some.integers(min_value=1, max_value=25))
    often = data.draw(some.sampled_from([1, 7, 1000]))
    manner = Manner(black_box=data.draw(some.booleans()))
    case = judged(Damaged(data, first, often), data.draw(some.sampled_from(scenarios)), manner)
    assert case.verdict.name in ("pass", "fail", "inconclusive", "not_applicable")
    if isinstance(case.verdict, Inconclusive):
        assert "the scenario itself failed" not in case.verdict.why, case.verdict.why


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(some.data())
def test_any_answer_leads_to_a_verdict(data: some.DataObject) -> None:
    """Whatever was damaged in it."""
    check_damaged(data, CHOSEN)


@pytest.mark.deep
@settings(max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(some.data())
def test_any_answer_in_any_scenario_leads_to_a_verdict(data: some.DataObject) -> None:
    """Over all scenarios, for hours."""
    check_damaged(data, sorted(SCENARIOS))


# Requests

ICSPEC = [sys.executable, "-m", "spec.tooling.command_line", "stdio"]

START = "1750000000000000000"
CANISTER = "0x00000000000000000101"
REQUEST = {
    "nonce": "0x01",
    "ingress_expiry": "1750000200000000000",
    "sender": "0x0102",
    "canister_id": CANISTER,
    "method_name": "go",
    "argument": "0x",
}
CREATION = {
    **REQUEST,
    "canister_id": "0x",
    "method_name": "provisional_create_canister_with_cycles",
    "argument": "0x4449444c016c0001" + "00",
    "sender_info": {"info": "0x", "signer": "0x", "signature": "0x"},
}
RESET = {"profile": "production", "subnet_size": 13, "system_time": START, "subnet_admins": ["0x01"]}
FRAMES: list[tuple[str, dict[str, Any]]] = [
    ("describe", {"protocol": 1}),
    ("reset", RESET),
    (
        "reset",
        {
            **RESET,
            "elsewhere": [
                {"canister_id": "0x05", "controllers": ["0x04"], "version": 1, "total_changes": 2, "cycles": 3}
            ],
        },
    ),
    ("submit", {"request": REQUEST, "effective_id": CANISTER, "endpoint": "canister"}),
    ("submit", {"request": CREATION, "effective_id": "0x"}),
    ("answer", {"request_id": "0x" + "00" * 32}),
    ("query", {"query": REQUEST, "effective_id": CANISTER}),
    ("read", {"sender": "0x04", "effective_id": CANISTER, "paths": [["0x74696d65"], [], ["0x00", "0x"]]}),
    ("advance", {"rounds": 2, "nanoseconds": "7"}),
    ("explain", {}),
    ("state", {}),
    (
        "attempt",
        {
            "labels": [
                {"rule": "request_rejection", "choices": {"request_id": "0x" + "00" * 32, "code": 1}},
                {"rule": "system_time_progress", "choices": {"time": "1750000000000000002"}},
            ]
        },
    ),
    (
        "schedule",
        {
            "labels": [
                {"rule": "system_time_progress", "choices": {"time": "1750000000000000001"}},
                {"rule": "submit_request", "choices": {"request": REQUEST, "effective_id": CANISTER}},
                {"rule": "request_rejection", "choices": {"request_id": "0x" + "00" * 32, "code": 1}},
                {"rule": "subnet_admins_change", "choices": {"subnet_id": "0x01", "admins": ["0x", "0x02"]}},
            ]
        },
    ),
]
"""A right frame of each verb but `stop`."""


@pytest.fixture(scope="module")
def both() -> Iterator[list[Process]]:
    """The reference implementation and the specification, each in a process."""
    processes = [Process([*ICSPEC, *option], TimeLimits.uniform(60.0)) for option in ([], ["--spec"])]
    yield processes
    for process in processes:
        assert not process.is_over, "it lives still"
        process.kill()


def kind_of(answer: bytes) -> tuple[Any, ...]:
    """What sort of answer it is: the id, and the fields of the result or the kind of the error."""
    assert answer.decode("ascii").isprintable()
    frame = json.loads(answer)
    if frame.keys() == {"id", "result"}:
        return frame["id"], sorted(frame["result"])
    assert frame.keys() == {"id", "error"}
    assert frame["error"].keys() == {"kind", "text"}
    assert frame["error"]["kind"] in ("malformed", "unsupported"), frame
    assert len(frame["error"]["text"]) < 1000
    return frame["id"], frame["error"]["kind"]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(some.data())
def test_both_servers_answer_any_request_alike(both: list[Process], data: some.DataObject) -> None:
    """After a reset, one request that was damaged."""
    verb, arguments = data.draw(some.sampled_from(FRAMES))
    line = data.draw(mutated(json.dumps({"id": 7, "verb": verb, "arguments": arguments}).encode()))
    assume(b'"stop"' not in line)
    reset = json.dumps({"id": 1, "verb": "reset", "arguments": RESET}).encode()
    answers = []
    for process in both:
        process.exchange("reset", reset + b"\n")
        answers.append(kind_of(process.exchange("query", line + b"\n")))
    assert answers[0] == answers[1]
