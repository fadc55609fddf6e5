"""
The HTTPS interface as an implementation that can be judged: the verbs of the protocol as requests of its endpoints.

Requests are signed with the keys of the users of scenarios. What is read is believed if its certificate is valid under
the root key that the server tells, and an answer to a query if nodes of the subnet signed it.

The instance lasts and moves by itself. What cannot be controlled or shown makes scenarios not applicable: other
profiles than that of production, subnets of other sizes, subnet admins, time that is moved on, what a canister says of
the sender, labels, states. That nothing is left to do is not shown: it is taken to be so if for some seconds no request
has come further.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from secrets import randbelow, token_bytes
from typing import Any, Final

import cbor2
from attrs import define, evolve

from conformance.adapters.contents import ACCEPTED, CBOR, OK, content_of, refused, reject_in, value_at
from conformance.adapters.reasons import reason_of
from conformance.adapters.renaming import Renamed, Renaming
from conformance.adapters.rest import Answered, Rest
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
from conformance.protocol.users import key_pair_of
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import Certificate, decode_certificate, verify_certificate
from spec.certification.hash_tree import Labeled, flatten_forks
from spec.certification.plain_signatures import verify_plain_signature
from spec.certification.query_response import NodeSignature, SignedResponse, are_of_nodes
from spec.certification.scope import delegated_ranges, is_in_scope
from spec.state.request import Endpoint, Request
from spec.values.identifiers import (
    ANONYMOUS,
    MANAGEMENT_CANISTER,
    Blob,
    Principal,
    RequestId,
    SubnetId,
    Text,
    principal_to_text,
    self_authenticating_id,
)
from spec.values.leb128 import from_groups
from spec.values.quantities import NANOSECONDS_PER_SECOND, ByteCount, Count, Nanoseconds
from spec.values.request_id import hash_of_map, request_id_of

PROFILE: Final = "production"
EXPIRY: Final[Nanoseconds] = 240 * NANOSECONDS_PER_SECOND
MOST_BEHIND: Final[Nanoseconds] = 300 * NANOSECONDS_PER_SECOND
"""So old a certificate or an answer may be, by the newest that was seen. Source: certification, what clients do."""
LONGEST_WAIT: Final[Nanoseconds] = 10 * NANOSECONDS_PER_SECOND
"""Time passes by itself, and nobody waits for longer than this."""
SHORTEST_SECONDS: Final = 0.005
POLLING_SECONDS: Final = 0.1
"""A request that has no answer is asked for again after the shortest pause, then after longer ones, up to this."""
LONGEST_SECONDS: Final = 1.0
"""After the last answer no server gets longer than this for what is left to do."""
PATIENCE_SECONDS: Final = 5.0
"""If no request comes further for so long, nothing is left to do."""
ENDED: Final = (Replied, Rejected, Done, UnknownRequest, Refused)
NOT_FOUND: Final = 404
SIGNED: Final = b"\x0aic-request"
LONGEST_NONCE: Final[ByteCount] = 32
"""Source: https-interface, request: call."""
OWN_SIZE: Final[ByteCount] = 8
"""What tells requests of one scenario from those of others has so many bytes."""
RESERVED: Final[Count] = 1 << 18
"""Ids that scenarios name stand for one among so many at the end of the subnet's ranges."""


@define
class Known:
    """What is known of the server's instance."""

    root_key: Blob
    subnet_id: SubnetId
    first: Principal
    """The first canister id of the subnet."""
    last: Principal
    is_root: bool
    now: Nanoseconds


class Https:
    """One server, and the subnet on which it creates canisters."""

    def __init__(self, url: Text, profiles: tuple[Text, ...] = ()) -> None:
        """`profiles` are those that it is said to follow to the last cycle: it does not say so itself."""
        self._url, self._profiles = url, profiles
        self._rest = Rest(url)
        self._known: Known | None = None
        self._renaming, self._own = Renaming(), b""
        self._is_asynchronous = True
        self._pace = POLLING_SECONDS
        """So long the last answers took."""
        self._nodes: dict[Principal, Certificate] = {}
        self._sent: dict[RequestId, tuple[Principal, Principal]] = {}
        self._open: dict[RequestId, Answer] = {}

    @property
    def renaming(self) -> Renaming:
        """The id that is named stands for another one in each scenario."""
        return self._renaming

    @property
    def _current(self) -> Known:
        if self._known is None:
            raise Unsupported("reset comes first")
        return self._known

    # The verbs

    def describe(self) -> Description:
        """What the server is."""
        answered = self._status()
        versions = (str(answered.cbor("status").get("impl_version", "")), answered.server)
        return Description(
            name=self._url,
            version=", ".join(filter(None, versions)),
            interface_specification=INTERFACE_SPECIFICATION,
            profiles=self._profiles,
            capabilities=frozenset(),
            instance=InstanceKind.LIVE,
        )

    def reset(
        self, profile: Text, subnet_size: Count, system_time: Nanoseconds, subnet_admins: Sequence[Principal]
    ) -> Instance:
        """The instance as it is: what others made stays, and nobody asks for it."""
        if profile != PROFILE:
            raise Unsupported(f"the server has the limits of production, not those of {profile!r}")
        if subnet_admins:
            raise Unsupported("nobody can say who administers the subnet")
        self._sent, self._open, self._nodes = {}, {}, {}
        self._known = self._looked_at()
        nodes = self._certificate_of_nodes(self._effective(MANAGEMENT_CANISTER))
        size = _nodes_in(nodes, self._current.subnet_id)
        if not size:
            raise BrokeProtocol("read_state: the certificate shows no nodes of the subnet")
        if size != subnet_size:
            raise Unsupported(f"the subnet has {size} nodes, and not {subnet_size}")
        self._renaming, self._own = Renaming(stands=_near(self._current.last)), token_bytes(OWN_SIZE)
        return Instance(self._current.subnet_id, self._current.root_key, self._current.now)

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        """Hands in a call, at the asynchronous endpoint if there is one."""
        if request.sender_info is not None:
            raise Unsupported("nobody can sign for a canister what it says of a sender")
        content = content_of("call", self._of_this_instance(request))
        effective = self._effective(effective_id)
        answered = self._called(endpoint, effective, content)
        if answered.status == OK:
            fields = answered.cbor("call")
            if "certificate" not in fields:
                reject = reject_in(fields)
                return Refused(reject.code, reject.reason)
        elif answered.status != ACCEPTED:
            return refused("call", answered)
        request_id = request_id_of(content)
        self._sent[request_id] = (request.sender, effective)
        self._open[request_id] = Received()
        return Accepted(request_id)

    def answer(self, request_id: RequestId) -> Answer:
        """What a certificate says of a request."""
        if request_id not in self._sent:
            return UnknownRequest()
        sender, effective_id = self._sent[request_id]
        below = (b"request_status", request_id)
        read = self._read(sender, effective_id, [below])
        if isinstance(read, Refused):
            return UnknownRequest()
        shown = {leaf: value_at(read, (*below, leaf)) for leaf in LEAVES}
        match shown[b"status"]:
            case None | b"unknown":
                return UnknownRequest()
            case b"received":
                return Received()
            case b"processing":
                return Processing()
            case b"done":
                return Done()
            case b"replied" if (reply := shown[b"reply"]) is not None:
                return Replied(reply)
            case b"rejected" if (code := shown[b"reject_code"]) is not None:
                message = (shown[b"reject_message"] or b"").decode(errors="replace")
                error = shown[b"error_code"]
                reason = reason_of(None if error is None else error.decode(errors="replace"), message)
                return Rejected(SeenReject(from_groups(code), reason, message))
        raise BrokeProtocol(f"read_state: the status {shown[b'status']!r} comes without an answer")

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        """Asks a query, and checks who signed the answer."""
        content, effective = content_of("query", query), self._effective(effective_id)
        answered = self._posted("v3", Endpoint.CANISTER, effective, content)
        if answered.status != OK:
            return refused("query", answered)
        fields = dict(answered.cbor("query"))
        self._check_signatures(content, dict(fields), effective)
        match fields:
            case {"status": "replied", "reply": {"arg": bytes(data)}}:
                return Replied(data)
            case {"status": "rejected"}:
                return Rejected(reject_in(fields))
        raise BrokeProtocol("query: the answer is neither a reply nor a reject")

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        """Reads what a verified certificate shows."""
        read = self._read(sender, self._effective(effective_id), paths)
        return read if isinstance(read, Refused) else Values(tuple(value_at(read, path) for path in paths))

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        """Waits until every request has its answer, or none has come further for a while."""
        if nanoseconds > LONGEST_WAIT:
            raise Unsupported(f"time passes by itself, and nobody waits for {nanoseconds // NANOSECONDS_PER_SECOND} s")
        time.sleep(nanoseconds / NANOSECONDS_PER_SECOND)
        if rounds:
            self._wait_for_answers()
        return Advanced(rounds, is_quiescent=True, system_time=self._told_time())

    def stop(self) -> None:
        """The instance lasts."""
        self._known = None
        self._rest.close()

    # What they are made of

    def _status(self) -> Answered:
        answered = self._rest.asked("GET", "/api/v2/status")
        if answered.status != OK:
            raise BrokeProtocol(f"status: status {answered.status}: {answered.text}")
        return answered

    def _looked_at(self) -> Known:
        """The subnet on which canisters are created for which nothing is said."""
        root_key = self._status().cbor("status").get("root_key")
        if not isinstance(root_key, bytes):
            raise BrokeProtocol("status: there is no root key")
        if self._known is not None and self._known.root_key != root_key:
            raise BrokeProtocol("status: the root key is another one than before")
        root = SubnetId(self_authenticating_id(root_key))
        self._known = Known(root_key, root, MANAGEMENT_CANISTER, MANAGEMENT_CANISTER, True, 0)
        read = self._read(ANONYMOUS, MANAGEMENT_CANISTER, [(b"time",)])
        if isinstance(read, Refused):
            raise Unsupported("the server does not say which subnet creates canisters")
        if read.delegation is not None:
            ranges = delegated_ranges(read.delegation)
            if not ranges:
                raise BrokeProtocol("read_state: the delegation is for no canisters")
            self._known.subnet_id, self._known.is_root = read.delegation.subnet_id, False
            self._known.first, self._known.last = ranges[-1]
        else:
            self._known.last = LAST
        return self._known

    def _of_this_instance(self, request: Request) -> Request:
        """
        The request as no other scenario makes it.

        On an instance that lasts, scenarios that are judged at the same time begin at the same time and number their
        requests alike; two that are equal are one for the server.
        """
        if not 0 < len(request.nonce) <= LONGEST_NONCE - len(self._own):
            return request
        return evolve(request, nonce=request.nonce + self._own)

    def _effective(self, effective_id: Principal) -> Principal:
        """No certificate of a subnet with a delegation is for the management canister: one of its own stands for it."""
        is_for_none = effective_id == MANAGEMENT_CANISTER and not self._current.is_root
        return self._current.first if is_for_none else effective_id

    def _told_time(self) -> Nanoseconds:
        self._read(ANONYMOUS, self._effective(MANAGEMENT_CANISTER), [(b"time",)])
        return self._current.now

    def _wait_for_answers(self) -> None:
        """
        Waits until every request has its answer, or none has come further for a while; then for as long once more.

        What happens after the last answer is not told, so the system gets as much time for it as for the answers.
        """
        began = last = time.monotonic()
        pause, has_open = SHORTEST_SECONDS, bool(self._open)
        while self._open and time.monotonic() < last + PATIENCE_SECONDS:
            if self._asked_again():
                last, pause = time.monotonic(), SHORTEST_SECONDS
            if self._open:
                time.sleep(pause)
                pause = min(2 * pause, POLLING_SECONDS)
        if has_open:
            self._pace = min(max(last - began, SHORTEST_SECONDS), LONGEST_SECONDS)
        time.sleep(self._pace)

    def _asked_again(self) -> bool:
        """Whether a request has come further."""
        before = self._open
        told = {request_id: self.answer(request_id) for request_id in before}
        self._open = {request_id: seen for request_id, seen in told.items() if not isinstance(seen, ENDED)}
        return told != before

    def _posted(
        self, version: Text, endpoint: Endpoint, effective_id: Principal, content: Mapping[Text, Any]
    ) -> Answered:
        kind = content["request_type"]
        path = f"/api/{version}/{endpoint.value}/{principal_to_text(effective_id)}/{kind}"
        return self._rest.asked("POST", path, cbor2.dumps(_envelope(content)), CBOR)

    def _called(self, endpoint: Endpoint, effective_id: Principal, content: Mapping[Text, Any]) -> Answered:
        """The answer to a call, which is given before the call has ended if the server has an endpoint for that."""
        if endpoint is Endpoint.CANISTER and self._is_asynchronous:
            answered = self._posted("v2", endpoint, effective_id, content)
            if answered.status != NOT_FOUND:
                return answered
            self._is_asynchronous = False
        return self._posted("v4", endpoint, effective_id, content)

    def _read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Certificate | Refused:
        content = {
            "request_type": "read_state",
            "sender": sender,
            "ingress_expiry": max(self._current.now, time.time_ns()) + EXPIRY,
            "paths": [list(path) for path in paths],
        }
        answered = self._posted("v3", Endpoint.CANISTER, effective_id, content)
        if answered.status != OK:
            return refused("read_state", answered)
        try:
            certificate = decode_certificate(answered.cbor("read_state")["certificate"])
        except (KeyError, ValueError) as problem:
            raise BrokeProtocol(f"read_state: there is no certificate: {problem}") from None
        self._check(certificate, effective_id)
        return certificate

    def _check(self, certificate: Certificate, effective_id: Principal) -> None:
        """The certificate is valid, for this id, and new."""
        if not verify_certificate(certificate, self._current.root_key, verify_bls_signature):
            raise BrokeProtocol("read_state: the signature of the certificate is wrong")
        if effective_id != MANAGEMENT_CANISTER and not is_in_scope(certificate, effective_id):
            raise BrokeProtocol("read_state: the certificate is not for this effective canister id")
        told = value_at(certificate, (b"time",))
        if told is None:
            raise BrokeProtocol("read_state: the certificate has no time")
        now = from_groups(told)
        if now < self._current.now - MOST_BEHIND:
            raise BrokeProtocol("read_state: the certificate is older than five minutes")
        self._current.now = max(self._current.now, now)

    def _certificate_of_nodes(self, effective_id: Principal) -> Certificate:
        """A certificate of the keys of the nodes that answer for an id."""
        known = self._nodes.get(effective_id)
        if known is None:
            read = self._read(ANONYMOUS, effective_id, [(b"subnet",)])
            if isinstance(read, Refused):
                raise BrokeProtocol("read_state: the keys of the nodes of the subnet are not told")
            known = self._nodes[effective_id] = read
        return known

    def _check_signatures(self, content: Mapping[Text, Any], fields: dict[Text, Any], effective_id: Principal) -> None:
        """The answer to a query is signed by nodes of the subnet, lately."""
        certificate = self._certificate_of_nodes(effective_id)
        of = certificate.delegation
        subnet_id = self_authenticating_id(self._current.root_key) if of is None else of.subnet_id
        try:
            signatures = tuple(
                NodeSignature(one["timestamp"], one["signature"], Principal(one["identity"]))
                for one in fields.pop("signatures")
            )
            signed = SignedResponse(content, fields, signatures)
            are_valid = bool(signatures) and are_of_nodes(
                signed, certificate, SubnetId(subnet_id), verify_plain_signature
            )
        except (KeyError, TypeError, AttributeError):
            raise BrokeProtocol("query: the answer has no signatures") from None
        if not are_valid:
            raise BrokeProtocol("query: the answer is not signed by nodes of the subnet")
        if any(one.timestamp < self._current.now - MOST_BEHIND for one in signatures):
            raise BrokeProtocol("query: the answer is older than five minutes")


LEAVES: Final = (b"status", b"reply", b"reject_code", b"reject_message", b"error_code")
LAST: Final = Principal(bytes.fromhex("ffffffffffefffff0101"))
"""Near the last of all ids that subnets assign."""


def _near(last: Principal) -> Blob:
    """An id that nobody else uses: before the last one of a subnet, which assigns others first."""
    number = int.from_bytes(last[:8], "big") - randbelow(RESERVED)
    return number.to_bytes(8, "big") + last[8:]


def _envelope(content: Mapping[Text, Any]) -> dict[Text, Any]:
    """The content, signed by its sender. Raises `Unsupported` if nobody can sign for it."""
    sender = content["sender"]
    if sender == ANONYMOUS:
        return {"content": content}
    pair = key_pair_of(sender)
    if pair is None:
        raise Unsupported(f"nobody has the key of the sender {principal_to_text(sender)}")
    signature = pair.sign(SIGNED + hash_of_map(content))
    return {"content": content, "sender_pubkey": pair.public_key, "sender_sig": signature}


def _nodes_in(certificate: Certificate, subnet_id: SubnetId) -> Count:
    """How many nodes a certificate shows."""
    trees = flatten_forks(certificate.tree)
    for label in (b"subnet", subnet_id, b"node"):
        below = [flatten_forks(one.tree) for one in trees if isinstance(one, Labeled) and one.label == label]
        trees = below[0] if below else []
    return sum(isinstance(one, Labeled) for one in trees)


if __name__ == "__main__":
    serve(Renamed(Https(sys.argv[1], tuple(sys.argv[2:]))), sys.stdin.buffer, sys.stdout.buffer)
