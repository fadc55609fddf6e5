"""Implementations that take in requests which they know already."""

from attrs import evolve

from conformance.protocol.interface import Accepted, Refused
from conformance.tests.planted.bugs import BlackBox
from spec.rules.ingress.request_ids import request_id_of
from spec.state.request import Endpoint, Received, Request
from spec.values.identifiers import Principal, RequestId


class TakesInRepetitions(BlackBox):
    """A request that is known is said to be taken in, and nothing happens."""

    def repeated(self, request_id: RequestId) -> None:
        """What happens when a request is repeated."""

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        request_id = request_id_of(request)
        if request_id not in self.current.requests:
            return super().submit(request, effective_id, endpoint)
        self.repeated(request_id)
        return Accepted(request_id)


class RepeatsRequests(TakesInRepetitions):
    """A request that is known takes effect again."""

    def repeated(self, request_id: RequestId) -> None:
        known = evolve(self.current.requests[request_id], status=Received())
        self._state = evolve(self.current, requests=self.current.requests.set(request_id, known))
