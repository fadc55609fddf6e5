"""Serves the reference implementation on standard input and output, one JSON object a line. See PROTOCOL.md."""

import gc
import json
import sys
from collections.abc import Callable, Mapping
from typing import IO, Any, Final

from reference_impl.server import wire
from reference_impl.server.frames import error_text, frame_of, lines_of
from reference_impl.server.service import Configuration, NotSupported, Service, StandingElsewhere
from reference_impl.server.wire import Json, Malformed, Reader
from reference_impl.subnet.observations import NotTaken
from reference_impl.wasm.instances.wasmtime_engine import require_memory
from spec.profile import ProfileError, known_profiles
from spec.state.request import Endpoint
from spec.values.rejects import Reply

PROTOCOL_VERSION: Final = 1
USAGE_ERROR: Final = 2

ALLOCATIONS: Final = 10_000
"""After so many allocations garbage is looked for. Reason: nearly all that a step leaves is freed without that."""

USAGE: Final = """usage: icspec stdio [--profile FILE]...

Serves the reference implementation on standard input and output: the conformance protocol, one JSON object a line.
Instances may have any of the bundled profiles, or one of those in files NAME.toml.

example:
  echo '{"id": 1, "verb": "describe", "arguments": {"protocol": 1}}' | icspec stdio
"""


def _describe(service: Service, arguments: dict[str, Any]) -> Json:
    if arguments["protocol"] != PROTOCOL_VERSION:
        raise NotSupported(f"protocol version {arguments['protocol']} is not spoken here, but {PROTOCOL_VERSION}")
    description = service.describe()
    return {
        "protocol": PROTOCOL_VERSION,
        "name": description.name,
        "version": description.version,
        "interface_specification": description.interface_specification,
        "profiles": list(description.profiles),
        "capabilities": list(description.capabilities),
        "instance": "deterministic",
    }


def _reset(service: Service, arguments: dict[str, Any]) -> Json:
    identity = service.reset(Configuration(**arguments))
    other = {} if identity.other_subnet_id is None else {"other_subnet_id": wire.blob(identity.other_subnet_id)}
    return {
        "subnet_id": wire.blob(identity.subnet_id),
        "root_key": wire.blob(identity.root_key),
        "system_time": wire.integer(identity.system_time),
        **other,
    }


def _submit(service: Service, arguments: dict[str, Any]) -> Json:
    endpoint = arguments["endpoint"] or Endpoint.CANISTER
    outcome = service.submit(arguments["request"], arguments["effective_id"], endpoint)
    if isinstance(outcome, NotTaken):
        return {"refused": wire.refused(outcome)}
    return {"accepted": {"request_id": wire.blob(outcome.request_id)}}


def _answer(service: Service, arguments: dict[str, Any]) -> Json:
    return wire.status(service.answer(arguments["request_id"]))


def _query(service: Service, arguments: dict[str, Any]) -> Json:
    match service.query(arguments["query"], arguments["effective_id"]):
        case NotTaken() as refusal:
            return {"refused": wire.refused(refusal)}
        case Reply(data=data):
            return {"replied": {"data": wire.blob(data)}}
        case reject:
            return {"rejected": wire.reject(reject)}


def _read(service: Service, arguments: dict[str, Any]) -> Json:
    values = service.read(arguments["sender"], arguments["effective_id"], arguments["paths"])
    if isinstance(values, NotTaken):
        return {"refused": wire.refused(values)}
    return {"values": [None if value is None else wire.blob(value) for value in values]}


def _advance(service: Service, arguments: dict[str, Any]) -> Json:
    advanced = service.advance(arguments["rounds"], arguments["nanoseconds"])
    return {
        "rounds": wire.integer(advanced.rounds),
        "quiescent": advanced.is_quiescent,
        "system_time": wire.integer(advanced.system_time),
    }


def _stop(service: Service, arguments: dict[str, Any]) -> Json:
    service.stop()
    return {}


def _explain(service: Service, arguments: dict[str, Any]) -> Json:
    return {
        "labels": [
            {**wire.label(step.label), "outputs": [wire.output(one) for one in step.observed.outputs]}
            for step in service.explain()
        ]
    }


def _state(service: Service, arguments: dict[str, Any]) -> Json:
    return {"digest": wire.blob(service.state())}


def _dump(service: Service, arguments: dict[str, Any]) -> Json:
    return {"fields": dict(service.dump())}


def _schedule(service: Service, arguments: dict[str, Any]) -> Json:
    scheduled = service.schedule(arguments["labels"])
    return {
        "taken": len(scheduled.outputs),
        "outputs": [[wire.output(one) for one in outputs] for outputs in scheduled.outputs],
        "stopped_by": scheduled.stopped_by,
    }


def _attempt(service: Service, arguments: dict[str, Any]) -> Json:
    return {"taken": service.attempt(arguments["labels"])}


def _standing_elsewhere_of(value: Json, place: str) -> StandingElsewhere:
    """A canister that is there at the beginning."""
    readers: dict[str, Reader[Any]] = {
        "canister_id": wire.principal_of,
        "controllers": wire.list_of(wire.principal_of),
        "version": wire.integer_of,
        "total_changes": wire.integer_of,
        "cycles": wire.integer_of,
    }
    return StandingElsewhere(**wire.object_of(value, place, readers))


_Verb = tuple[Callable[[Service, dict[str, Any]], Json], Mapping[str, Reader[Any]]]

VERBS: Final[dict[str, _Verb]] = {
    "describe": (_describe, {"protocol": wire.integer_of}),
    "reset": (
        _reset,
        {
            "profile": wire.text_of,
            "subnet_size": wire.integer_of,
            "system_time": wire.time_of,
            "subnet_admins": wire.list_of(wire.principal_of),
            "elsewhere": wire.list_of(_standing_elsewhere_of),
        },
    ),
    "submit": (
        _submit,
        {"request": wire.request_of, "effective_id": wire.principal_of, "endpoint": wire.endpoint_of},
    ),
    "answer": (_answer, {"request_id": wire.request_id_of}),
    "query": (_query, {"query": wire.query_of, "effective_id": wire.principal_of}),
    "read": (
        _read,
        {
            "sender": wire.principal_of,
            "effective_id": wire.principal_of,
            "paths": wire.list_of(wire.list_of(wire.blob_of)),
        },
    ),
    "advance": (_advance, {"rounds": wire.integer_of, "nanoseconds": wire.time_of}),
    "stop": (_stop, {}),
    "explain": (_explain, {}),
    "state": (_state, {}),
    "dump": (_dump, {}),
    "schedule": (_schedule, {"labels": wire.list_of(wire.label_of)}),
    "attempt": (_attempt, {"labels": wire.list_of(wire.label_of)}),
}
"""Each verb: what it does, and how its arguments are read."""

ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
"""Writes every line."""

OPTIONAL: Final = frozenset({"endpoint", "elsewhere"})
"""The arguments that may be left out."""


def _id_of(frame: Json) -> int | None:
    """What names a frame, if that can be read, however wrong the rest of it is."""
    try:
        return wire.integer_of(frame["id"], "frame.id") if isinstance(frame, dict) and "id" in frame else None
    except Malformed:
        return None


def respond(service: Service, line: bytes) -> tuple[Json, bool]:
    """The frame that answers a line, and whether the service ends with it. No exception leaves it."""
    frame_id: int | None = None
    try:
        frame = frame_of(line)
        frame_id = _id_of(frame)
        fields = wire.object_of(
            frame, "frame", {"id": wire.integer_of, "verb": wire.text_of, "arguments": lambda value, _: value}
        )
        verb = fields["verb"]
        if verb not in VERBS:
            raise NotSupported(f"there is no verb {error_text(verb)}")
        act, readers = VERBS[verb]
        result = act(service, wire.object_of(fields["arguments"], "arguments", readers, OPTIONAL))
        return {"id": frame_id, "result": result}, verb == "stop"
    except Malformed as problem:
        return _error(frame_id, "malformed", str(problem)), False
    except NotSupported as problem:
        return _error(frame_id, "unsupported", str(problem)), False
    except Exception as problem:
        return _error(frame_id, "internal", f"{type(problem).__name__}: {problem}"), False


def _error(frame_id: int | None, kind: str, text: str) -> Json:
    return {"id": frame_id, "error": {"kind": kind, "text": error_text(text)}}


def serve(requests: IO[bytes], responses: IO[bytes], service: Service) -> None:
    """Answers each line until `stop`, or until there are no more."""
    for line in lines_of(requests):
        frame, is_last = respond(service, line)
        responses.write(ENCODER.encode(frame).encode() + b"\n")
        responses.flush()
        if is_last:
            return


def _complain(problem: str) -> int:
    print(f"icspec stdio: {error_text(problem)}", file=sys.stderr)
    return USAGE_ERROR


def main(arguments: list[str]) -> int:
    """Serves until told to stop. Exit code 0, or 2 for unknown arguments or if there is too little memory."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    flags, files = arguments[::2], arguments[1::2]
    unknown = [flag for flag in flags if flag != "--profile"]
    if unknown:
        return _complain(f"unknown argument {unknown[0]!r}")
    if len(files) < len(flags):
        return _complain("--profile needs a file")
    try:
        profiles = known_profiles(files)
    except ProfileError as problem:
        return _complain(str(problem))
    try:
        require_memory()
    except MemoryError as problem:
        return _complain(str(problem))
    # Reason: what was imported stays, so there is no garbage to be found in it.
    gc.freeze()
    gc.set_threshold(ALLOCATIONS)
    serve(sys.stdin.buffer, sys.stdout.buffer, Service(profiles=profiles))
    return 0
