"""What a query call is asked with and answered with."""

from collections.abc import Callable

from attrs import field, frozen

from spec.canister.environment import Caller
from spec.state.request import Endpoint as Endpoint
from spec.state.state import State
from spec.values.checklist import defines
from spec.values.containers import List, Map
from spec.values.identifiers import Blob, CanisterId, MethodName, Text
from spec.values.management import CyclesConsumed
from spec.values.quantities import ByteCount, Count, Instructions, Nanoseconds
from spec.values.rejects import RejectCode, RejectReason, Reply, Response, system_reject


@frozen
class Question:
    """One call of a query method, by a user or by a composite query."""

    caller: Caller
    canister_id: CanisterId
    method_name: MethodName
    argument: Blob


Wording = Callable[[Text], Text]
"""What the system says in place of the text that the specification gives a reject."""


def as_usual(text: Text) -> Text:
    """The system says what the specification says."""
    return text


@frozen
class Surroundings:
    """What stays the same for all calls of one query call."""

    state: State
    root_canister_id: CanisterId
    """The canister that the user called."""
    certificate: Blob | None = None
    """A certificate of the data of that canister, which its query method can read."""
    metrics: Map[CanisterId, CyclesConsumed] = field(factory=Map)
    """What `canister_metrics` tells; it is implementation-specific, so it comes from outside."""
    open_codes: Map[RejectReason, RejectCode] = field(factory=Map)
    """Codes with which calls of queries are rejected where the text names none, if they are not production's."""
    wording: Wording = as_usual
    """What the system says where it rejects calls of queries."""
    order: tuple[Count, ...] = ()
    """
    Which open call is made first, second and so on, in the query and in those that it calls, by its place among those
    of its query that are open then; without a place, or where there are fewer, the oldest.
    """
    refused_growths: tuple[Count, ...] = ()
    """Growths of memories that fail though the limits leave room, by their numbers in the query and those it calls."""
    trapping_growths: tuple[Count, ...] = ()
    """Those at which an execution ends, by the same numbers."""


@frozen
@defines("rule.query.statistics")
class QueryStatistic:
    """One query method that ran. Source: abstract-behavior, the system state (`query_stats`)."""

    canister_id: CanisterId
    timestamp: Nanoseconds
    """The canister's time."""
    num_instructions: Instructions
    """Used by the method and its callbacks, without those of the canisters that it called."""
    request_payload_bytes: ByteCount
    response_payload_bytes: ByteCount
    """The size of the reply, or of the text of the reject."""


@frozen
class QueryResponse:
    """The answer to a query call, or to a call within one."""

    response: Response
    instructions: Instructions = 0
    """What was used in all. Nobody is charged for it."""
    statistics: List[QueryStatistic] = field(factory=List)
    """What the answer adds to the statistics: the methods that ran, in the order in which they ended."""
    turns: tuple[Count, ...] = ()
    """How many calls of a query were open each time that one was made, in the query and in those that it called."""
    growths: Count = 0
    """How often memories were to grow, in the query and in those that it called."""


@frozen
class QueryRefused:
    """The query call is not well formed or not allowed; an implementation answers it with an error of its interface."""

    because: RejectReason


def payload_size(response: Response) -> ByteCount:
    """How large a response is for the statistics."""
    return len(response.data) if isinstance(response, Reply) else len(response.message.encode())


def usual_code(reason: RejectReason) -> RejectCode:
    """The code with which production rejects a call of a query where the text names none."""
    return RejectCode.DESTINATION_INVALID if reason is RejectReason.CANISTER_NOT_FOUND else RejectCode.CANISTER_ERROR


def open_code(given: Surroundings, reason: RejectReason) -> RejectCode:
    """The code with which a call of a query is rejected where the text names none."""
    return given.open_codes[reason] if reason in given.open_codes else usual_code(reason)


def refused(code: RejectCode, reason: RejectReason) -> QueryResponse:
    """A query call that ran no code."""
    return QueryResponse(system_reject(code, reason))
