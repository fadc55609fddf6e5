"""What the management canister tells to queries, of users and of composite query methods."""

from reference_impl.management.status import status_reply
from reference_impl.messages.requests import admits, may_see_status
from reference_impl.subnet.canister_record import LONGEST_LOG, CanisterRecord
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.canister import LogRecord
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, MethodName, Principal, SubnetId
from spec.values.management import (
    CanisterIdArguments,
    CanisterIdRange,
    CanisterLogRecord,
    CyclesConsumed,
    decode_arguments,
    encode_result,
)
from spec.values.rejects import RejectReason, Reply

LISTING = "list_canisters"
TELLING = ("canister_status", "canister_metrics", "fetch_canister_logs")
NUMBER_SIZE = 8
NUMBERED = b"\x01\x01"


def canister_in(argument: Blob) -> CanisterId | None:
    """The canister that a query is about. All methods that are about one take the argument of `canister_status`."""
    arguments = decode_arguments("canister_status", argument)
    return arguments.canister_id if isinstance(arguments, CanisterIdArguments) else None


def answer(
    instance: SubnetInstance, asker: Principal, method: MethodName, argument: Blob, hosted: CanisterId
) -> Reply | RejectReason:
    """The reply of the subnet that hosts a canister, or why there is none."""
    if method == LISTING:
        return _list(instance, asker, hosted)
    if method not in TELLING:
        return RejectReason.MANAGEMENT_METHOD_NOT_FOUND
    about = canister_in(argument)
    if about is None:
        return RejectReason.INVALID_ARGUMENT
    canister = instance.canisters.get(about)
    if canister is None:
        return RejectReason.CANISTER_NOT_FOUND
    if not _may_ask(instance, canister, asker, method):
        return RejectReason.NOT_AUTHORIZED
    return _tell(instance, canister, method)


def _may_ask(instance: SubnetInstance, canister: CanisterRecord, asker: Principal, method: MethodName) -> bool:
    if method == "canister_status":
        return may_see_status(instance, canister, asker)
    if method == "canister_metrics":
        return canister.is_controlled_by(asker) or instance.administers(asker, canister)
    return admits(canister.settings.log_visibility, canister, asker)


def _tell(instance: SubnetInstance, canister: CanisterRecord, method: MethodName) -> Reply:
    if method == "canister_status":
        return Reply(status_reply(instance, canister))
    if method == "canister_metrics":
        return Reply(encode_result(method, CyclesConsumed(**canister.consumed)))
    records = [CanisterLogRecord(one.index, one.timestamp, one.content) for one in _young_logs(canister)]
    return Reply(encode_result(method, List(tuple(records))))


def _young_logs(canister: CanisterRecord) -> list[LogRecord]:
    """The end of the log whose texts are not longer than a log may be that is told."""
    space, start = LONGEST_LOG, len(canister.logs)
    while start > 0 and len(canister.logs[start - 1].content) <= space:
        start -= 1
        space -= len(canister.logs[start].content)
    return canister.logs[start:]


def _list(instance: SubnetInstance, asker: Principal, hosted: CanisterId) -> Reply | RejectReason:
    canister = instance.canisters.get(hosted)
    if canister is None:
        return RejectReason.CANISTER_NOT_FOUND
    if not instance.administers(asker, canister):
        return RejectReason.NOT_AUTHORIZED
    return canister_list(instance, canister.subnet.subnet_id)


def canister_list(instance: SubnetInstance, subnet_id: SubnetId) -> Reply:
    """The canisters of a subnet. Runs of numbered ids become ranges; ids of another form are ranges by themselves."""
    ranges: list[CanisterIdRange] = []
    for canister_id in sorted(one for one, other in instance.canisters.items() if other.subnet.subnet_id == subnet_id):
        if ranges and canister_id == _successor(ranges[-1].end):
            ranges[-1] = CanisterIdRange(ranges[-1].start, canister_id)
        else:
            ranges.append(CanisterIdRange(canister_id, canister_id))
    return Reply(encode_result(LISTING, List(tuple(ranges))))


def _successor(canister_id: CanisterId) -> Blob | None:
    number, rest = canister_id[:NUMBER_SIZE], canister_id[NUMBER_SIZE:]
    if rest != NUMBERED or number == b"\xff" * NUMBER_SIZE:
        return None
    return (int.from_bytes(number, "big") + 1).to_bytes(NUMBER_SIZE, "big") + rest
