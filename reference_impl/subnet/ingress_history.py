"""Requests of users: how far each has come."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from spec.state.request import KnownRequest, Received, Request, RequestStatus
from spec.values.identifiers import Blob, Principal, RequestId, Text
from spec.values.leb128 import encode_unsigned
from spec.values.quantities import Count
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
MOST_NOTED: Final[Count] = 1 << 12
"""Of so many more requests than twice those that are known it is noted at most that they changed."""


class IngressHistory:
    """All requests that are known, and those that are not started yet in the order of their arrival."""

    def __init__(self) -> None:
        self._calls: dict[RequestId, KnownRequest] = {}
        self._received: OrderedDict[RequestId, None] = OrderedDict()
        self._changed: dict[RequestId, None] | None = None

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

    def __len__(self) -> int:
        return len(self._calls)

    def changed(self) -> Iterable[RequestId] | None:
        """
        The requests that came, changed or went since somebody last asked; None if any may have.

        Only one may ask. Until he does nothing is noted, and nothing any more if he has not asked for long.
        """
        changed, self._changed = self._changed, {}
        return changed

    def _has_changed(self, request_id: RequestId) -> None:
        if self._changed is not None:
            self._changed[request_id] = None

    def receive(self, request_id: RequestId, request: Request, effective_id: Principal) -> None:
        """A request comes in."""
        self._calls[request_id] = KnownRequest(request, RECEIVED, effective_id)
        self._received[request_id] = None
        self._has_changed(request_id)

    def remember(self, request_id: RequestId, known: KnownRequest) -> None:
        """A request that came in before, as it was kept."""
        self._calls[request_id] = known
        self._has_changed(request_id)
        if isinstance(known.status, Received):
            self._received[request_id] = None

    def change(self, request_id: RequestId, status: RequestStatus) -> None:
        """A request gets another status."""
        known = self._calls[request_id]
        self._calls[request_id] = KnownRequest(known.request, status, known.effective_id)
        self._received.pop(request_id, None)
        self._has_changed(request_id)

    def forget(self, request_id: RequestId) -> None:
        """A request is no longer known."""
        del self._calls[request_id]
        self._has_changed(request_id)
        if self._changed is not None and len(self._changed) > MOST_NOTED + 2 * len(self._calls):
            self._changed = None

    def received(self) -> list[RequestId]:
        """The requests that are not started yet, oldest first."""
        return list(self._received)

    def reorder_received(self, in_order: Iterable[RequestId]) -> None:
        """Those that are not started yet start in this order."""
        reordered = OrderedDict.fromkeys(in_order)
        assert reordered.keys() == self._received.keys(), "only the order changes"
        self._received = reordered
