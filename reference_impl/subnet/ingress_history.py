"""Requests of users: how far each has come."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from functools import lru_cache
from operator import itemgetter
from typing import Final

from spec.state.request import KnownRequest, Received, Request, RequestStatus, SenderInfo
from spec.values.identifiers import CanisterId, Principal, RequestId, Text
from spec.values.leb128 import encode_unsigned
from spec.values.quantities import Count, Nanoseconds
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
_NAMES: Final = [hashlib.sha256(name.encode()).digest() for name in _FIELDS]
_in_order: Final = itemgetter(*sorted(range(len(_FIELDS)), key=_NAMES.__getitem__))
"""Brings the fields into the order in which a request id takes them: that of their hashed names."""
_TYPE, _EXPIRY, _SENDER, _CANISTER, _METHOD, _ARGUMENT, _NONCE, _INFO = _NAMES
_sha256: Final = hashlib.sha256
_NO_ARGUMENT: Final = _ARGUMENT + _sha256(b"").digest()
_MANY: Final = 1 << 12

# What is the same in many requests, each with its name.


@lru_cache(maxsize=_MANY)
def _type_part(kind: Text) -> bytes:
    return _TYPE + _sha256(kind.encode()).digest()


@lru_cache(maxsize=_MANY)
def _expiry_part(expiry: Nanoseconds) -> bytes:
    return _EXPIRY + _sha256(encode_unsigned(expiry)).digest()


@lru_cache(maxsize=_MANY)
def _callee_part(canister_id: CanisterId, method_name: Text) -> tuple[bytes, bytes]:
    return _CANISTER + _sha256(canister_id).digest(), _METHOD + _sha256(method_name.encode()).digest()


@lru_cache(maxsize=_MANY)
def _sender_part(sender: Principal) -> bytes:
    return _SENDER + _sha256(sender).digest()


def request_id_of(request: Request, kind: Text = "call") -> RequestId:
    """The representation-independent hash of the content of a call or query. Source: https-interface, request id."""
    info, argument, nonce = request.sender_info, request.argument, request.nonce
    fields = (
        _type_part(kind),
        _expiry_part(request.ingress_expiry),
        _sender_part(request.sender),
        *_callee_part(request.canister_id, request.method_name),
        _ARGUMENT + _sha256(argument).digest() if argument else _NO_ARGUMENT,
        _NONCE + _sha256(nonce).digest() if nonce else b"",
        b"" if info is None else _info_part(info),
    )
    return RequestId(_sha256(b"".join(_in_order(fields))).digest())


def _info_part(info: SenderInfo) -> bytes:
    return _INFO + hash_of_map({"info": info.info, "signer": info.signer, "sig": info.signature})


RECEIVED: Final = Received()
MOST_NOTED: Final[Count] = 1 << 12
"""Of so many more requests than twice those that are known it is noted at most that they changed."""


class Asker(Enum):
    """Who is told which requests have changed."""

    STATE_TREE = auto()
    COMMITTED = auto()
    """Whoever keeps the state that was committed last."""
    KEEPING = auto()
    """Whoever keeps the engine in a directory."""


class IngressHistory:
    """All requests that are known, and those that are not started yet in the order of their arrival."""

    def __init__(self) -> None:
        self.by_id: dict[RequestId, KnownRequest] = {}
        self._received: OrderedDict[RequestId, None] = OrderedDict()
        self._changed: dict[RequestId, None] | None = None
        self._not_told: dict[Asker, dict[RequestId, None] | None] = {}
        """By who asks: what was noted before another one asked; None if that is too much to be noted."""

    def __contains__(self, request_id: RequestId) -> bool:
        return request_id in self.by_id

    def __getitem__(self, request_id: RequestId) -> KnownRequest:
        return self.by_id[request_id]

    def get(self, request_id: RequestId) -> KnownRequest | None:
        """The request with this id, if it is known."""
        return self.by_id.get(request_id)

    def items(self) -> Iterator[tuple[RequestId, KnownRequest]]:
        """Pairs of request id and request."""
        return iter(self.by_id.items())

    def __len__(self) -> int:
        return len(self.by_id)

    def changed(self, asker: Asker) -> Iterable[RequestId] | None:
        """
        The requests that came, changed or went since somebody last asked; None if any may have.

        Until anybody does nothing is noted, and nothing any more if nobody has asked for long.
        """
        newest, self._changed = self._changed, {}
        for one, noted in self._not_told.items():
            self._not_told[one] = self._bounded(noted, newest)
        told = self._not_told.get(asker)
        self._not_told[asker] = {}
        return told

    def _bounded(
        self, noted: dict[RequestId, None] | None, newest: dict[RequestId, None] | None
    ) -> dict[RequestId, None] | None:
        """All that was noted; None if it is too much, or if something was not noted."""
        if noted is None or newest is None:
            return None
        noted.update(newest)
        return None if self._is_too_much(noted) else noted

    def _is_too_much(self, noted: dict[RequestId, None]) -> bool:
        return len(noted) > MOST_NOTED + 2 * len(self.by_id)

    def _has_changed(self, request_id: RequestId) -> None:
        if self._changed is not None:
            self._changed[request_id] = None

    def receive(self, request_id: RequestId, request: Request, effective_id: Principal) -> None:
        """A request comes in."""
        self.by_id[request_id] = KnownRequest(request, RECEIVED, effective_id)
        self._received[request_id] = None
        if self._changed is not None:
            self._changed[request_id] = None

    def remember(self, request_id: RequestId, known: KnownRequest) -> None:
        """A request that came in before, as it was kept."""
        self.by_id[request_id] = known
        self._has_changed(request_id)
        if isinstance(known.status, Received):
            self._received[request_id] = None

    def change(self, request_id: RequestId, status: RequestStatus) -> KnownRequest:
        """A request, which is the result, gets another status."""
        known = self.by_id[request_id]
        changed = self.by_id[request_id] = KnownRequest(known.request, status, known.effective_id)
        if isinstance(known.status, Received):
            del self._received[request_id]
        if self._changed is not None:
            self._changed[request_id] = None
        return changed

    def forget(self, request_id: RequestId) -> None:
        """A request is no longer known."""
        del self.by_id[request_id]
        self._has_changed(request_id)
        if self._changed is not None and self._is_too_much(self._changed):
            self._changed = None

    def received(self) -> list[RequestId]:
        """The requests that are not started yet, oldest first."""
        return list(self._received)

    def reorder_received(self, in_order: Iterable[RequestId]) -> None:
        """Those that are not started yet start in this order."""
        reordered = OrderedDict.fromkeys(in_order)
        assert reordered.keys() == self._received.keys(), "only the order changes"
        self._received = reordered
