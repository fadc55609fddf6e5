"""Serves an implementation that is a Python object: the other side of `stdio`."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Final

from conformance.protocol.frames import MOST_BYTES, WireError, read_frame
from conformance.protocol.interface import (
    PROTOCOL_VERSION,
    Accepted,
    Implementation,
    Refused,
    Rejected,
    Replied,
    Unsupported,
    Values,
)
from conformance.protocol.labels import read_label, write_claim, write_output
from conformance.protocol.quoting import quoted, shown
from conformance.protocol.wire import (
    Fields,
    read_elsewhere,
    read_endpoint,
    read_list,
    read_natural,
    read_paths,
    read_principal,
    read_query,
    read_request,
    read_request_id,
    read_text,
    read_time,
    write_answer,
    write_blob,
    write_instance_ids,
    write_integer,
    write_optional_blob,
    write_refused,
    write_seen_reject,
)
from spec.state.request import Endpoint

CHUNK: Final = 2**20
"""So many bytes of a line that is too long are read at once."""

Written = dict[str, Any]


def _describe(implementation: Implementation, arguments: Fields) -> Written:
    version = arguments.take("protocol", read_natural)
    if version != PROTOCOL_VERSION:
        raise Unsupported(f"protocol version {version}; this is version {PROTOCOL_VERSION}")
    description = implementation.describe()
    return {
        "protocol": PROTOCOL_VERSION,
        "name": description.name,
        "version": description.version,
        "interface_specification": description.interface_specification,
        "profiles": list(description.profiles),
        "capabilities": sorted(capability.value for capability in description.capabilities),
        "instance": description.instance.value,
        **({"missing": sorted(description.missing)} if description.missing else {}),
    }


def _reset(implementation: Implementation, arguments: Fields) -> Written:
    instance = implementation.reset(
        profile=arguments.take("profile", read_text),
        subnet_size=arguments.take("subnet_size", read_natural),
        system_time=arguments.take("system_time", read_time),
        subnet_admins=arguments.take("subnet_admins", lambda value, place: read_list(value, place, read_principal)),
        elsewhere=arguments.take_optional("elsewhere", read_elsewhere) or (),
    )
    return {**write_instance_ids(instance), "system_time": write_integer(instance.system_time)}


def _submit(implementation: Implementation, arguments: Fields) -> Written:
    result = implementation.submit(
        arguments.take("request", read_request),
        arguments.take("effective_id", read_principal),
        arguments.take_optional("endpoint", read_endpoint) or Endpoint.CANISTER,
    )
    match result:
        case Accepted(request_id):
            return {"accepted": {"request_id": write_blob(request_id)}}
        case Refused():
            return {"refused": write_refused(result)}


def _answer(implementation: Implementation, arguments: Fields) -> Written:
    return write_answer(implementation.answer(arguments.take("request_id", read_request_id)))


def _query(implementation: Implementation, arguments: Fields) -> Written:
    result = implementation.query(arguments.take("query", read_query), arguments.take("effective_id", read_principal))
    match result:
        case Replied(data):
            return {"replied": {"data": write_blob(data)}}
        case Rejected(reject):
            return {"rejected": write_seen_reject(reject)}
        case Refused():
            return {"refused": write_refused(result)}


def _read(implementation: Implementation, arguments: Fields) -> Written:
    result = implementation.read(
        arguments.take("sender", read_principal),
        arguments.take("effective_id", read_principal),
        arguments.take("paths", read_paths),
    )
    match result:
        case Values(values):
            return {"values": [write_optional_blob(value) for value in values]}
        case Refused():
            return {"refused": write_refused(result)}


def _advance(implementation: Implementation, arguments: Fields) -> Written:
    advanced = implementation.advance(arguments.take("rounds", read_natural), arguments.take("nanoseconds", read_time))
    return {
        "rounds": write_integer(advanced.rounds),
        "quiescent": advanced.is_quiescent,
        "system_time": write_integer(advanced.system_time),
    }


def _stop(implementation: Implementation, arguments: Fields) -> Written:
    implementation.stop()
    return {}


def _explain(implementation: Implementation, arguments: Fields) -> Written:
    return {"labels": [write_claim(claim) for claim in implementation.explain()]}


def _state(implementation: Implementation, arguments: Fields) -> Written:
    return {"digest": write_blob(implementation.state())}


def _dump(implementation: Implementation, arguments: Fields) -> Written:
    return {"fields": dict(implementation.dump())}


def _schedule(implementation: Implementation, arguments: Fields) -> Written:
    labels = arguments.take("labels", lambda value, place: read_list(value, place, read_label))
    scheduled = implementation.schedule(labels)
    return {
        "taken": len(scheduled.outputs),
        "outputs": [[write_output(output) for output in outputs] for outputs in scheduled.outputs],
        "stopped_by": scheduled.stopped_by,
    }


def _attempt(implementation: Implementation, arguments: Fields) -> Written:
    labels = arguments.take("labels", lambda value, place: read_list(value, place, read_label))
    return {"taken": implementation.attempt(labels)}


Handler = Callable[[Implementation, Fields], Written]

VERBS: Final[Mapping[str, tuple[Handler, tuple[str, ...]]]] = {
    "describe": (_describe, ("protocol",)),
    "reset": (_reset, ("profile", "subnet_size", "system_time", "subnet_admins", "elsewhere")),
    "submit": (_submit, ("request", "effective_id", "endpoint")),
    "answer": (_answer, ("request_id",)),
    "query": (_query, ("query", "effective_id")),
    "read": (_read, ("sender", "effective_id", "paths")),
    "advance": (_advance, ("rounds", "nanoseconds")),
    "stop": (_stop, ()),
    "explain": (_explain, ()),
    "state": (_state, ()),
    "dump": (_dump, ()),
    "schedule": (_schedule, ("labels",)),
    "attempt": (_attempt, ("labels",)),
}
"""What answers each verb, and the fields of its arguments, which are checked before anything is done."""


def respond(implementation: Implementation, line: bytes) -> tuple[Written, bool]:
    """The response to a line, and whether it was the last."""
    frame_id: int | None = None
    try:
        frame = Fields(read_frame(line), "frame")
        frame_id = frame.take("id", read_natural)
        verb = frame.take("verb", read_text)
        arguments = frame.take("arguments", lambda value, _: value)
        frame.close()
        if verb not in VERBS:
            raise Unsupported(f"there is no verb {quoted(verb, 60)}")
        handler, names = VERBS[verb]
        fields = Fields(arguments, "arguments")
        fields.allow_only(names)
        result = handler(implementation, fields)
        return {"id": frame_id, "result": result}, verb == "stop"
    except WireError as problem:
        return _error(frame_id, "malformed", str(problem)), False
    except Unsupported as problem:
        return _error(frame_id, "unsupported", str(problem)), False
    except Exception as problem:
        return _error(frame_id, "internal", f"{type(problem).__name__}: {shown(str(problem))}"), False


def _error(frame_id: int | None, kind: str, text: str) -> Written:
    return {"id": frame_id, "error": {"kind": kind, "text": text}}


def _lines(requests: IO[bytes]) -> Iterator[bytes]:
    """The lines of the input; of one that is too long, as much as shows that it is."""
    while line := requests.readline(MOST_BYTES + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = requests.readline(CHUNK)
        yield line


def serve(implementation: Implementation, requests: IO[bytes], responses: IO[bytes]) -> None:
    """Answers requests until `stop` or the end of the input."""
    for line in _lines(requests):
        response, is_last = respond(implementation, line)
        responses.write(json.dumps(response, separators=(",", ":")).encode() + b"\n")
        responses.flush()
        if is_last:
            return
