"""
Queries to the management canister, by users and by composite queries.

Source: abstract-behavior, canister status, canister metrics, canister logs, list canisters, query call
(`management_canister_query`); management-canister.
"""

from collections.abc import Sequence
from typing import Final

from spec.reads.answers import QueryResponse, Surroundings, open_code
from spec.rules.management.arguments import canister_id_arguments, is_subnet_admin
from spec.rules.management.information import encoded_metrics
from spec.rules.management.status import encoded_status, is_admitted
from spec.rules.messages.effects import LARGEST_LOG
from spec.rules.spontaneous.trimming import size_of_log
from spec.state.canister import Canister, LogRecord
from spec.state.state import State
from spec.transition import Unspecified
from spec.values import management
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, MethodName, Principal, SubnetId, number_of_canister_id
from spec.values.rejects import RejectReason, Reply, system_reject

METHODS_ABOUT_A_CANISTER: Final = ("canister_status", "canister_metrics", "fetch_canister_logs")
LIST_CANISTERS: Final = "list_canisters"

Answer = Reply | RejectReason | Unspecified


def subnet_of(state: State, canister_id: CanisterId) -> SubnetId | None:
    """The subnet that hosts an id: that of the canister, or else the one whose ranges have it."""
    if canister_id in state.canisters:
        return state.canisters[canister_id].subnet.subnet_id
    for subnet_id, record in state.subnets.items():
        if any(one.first <= canister_id <= one.last for one in record.canister_ranges):
            return subnet_id
    return None


def managed_by_query(method_name: MethodName, argument: Blob) -> CanisterId | None:
    """The canister that such a query is about; None if the argument names none."""
    # The three methods take the same record.
    arguments = canister_id_arguments("canister_status", argument)
    return arguments.canister_id if arguments is not None and method_name in METHODS_ABOUT_A_CANISTER else None


@defines("rule.query.composite-management-calls", "unspec.value.composite-management-rejects")
def answer_to_canister(
    given: Surroundings, caller: CanisterId, method_name: MethodName, argument: Blob
) -> QueryResponse | Unspecified:
    """What a composite query of a canister learns. Only canisters on its own subnet can be asked about."""
    subnet_id = given.state.canisters[caller].subnet.subnet_id
    managed = managed_by_query(method_name, argument)
    if managed == caller and method_name == "canister_status":
        return QueryResponse(Reply(encoded_status(given.state, given.state.canisters[caller])))
    answer = management_answer(given, subnet_id, caller, method_name, argument)
    if isinstance(answer, RejectReason):
        return QueryResponse(system_reject(open_code(given, answer), answer))
    return answer if isinstance(answer, Unspecified) else QueryResponse(answer)


def management_answer(
    given: Surroundings, subnet_id: SubnetId, caller: Principal, method_name: MethodName, argument: Blob
) -> Answer:
    """The reply to a query answered by a subnet, or the reason why the caller gets none."""
    if method_name == LIST_CANISTERS:
        return listed_canisters(given.state, subnet_id, caller)
    if method_name not in METHODS_ABOUT_A_CANISTER:
        return RejectReason.MANAGEMENT_METHOD_NOT_FOUND
    managed = managed_by_query(method_name, argument)
    if managed is None:
        return RejectReason.INVALID_ARGUMENT
    if managed not in given.state.canisters:
        return RejectReason.CANISTER_NOT_FOUND
    canister = given.state.canisters[managed]
    if canister.subnet.subnet_id != subnet_id:
        return RejectReason.DIFFERENT_SUBNETS
    if not may_query(given.state, canister, caller, method_name):
        return RejectReason.NOT_AUTHORIZED
    return told(given, managed, canister, method_name)


@defines("mgmt-general.visibility", "mgmt-general.subnet-admins")
def may_query(state: State, canister: Canister, caller: Principal, method_name: MethodName) -> bool:
    """The caller may ask this about the canister. Admins of the subnet have no right to the logs."""
    settings, administers = canister.settings, is_subnet_admin(state, canister, caller)
    match method_name:
        case "canister_status":
            return administers or is_admitted(canister, settings.status_visibility, caller)
        case "canister_metrics":
            return administers or settings.controllers.contains(caller)
        case _:
            return is_admitted(canister, settings.log_visibility, caller)


@defines(
    "rule.mgmt.canister-status.query",
    "rule.mgmt.canister-metrics.query",
    "rule.query.fetch-canister-logs",
    "mgmt.fetch-canister-logs",
)
def told(given: Surroundings, canister_id: CanisterId, canister: Canister, method_name: MethodName) -> Answer:
    """What the method tells about the canister."""
    match method_name:
        case "canister_status":
            return Reply(encoded_status(given.state, canister))
        case "canister_metrics" if canister_id not in given.metrics:
            return Unspecified("what canister_metrics tells is specific to the implementation")
        case "canister_metrics":
            return Reply(encoded_metrics(given.metrics[canister_id]))
        case _:
            records = tuple(
                management.CanisterLogRecord(record.index, record.timestamp, record.content)
                for record in fetched_logs(canister.logs)
            )
            return Reply(management.encode_result("fetch_canister_logs", List(records)))


@defines("mgmt.fetch-canister-logs")
def fetched_logs(logs: List[LogRecord]) -> List[LogRecord]:
    """What is told of a log: as many of the newest records as have contents of 4 KiB at most."""
    kept = logs
    while size_of_log(kept, 0) > LARGEST_LOG:
        kept = kept.newest(len(kept) - 1)
    return kept


@defines(
    "rule.query.list-canisters.canister-endpoint", "rule.query.list-canisters.subnet-endpoint", "mgmt.list-canisters"
)
def listed_canisters(state: State, subnet_id: SubnetId, caller: Principal) -> Reply | RejectReason:
    """The ids of the canisters on a subnet, for its admins."""
    if subnet_id not in state.subnet_admins or not state.subnet_admins[subnet_id].contains(caller):
        return RejectReason.NOT_AUTHORIZED
    ids = [known for known, canister in state.canisters.items() if canister.subnet.subnet_id == subnet_id]
    return Reply(management.encode_result(LIST_CANISTERS, List(tuple(consecutive_ranges(sorted(ids))))))


def consecutive_ranges(ids: Sequence[CanisterId]) -> list[management.CanisterIdRange]:
    """Sorted ids as ranges, as few as possible. Ids that are not numbered in turn stand alone."""
    ranges: list[management.CanisterIdRange] = []
    for canister_id in ids:
        if ranges and follows(ranges[-1].end, canister_id):
            ranges[-1] = management.CanisterIdRange(ranges[-1].start, canister_id)
        else:
            ranges.append(management.CanisterIdRange(canister_id, canister_id))
    return ranges


def follows(before: CanisterId, after: CanisterId) -> bool:
    """Both ids are numbered in turn, and the second comes right after the first."""
    first, second = number_of_canister_id(before), number_of_canister_id(after)
    return first is not None and second == first + 1
