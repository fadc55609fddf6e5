"""
PocketIC as an implementation that can be judged: the verbs of the protocol as requests of its interface.

Users are simply named, as in the protocol: an instance is made that checks no signatures. Calls, queries and reads go
through its HTTPS interface, so nonces, expiries, effective ids and request ids are those of the scenarios. Certificates
are verified with the root key.

What PocketIC cannot control or show makes scenarios not applicable: other profiles than that of production, subnets of
other sizes, subnet admins, calls at the endpoint of the subnet, labels, states. A round takes a nanosecond, so the
instance is one whose clock moves by itself. That nothing is left to do is not shown: it is taken to be so after some
rounds. HTTPS outcalls of canisters are answered with an empty page.
"""

import sys
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final

import cbor2
from attrs import define

from conformance.adapters.contents import ACCEPTED, CBOR, OK, content_of, refused, reject_in, value_at
from conformance.adapters.reasons import reason_of
from conformance.adapters.renaming import Renamed, Renaming
from conformance.adapters.rest import Answered, Rest, base64
from conformance.protocol.interface import (
    INTERFACE_SPECIFICATION,
    Accepted,
    Advanced,
    Answer,
    BrokeProtocol,
    Description,
    Done,
    Instance,
    InstanceKind,
    InternalError,
    Path,
    Processing,
    Query,
    QueryAnswer,
    Received,
    Refused,
    Rejected,
    Replied,
    SeenReject,
    UnknownRequest,
    Unsupported,
    Values,
)
from conformance.protocol.serving import serve
from conformance.protocol.wire import END_OF_TIME
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import Certificate, decode_certificate, verify_certificate
from spec.state.request import Endpoint, Request
from spec.values.identifiers import Blob, Principal, RequestId, SubnetId, Text, principal_from_text, principal_to_text
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Nanoseconds
from spec.values.request_id import request_id_of

PROFILE: Final = "production"
NODES: Final = 13
"""Of an application subnet."""
CODES: Final[Mapping[Text, int]] = {
    "SysFatal": 1,
    "SysTransient": 2,
    "DestinationInvalid": 3,
    "CanisterReject": 4,
    "CanisterError": 5,
    "SysUnknown": 6,
}
LEAST_TICKS: Final[Count] = 4
"""So many rounds run even if every request has its answer: for timers, hooks and calls among canisters."""
EXPIRY: Final[Nanoseconds] = 240 * NANOSECONDS_PER_SECOND


@define
class Made:
    """An instance of the server."""

    number: int
    subnet_id: SubnetId
    root_key: Blob
    now: Nanoseconds
    renaming: Renaming = Renaming()


class PocketIc:
    """One server of PocketIC, with one instance at a time."""

    def __init__(self, url: Text, profiles: tuple[Text, ...] = ()) -> None:
        """`profiles` are those that it is said to follow to the last cycle: it does not say so itself."""
        self._url, self._profiles = url, profiles
        self._rest = Rest(url)
        self._made: Made | None = None
        self._sent: dict[RequestId, tuple[Principal, Principal]] = {}
        self._open: list[RequestId] = []

    @property
    def _current(self) -> Made:
        if self._made is None:
            raise Unsupported("reset comes first")
        return self._made

    @property
    def renaming(self) -> Renaming:
        """The id that is named stands for one that the subnet may give."""
        return self._current.renaming

    def _path(self, rest: Text) -> Text:
        return f"/instances/{self._current.number}/{rest}"

    # The verbs

    def describe(self) -> Description:
        """What PocketIC can show and control."""
        answered = self._rest.asked("GET", "/status")
        return Description(
            name=f"PocketIC at {self._url}",
            version=answered.server,
            interface_specification=INTERFACE_SPECIFICATION,
            profiles=self._profiles,
            capabilities=frozenset(),
            instance=InstanceKind.LIVE,
        )

    def reset(
        self, profile: Text, subnet_size: Count, system_time: Nanoseconds, subnet_admins: Sequence[Principal]
    ) -> Instance:
        """A new instance with one application subnet."""
        if profile != PROFILE:
            raise Unsupported(f"PocketIC has the limits of production, not those of {profile!r}")
        if subnet_size != NODES:
            raise Unsupported(f"application subnets of PocketIC have {NODES} nodes")
        if subnet_admins:
            raise Unsupported("application subnets of PocketIC have no admins unless they are free of charge")
        self._delete()
        created = self._rest.operation("POST", "/instances", _wanted(system_time))
        told = created.json("/instances")
        if not isinstance(told, dict) or "Created" not in told:
            raise InternalError(f"/instances: status {created.status}: {created.text}")
        number = told["Created"]["instance_id"]
        ((named, told_of_it),) = told["Created"]["topology"]["subnet_configs"].items()
        subnet_id = SubnetId(principal_from_text(named))
        last = b64decode(told_of_it["canister_ranges"][-1]["end"]["canister_id"])
        self._made = Made(number, subnet_id, b"", 0, Renaming(stands=last))
        key = self._rest.value("POST", self._path("read/pub_key"), {"subnet_id": base64(subnet_id)})
        self._made.root_key = bytes(key)
        if self._told_time() < system_time:
            self._set_time("set_certified_time", system_time)
        return Instance(subnet_id, self._made.root_key, self._told_time())

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        """Hands in a call at the asynchronous endpoint, which runs no round."""
        if endpoint is not Endpoint.CANISTER:
            raise Unsupported("the endpoint of a subnet waits for rounds, which are moved by hand")
        content = content_of("call", request)
        answered = self._posted(effective_id, "call", content)
        if answered.status == ACCEPTED:
            request_id = request_id_of(content)
            self._sent[request_id] = (request.sender, effective_id)
            self._open.append(request_id)
            return Accepted(request_id)
        if answered.status == OK:
            reject = reject_in(answered.cbor("call"))
            return Refused(reject.code, reject.reason)
        return refused("call", answered)

    def answer(self, request_id: RequestId) -> Answer:
        """What is known of a request: its answer with the name of the error, else what the state tree says."""
        if request_id not in self._sent:
            return UnknownRequest()
        named = {
            "effective_principal": {"SubnetId": base64(self._current.subnet_id)},
            "message_id": base64(request_id),
        }
        told = self._rest.value("POST", self._path("read/ingress_status"), {"raw_message_id": named})
        match told:
            case None:
                return self._status(request_id)
            case {"Ok": str(reply)}:
                return Replied(b64decode(reply))
            case {"Err": {"reject_code": str(code), "reject_message": str(message), "error_code": name}}:
                return Rejected(SeenReject(_code(code), reason_of(name, message), message))
        raise BrokeProtocol(f"ingress_status: {told!r} is no answer")

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        """Asks a query."""
        content = content_of("query", query)
        answered = self._posted(effective_id, "query", content)
        if answered.status != OK:
            return refused("query", answered)
        fields = answered.cbor("query")
        match fields:
            case {"status": "replied", "reply": {"arg": bytes(data)}}:
                return Replied(data)
            case {"status": "rejected"}:
                return Rejected(reject_in(fields if "error_code" in fields else self._named(query, fields)))
        raise BrokeProtocol("query: the answer is neither a reply nor a reject")

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        """Reads what a verified certificate shows."""
        read = self._read(sender, effective_id, paths)
        if isinstance(read, Refused):
            return read
        return Values(tuple(value_at(read, path) for path in paths))

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        """Lets time pass, and runs rounds until every request has its answer, or all that are asked for."""
        if self._current.now + nanoseconds >= END_OF_TIME:
            raise Unsupported("time has 64 bits")
        if nanoseconds:
            self._set_time("set_time" if rounds else "set_certified_time", self._current.now + nanoseconds)
        done = 0
        while done < rounds and (done < LEAST_TICKS or self._has_open()):
            self._rest.value("POST", self._path("update/tick"), {})
            done += 1
            if done % LEAST_TICKS == 0:
                self._answer_outcalls()
        return Advanced(done, is_quiescent=True, system_time=self._told_time())

    def stop(self) -> None:
        """Ends the instance."""
        self._delete()
        self._rest.close()

    # What they are made of

    def _delete(self) -> None:
        if self._made is not None:
            self._rest.asked("DELETE", f"/instances/{self._made.number}")
        self._made = None
        self._sent, self._open = {}, []

    def _told_time(self) -> Nanoseconds:
        """The time of the instance, which is remembered."""
        told: Nanoseconds = self._rest.value("GET", self._path("read/get_time"))["nanos_since_epoch"]
        self._current.now = told
        return told

    def _set_time(self, how: Text, time: Nanoseconds) -> None:
        self._rest.value("POST", self._path(f"update/{how}"), {"nanos_since_epoch": time})

    def _answer_outcalls(self) -> None:
        """The world outside answers with an empty page: no round does that by itself."""
        for asked in self._rest.value("GET", self._path("read/get_canister_http")):
            answer = {
                "subnet_id": asked["subnet_id"],
                "request_id": asked["request_id"],
                "response": {"CanisterHttpReply": {"status": OK, "headers": [], "body": ""}},
                "additional_responses": [],
            }
            self._rest.value("POST", self._path("update/mock_canister_http"), answer)

    def _has_open(self) -> bool:
        """A request has no answer yet."""
        self._open = [each for each in self._open if isinstance(self.answer(each), Received | Processing)]
        return bool(self._open)

    def _posted(self, effective_id: Principal, kind: Text, content: Mapping[Text, Any]) -> Answered:
        path = self._path(f"api/v2/canister/{principal_to_text(effective_id)}/{kind}")
        return self._rest.asked("POST", path, cbor2.dumps({"content": content}), CBOR)

    def _read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Certificate | Refused:
        content = {
            "request_type": "read_state",
            "sender": sender,
            "ingress_expiry": self._current.now + EXPIRY,
            "paths": [list(path) for path in paths],
        }
        answered = self._posted(effective_id, "read_state", content)
        if answered.status != OK:
            return refused("read_state", answered)
        try:
            certificate = decode_certificate(answered.cbor("read_state")["certificate"])
        except (KeyError, ValueError) as problem:
            raise BrokeProtocol(f"read_state: there is no certificate: {problem}") from None
        if not verify_certificate(certificate, self._current.root_key, verify_bls_signature):
            raise BrokeProtocol("read_state: the signature of the certificate is wrong")
        return certificate

    def _status(self, request_id: RequestId) -> Answer:
        """How far a request is that has no answer."""
        path = (b"request_status", request_id, b"status")
        read = self._read(*self._sent[request_id], [path[:2]])
        known = None if isinstance(read, Refused) else value_at(read, path)
        match known:
            case b"received":
                return Received()
            case b"processing":
                return Processing()
            case b"done":
                return Done()
            case None:
                return UnknownRequest()
        raise BrokeProtocol(f"read_state: the status {known!r} comes with no answer")

    def _named(self, query: Query, fields: Mapping[Text, Any]) -> Mapping[Text, Any]:
        """The reject with the name of its error, which another way to ask tells, if it tells the same reject."""
        asked = {
            "sender": base64(query.sender),
            "canister_id": base64(query.canister_id),
            "method": query.method_name,
            "payload": base64(query.argument),
            "effective_principal": {"SubnetId": base64(self._current.subnet_id)},
        }
        answered = self._rest.operation("POST", self._path("read/query"), asked)
        match answered.json("read/query") if answered.status == OK else None:
            case {"Err": {"reject_code": str(code), "reject_message": message, "error_code": name}} if CODES.get(
                code
            ) == fields.get("reject_code"):
                return {**fields, "reject_message": message, "error_code": name}
        return fields


def _wanted(system_time: Nanoseconds) -> dict[Text, Any]:
    """The instance that scenarios run on. Making its subnet takes a nanosecond."""
    new = {"state_config": "New", "instruction_config": "Production"}
    names = ("system", "verified_application", "cloud_engine")
    return {
        "subnet_config_set": {"application": [new], **{name: [] for name in names}},
        "initial_time": {"Timestamp": {"nanos_since_epoch": system_time - 1}},
        "disable_ingress_validation": True,
    }


def _code(name: Text) -> int:
    if name not in CODES:
        raise BrokeProtocol(f"there is no reject code {name!r}")
    return CODES[name]


if __name__ == "__main__":
    serve(Renamed(PocketIc(sys.argv[1], tuple(sys.argv[2:]))), sys.stdin.buffer, sys.stdout.buffer)
