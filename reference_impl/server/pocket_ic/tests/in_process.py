"""The application served without a socket, and what clients ask it."""

import asyncio
import base64
import json
from typing import Any

from attrs import field, frozen

from reference_impl.server.pocket_ic.application import PocketApplication
from reference_impl.server.pocket_ic.server import PocketServer
from reference_impl.server.tests import asking
from spec.profile import load_profile
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Principal, principal_from_text
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    decode_canister_id_result,
    encode_arguments,
)

START = 1_800_000_000_000_000_000
"""What the clock of the machine says."""
SPEC = {"state_config": "New", "instruction_config": "Production"}
JSON = (b"content-type", b"application/json")


def text(blob: bytes) -> str:
    return base64.b64encode(blob).decode()


def blob(text: str) -> bytes:
    return base64.b64decode(text)


def configuration(**subnets: int) -> dict[str, Any]:
    """The body that asks for so many subnets of each kind; named ones are there or not."""
    numbered = ("system", "application", "verified_application", "cloud_engine")
    subnet_set: dict[str, Any] = {name: [SPEC] * subnets.pop(name, 0) for name in numbered}
    return {"subnet_config_set": {**subnet_set, **dict.fromkeys(subnets, SPEC)}}


@frozen
class Answered:
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return self.json["message"]


@frozen
class Client:
    """Asks an application."""

    application: PocketApplication
    runner: asyncio.Runner = field(factory=asyncio.Runner)
    clock: list[int] = field(factory=lambda: [START])

    @classmethod
    def of(cls, **limits: Any) -> "Client":
        clock = [START]
        server = PocketServer(lambda: clock[0])
        return cls(PocketApplication(load_profile("production"), server, **limits), clock=clock)

    def close(self) -> None:
        self.runner.run(self.application.stop())
        self.runner.close()

    def request(self, method: str, path: str, body: Any = b"", headers=()) -> Answered | None:
        return self.runner.run(self.asked(method, path, body, headers))

    async def asked(self, method: str, path: str, body: Any = b"", headers=()) -> Answered | None:
        """One request. A body is bytes, or what JSON is made of, or a list of pieces; None in it: the client left."""
        whole = body if isinstance(body, bytes | list) else json.dumps(body).encode()
        pieces = whole if isinstance(whole, list) else [whole]
        has_type = any(name == b"content-type" for name, _ in headers)
        told = await asking.asked(self.application, method, path, pieces, headers if has_type else [*headers, JSON])
        return None if told is None else Answered(*told)

    def get(self, path: str) -> Any:
        answered = self.request("GET", path)
        assert answered.status == 200, answered
        return answered.json

    def post(self, path: str, body: Any) -> Any:
        answered = self.request("POST", path, body)
        assert answered.status == 200, answered
        return answered.json

    def create(self, **subnets: int) -> "Instance":
        return self.create_of(configuration(**(subnets or {"application": 1})))

    def create_of(self, body: Any) -> "Instance":
        answered = self.request("POST", "/instances", body)
        assert answered.status == 201, answered
        return Instance(self, answered.json["Created"]["instance_id"], answered.json["Created"])

    def refusal(self, body: Any) -> str:
        """Why no instance is made."""
        answered = self.request("POST", "/instances", body)
        assert answered.status == 400, answered
        return answered.json["Error"]["message"]


@frozen
class Instance:
    """One instance, and what is asked of it."""

    client: Client
    number: int
    created: Any

    def path(self, rest: str) -> str:
        return f"/instances/{self.number}/{rest}"

    def get(self, rest: str) -> Any:
        return self.client.get(self.path(rest))

    def post(self, rest: str, body: Any) -> Any:
        return self.client.post(self.path(rest), body)

    def fails(self, rest: str, body: Any, status: int = 400) -> str:
        answered = self.client.request("POST", self.path(rest), body)
        assert answered.status == status, answered
        return answered.message

    def call_of(self, canister_id: bytes, method: str, payload: bytes = b"", effective: Any = "None", sender=ANONYMOUS):
        return {
            "sender": text(sender),
            "canister_id": text(canister_id),
            "method": method,
            "payload": text(payload),
            "effective_principal": effective,
        }

    def submit(self, *given: Any, **more: Any) -> Any:
        return self.post("update/submit_ingress_message", self.call_of(*given, **more))

    def result(self, *given: Any, **more: Any) -> Any:
        """How a call ended, told after the rounds that it took; a refused one at once."""
        submitted = self.submit(*given, **more)
        return self.post("update/await_ingress_message", submitted["Ok"]) if "Ok" in submitted else submitted

    def update(self, *given: Any, **more: Any) -> bytes:
        result = self.result(*given, **more)
        assert "Ok" in result, result
        return blob(result["Ok"])

    def query(self, *given: Any, **more: Any) -> Any:
        return self.post("read/query", self.call_of(*given, **more))

    def create_canister(self, effective: Any = "None", **arguments: Any) -> Principal:
        payload = encode_arguments(ProvisionalCreateArguments(**arguments))
        name = "provisional_create_canister_with_cycles"
        return decode_canister_id_result(self.update(MANAGEMENT_CANISTER, name, payload, effective))

    def install(self, canister_id: Principal, module: bytes) -> None:
        arguments = encode_arguments(InstallCodeArguments(InstallMode(), canister_id, module, b""))
        assert self.update(MANAGEMENT_CANISTER, "install_code", arguments) == b"DIDL\0\0"

    def created_with(self, module: bytes, effective: Any = "None") -> Principal:
        """A canister with code."""
        canister_id = self.create_canister(effective)
        self.install(canister_id, module)
        return canister_id

    def tick(self) -> None:
        assert self.post("update/tick", {}) is None

    @property
    def time(self) -> int:
        return self.get("read/get_time")["nanos_since_epoch"]

    def subnet(self, kind: str) -> bytes:
        """The first subnet of a kind."""
        configs = self.get("read/topology")["subnet_configs"]
        return next(principal_from_text(name) for name, told in configs.items() if told["subnet_kind"] == kind)
