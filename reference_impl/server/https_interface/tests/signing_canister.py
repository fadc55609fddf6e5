"""A canister that delegates to session keys, as Internet Identity does, on a server in a process of its own."""

import json
import time
from hashlib import sha256

from attrs import frozen

from conformance.canisters import ic0
from conformance.canisters.scripted import program, reply, scripted_module
from reference_impl.authentication.certificates import tree_of
from reference_impl.server.http_gateway.tests.setting_up import called, installed_over_http, queried
from reference_impl.server.https_interface.tests.in_process import MINUTE, User
from reference_impl.server.tests.served import Served
from reference_impl.tests.canister_signing import described, grown, of_canister
from spec.values.identifiers import Principal, self_authenticating_id
from spec.values.request_id import hash_of_map

SEED = b"the seed of a user"
SEPARATOR = b"\x1aic-request-auth-delegation"


@frozen
class SigningCanister:
    """One of them."""

    served: Served
    canister_id: Principal

    @classmethod
    def installed(cls, served: Served) -> "SigningCanister":
        return cls(served, installed_over_http(served, scripted_module()))

    @property
    def user_key(self) -> bytes:
        """The key of the user, in DER."""
        return of_canister(self.canister_id, SEED)

    @property
    def user(self) -> Principal:
        return self_authenticating_id(self.user_key)

    def signature(self, message: bytes) -> bytes:
        """The canister's signature for the user, whose certificate the server makes."""
        notes = grown({b"sig": {sha256(SEED).digest(): {sha256(message).digest(): b""}}})
        owner, certify = User.of(1), ic0.certified_data_set(tree_of(notes).hash)
        called(self.served, owner, self.canister_id, "update", program(certify, reply(b"")), self.canister_id)
        certificate = queried(self.served, owner, self.canister_id, "query", program(reply(ic0.data_certificate())))
        return described({"certificate": certificate, "tree": notes})

    def delegation_to(self, session: User) -> str:
        """The delegation of the user to the session's key, as programs in JavaScript keep it."""
        fields = {"pubkey": session.key, "expiration": time.time_ns() + 30 * MINUTE}
        signature = self.signature(SEPARATOR + hash_of_map(fields))
        told = {"pubkey": session.key.hex(), "expiration": f"{fields['expiration']:x}"}
        chain = {"delegations": [{"delegation": told, "signature": signature.hex()}], "publicKey": self.user_key.hex()}
        return json.dumps(chain)
