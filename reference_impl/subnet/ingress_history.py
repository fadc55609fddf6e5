"""Requests of users: how far each has come."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from spec.state.request import KnownRequest, Received, Request, RequestStatus
from spec.values.identifiers import Blob, Principal, RequestId, Text
from spec.values.leb128 import encode_unsigned
from spec.values.request_id import hash_of_map

_FIELDS: Final = (
    "request_type",
    "ingress_expiry",
    "sender",
    "canister_id",
    "method_name",
    "arg",
    "nonce",
    "sender_info",
)
_IN_ORDER: Final = sorted((hashlib.sha256(name.encode()).digest(), place) for place, name in enumerate(_FIELDS))
"""The hashed names of the fields, in the order in which a request id takes them."""


def _hash(value: Blob) -> bytes:
    return hashlib.sha256(value).digest()


_HASH_OF_NOTHING: Final = _hash(b"")

# What is the same in many requests.
_hash_of_blob: Final = lru_cache(maxsize=1 << 12)(_hash)


@lru_cache(maxsize=1 << 12)
def _hash_of_text(value: Text) -> bytes:
    return _hash(value.encode())


@lru_cache(maxsize=1 << 12)
def _hash_of_number(value: int) -> bytes:
    return _hash(encode_unsigned(value))


def request_id_of(request: Request, kind: Text = "call") -> RequestId:
    """The representation-independent hash of the content of a call or query. Source: https-interface, request id."""
    info = request.sender_info
    hashed = (
        _hash_of_text(kind),
        _hash_of_number(request.ingress_expiry),
        _hash_of_blob(request.sender),
        _hash_of_blob(request.canister_id),
        _hash_of_text(request.method_name),
        _hash(request.argument) if request.argument else _HASH_OF_NOTHING,
        _hash(request.nonce) if request.nonce else None,
        None if info is None else hash_of_map({"info": info.info, "signer": info.signer, "sig": info.signature}),
    )
    there = [name + value for name, place in _IN_ORDER if (value := hashed[place]) is not None]
    return RequestId(_hash(b"".join(there)))


RECEIVED: Final = Received()


class IngressHistory:
    """All requests that are known, and those that are not started yet in the order of their arrival."""

    def __init__(self) -> None:
        self._calls: dict[RequestId, KnownRequest] = {}
        self._received: OrderedDict[RequestId, None] = OrderedDict()

    def __contains__(self, request_id: RequestId) -> bool:
        return request_id in self._calls

    def __getitem__(self, request_id: RequestId) -> KnownRequest:
        return self._calls[request_id]

    def get(self, request_id: RequestId) -> KnownRequest | None:
        """The request with this id, if it is known."""
        return self._calls.get(request_id)

    def items(self) -> Iterator[tuple[RequestId, KnownRequest]]:
        """Pairs of request id and request."""
        return iter(self._calls.items())

    def receive(self, request_id: RequestId, request: Request, effective_id: Principal) -> None:
        """A request comes in."""
        self._calls[request_id] = KnownRequest(request, RECEIVED, effective_id)
        self._received[request_id] = None

    def remember(self, request_id: RequestId, known: KnownRequest) -> None:
        """A request that came in before, as it was kept."""
        self._calls[request_id] = known
        if isinstance(known.status, Received):
            self._received[request_id] = None

    def change(self, request_id: RequestId, status: RequestStatus) -> None:
        """A request gets another status."""
        known = self._calls[request_id]
        self._calls[request_id] = KnownRequest(known.request, status, known.effective_id)
        self._received.pop(request_id, None)

    def forget(self, request_id: RequestId) -> None:
        """A request is no longer known."""
        del self._calls[request_id]

    def received(self) -> list[RequestId]:
        """The requests that are not started yet, oldest first."""
        return list(self._received)

    def reorder_received(self, in_order: Iterable[RequestId]) -> None:
        """Those that are not started yet start in this order."""
        reordered = OrderedDict.fromkeys(in_order)
        assert reordered.keys() == self._received.keys(), "only the order changes"
        self._received = reordered
