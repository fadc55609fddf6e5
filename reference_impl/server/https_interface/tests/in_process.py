"""An application served without a socket, by a clock that is set by hand; and users who sign what they send."""

import asyncio
from typing import Any

import cbor2
import wasmtime
from attrs import evolve, field, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reference_impl.certification.signing import ROOT_KEY
from reference_impl.engine import Engine
from reference_impl.server.https_interface.application import Application
from reference_impl.server.https_interface.endpoints import Endpoints
from reference_impl.server.https_interface.engine_thread import EngineThread
from reference_impl.server.tests import asking
from reference_impl.subnet.network import Network
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import Certificate, decode_certificate, lookup, verify_certificate
from spec.certification.hash_tree import Found, Labeled, flatten_forks
from spec.profile import load_profile
from spec.state.canister import Subnet
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Principal, principal_to_text, self_authenticating_id
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    decode_canister_id_result,
    encode_arguments,
)
from spec.values.request_id import hash_of_map

COUNTER = bytes(
    wasmtime.wat2wasm("""(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reject" (func $reject (param i32 i32)))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_method_name_size" (func $name (result i32)))
  (import "ic0" "accept_message" (func $accept))
  (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
  (memory 1)
  (data (i32.const 8) "no")
  (func $answer (call $append (i32.const 0) (i32.const 4)) (call $reply))
  (func (export "canister_inspect_message") (if (i32.ne (call $name) (i32.const 7)) (then (call $accept))))
  (func (export "canister_update inc")
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (call $certify (i32.const 0) (i32.const 4))
    (call $answer))
  (func (export "canister_update refused") (call $answer))
  (func (export "canister_update reject") (call $reject (i32.const 8) (i32.const 2)))
  (func (export "canister_query get") (call $answer))
  (func (export "canister_query reject_query") (call $reject (i32.const 8) (i32.const 2)))
  (func (export "canister_composite_query composite") (call $answer))
  (@custom "icp:public shown" "for all")
  (@custom "icp:private hidden" "for controllers"))""")
)
"""A counter. Its inspection refuses one method."""

START = 1_700_000_000_000_000_000
SECOND = 10**9
MINUTE = 60 * SECOND
SUBNET_ID = self_authenticating_id(ROOT_KEY)
CBOR = (b"content-type", b"application/cbor")
SELF_DESCRIBED = 55799


@frozen
class Answered:
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """The map in the body, which says of itself that it is CBOR."""
        assert self.body.startswith(bytes.fromhex("d9d9f7")), self.body
        return dict(cbor2.loads(self.body[3:]))

    @property
    def certificate(self) -> Certificate:
        """The certificate in the body, verified by the specification."""
        certificate = decode_certificate(self.fields["certificate"])
        assert verify_certificate(certificate, ROOT_KEY, verify_bls_signature)
        return certificate

    def value(self, *path: bytes) -> bytes | None:
        """What the certificate has at a path."""
        found = lookup(path, self.certificate)
        return found.value if isinstance(found, Found) else None


@frozen
class User:
    """Somebody with a key, and perhaps delegations to another key that signs."""

    secret: Ed25519PrivateKey
    key: bytes
    delegations: tuple[dict[str, Any], ...] = ()

    @classmethod
    def of(cls, number: int) -> "User":
        secret = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        return cls(secret, bytes.fromhex("302a300506032b6570032100") + secret.public_key().public_bytes_raw())

    @property
    def sender(self) -> Principal:
        return self_authenticating_id(self.key)

    def through(self, session: "User", **limits: Any) -> "User":
        """The same user, for whom the session's key signs."""
        fields = {"pubkey": session.key, "expiration": START + 60 * MINUTE, **limits}
        signature = self.secret.sign(b"\x1aic-request-auth-delegation" + hash_of_map(fields))
        return evolve(self, secret=session.secret, delegations=({"delegation": fields, "signature": signature},))

    def envelope(self, content: dict[str, Any]) -> dict[str, Any]:
        """The content as this user sends it."""
        content = {"sender": self.sender, **content}
        signature = self.secret.sign(b"\x0aic-request" + hash_of_map(content))
        whole = {"content": content, "sender_pubkey": self.key, "sender_sig": signature}
        return {**whole, "sender_delegation": list(self.delegations)} if self.delegations else whole


class Anonymous:
    """Anybody."""

    sender = ANONYMOUS

    def envelope(self, content: dict[str, Any]) -> dict[str, Any]:
        return {"content": {"sender": ANONYMOUS, **content}}


@frozen
class Instance:
    """One instance of the interface."""

    application: Application
    thread: EngineThread
    engine: Engine
    runner: asyncio.Runner
    clock: list[int] = field(factory=lambda: [START])
    users: tuple[User, ...] = (User.of(1), User.of(2))

    @classmethod
    def of(
        cls,
        *,
        patience: float = 20.0,
        admins: tuple[Principal, ...] = (),
        subnet_id: Principal = SUBNET_ID,
        network: Network | None = None,
        threads: int = 1,
        **limits: Any,
    ) -> "Instance":
        clock = [START]
        engine = Engine(
            load_profile("production"),
            Subnet(subnet_id, 13),
            START,
            ROOT_KEY,
            subnet_admins={subnet_id: List(admins)} if admins else {},
            network=network,
            threads=threads,
        )
        thread = EngineThread(engine, lambda: clock[0])
        runner = asyncio.Runner()
        application = Application(thread, Endpoints(thread, patience), **limits)

        async def begin() -> None:
            thread.start()

        runner.run(begin())
        return cls(application, thread, engine, runner, clock)

    def close(self) -> None:
        self.runner.run(self.thread.stop())
        self.runner.close()

    def request(self, method: str, path: str, body: bytes | list[bytes] = b"", headers=(CBOR,)) -> Answered | None:
        """One request, whose body may come in pieces; None in the place of a piece says that the client went away."""
        return self.runner.run(self.asked(method, path, body, headers))

    async def asked(self, method: str, path: str, body: bytes | list[bytes] = b"", headers=(CBOR,)) -> Answered | None:
        """The same, beside others."""
        pieces = body if isinstance(body, list) else [body]
        told = await asking.asked(self.application, method, path, pieces, headers)
        return None if told is None else Answered(*told)

    def post(self, path: str, envelope: Any) -> Answered:
        """An envelope in CBOR."""
        answered = self.request("POST", path, cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, envelope)))
        assert answered is not None
        return answered

    # What is sent

    def content(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The content of a request, without its sender."""
        return {"request_type": kind, "ingress_expiry": self.clock[0] + 4 * MINUTE, **fields}

    def call(self, user, canister_id, method, argument=b"", *, about=None, version="v4", **fields) -> Answered:
        """A call, at the endpoint of the canister that it is about."""
        named = {"canister_id": canister_id, "method_name": method, "arg": argument}
        envelope = user.envelope(self.content("call", **{**named, **fields}))
        where = principal_to_text(canister_id if about is None else about)
        return self.post(f"/api/{version}/canister/{where}/call", envelope)

    def query(self, user, canister_id, method, argument=b"", *, about=None, version="v3", **fields) -> Answered:
        """A query."""
        named = {"canister_id": canister_id, "method_name": method, "arg": argument}
        envelope = user.envelope(self.content("query", **{**named, **fields}))
        where = principal_to_text(canister_id if about is None else about)
        return self.post(f"/api/{version}/canister/{where}/query", envelope)

    def read(self, user, about, *paths, endpoint="canister", version="v3", **fields) -> Answered:
        """A reading of the state."""
        envelope = user.envelope(self.content("read_state", **{"paths": [list(path) for path in paths], **fields}))
        return self.post(f"/api/{version}/{endpoint}/{principal_to_text(about)}/read_state", envelope)

    def created(self, user, about: Principal = MANAGEMENT_CANISTER) -> Principal:
        """A canister without code, on the subnet that the effective id names."""
        arguments = ProvisionalCreateArguments(amount=10**14)
        method = "provisional_create_canister_with_cycles"
        nonce = b"%d" % len(self.engine.instance.canisters)
        answered = self.call(user, Principal(b""), method, encode_arguments(arguments), nonce=nonce, about=about)
        return decode_canister_id_result(self.reply(answered))

    def installed(self, user, module: bytes, about: Principal = MANAGEMENT_CANISTER) -> Principal:
        """A canister with code, likewise."""
        canister_id = self.created(user, about)
        arguments = encode_arguments(InstallCodeArguments(InstallMode(), canister_id, module, b""))
        answered = self.call(user, Principal(b""), "install_code", arguments, about=canister_id)
        assert self.reply(answered) is not None
        return canister_id

    @staticmethod
    def reply(answered: Answered) -> bytes:
        """What a call was replied, as its certificate says."""
        assert answered.fields["status"] == "replied", answered.fields
        (request_id,) = shown_requests(answered.certificate)
        found = answered.value(b"request_status", request_id, b"reply")
        assert found is not None, answered.value(b"request_status", request_id, b"reject_message")
        return found


def shown_requests(certificate: Certificate) -> list[bytes]:
    """The requests of which a certificate tells the status."""
    for one in flatten_forks(certificate.tree):
        if isinstance(one, Labeled) and one.label == b"request_status":
            return [below.label for below in flatten_forks(one.tree) if isinstance(below, Labeled)]
    return []
