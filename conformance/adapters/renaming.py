"""
Ids that scenarios name before there is an instance, and those that stand for them in it.

Subnets take for new canisters only ids of their own ranges, and in an instance that lasts an id is used once. Both ids
are equally long, so they can be exchanged wherever they stand: in arguments, in programs, in replies, in paths.
"""

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from attrs import evolve, frozen

from conformance.adapters.contents import content_of
from conformance.adapters.silent import Silent
from conformance.protocol.interface import (
    Accepted,
    Advanced,
    Answer,
    CanisterElsewhere,
    Description,
    Instance,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Replied,
    Unsupported,
    Values,
)
from spec.state.request import Endpoint, Request
from spec.values.identifiers import Blob, CanisterId, Principal, RequestId, Text
from spec.values.quantities import Count, Nanoseconds
from spec.values.request_id import request_id_of

Asking = TypeVar("Asking", Request, Query)

NAMED: Final[Blob] = bytes.fromhex("00000000000fffff0101")
"""The id of a canister that is named and not made, or made with this id."""


@frozen
class Renaming:
    """One id stands for another."""

    named: Blob = NAMED
    stands: Blob = NAMED
    """In the instance."""

    def there(self, blob: Blob) -> Blob:
        """A blob of the scenario as the instance is to see it."""
        return blob.replace(self.named, self.stands)

    def back(self, blob: Blob) -> Blob:
        """A blob of the instance as the scenario is to see it."""
        return blob.replace(self.stands, self.named)


class Asked(Protocol):
    """What stands behind: an implementation that says which id stands for the one that scenarios name."""

    @property
    def renaming(self) -> Renaming:
        """Of the present instance."""
        ...

    def describe(self) -> Description: ...

    def reset(
        self, profile: Text, subnet_size: Count, system_time: Nanoseconds, subnet_admins: Sequence[Principal]
    ) -> Instance: ...

    def submit(self, request: Request, effective_id: Principal, endpoint: Endpoint) -> Accepted | Refused: ...

    def answer(self, request_id: RequestId) -> Answer: ...

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer: ...

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused: ...

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced: ...

    def stop(self) -> None: ...


class Renamed(Silent):
    """An implementation whose ids scenarios do not see."""

    def __init__(self, behind: Asked) -> None:
        self._behind = behind
        self._requests: dict[RequestId, RequestId] = {}
        """Requests by the ids that they have as scenarios make them. Ids of requests go by what is in them."""

    @property
    def _renaming(self) -> Renaming:
        return self._behind.renaming

    def describe(self) -> Description:
        """What stands behind."""
        return self._behind.describe()

    def reset(
        self,
        profile: Text,
        subnet_size: Count,
        system_time: Nanoseconds,
        subnet_admins: Sequence[Principal],
        elsewhere: Sequence[CanisterElsewhere] = (),
    ) -> Instance:
        """A new instance, in which another id may stand for the one that is named."""
        if elsewhere:
            raise Unsupported("the server takes no transitions that it is told, as renaming would need")
        self._requests = {}
        return self._behind.reset(profile, subnet_size, system_time, subnet_admins)

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        """Hands in the request with the ids of the instance."""
        seen = self._behind.submit(self._content(request), self._principal(effective_id), endpoint)
        if isinstance(seen, Refused):
            return seen
        named = request_id_of(content_of("call", request))
        self._requests[named] = seen.request_id
        return Accepted(named)

    def answer(self, request_id: RequestId) -> Answer:
        """How far the request is."""
        seen = self._behind.answer(self._requests.get(request_id, request_id))
        return Replied(self._renaming.back(seen.data)) if isinstance(seen, Replied) else seen

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        """Asks the query with the ids of the instance."""
        seen = self._behind.query(self._content(query), self._principal(effective_id))
        return Replied(self._renaming.back(seen.data)) if isinstance(seen, Replied) else seen

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        """Reads at the paths with the ids of the instance."""
        there = [tuple(map(self._label, path)) for path in paths]
        seen = self._behind.read(sender, self._principal(effective_id), there)
        if isinstance(seen, Refused):
            return seen
        return Values(tuple(value if value is None else self._renaming.back(value) for value in seen.values))

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        """Moves the instance on."""
        return self._behind.advance(rounds, nanoseconds)

    def stop(self) -> None:
        """Ends the instance."""
        self._behind.stop()

    def _content(self, asked: Asking) -> Asking:
        return evolve(
            asked,
            canister_id=CanisterId(self._principal(asked.canister_id)),
            argument=self._renaming.there(asked.argument),
        )

    def _principal(self, principal: Principal) -> Principal:
        return Principal(self._renaming.there(principal))

    def _label(self, label: Blob) -> Blob:
        known = self._requests.get(RequestId(label))
        return self._renaming.there(label) if known is None else known
