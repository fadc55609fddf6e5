"""The service and the conformance protocol."""

import io
import json

import pytest

from reference_impl.server.service import Configuration, NotSupported, Service
from reference_impl.server.stdio import main, respond, serve
from spec.state.digest import state_digest
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.management import ProvisionalCreateArguments, encode_arguments

START = 1_700_000_000_000_000_000
USER = "0x0102"
RESET = {"profile": "production", "subnet_size": 13, "system_time": str(START), "subnet_admins": []}


class Wire:
    """Speaks the protocol to a service in the same process."""

    def __init__(self):
        self.service = Service()
        self.frames = 0

    def frame(self, verb, **arguments):
        self.frames += 1
        line = json.dumps({"id": self.frames, "verb": verb, "arguments": arguments}).encode()
        frame, self.is_last = respond(self.service, line)
        assert frame["id"] == self.frames
        return frame

    def ask(self, verb, **arguments):
        frame = self.frame(verb, **arguments)
        assert "result" in frame, frame
        return frame["result"]

    def error(self, verb, **arguments):
        return self.frame(verb, **arguments)["error"]


@pytest.fixture
def wire():
    started = Wire()
    started.ask("reset", **RESET)
    return started


def creation(nonce="0x01"):
    argument = encode_arguments(ProvisionalCreateArguments(amount=10**13))
    request = {
        "nonce": nonce,
        "ingress_expiry": str(START + 10**9),
        "sender": USER,
        "canister_id": "0x",
        "method_name": "provisional_create_canister_with_cycles",
        "argument": "0x" + argument.hex(),
    }
    return {"request": request, "effective_id": "0x"}


def test_the_handshake_says_what_this_is():
    description = Wire().ask("describe", protocol=1)
    assert description["protocol"] == 1
    assert description["interface_specification"] == "0.66.0"
    assert description["instance"] == "deterministic"
    assert "production" in description["profiles"]
    assert set(description["capabilities"]) == {"attempt", "dump", "elsewhere", "explain", "schedule", "state"}


def test_another_version_of_the_protocol_is_not_supported():
    assert Wire().error("describe", protocol=2)["kind"] == "unsupported"


def test_a_canister_is_created_answered_and_read(wire):
    request_id = wire.ask("submit", **creation())["accepted"]["request_id"]
    assert wire.ask("answer", request_id=request_id) == {"status": "received"}
    advanced = wire.ask("advance", rounds=10, nanoseconds=0)
    assert advanced == {"rounds": 1, "quiescent": True, "system_time": str(START)}
    answer = wire.ask("answer", request_id=request_id)
    assert answer["status"] == "replied"
    canister_id = "0x" + answer["data"][-20:]
    paths = [["canister", canister_id, "controllers"], ["canister", canister_id, "module_hash"], ["time"]]
    encoded = [[one if one.startswith("0x") else "0x" + one.encode().hex() for one in path] for path in paths]
    values = wire.ask("read", sender=USER, effective_id=canister_id, paths=encoded)["values"]
    assert values[0] == "0xd9d9f781420102"
    assert values[1] is None
    assert values[2] is not None
    refused = wire.ask("read", sender=USER, effective_id="0x", paths=encoded)
    assert refused == {"refused": {"code": None, "reason": None}}


def test_a_request_that_is_refused_leaves_no_trace(wire):
    wire.ask("submit", **creation())
    before = wire.ask("state")
    assert "refused" in wire.ask("submit", **creation())
    assert wire.ask("state") == before


def test_explained_labels_replay_as_a_schedule_to_the_same_state(wire):
    wire.ask("submit", **creation())
    wire.ask("advance", rounds=10, nanoseconds=7)
    digest = wire.ask("state")
    labels = wire.ask("explain")["labels"]
    assert [label["rule"] for label in labels][:2] == ["submit_management_request", "system_time_progress"]
    assert wire.ask("explain") == {"labels": []}
    wire.ask("reset", **RESET)
    schedule = [{"rule": label["rule"], "choices": label["choices"]} for label in labels]
    scheduled = wire.ask("schedule", labels=schedule)
    assert scheduled["taken"] == len(labels)
    assert scheduled["stopped_by"] is None
    assert scheduled["outputs"] == [label["outputs"] for label in labels]
    assert wire.ask("state") == digest


def test_of_attempted_labels_the_first_that_can_be_taken_is(wire):
    """And none after it."""
    impossible = {"rule": "request_rejection", "choices": {"request_id": f"0x{'00' * 32}", "code": 1}}
    times = [{"rule": "system_time_progress", "choices": {"time": str(START + later)}} for later in (1, 2)]
    assert wire.ask("attempt", labels=[impossible]) == {"taken": None}
    assert wire.ask("attempt", labels=[impossible, *times]) == {"taken": 1}
    (claimed,) = wire.ask("explain")["labels"]
    assert claimed["choices"] == times[0]["choices"]


def test_a_schedule_ends_at_the_first_label_that_cannot_be_taken(wire):
    labels = [
        {"rule": "system_time_progress", "choices": {"time": str(START + 1)}},
        {"rule": "system_time_progress", "choices": {"time": str(START)}},
        {"rule": "system_time_progress", "choices": {"time": str(START + 2)}},
    ]
    scheduled = wire.ask("schedule", labels=labels)
    assert scheduled["taken"] == 1
    assert scheduled["stopped_by"] == "time does not progress"


def test_the_digest_is_that_of_the_abstract_state(wire):
    assert wire.ask("state")["digest"] == "0x" + state_digest(wire.service.engine.abstract()).hex()


@pytest.mark.parametrize(
    ("verb", "arguments", "kind", "place"),
    [
        ("no such verb", {}, "unsupported", "no such verb"),
        ("reset", {**RESET, "more": 1}, "malformed", "arguments.more: unknown field"),
        ("reset", {"profile": "production"}, "malformed", "missing field"),
        ("reset", {**RESET, "profile": "no such profile"}, "unsupported", "no such profile"),
        ("reset", {**RESET, "profile": "../profiles/production"}, "unsupported", "profile"),
        ("reset", {**RESET, "subnet_size": 0}, "unsupported", "at least one node"),
        ("reset", {**RESET, "subnet_size": -1}, "malformed", "arguments.subnet_size"),
        ("reset", {**RESET, "subnet_size": True}, "malformed", "arguments.subnet_size"),
        ("answer", {"request_id": "0xABCD"}, "malformed", "arguments.request_id"),
        ("answer", {"request_id": "abcd"}, "malformed", "arguments.request_id"),
        ("query", {"query": {}, "effective_id": "0x"}, "malformed", "arguments.query"),
        ("read", {"sender": "0x" + "00" * 30, "effective_id": "0x", "paths": []}, "malformed", "arguments.sender"),
        ("schedule", {"labels": [{"rule": "x", "choices": {"y": 1}}]}, "malformed", "labels[0].choices.y"),
    ],
)
def test_what_breaks_the_protocol_is_told_in_one_line(wire, verb, arguments, kind, place):
    error = wire.error(verb, **arguments)
    assert error["kind"] == kind
    assert place in error["text"]
    assert "\n" not in error["text"]


def test_a_label_that_nobody_knows_is_not_taken(wire):
    scheduled = wire.ask("schedule", labels=[{"rule": "no_such_rule", "choices": {}}])
    assert scheduled["taken"] == 0
    assert "no_such_rule" in scheduled["stopped_by"]


def test_before_the_first_reset_there_is_nothing_to_ask():
    assert Wire().error("advance", rounds=1, nanoseconds=0)["kind"] == "unsupported"


@pytest.mark.parametrize("line", [b"garbage", b"[]", b"\xff", b'{"id": 1}', b'{"id": 1, "verb": 2, "arguments": {}}'])
def test_lines_that_are_no_frames_are_malformed(line):
    frame, _ = respond(Service(), line)
    assert frame["error"]["kind"] == "malformed"


def test_serving_ends_with_stop_and_keeps_frames_on_lines_of_their_own():
    lines = [{"id": 1, "verb": "describe", "arguments": {"protocol": 1}}, {"id": 2, "verb": "stop", "arguments": {}}]
    given = io.BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in [*lines, *lines]))
    written = io.BytesIO()
    serve(given, written, Service())
    assert [json.loads(line)["id"] for line in written.getvalue().splitlines()] == [1, 2]


def test_the_command_knows_its_arguments(capsys):
    assert main(["--help"]) == 0
    assert "example" in capsys.readouterr().out
    assert main(["--no-such-option"]) == 2


def test_the_service_offers_the_same_to_python():
    service = Service()
    with pytest.raises(NotSupported):
        service.advance(1, 0)
    identity = service.reset(Configuration("production", 13, START, (Principal(b"admin"),)))
    assert identity.system_time == START
    assert service.engine.instance.is_subnet_admin(Principal(b"admin"))
    assert service.read(Principal(b""), MANAGEMENT_CANISTER, [[b"subnet", identity.subnet_id, b"public_key"]]) == [
        identity.root_key
    ]
    service.stop()
    with pytest.raises(NotSupported):
        service.state()
