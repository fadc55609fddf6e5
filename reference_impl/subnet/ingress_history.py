"""Requests of users: how far each has come."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from attrs import evolve

from spec.state.request import KnownRequest, Received, Request, RequestStatus
from spec.values.identifiers import Principal, RequestId, Text
from spec.values.request_id import HashedValue, hash_of_map


def request_id_of(request: Request, kind: Text = "call") -> RequestId:
    """The representation-independent hash of the content of a call or query. Source: https-interface, request id."""
    content: dict[str, HashedValue] = {
        "request_type": kind,
        "ingress_expiry": request.ingress_expiry,
        "sender": request.sender,
        "canister_id": request.canister_id,
        "method_name": request.method_name,
        "arg": request.argument,
    }
    if request.nonce:
        content["nonce"] = request.nonce
    if request.sender_info is not None:
        content["sender_info"] = {
            "info": request.sender_info.info,
            "signer": request.sender_info.signer,
            "sig": request.sender_info.signature,
        }
    return RequestId(hash_of_map(content))


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
        self._calls[request_id] = KnownRequest(request, Received(), effective_id)
        self._received[request_id] = None

    def remember(self, request_id: RequestId, known: KnownRequest) -> None:
        """A request that came in before, as it was kept."""
        self._calls[request_id] = known
        if isinstance(known.status, Received):
            self._received[request_id] = None

    def change(self, request_id: RequestId, status: RequestStatus) -> None:
        """A request gets another status."""
        self._calls[request_id] = evolve(self._calls[request_id], status=status)
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
