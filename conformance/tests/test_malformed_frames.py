"""
The specification and the reference implementation answer frames alike that are malformed or odd.

They are independent programs; what both must do stands in PROTOCOL.md. Each frame goes to one process of each, which
answers it and lives on.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.protocol.interface import TimeLimits
from conformance.protocol.process import Process

ICSPEC = [sys.executable, "-m", "spec.tooling.command_line", "stdio"]

START = "1750000000000000000"
USER = "0x0102"
CANISTER = "0x00000000000000000101"

RESET = {"profile": "production", "subnet_size": 13, "system_time": START, "subnet_admins": []}
CANISTER_ELSEWHERE = {
    "canister_id": CANISTER,
    "controllers": [USER],
    "version": 1,
    "total_changes": 1,
    "cycles": str(2**100),
}
REQUEST = {
    "nonce": "0x01",
    "ingress_expiry": "1750000200000000000",
    "sender": USER,
    "canister_id": CANISTER,
    "method_name": "go",
    "argument": "0x",
}
SUBMIT = {"request": REQUEST, "effective_id": CANISTER}
QUERY = {"query": REQUEST, "effective_id": CANISTER}
READ = {"sender": USER, "effective_id": CANISTER, "paths": [["0x74696d65"]]}
ADVANCE = {"rounds": 1, "nanoseconds": 1}
INFO = {"info": "0x", "signer": USER, "signature": "0x"}


def frame(verb: Any, arguments: Any, **more: Any) -> bytes:
    """A frame as a line."""
    return json.dumps({"id": 7, "verb": verb, "arguments": arguments, **more}).encode()


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """All fields but one."""
    return {key: value for key, value in fields.items() if key != name}


def submit(**fields: Any) -> bytes:
    """A submission with other fields in its request."""
    return frame("submit", {**SUBMIT, "request": {**REQUEST, **fields}})


def label(rule: Any = "system_time_progress", **choices: Any) -> bytes:
    """A schedule of one label."""
    return frame("schedule", {"labels": [{"rule": rule, "choices": choices}]})


UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "a blank": b" ",
    "no JSON": b"hello",
    "half an object": b'{"id": 7',
    "two objects": b"{} {}",
    "a comma too many": b'{"id": 7,}',
    "single quotes": b"{'id': 7}",
    "a comment": b'{"id": 7} // seven',
    "a list": b"[]",
    "a text": b'"describe"',
    "a number": b"7",
    "null": b"null",
    "bad UTF-8": b'{"id": 7, "verb": "\xff"}',
    "overlong UTF-8": b'{"id": 7, "verb": "\xc0\x80"}',
    "a surrogate in UTF-8": b'{"id": 7, "verb": "\xed\xa0\x80"}',
    "UTF-16": '{"id": 7}'.encode("utf-16-le"),
    "a byte order mark": b'\xef\xbb\xbf{"id": 7}',
    "half a surrogate pair": b'{"id": 7, "verb": "\\ud800", "arguments": {}}',
    "half a surrogate pair in a list": frame("read", {**READ, "paths": [["\ud800"]]}),
    "half a surrogate pair as a name": b'{"id": 7, "verb": "stop", "arguments": {"\\udc00": 1}}',
    "a raw control character": b'{"id": 7, "verb": "\x01"}',
    "brackets without end": b"[" * 100_000,
    "objects without end": b'{"a":' * 100_000,
    "brackets, closed": b"[" * 100_000 + b"]" * 100_000,
    "101 brackets": frame("read", {**READ, "paths": json.loads("[" * 99 + "]" * 99)}),
    "an integer of 5,000 digits": b'{"id": ' + b"9" * 5000 + b"}",
    "an integer of 101 digits": frame("advance", {"rounds": 10**100, "nanoseconds": 1}),
    "not a number": b'{"id": 7, "verb": NaN, "arguments": {}}',
    "infinity": b'{"id": Infinity}',
    "minus infinity": b'{"id": -Infinity}',
    "a number with a leading zero": b'{"id": 07}',
    "a number with a plus": b'{"id": +7}',
    "a hexadecimal number": b'{"id": 0x7}',
    "a field twice": b'{"id": 7, "id": 8, "verb": "state", "arguments": {}}',
    "a field twice, deep inside": b'{"id": 7, "verb": "advance", "arguments": {"rounds": 1, "rounds": 1}}',
    "an invalid escape": b'{"id": 7, "verb": "\\x41"}',
}
"""Lines that cannot be read at all."""

MALFORMED: dict[str, tuple[bytes, int | None, str]] = {
    "no id": (b'{"verb": "stop", "arguments": {}}', None, "frame.id"),
    "an id that is null": (frame("stop", {}, id=None), None, "frame.id"),
    "an id that is negative": (frame("stop", {}, id=-1), None, "frame.id"),
    "an id that is a fraction": (b'{"id": 7.0, "verb": "stop", "arguments": {}}', None, "frame.id"),
    "an id with an exponent": (b'{"id": 7e0, "verb": "stop", "arguments": {}}', None, "frame.id"),
    "an id that is true": (frame("stop", {}, id=True), None, "frame.id"),
    "an id that is a word": (frame("stop", {}, id="seven"), None, "frame.id"),
    "no verb": (b'{"id": 7, "arguments": {}}', 7, "frame.verb"),
    "a verb that is a number": (frame(1, {}), 7, "frame.verb"),
    "a verb that is null": (frame(None, {}), 7, "frame.verb"),
    "no arguments": (b'{"id": 7, "verb": "stop"}', 7, "frame.arguments"),
    "one field too many": (frame("stop", {}, more=1), 7, "frame.more"),
    "a field of no name": (frame("stop", {}, **{"": 1}), 7, "frame."),
    "arguments that are null": (frame("stop", None), 7, "arguments"),
    "arguments that are a list": (frame("stop", []), 7, "arguments"),
    "arguments of stop": (frame("stop", {"now": True}), 7, "arguments.now"),
    "arguments of state": (frame("state", {"of": "mind"}), 7, "arguments.of"),
    "no version": (frame("describe", {}), 7, "arguments.protocol"),
    "a version that is a text": (frame("describe", {"protocol": "one"}), 7, "arguments.protocol"),
    "a version that is a fraction": (frame("describe", {"protocol": 1.5}), 7, "arguments.protocol"),
    "no profile": (frame("reset", without(RESET, "profile")), 7, "arguments.profile"),
    "a profile that is null": (frame("reset", {**RESET, "profile": None}), 7, "arguments.profile"),
    "a negative size": (frame("reset", {**RESET, "subnet_size": -1}), 7, "arguments.subnet_size"),
    "a size that is true": (frame("reset", {**RESET, "subnet_size": True}), 7, "arguments.subnet_size"),
    "a size in hexadecimal": (frame("reset", {**RESET, "subnet_size": "0x0d"}), 7, "arguments.subnet_size"),
    "a time with blanks": (frame("reset", {**RESET, "system_time": " 1"}), 7, "arguments.system_time"),
    "a time with a sign": (frame("reset", {**RESET, "system_time": "+1"}), 7, "arguments.system_time"),
    "a time with an underscore": (frame("reset", {**RESET, "system_time": "1_0"}), 7, "arguments.system_time"),
    "a time in other digits": (frame("reset", {**RESET, "system_time": "١"}), 7, "arguments.system_time"),
    "a time that is empty": (frame("reset", {**RESET, "system_time": ""}), 7, "arguments.system_time"),
    "a time of 101 digits": (frame("reset", {**RESET, "system_time": "9" * 101}), 7, "arguments.system_time"),
    "a time of 5,000 digits": (frame("reset", {**RESET, "system_time": "9" * 5000}), 7, "arguments.system_time"),
    "a time beyond 64 bits": (frame("reset", {**RESET, "system_time": str(2**64)}), 7, "arguments.system_time"),
    "an end of time beyond 64 bits": (
        frame("advance", {"rounds": 1, "nanoseconds": str(2**64)}),
        7,
        "arguments.nanoseconds",
    ),
    "an expiry beyond 64 bits": (submit(ingress_expiry=str(2**64)), 7, "arguments.request.ingress_expiry"),
    "admins that are no list": (frame("reset", {**RESET, "subnet_admins": USER}), 7, "arguments.subnet_admins"),
    "an admin that is none": (frame("reset", {**RESET, "subnet_admins": ["0x", 1]}), 7, "arguments.subnet_admins[1]"),
    "an admin that is too long": (
        frame("reset", {**RESET, "subnet_admins": ["0x" + "00" * 30]}),
        7,
        "arguments.subnet_admins[0]",
    ),
    "canisters elsewhere that are no list": (frame("reset", {**RESET, "elsewhere": {}}), 7, "arguments.elsewhere"),
    "a canister elsewhere without controllers": (
        frame("reset", {**RESET, "elsewhere": [without(CANISTER_ELSEWHERE, "controllers")]}),
        7,
        "arguments.elsewhere[0].controllers",
    ),
    "a canister elsewhere with one field more": (
        frame("reset", {**RESET, "elsewhere": [{**CANISTER_ELSEWHERE, "balance": 1}]}),
        7,
        "arguments.elsewhere[0].balance",
    ),
    "a canister elsewhere with a negative version": (
        frame("reset", {**RESET, "elsewhere": [{**CANISTER_ELSEWHERE, "version": -1}]}),
        7,
        "arguments.elsewhere[0].version",
    ),
    "no request": (frame("submit", {"effective_id": CANISTER}), 7, "arguments.request"),
    "a request that is a text": (frame("submit", {**SUBMIT, "request": "go"}), 7, "arguments.request"),
    "a request without nonce": (
        frame("submit", {**SUBMIT, "request": without(REQUEST, "nonce")}),
        7,
        "arguments.request.nonce",
    ),
    "a request with one field more": (submit(colour="blue"), 7, "arguments.request.colour"),
    "a blob without 0x": (submit(argument="00"), 7, "arguments.request.argument"),
    "a blob with 0X": (submit(argument="0X00"), 7, "arguments.request.argument"),
    "a blob in capitals": (submit(argument="0xAB"), 7, "arguments.request.argument"),
    "a blob with half a byte": (submit(argument="0x123"), 7, "arguments.request.argument"),
    "a blob with blanks": (submit(argument="0x00 00"), 7, "arguments.request.argument"),
    "a blob with other digits": (submit(argument="0x١١"), 7, "arguments.request.argument"),
    "a blob that is null": (submit(argument=None), 7, "arguments.request.argument"),
    "a blob that is a list": (submit(argument=[1, 2]), 7, "arguments.request.argument"),
    "a blob that ends with a line end": (submit(argument="0x00\n"), 7, "arguments.request.argument"),
    "a sender that is too long": (submit(sender="0x" + "00" * 30), 7, "arguments.request.sender"),
    "a method that is a number": (submit(method_name=7), 7, "arguments.request.method_name"),
    "information without signature": (
        submit(sender_info=without(INFO, "signature")),
        7,
        "arguments.request.sender_info.signature",
    ),
    "information that is a list": (submit(sender_info=[]), 7, "arguments.request.sender_info"),
    "an endpoint that is none": (frame("submit", {**SUBMIT, "endpoint": "moon"}), 7, "arguments.endpoint"),
    "an endpoint that is a number": (frame("submit", {**SUBMIT, "endpoint": 1}), 7, "arguments.endpoint"),
    "a query with information": (
        frame("query", {**QUERY, "query": {**REQUEST, "sender_info": INFO}}),
        7,
        "arguments.query.sender_info",
    ),
    "a request id that is short": (frame("answer", {"request_id": "0x00"}), 7, "arguments.request_id"),
    "a request id that is long": (frame("answer", {"request_id": "0x" + "00" * 33}), 7, "arguments.request_id"),
    "a path that is a text": (frame("read", {**READ, "paths": ["time"]}), 7, "arguments.paths[0]"),
    "a path of a text": (frame("read", {**READ, "paths": [["0x"], ["time"]]}), 7, "arguments.paths[1][0]"),
    "a path of a null": (frame("read", {**READ, "paths": [[None]]}), 7, "arguments.paths[0][0]"),
    "rounds that are negative": (frame("advance", {**ADVANCE, "rounds": -1}), 7, "arguments.rounds"),
    "rounds that are a fraction": (frame("advance", {**ADVANCE, "rounds": 0.5}), 7, "arguments.rounds"),
    "labels that are an object": (frame("schedule", {"labels": {}}), 7, "arguments.labels"),
    "an attempt without labels": (frame("attempt", {}), 7, "arguments.labels"),
    "an attempt of a label that is a text": (frame("attempt", {"labels": ["x"]}), 7, "arguments.labels[0]"),
    "a label that is a text": (frame("schedule", {"labels": ["x"]}), 7, "arguments.labels[0]"),
    "a label without choices": (frame("schedule", {"labels": [{"rule": "x"}]}), 7, "arguments.labels[0].choices"),
    "a label of a number": (label(rule=1), 7, "arguments.labels[0].rule"),
    "choices that are a list": (
        frame("schedule", {"labels": [{"rule": "x", "choices": []}]}),
        7,
        "arguments.labels[0].choices",
    ),
    "a label with outputs": (
        frame("schedule", {"labels": [{"rule": "x", "choices": {}, "outputs": []}]}),
        7,
        "arguments.labels[0].outputs",
    ),
    "a choice that is negative": (label(time=-1), 7, "arguments.labels[0].choices.time"),
    "a choice that is a fraction": (label(time=1.5), 7, "arguments.labels[0].choices.time"),
    "a choice that nobody knows": (label(colour=1), 7, "arguments.labels[0].choices.colour"),
    "a blob for a number": (label(time="0x00"), 7, "arguments.labels[0].choices.time"),
    "a list for a number": (label(time=[]), 7, "arguments.labels[0].choices.time"),
    "a request for a number": (label(time=REQUEST), 7, "arguments.labels[0].choices.time"),
    "a truth for a number": (label(time=True), 7, "arguments.labels[0].choices.time"),
    "a number for a request": (label("submit_request", request=1), 7, "arguments.labels[0].choices.request"),
    "a number for a blob": (label("raw_rand", randomness=1), 7, "arguments.labels[0].choices.randomness"),
    "a text for a list": (label("subnet_admins_change", admins="0x"), 7, "arguments.labels[0].choices.admins"),
    "a request id of another length": (
        label("request_done", request_id="0x00"),
        7,
        "arguments.labels[0].choices.request_id",
    ),
    "a choice of a time beyond 64 bits": (label(time=str(2**64)), 7, "arguments.labels[0].choices.time"),
    "a choice that is null": (label(time=None), 7, "arguments.labels[0].choices.time"),
    "a result of a rule that has none": (label(answer="0x"), 7, "arguments.labels[0].choices.answer"),
}
"""Frames that break the protocol at one place, with the id and the place of the error."""

UNSUPPORTED: dict[str, bytes] = {
    "a verb that is none": frame("dance", {}),
    "a verb in capitals": frame("DESCRIBE", {"protocol": 1}),
    "a verb that is empty": frame("", {}),
    "a verb with escapes for terminals": frame("\x1b[31m", {}),
    "a verb that is very long": frame("x" * 10**6, {}),
    "a verb that is none, with arguments that are none": frame("dance", 7),
    "version 0": frame("describe", {"protocol": 0}),
    "version 2": frame("describe", {"protocol": 2}),
    "version 10^99": frame("describe", {"protocol": str(10**99)}),
    "a profile that is none": frame("reset", {**RESET, "profile": "none"}),
    "a profile that is empty": frame("reset", {**RESET, "profile": ""}),
    "a profile that is a path": frame("reset", {**RESET, "profile": "../profiles/production"}),
    "a subnet without nodes": frame("reset", {**RESET, "subnet_size": 0}),
    "a time that goes beyond 64 bits": frame("advance", {"rounds": 1, "nanoseconds": str(2**64 - 1)}),
    "two canisters elsewhere with one id": frame("reset", {**RESET, "elsewhere": [CANISTER_ELSEWHERE] * 2}),
    "a canister elsewhere that nobody controls": frame(
        "reset", {**RESET, "elsewhere": [{**CANISTER_ELSEWHERE, "controllers": []}]}
    ),
    "a profile with line ends": frame("reset", {**RESET, "profile": "a\nb"}),
}
"""Frames that ask for what is not there."""

FINE: dict[str, bytes] = {
    "a canister elsewhere": frame("reset", {**RESET, "elsewhere": [CANISTER_ELSEWHERE]}),
    "no canister elsewhere": frame("reset", {**RESET, "elsewhere": []}),
    "no list of canisters elsewhere": frame("reset", {**RESET, "elsewhere": None}),
    "blanks": b'  {"id" : 7 ,\t"verb":"describe","arguments":{"protocol":1}}  ',
    "a carriage return": frame("describe", {"protocol": 1}) + b"\r",
    "another order of fields": b'{"arguments": {"protocol": 1}, "verb": "describe", "id": 7}',
    "escapes": b'{"\\u0069d": 7, "verb": "\\u0064escribe", "arguments": {"protocol": 1}}',
    "an id that is a text": frame("describe", {"protocol": 1}, id="7"),
    "a version that is a text of digits": frame("describe", {"protocol": "1"}),
    "leading zeros in a text": frame("describe", {"protocol": "001"}),
    "minus zero": b'{"id": 7, "verb": "advance", "arguments": {"rounds": -0, "nanoseconds": 0}}',
    "no rounds": frame("advance", {"rounds": 0, "nanoseconds": 0}),
    "very many rounds": frame("advance", {"rounds": str(10**99), "nanoseconds": 0}),
    "an optional field that is null": submit(sender_info=None),
    "an endpoint that is null": frame("submit", {**SUBMIT, "endpoint": None}),
    "a request to a canister that is not there": frame("submit", SUBMIT),
    "a method whose name is empty": submit(method_name=""),
    "a method whose name is strange": submit(method_name="\x00\u202e\U0001f600"),
    "a method whose name is very long": submit(method_name="x" * 10**5),
    "a query to a canister that is not there": frame("query", QUERY),
    "a read of a canister that is not there": frame("read", READ),
    "a read of nothing": frame("read", {**READ, "paths": []}),
    "a read of an empty path": frame("read", {**READ, "paths": [[]]}),
    "a read of strange paths": frame("read", {**READ, "paths": [["0xff", "0x"], ["0x" + "00" * 1000]]}),
    "an answer to an unknown request": frame("answer", {"request_id": "0x" + "00" * 32}),
    "no labels": frame("schedule", {"labels": []}),
    "a label that nobody knows": label(rule="no_such_rule"),
    "a label whose name is strange": label(rule="\x1b[31m"),
    "a label without its choice": label(),
    "a label with a choice too many": label(time=START, balance=1),
    "a label of a time that has passed": label(time=1),
    "a label with a code that is none": label("request_rejection", request_id="0x" + "00" * 32, code=99),
    "much time, within 64 bits": frame("advance", {"rounds": 1, "nanoseconds": str(2**64 - 1 - int(START))}),
}
"""Frames that are odd, but follow the protocol: both answer with results of the same form."""


@pytest.fixture(scope="module")
def both() -> Iterator[list[Process]]:
    """One process of each, with an instance."""
    processes = [Process([*ICSPEC, *option], TimeLimits.uniform(60.0)) for option in ([], ["--spec"])]
    yield processes
    for process in processes:
        assert not process.is_over, "it lives still"
        process.kill()


def answers(both: list[Process], line: bytes) -> list[Any]:
    """What each answers, with a new instance of its own; each answer is one printable line of ASCII."""
    found = []
    for process in both:
        process.exchange("reset", frame("reset", RESET) + b"\n")
        answer = process.exchange("query", line + b"\n")
        assert answer.decode("ascii").isprintable()
        found.append(json.loads(answer))
    return found


def place(answer: Any) -> str:
    """Where an error is."""
    text: str = answer["error"]["text"]
    assert text.isprintable()
    assert len(text) < 1000
    return text.partition(": ")[0]


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_line_that_cannot_be_read_is_malformed_and_has_no_id(both: list[Process], case: str) -> None:
    """By both."""
    for answer in answers(both, UNREADABLE[case]):
        assert answer.keys() == {"id", "error"}
        assert (answer["id"], answer["error"]["kind"], place(answer)) == (None, "malformed", "frame")


@pytest.mark.parametrize("case", MALFORMED)
def test_a_frame_that_breaks_the_protocol_is_malformed_at_its_place(both: list[Process], case: str) -> None:
    """By both, which name the same place."""
    line, frame_id, where = MALFORMED[case]
    for answer in answers(both, line):
        assert answer.keys() == {"id", "error"}
        assert (answer["id"], answer["error"]["kind"], place(answer)) == (frame_id, "malformed", where)


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_is_not_there_is_unsupported(both: list[Process], case: str) -> None:
    """By both."""
    for answer in answers(both, UNSUPPORTED[case]):
        assert (answer["id"], answer["error"]["kind"]) == (7, "unsupported")
        assert place(answer)


def shape(value: Any) -> Any:
    """The fields of a value, and of what they hold."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in sorted(value.items())}
    return [shape(each) for each in value] if isinstance(value, list) else None


@pytest.mark.parametrize("case", FINE)
def test_an_odd_frame_has_a_result_of_the_same_form(both: list[Process], case: str) -> None:
    """From both; if it takes transitions, equally many."""
    one, other = answers(both, FINE[case])
    assert one.keys() == other.keys() == {"id", "result"}, (one, other)
    assert one["id"] == other["id"] == 7
    assert shape(one["result"]) == shape(other["result"])
    for name in ("taken", "quiescent", "system_time", "accepted"):
        assert one["result"].get(name) == other["result"].get(name)


@pytest.mark.parametrize("verb", ["advance", "state", "explain", "answer"])
def test_before_the_first_reset_there_is_nothing_to_ask(verb: str) -> None:
    """Both say so."""
    arguments = {"advance": ADVANCE, "answer": {"request_id": "0x" + "00" * 32}}.get(verb, {})
    for option in ([], ["--spec"]):
        process = Process([*ICSPEC, *option], TimeLimits.uniform(60.0))
        answer = json.loads(process.exchange(verb, frame(verb, arguments) + b"\n"))
        assert answer["error"]["kind"] == "unsupported"
        process.kill()
