"""Queries of users to the management canister."""

import pytest
from attrs import evolve

from spec.reads.answers import Endpoint
from spec.reads.management_query import consecutive_ranges
from spec.reads.query import QueryRefused, QueryResponse, query
from spec.rules.management.status import encoded_status
from spec.rules.tests.worlds import (
    ADMIN,
    NOW,
    STRANGER,
    SUBNET,
    USER,
    A,
    B,
    C,
    a_request,
    canister,
    world,
)
from spec.state.canister import AllowedViewers, Controllers, Empty, LogRecord, Public, Stopped, Subnet
from spec.state.network import CanisterRange, SubnetRecord
from spec.transition import Unspecified
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Principal
from spec.values.rejects import RejectReason, Reply

ABOUT_A = management.encode_arguments(management.CanisterIdArguments(A))
NOTHING = b"DIDL\0\0"
METRICS = management.CyclesConsumed(instructions=7, burned_cycles=9)
LOGS = List.of(LogRecord(3, NOW - 1, b"three"), LogRecord(4, NOW, b"four"))
ELSEWHERE = Subnet(Principal(b"elsewhere"), 13)
NOT_AUTHORIZED = QueryRefused(RejectReason.NOT_AUTHORIZED)


def a_world(**changes):
    """A canister A of the user with logs, and an admin of its subnet."""
    admins = Map.of([(SUBNET.subnet_id, List.of(ADMIN))])
    return world((A, canister(A, logs=LOGS, **changes)), subnet_admins=admins)


def asking(method_name, argument=ABOUT_A, sender=USER, state=None, effective_id=A, **rest):
    request = a_request(MANAGEMENT_CANISTER, method_name, argument, sender=sender)
    known = a_world() if state is None else state
    return query(known, request, effective_id, metrics=Map.of([(A, METRICS)]), **rest)


@pytest.mark.checklist("rule.mgmt.canister-status.query", "inv.reads-do-not-change-state")
def test_the_status_is_that_of_the_update_call():
    for state in (a_world(), a_world(installed=Empty(), balance=0), a_world(status=Stopped())):
        expected = QueryResponse(Reply(encoded_status(state, state.canisters[A])))
        assert asking("canister_status", state=state) == expected


@pytest.mark.checklist("rule.mgmt.canister-metrics.query", "unspec.value.canister-metrics")
def test_metrics_come_from_outside():
    answer = asking("canister_metrics")
    assert management.decode_result("canister_metrics", answer.response.data) == METRICS
    unknown = query(a_world(), a_request(MANAGEMENT_CANISTER, "canister_metrics", ABOUT_A), A)
    assert isinstance(unknown, Unspecified)


@pytest.mark.checklist("rule.query.fetch-canister-logs", "mgmt.fetch-canister-logs")
def test_all_current_logs_are_told_in_order():
    answer = asking("fetch_canister_logs")
    assert management.decode_result("fetch_canister_logs", answer.response.data) == List.of(
        management.CanisterLogRecord(3, NOW - 1, b"three"), management.CanisterLogRecord(4, NOW, b"four")
    )


@pytest.mark.checklist("mgmt.fetch-canister-logs", "rule.query.fetch-canister-logs", "rule.trim-logs")
@pytest.mark.parametrize(("sizes", "told"), [((1, 2_048, 2_048), 2), ((9, 4_096), 1), ((1, 4_095), 2), ((5_000,), 0)])
def test_of_a_log_that_was_not_trimmed_yet_the_newest_records_up_to_4_kib_are_told(sizes, told):
    logs = [LogRecord(index, NOW, bytes(size)) for index, size in enumerate(sizes, 7)]
    state = a_world()
    long = evolve(state, canisters=Map.of([(A, evolve(state.canisters[A], logs=List(tuple(logs))))]))
    answer = asking("fetch_canister_logs", state=long)
    records = management.decode_result("fetch_canister_logs", answer.response.data)
    assert [record.idx for record in records] == [record.index for record in logs[len(logs) - told :]]


@pytest.mark.checklist(
    "rule.mgmt.canister-status.query",
    "rule.mgmt.canister-metrics.query",
    "rule.query.fetch-canister-logs",
    "mgmt-general.visibility",
    "mgmt-general.subnet-admins",
    "setting.log-visibility",
    "setting.status-visibility",
    "prod.canister_status.test_status_visibility_of_canister_status",
)
@pytest.mark.parametrize("visibility", [Public(), Controllers(), AllowedViewers(List.of(B))])
def test_who_may_ask_what(visibility):
    state = a_world(log_visibility=visibility, status_visibility=visibility)
    askers = (USER, STRANGER, ADMIN, B)

    def admitted(method_name):
        return {who for who in askers if isinstance(asking(method_name, sender=who, state=state), QueryResponse)}

    by_visibility = {
        Public: {USER, STRANGER, ADMIN, B},
        Controllers: {USER},
        AllowedViewers: {USER, B},
    }[type(visibility)]
    assert admitted("canister_status") == by_visibility | {ADMIN}
    assert admitted("fetch_canister_logs") == by_visibility
    assert admitted("canister_metrics") == {USER, ADMIN}
    assert asking("canister_metrics", sender=STRANGER, state=state) == NOT_AUTHORIZED


@pytest.mark.checklist("http.effective-id.query-management", "def.effective-canister-id")
@pytest.mark.parametrize(
    ("method_name", "argument", "effective_id", "reason"),
    [
        ("canister_status", ABOUT_A, B, RejectReason.INVALID_ARGUMENT),
        ("canister_status", b"junk", A, RejectReason.INVALID_ARGUMENT),
        ("fetch_canister_logs", NOTHING, A, RejectReason.INVALID_ARGUMENT),
        ("start_canister", ABOUT_A, A, RejectReason.MANAGEMENT_METHOD_NOT_FOUND),
        ("no_such_method", ABOUT_A, A, RejectReason.MANAGEMENT_METHOD_NOT_FOUND),
        (
            "canister_status",
            management.encode_arguments(management.CanisterIdArguments(C)),
            C,
            RejectReason.CANISTER_NOT_FOUND,
        ),
    ],
)
def test_queries_name_an_existing_canister_at_its_own_endpoint(method_name, argument, effective_id, reason):
    assert asking(method_name, argument, effective_id=effective_id) == QueryRefused(reason)


@pytest.mark.checklist(
    "rule.mgmt.canister-status.query", "rule.mgmt.canister-metrics.query", "rule.query.fetch-canister-logs"
)
@pytest.mark.parametrize("method_name", ["canister_status", "canister_metrics", "fetch_canister_logs"])
def test_queries_about_a_canister_are_well_formed_and_delegated_for_it(method_name):
    request = a_request(MANAGEMENT_CANISTER, method_name, ABOUT_A)
    state, metrics = a_world(), Map.of([(A, METRICS)])

    def answer(changed=request, **rest):
        return query(state, changed, A, metrics=metrics, **rest)

    assert isinstance(answer(), QueryResponse)
    assert answer(evolve(request, nonce=bytes(33))) == QueryRefused(RejectReason.INVALID_ARGUMENT)
    late = evolve(request, ingress_expiry=NOW - 1)
    assert answer(late) == QueryRefused(RejectReason.REQUEST_EXPIRED)
    assert answer(evolve(late, sender=ANONYMOUS)) == NOT_AUTHORIZED
    # The managed canister is what the delegation has to name, not the management canister.
    assert isinstance(answer(targets=List.of(A)), QueryResponse)
    assert answer(targets=List.of(MANAGEMENT_CANISTER)) == NOT_AUTHORIZED
    assert answer(endpoint=Endpoint.SUBNET) == QueryRefused(RejectReason.INVALID_ARGUMENT)


# Lists of canisters


def numbered(number):
    return Principal(number.to_bytes(8, "big") + b"\x01\x01")


def a_subnet(*numbers):
    """A world with these canisters, canister 5 on another subnet, and ranges of both."""
    hosted = [(numbered(one), canister(numbered(one))) for one in numbers]
    other = (numbered(5), evolve(canister(numbered(5)), subnet=ELSEWHERE))
    ranges = {SUBNET.subnet_id: (0, 4), ELSEWHERE.subnet_id: (5, 9)}
    records = {
        subnet: SubnetRecord(b"key", "application", List.of(CanisterRange(numbered(first), numbered(last))))
        for subnet, (first, last) in ranges.items()
    }
    admins = [(SUBNET.subnet_id, List.of(ADMIN)), (ELSEWHERE.subnet_id, List.of(USER))]
    return world(*hosted, other, subnet_admins=Map.of(admins), subnets=Map.of(records.items()))


def listed(sender, effective_id, endpoint=Endpoint.CANISTER, **rest):
    answer = asking("list_canisters", NOTHING, sender, a_subnet(0, 1, 3), effective_id, endpoint=endpoint, **rest)
    if isinstance(answer, QueryRefused):
        return answer.because
    ranges = management.decode_result("list_canisters", answer.response.data)
    return [(int.from_bytes(one.start[:8], "big"), int.from_bytes(one.end[:8], "big")) for one in ranges]


@pytest.mark.checklist(
    "rule.query.list-canisters.canister-endpoint", "mgmt.list-canisters", "def.effective-canister-id"
)
def test_admins_list_the_canisters_of_the_subnet_that_hosts_any_id():
    assert listed(ADMIN, numbered(3)) == [(0, 1), (3, 3)]
    # The id need not be that of a canister.
    assert listed(ADMIN, numbered(2)) == [(0, 1), (3, 3)]
    assert listed(USER, numbered(9)) == [(5, 5)]
    assert listed(ADMIN, numbered(9)) is RejectReason.NOT_AUTHORIZED
    assert listed(USER, numbered(3)) is RejectReason.NOT_AUTHORIZED
    assert listed(ADMIN, numbered(99)) is RejectReason.CANISTER_NOT_FOUND


@pytest.mark.checklist(
    "rule.query.list-canisters.subnet-endpoint",
    "http.endpoint.query-v3-subnet",
    "http.effective-id.subnet",
    "def.effective-subnet-id",
)
def test_admins_list_the_canisters_of_the_subnet_that_they_ask():
    assert listed(ADMIN, SUBNET.subnet_id, Endpoint.SUBNET) == [(0, 1), (3, 3)]
    assert listed(USER, ELSEWHERE.subnet_id, Endpoint.SUBNET) == [(5, 5)]
    assert listed(STRANGER, SUBNET.subnet_id, Endpoint.SUBNET) is RejectReason.NOT_AUTHORIZED
    assert listed(ADMIN, Principal(b"no subnet"), Endpoint.SUBNET) is RejectReason.NOT_AUTHORIZED


@pytest.mark.checklist("rule.query.list-canisters.canister-endpoint", "mgmt.list-canisters")
@pytest.mark.parametrize("argument", [b"", b"no Candid", b"DIDL\0\x01\x7e\x01"])
def test_the_argument_of_lists_is_not_looked_at(argument):
    answer = asking("list_canisters", argument, ADMIN, a_subnet(0, 1), A)
    assert isinstance(answer, QueryResponse) and isinstance(answer.response, Reply)


@pytest.mark.checklist("rule.query.list-canisters.canister-endpoint", "http.delegation.targets")
def test_a_delegation_for_lists_names_the_management_canister():
    assert listed(ADMIN, A, targets=List.of(MANAGEMENT_CANISTER)) == [(0, 1), (3, 3)]
    assert listed(ADMIN, A, targets=List.of(A)) is RejectReason.NOT_AUTHORIZED


@pytest.mark.checklist("mgmt.list-canisters")
def test_ids_that_follow_each_other_are_one_range():
    strange = Principal(b"strange")
    ids = [numbered(254), numbered(255), numbered(256), numbered(258), strange]
    assert [(one.start, one.end) for one in consecutive_ranges(ids)] == [
        (numbered(254), numbered(256)),
        (numbered(258), numbered(258)),
        (strange, strange),
    ]
    assert consecutive_ranges([]) == []
