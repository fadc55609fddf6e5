"""The world outside of the subnet, as far as the engine asks it of its own accord: keys, other servers, Bitcoin."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Protocol

from attrs import frozen

from spec.values.containers import List
from spec.values.identifiers import Blob, MethodName, Principal, Text
from spec.values.management import (
    AnyArguments,
    BlockHeadersResult,
    EcdsaPublicKeyArguments,
    FeePercentilesArguments,
    GetBalanceArguments,
    GetBlockHeadersArguments,
    GetUtxosArguments,
    HttpRequestArguments,
    HttpResponse,
    NodeMetricsHistoryArguments,
    NodeMetricsSample,
    SchnorrAlgorithm,
    SchnorrPublicKeyArguments,
    SendTransactionArguments,
    SignWithEcdsaArguments,
    SignWithSchnorrArguments,
    SubnetInfoArguments,
    SubnetInfoResult,
    UtxosResult,
    VetkdDeriveKeyArguments,
    VetkdPublicKeyArguments,
)
from spec.values.rejects import RejectCode

NOT_FOUND: Final = 404
"""The status of HTTP that says that there is nothing at an address."""
REPLICA_VERSION: Final[Text] = "icspec reference implementation"


@frozen
class OutsideCall:
    """A call of a canister that leaves the subnet."""

    caller: Principal
    method_name: MethodName
    arguments: AnyArguments


@frozen
class Later:
    """The call leaves the subnet and is not answered yet."""


class OutsideWorld(Protocol):
    """Answers what the rules leave open. Each method is a pure function."""

    def answer(self, call: OutsideCall) -> Mapping[Text, Any] | RejectCode | Later:
        """
        The free variables of the transition that answers the call, by name; or the code with which it fails; or that
        the answer comes later, by a transition that somebody chooses.

        An answer that does not fit the call is taken as a failure. The answer to an HTTP request is what is left after
        the transformation, if the request names one.
        """
        ...

    def node_metrics(self, arguments: NodeMetricsHistoryArguments) -> List[NodeMetricsSample]:
        """The metrics of the nodes."""
        ...

    def subnet_info(self, arguments: SubnetInfoArguments) -> SubnetInfoResult:
        """The versions that the subnet runs."""
        ...


def _bytes(length: int, *parts: object) -> Blob:
    """So many bytes that depend on all parts."""
    seed = hashlib.sha256("/".join(map(repr, parts)).encode()).digest()
    blocks = (hashlib.sha256(seed + bytes([index])).digest() for index in range(length // len(seed) + 1))
    return b"".join(blocks)[:length]


class DeterministicWorld:
    """
    A world in which equal questions have equal answers.

    Keys and signatures are hashes of what they are asked for, so nobody can verify them; there is nothing at any
    address; the Bitcoin network has no block. No node has metrics.
    """

    def answer(self, call: OutsideCall) -> Mapping[Text, Any] | RejectCode | Later:
        """What this world answers, at once."""
        match call.arguments:
            case EcdsaPublicKeyArguments() | SchnorrPublicKeyArguments() | VetkdPublicKeyArguments():
                return self._public_key(call.caller, call.arguments)
            case SignWithEcdsaArguments() | SignWithSchnorrArguments():
                return {"signature": _bytes(64, "signature", call.caller, call.arguments)}
            case VetkdDeriveKeyArguments():
                return {"encrypted_key": _bytes(192, "key", call.caller, call.arguments)}
            case HttpRequestArguments():
                return {"answer": HttpResponse(NOT_FOUND)}
            case GetUtxosArguments():
                return {"answer": UtxosResult(bytes(32), 0)}
            case GetBalanceArguments():
                return {"satoshi": 0}
            case SendTransactionArguments():
                return {}
            case FeePercentilesArguments():
                return {"percentiles": List[int]()}
            case GetBlockHeadersArguments():
                return {"answer": BlockHeadersResult(0)}
            case _:
                raise AssertionError(f"{call.method_name} does not leave the subnet")

    def _public_key(
        self,
        caller: Principal,
        arguments: EcdsaPublicKeyArguments | SchnorrPublicKeyArguments | VetkdPublicKeyArguments,
    ) -> Mapping[Text, Any]:
        owner = caller if arguments.canister_id is None else arguments.canister_id
        if isinstance(arguments, VetkdPublicKeyArguments):
            return {"public_key": _bytes(96, "public key", owner, arguments.key_id, arguments.context)}
        parts = (owner, arguments.key_id, arguments.derivation_path.items)
        point = _bytes(32, "public key", *parts)
        is_compressed = (
            isinstance(arguments, EcdsaPublicKeyArguments)
            or arguments.key_id.algorithm is SchnorrAlgorithm.BIP340SECP256K1
        )
        public_key = b"\x02" + point if is_compressed else point
        return {"public_key": public_key, "chain_code": _bytes(32, "chain code", *parts)}

    def node_metrics(self, arguments: NodeMetricsHistoryArguments) -> List[NodeMetricsSample]:
        """No node has metrics."""
        return List[NodeMetricsSample]()

    def subnet_info(self, arguments: SubnetInfoArguments) -> SubnetInfoResult:
        """This program, and a registry that never changed."""
        return SubnetInfoResult(REPLICA_VERSION, 0)
