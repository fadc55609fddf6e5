"""A canister on a server in a process of its own."""

import time
from typing import Any

import cbor2

from reference_impl.server.https_interface.tests.in_process import MINUTE, Answered, Instance, User
from reference_impl.server.tests.served import Served
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, principal_to_text
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    decode_canister_id_result,
    encode_arguments,
)


def called(served: Served, user: User, about: Principal, method: str, argument: bytes) -> bytes:
    """The reply of the management canister."""
    content: dict[str, Any] = {
        "request_type": "call",
        "ingress_expiry": time.time_ns() + 4 * MINUTE,
        "canister_id": MANAGEMENT_CANISTER,
        "method_name": method,
        "arg": argument,
    }
    path = f"/api/v4/canister/{principal_to_text(about)}/call"
    envelope = cbor2.dumps(user.envelope(content))
    status, body = served.asked("POST", path, envelope, content_type="application/cbor")
    assert status == 200, body
    return Instance.reply(Answered(status, {}, body))


def installed_over_http(served: Served, module: bytes, argument: bytes = b"") -> Principal:
    """A new canister with code."""
    user = User.of(1)
    method = "provisional_create_canister_with_cycles"
    arguments = encode_arguments(ProvisionalCreateArguments(amount=10**14))
    canister_id = decode_canister_id_result(called(served, user, MANAGEMENT_CANISTER, method, arguments))
    install = encode_arguments(InstallCodeArguments(InstallMode(), canister_id, module, argument))
    assert called(served, user, canister_id, "install_code", install) == b"DIDL\0\0"
    return canister_id
