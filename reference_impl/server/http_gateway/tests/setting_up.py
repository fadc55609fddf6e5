"""A canister on a server in a process of its own."""

import time
from typing import Any

import cbor2

from reference_impl.server.https_interface.tests.in_process import CBOR, MINUTE, Answered, Instance, User
from reference_impl.server.tests.served import Served
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, principal_to_text
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    decode_canister_id_result,
    encode_arguments,
)

CREATE = "provisional_create_canister_with_cycles"


def _asked(served: Served, user: User, where: str, content: dict[str, Any]) -> Answered:
    """The answer to a request, which is none of the errors. One that takes long is asked for again: it is the same."""
    expiry = time.time_ns() + 4 * MINUTE
    envelope = cbor2.dumps(user.envelope({"ingress_expiry": expiry, **content}))
    status, body = served.asked("POST", where, envelope, content_type=CBOR[1].decode())
    while status == 202 and time.time_ns() < expiry:
        status, body = served.asked("POST", where, envelope, content_type=CBOR[1].decode())
    assert status == 200, body
    return Answered(status, {}, body)


def called(
    served: Served, user: User, about: Principal, method: str, argument: bytes, canister_id: Principal | None = None
) -> bytes:
    """The reply to a call, which is one of the management canister unless another canister is named."""
    content = {
        "request_type": "call",
        "canister_id": MANAGEMENT_CANISTER if canister_id is None else canister_id,
        "method_name": method,
        "arg": argument,
    }
    return Instance.reply(_asked(served, user, f"/api/v4/canister/{principal_to_text(about)}/call", content))


def queried(served: Served, user: User, canister_id: Principal, method: str, argument: bytes) -> bytes:
    """The reply to a query."""
    content = {"request_type": "query", "canister_id": canister_id, "method_name": method, "arg": argument}
    told = _asked(served, user, f"/api/v3/canister/{principal_to_text(canister_id)}/query", content).fields
    assert told["status"] == "replied", told
    return bytes(told["reply"]["arg"])


def installed_over_http(served: Served, module: bytes, argument: bytes = b"") -> Principal:
    """A new canister with code."""
    user = User.of(1)
    arguments = encode_arguments(ProvisionalCreateArguments(amount=10**14))
    canister_id = decode_canister_id_result(called(served, user, MANAGEMENT_CANISTER, CREATE, arguments))
    install = encode_arguments(InstallCodeArguments(InstallMode(), canister_id, module, argument))
    assert called(served, user, canister_id, "install_code", install) == b"DIDL\0\0"
    return canister_id
