"""
What a state shows to somebody who asks a query or reads the certified state.

`spec.reads` says it; here it is put into the terms of the interface, and compared with what an implementation shows.
"""

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from conformance.judging.clocks import Period, is_possible_time
from conformance.judging.moves import Silence
from conformance.protocol.interface import Path, Query, QueryAnswer, Refused, Rejected, Replied, Values
from conformance.protocol.wire import seen
from spec.certification.cbor import decode_item
from spec.certification.hash_tree import Found, HashTree, lookup_path
from spec.reads.answers import Wording, as_usual
from spec.reads.management_query import managed_by_query
from spec.reads.query import QueryRefused, QueryResponse, query
from spec.reads.read_state import Endpoint, ReadStateRefused, ReadStateRequest, read_state
from spec.reads.state_tree import tagged
from spec.state.request import Rejected as RejectedStatus
from spec.state.request import Request
from spec.state.state import State
from spec.transition import Unspecified
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, Principal, RequestId
from spec.values.management import CyclesConsumed
from spec.values.quantities import Count
from spec.values.rejects import RejectCode, RejectReason, Reply

OF_THE_NETWORK: Final = frozenset({b"subnet", b"api_boundary_nodes", b"canister_ranges"})
"""Parts of the state tree that no instance tells when it begins. Checklist: `unspec.value.subnet-state-tree`."""


SELF_DESCRIBED_ITEM: Final = tagged([])[:-1]
"""How a CBOR item begins that says of itself to be one. Source: RFC 8949, section 3.4.6."""

OpenCodes = Map[RejectReason, RejectCode]
"""Codes of rejects for reasons for which the text names none."""


@frozen
class LeftOpen:
    """What the text leaves open about a query: about the calls that it makes, and about growths of memories."""

    codes: OpenCodes = Map()
    order: tuple[Count, ...] = ()
    """Which open call is made next, in the query and in those that it calls, by its place; the oldest by default."""
    refused_growths: tuple[Count, ...] = ()
    trapping_growths: tuple[Count, ...] = ()
    wording: Wording = as_usual
    """What the system says where it rejects calls."""


USUAL: Final = LeftOpen()


def query_in(
    state: State,
    asked: Query,
    effective_id: Principal,
    certificate: Blob | None = None,
    metrics: Map[CanisterId, CyclesConsumed] | None = None,
    chosen: LeftOpen = USUAL,
) -> QueryAnswer:
    """What a query gives in a state. Raises `Silence` if the specification does not say."""
    match evaluated(state, asked, effective_id, certificate, metrics, chosen):
        case QueryResponse(Reply(data)):
            return Replied(data)
        case QueryResponse(response=reject):
            assert not isinstance(reject, Reply)
            return Rejected(seen(reject))
        case QueryRefused(because):
            return Refused(None, because)


def evaluated(
    state: State,
    asked: Query,
    effective_id: Principal,
    certificate: Blob | None = None,
    metrics: Map[CanisterId, CyclesConsumed] | None = None,
    chosen: LeftOpen = USUAL,
) -> QueryResponse | QueryRefused:
    """The same, and what is known of the evaluation."""
    request = Request(
        asked.nonce, asked.ingress_expiry, asked.sender, asked.canister_id, asked.method_name, asked.argument
    )
    answer = query(
        state,
        request,
        effective_id,
        certificate,
        metrics=metrics,
        open_codes=chosen.codes,
        order=chosen.order,
        refused_growths=chosen.refused_growths,
        trapping_growths=chosen.trapping_growths,
        wording=chosen.wording,
    )
    if isinstance(answer, Unspecified):
        raise Silence(answer.because)
    return answer


def metrics_told(asked: Query, answer: QueryAnswer) -> Map[CanisterId, CyclesConsumed] | None:
    """What a query of `canister_metrics` was told; any record of the right type is right."""
    if asked.canister_id != MANAGEMENT_CANISTER or asked.method_name != "canister_metrics":
        return None
    if not isinstance(answer, Replied):
        return None
    managed = managed_by_query(asked.method_name, asked.argument)
    try:
        told = management.decode_result(asked.method_name, answer.data)
    except ValueError:
        return None
    return None if managed is None else Map.of([(managed, told)])


def values_in(state: State, sender: Principal, effective_id: CanisterId, paths: Sequence[Path]) -> Values | Refused:
    """What the certified state has at some paths, if the sender may read them at the canister's endpoint."""
    request = ReadStateRequest(b"", state.system_time, sender, List(tuple(paths)))
    answer = read_state(state, request, Endpoint.CANISTER, effective_id)
    if isinstance(answer, ReadStateRefused):
        return Refused(None, answer.because)
    return Values(tuple(value_at(answer.tree, path) for path in paths))


def value_at(tree: HashTree, path: Path) -> Blob | None:
    """The value at a path; None where there is none."""
    found = lookup_path(path, tree)
    return found.value if isinstance(found, Found) else None


def values_agree(
    state: State,
    paths: Sequence[Path],
    allowed: Values | Refused,
    read: Values | Refused,
    possible_times: Period | None = None,
) -> bool:
    """
    What was read is what the state has, wherever the specification says what that is.

    If possible times are given, the clock moves by itself, and what happened may have happened at any of them.
    """
    match allowed, read:
        case Refused(), Refused():
            return True
        case Values(ours), Values(theirs):
            return len(ours) == len(theirs) and all(
                one == other
                or lists_the_same(path, one, other)
                or is_possible_time(path, one, other, possible_times)
                or is_left_open(state, path, other)
                for path, one, other in zip(paths, ours, theirs, strict=True)
            )
        case _:
            return False


def lists_the_same(path: Path, allowed: Blob | None, read: Blob | None) -> bool:
    """
    The controllers of a canister stand there, in any order. Checklist: `unspec.order.sets`.

    Source: https-interface, read state (`/canister/<canister_id>/controllers`).
    """
    match path:
        case (b"canister", _, b"controllers") if allowed is not None and read is not None:
            ours, theirs = principals_in(allowed), principals_in(read)
            return ours is not None and ours == theirs
        case _:
            return False


def principals_in(value: Blob) -> Sequence[Blob] | None:
    """The blobs in a self-described array, in the order of their bytes; None if it is none."""
    if not value.startswith(SELF_DESCRIBED_ITEM):
        return None
    try:
        items = decode_item(value)
    except ValueError:
        return None
    if not isinstance(items, list | tuple) or not all(isinstance(item, bytes) for item in items):
        return None
    return sorted(items)


def is_left_open(state: State, path: Path, value: Blob | None) -> bool:
    """This value may stand at this path, whatever the state has there."""
    match path:
        case (part, *_) if part in OF_THE_NETWORK:
            return True
        case (b"request_status", _, _) if value is not None and not is_text(value):
            return False
        case (b"request_status", request_id, b"error_code"):
            return status_is_rejected(state, RequestId(request_id), of_the_system=False)
        case (b"request_status", request_id, b"reject_message"):
            return value is not None and status_is_rejected(state, RequestId(request_id), of_the_system=True)
        case _:
            return False


def is_text(value: Blob) -> bool:
    """The bytes are UTF-8, as those of all texts of the state tree are."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def status_is_rejected(state: State, request_id: RequestId, *, of_the_system: bool) -> bool:
    """The request is rejected, and by the system if only its rejects are asked for."""
    status = state.requests[request_id].status if request_id in state.requests else None
    if not isinstance(status, RejectedStatus):
        return False
    return not of_the_system or status.reject.reason is not RejectReason.EXPLICIT
