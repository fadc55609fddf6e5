"""Reaches an implementation that is a process: newline-delimited JSON on its standard input and output."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from conformance.protocol.frames import WireError
from conformance.protocol.interface import (
    DEFAULT_TIME_LIMITS,
    MAY_BE_MISSING,
    PROTOCOL_VERSION,
    Accepted,
    Advanced,
    Answer,
    BrokeProtocol,
    CanisterElsewhere,
    Capability,
    Claim,
    Description,
    Instance,
    InstanceKind,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Rejected,
    Replied,
    Scheduled,
    TimeLimits,
    Unsupported,
    Values,
)
from conformance.protocol.labels import read_claim, read_output, write_label
from conformance.protocol.process import Process
from conformance.protocol.quoting import quoted_value
from conformance.protocol.wire import (
    Fields,
    read_answer,
    read_blob,
    read_list,
    read_natural,
    read_optional,
    read_principal,
    read_refused,
    read_request_id,
    read_seen_reject,
    read_text,
    read_texts,
    read_time,
    read_truth,
    write_blob,
    write_elsewhere,
    write_integer,
    write_paths,
    write_query,
    write_request,
)
from conformance.protocol.wire_log import Listener, nobody
from spec.state.label import Label
from spec.state.request import Endpoint, Request
from spec.transition import Output
from spec.values.identifiers import Blob, Principal, RequestId, Text
from spec.values.quantities import Count, Nanoseconds

DIGEST_BYTES: Final = 32
"""Of the digest of a state."""

Result = TypeVar("Result")


def _read_capability(value: Any, place: str) -> Capability:
    try:
        return Capability(read_text(value, place))
    except ValueError:
        raise WireError(f"{place}: {quoted_value(value)} is not a capability") from None


def _read_instance_kind(value: Any, place: str) -> InstanceKind:
    try:
        return InstanceKind(read_text(value, place))
    except ValueError:
        raise WireError(f"{place}: {quoted_value(value)} is not a kind of instance") from None


def _read_missing(value: Any, place: str) -> frozenset[Text]:
    names = read_list(value, place, read_text)
    for index, name in enumerate(names):
        if name not in MAY_BE_MISSING:
            raise WireError(f"{place}[{index}]: {quoted_value(name)} is not what can be missing")
    return frozenset(names)


def _read_replied(value: Any, place: str) -> Replied:
    fields = Fields(value, place)
    replied = Replied(fields.take("data", read_blob))
    fields.close()
    return replied


def _read_accepted(value: Any, place: str) -> Accepted:
    fields = Fields(value, place)
    accepted = Accepted(fields.take("request_id", read_request_id))
    fields.close()
    return accepted


def _read_values(value: Any, place: str) -> Values:
    return Values(read_list(value, place, lambda each, where: read_optional(each, where, read_blob)))


def _read_outputs(value: Any, place: str) -> tuple[Output, ...]:
    return read_list(value, place, read_output)


class StdioImplementation:
    """An implementation behind a process; see `conformance.protocol.interface.Implementation` for the methods."""

    def __init__(
        self, command: Sequence[str], time_limits: TimeLimits = DEFAULT_TIME_LIMITS, listener: Listener = nobody
    ) -> None:
        self._process = Process(command, time_limits, listener)
        self._description: Description | None = None
        self._time: Nanoseconds | None = None
        """The system time, if it is known."""

    def close(self) -> None:
        """Ends the process without a farewell."""
        self._process.kill()

    @property
    def is_over(self) -> bool:
        """The process was ended, so it answers nothing more."""
        return self._process.is_over

    def exchange(self, frame: Callable[[int], bytes]) -> tuple[int, Any]:
        """Sends a line as it is, made from the id of the request; gives the id, and the frame that answers."""
        return self._process.exchange_raw(frame)

    def _request(
        self, verb: str, arguments: dict[str, Any], read: Callable[[Fields], Result], promised: str | None = None
    ) -> Result:
        """Asks, and reads the fields of the result. `promised` is where the implementation says that it can do this."""

        def read_all(result: Any) -> Result:
            fields = Fields(result, verb)
            value = read(fields)
            fields.close()
            return value

        try:
            return self._process.request(verb, arguments, read_all)
        except Unsupported as problem:
            if promised is None:
                raise
            raise BrokeProtocol(f"{problem}; but {promised}") from None

    @property
    def _is_deterministic(self) -> bool:
        return self._description is not None and self._description.instance is InstanceKind.DETERMINISTIC

    def _listed(self, capability: Capability) -> str | None:
        if self._description is None or capability not in self._description.capabilities:
            return None
        return f"its capabilities list '{capability.value}'"

    def describe(self) -> Description:
        def read(fields: Fields) -> Description:
            version = fields.take("protocol", read_natural)
            if version != PROTOCOL_VERSION:
                raise WireError(f"describe.protocol: version {version}, but {PROTOCOL_VERSION} was asked for")
            return Description(
                name=fields.take("name", read_text),
                version=fields.take("version", read_text),
                interface_specification=fields.take("interface_specification", read_text),
                profiles=fields.take("profiles", lambda value, place: read_list(value, place, read_text)),
                capabilities=frozenset(
                    fields.take("capabilities", lambda value, place: read_list(value, place, _read_capability))
                ),
                instance=fields.take("instance", _read_instance_kind),
                missing=fields.take_optional("missing", _read_missing) or frozenset(),
            )

        self._description = self._request("describe", {"protocol": PROTOCOL_VERSION}, read)
        return self._description

    def reset(
        self,
        profile: Text,
        subnet_size: Count,
        system_time: Nanoseconds,
        subnet_admins: Sequence[Principal],
        elsewhere: Sequence[CanisterElsewhere] = (),
    ) -> Instance:
        arguments: dict[str, object] = {
            "profile": profile,
            "subnet_size": subnet_size,
            "system_time": write_integer(system_time),
            "subnet_admins": [write_blob(principal) for principal in subnet_admins],
        }
        if elsewhere:
            arguments["elsewhere"] = write_elsewhere(elsewhere)

        def read(fields: Fields) -> Instance:
            instance = Instance(
                subnet_id=fields.take("subnet_id", read_principal),
                root_key=fields.take("root_key", read_blob),
                system_time=fields.take("system_time", read_time),
                other_subnet_id=fields.take("other_subnet_id", read_principal) if elsewhere else None,
            )
            if instance.other_subnet_id == instance.subnet_id:
                raise WireError("reset.other_subnet_id: it is that of the first subnet")
            if self._is_deterministic and instance.system_time != system_time:
                raise WireError(
                    f"reset.system_time: {instance.system_time}, but a deterministic instance takes the given time, "
                    f"{system_time}"
                )
            return instance

        is_listed = self._is_deterministic and self._description and profile in self._description.profiles
        promised = f"its profiles list '{profile}'" if is_listed else None
        if elsewhere and is_listed:
            promised = self._listed(Capability.ELSEWHERE)
        instance = self._request("reset", arguments, read, promised)
        self._time = instance.system_time
        return instance

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        arguments: dict[str, object] = {"request": write_request(request), "effective_id": write_blob(effective_id)}
        if endpoint is not Endpoint.CANISTER:
            arguments["endpoint"] = endpoint.value
        return self._request(
            "submit",
            arguments,
            lambda fields: (
                fields.take("refused", read_refused)
                if fields.has("refused")
                else fields.take("accepted", _read_accepted)
            ),
        )

    def answer(self, request_id: RequestId) -> Answer:
        arguments = {"request_id": write_blob(request_id)}
        return self._process.request("answer", arguments, lambda result: read_answer(result, "answer"))

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        def read(fields: Fields) -> QueryAnswer:
            if fields.has("refused"):
                return fields.take("refused", read_refused)
            if fields.has("rejected"):
                return Rejected(fields.take("rejected", read_seen_reject))
            return fields.take("replied", _read_replied)

        return self._request("query", {"query": write_query(query), "effective_id": write_blob(effective_id)}, read)

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        arguments = {
            "sender": write_blob(sender),
            "effective_id": write_blob(effective_id),
            "paths": write_paths(paths),
        }

        def read(fields: Fields) -> Values | Refused:
            if fields.has("refused"):
                return fields.take("refused", read_refused)
            values = fields.take("values", _read_values)
            if len(values.values) != len(paths):
                raise WireError(f"read.values: {len(values.values)} values for {len(paths)} paths")
            return values

        return self._request("read", arguments, read)

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        def read(fields: Fields) -> Advanced:
            advanced = Advanced(
                rounds=fields.take("rounds", read_natural),
                is_quiescent=fields.take("quiescent", read_truth),
                system_time=fields.take("system_time", read_time),
            )
            if advanced.rounds > rounds:
                raise WireError(f"advance.rounds: {advanced.rounds}, but {rounds} were asked for")
            allowed = None if self._time is None else self._time + nanoseconds
            if self._is_deterministic and allowed not in (None, advanced.system_time):
                raise WireError(f"advance.system_time: {advanced.system_time}, but {nanoseconds} later it is {allowed}")
            return advanced

        advanced = self._request("advance", {"rounds": rounds, "nanoseconds": write_integer(nanoseconds)}, read)
        self._time = advanced.system_time
        return advanced

    def stop(self) -> None:
        self._request("stop", {}, lambda fields: None)
        self._process.expect_end("stop")

    def explain(self) -> Sequence[Claim]:
        return self._request(
            "explain",
            {},
            lambda fields: fields.take("labels", lambda value, place: read_list(value, place, read_claim)),
            self._listed(Capability.EXPLAIN),
        )

    def state(self) -> Blob:
        def read(fields: Fields) -> Blob:
            digest = fields.take("digest", read_blob)
            if len(digest) != DIGEST_BYTES:
                raise WireError(f"state.digest: a digest has {DIGEST_BYTES} bytes")
            return digest

        return self._request("state", {}, read, self._listed(Capability.STATE))

    def dump(self) -> Mapping[Text, Text]:
        return self._request(
            "dump", {}, lambda fields: fields.take("fields", read_texts), self._listed(Capability.DUMP)
        )

    def schedule(self, labels: Sequence[Label]) -> Scheduled:
        def read(fields: Fields) -> Scheduled:
            taken = fields.take("taken", read_natural)
            outputs = fields.take("outputs", lambda value, place: read_list(value, place, _read_outputs))
            stopped_by = fields.take_optional("stopped_by", read_text)
            if len(outputs) != taken:
                raise WireError(f"schedule.outputs: {len(outputs)} entries for {taken} transitions")
            if (stopped_by is None) != (taken == len(labels)) or taken > len(labels):
                raise WireError(f"schedule.stopped_by: {taken} of {len(labels)} transitions were taken")
            return Scheduled(outputs, stopped_by)

        # Reason: the labels may be about the time.
        self._time = None
        arguments = {"labels": [write_label(label) for label in labels]}
        return self._request("schedule", arguments, read, self._listed(Capability.SCHEDULE))

    def attempt(self, labels: Sequence[Label]) -> Count | None:
        def read(fields: Fields) -> Count | None:
            taken = fields.take("taken", lambda value, place: read_optional(value, place, read_natural))
            if taken is not None and taken >= len(labels):
                raise WireError(f"attempt.taken: {taken}, but {len(labels)} transitions were given")
            return taken

        # Reason: as for `schedule`.
        self._time = None
        arguments = {"labels": [write_label(label) for label in labels]}
        return self._request("attempt", arguments, read, self._listed(Capability.ATTEMPT))
