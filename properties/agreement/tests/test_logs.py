"""Both sides agree on the logs of canisters, and on what they tell of them."""

import pytest

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import filled, program, reply
from properties.agreement.stage import ALICE, Stage
from reference_impl.reads.queries import Query
from spec.reads.query import QueryResponse, query
from spec.state.label import Label
from spec.state.request import Rejected, Request
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import Reply

EXPIRY = 2**63
MODULE = load("scripted")


def printing(*texts):
    return program(*(ic0.debug_print(text) for text in texts), reply(b""))


def told(stage, canister_id):
    """The log that a controller fetches from either side."""
    argument = management.encode_arguments(management.CanisterIdArguments(canister_id))
    given = (b"", EXPIRY, ALICE, MANAGEMENT_CANISTER, "fetch_canister_logs", argument)
    answer, other = (
        query(stage.state, Request(*given), canister_id),
        stage.lockstep.engine.query(Query(*given), canister_id),
    )
    assert isinstance(answer, QueryResponse) and isinstance(answer.response, Reply)
    assert answer.response == other
    return management.decode_result("fetch_canister_logs", answer.response.data)


@pytest.mark.checklist("inv.log-sequence", "mgmt.fetch-canister-logs")
@pytest.mark.parametrize("uninstalls_first", [False, True])
def test_numbers_of_records_go_on_after_code_was_replaced(uninstalls_first):
    stage = Stage()
    canister = stage.installed(MODULE)
    stage.call(canister, "update", printing(b"one", b"two"))
    if uninstalls_first:
        stage.control("uninstall_code", canister)
        assert told(stage, canister).is_empty()
    mode = management.InstallMode() if uninstalls_first else management.ReinstallMode()
    stage.install(canister, MODULE, mode=mode)
    assert told(stage, canister).is_empty()
    stage.call(canister, "update", printing(b"three"))
    assert [(record.idx, record.content) for record in told(stage, canister)] == [(2, b"three")]


@pytest.mark.checklist("mgmt.fetch-canister-logs", "api.debug-print")
def test_of_a_long_log_the_newest_records_are_told():
    stage = Stage()
    canister = stage.installed(MODULE)
    stage.call(canister, "update", printing(b"one", filled(120, 10_000), b"three"))
    assert [(record.idx, len(record.content)) for record in told(stage, canister)] == [(0, 3), (1, 4_056), (2, 5)]
    stage.call(canister, "update", printing(filled(120, 36)))
    assert [record.idx for record in told(stage, canister)] == [2, 3]


@pytest.mark.checklist("mgmt.fetch-canister-logs", "rule.trim-logs")
def test_of_many_short_records_as_many_are_told_as_were_not_trimmed():
    stage = Stage()
    canister = stage.installed(MODULE)
    stage.call(canister, "update", printing(*[b"%020d" % number for number in range(200)]))
    assert len(told(stage, canister)) == 200
    # Each takes 20 bytes, and at most 40 more.
    assert stage.lockstep.take(Label("canister_log_trimming", {"canister_id": canister, "kept": 68}))
    assert [record.idx for record in told(stage, canister)] == list(range(132, 200))
    assert not stage.lockstep.take(Label("canister_log_trimming", {"canister_id": canister, "kept": 67}))


@pytest.mark.checklist("api.trap")
def test_what_is_not_utf_8_is_left_out_of_the_message_of_a_trap():
    stage = Stage()
    canister = stage.installed(MODULE)
    status = stage.call(canister, "update", program(ic0.trap(b"he\xff\xe2\x82ll\xf0\x9f\x98\x80o")))
    assert isinstance(status, Rejected)
    assert status.reject.message == "the canister trapped: hell\U0001f600o"
    assert [record.content for record in told(stage, canister)] == [b"he\xff\xe2\x82ll\xf0\x9f\x98\x80o"]
