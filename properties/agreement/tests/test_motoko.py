"""The Motoko canisters on both sides: equal replies, instruction counts, heaps and balances after every label."""

from collections.abc import Callable

import pytest

from conformance.canisters.library import MOTOKO, load
from properties.agreement.stage import BOB, MUCH, NO_VALUES, Stage, read
from spec.state.canister import Running, Stopped
from spec.state.request import Rejected, Replied
from spec.values.candid import BLOB, Opt, Primitive, Record, Some, encode
from spec.values.canister_terms import WasmMemoryPersistence
from spec.values.management import InstallMode, ReinstallMode, UpgradeMode
from spec.values.rejects import RejectCode, RejectReason, Reply

BOOL, NAT, PRINCIPAL, TEXT = Primitive.BOOL, Primitive.NAT, Primitive.PRINCIPAL, Primitive.TEXT
KEPT = Record({"before": NAT, "after": NAT})
SENT = Record(dict.fromkeys(("offered", "accepted", "refunded", "balance_before", "balance_after"), NAT))
REPORT = Record({"balance": NAT, "received": NAT, "calls_made": NAT})
KEEP = UpgradeMode(False, WasmMemoryPersistence.KEEP)
REPLACE = UpgradeMode(False, WasmMemoryPersistence.REPLACE)


def code_and_reason(status):
    assert isinstance(status, Rejected), status
    return status.reject.code, status.reject.reason


def rises_of_the_balance(stage: Stage, act: Callable[[], object]) -> int:
    """By how much the cycles of all canisters changed."""
    before = sum(canister.balance for _, canister in stage.state.canisters.items())
    act()
    return sum(canister.balance for _, canister in stage.state.canisters.items()) - before


# Counter: a persistent and a transient variable


def counter_at_three() -> tuple[Stage, bytes]:
    stage = Stage()
    counter = stage.installed(load("counter"), NO_VALUES)
    assert [stage.ask(counter, "inc", [], [NAT]) for _ in range(3)] == [(1,), (2,), (3,)]
    return stage, counter


def test_the_counter_counts_is_set_and_is_read_by_both_kinds_of_query():
    stage, counter = counter_at_three()
    assert stage.look_up(counter, "read", [], [NAT]) == (3,)
    assert stage.ask(counter, "read", [], [NAT]) == (3,)
    assert stage.ask(counter, "set", [(NAT, 10**30)], []) == ()
    assert stage.ask(counter, "inc", [], [NAT]) == (10**30 + 1,)
    assert stage.look_up(counter, "read_forgotten", [], [NAT]) == (10**30 + 1,)


def test_a_replicated_query_of_the_counter_leaves_its_heap_as_it_was():
    stage, counter = counter_at_three()
    before = stage.wasm_state(counter)
    assert stage.ask(counter, "read", [], [NAT]) == (3,)
    assert stage.wasm_state(counter) == before


def test_an_upgrade_that_keeps_the_heap_keeps_the_persistent_variable_and_resets_the_transient_one():
    stage, counter = counter_at_three()
    assert isinstance(stage.install(counter, load("counter"), KEEP, NO_VALUES), Replied)
    assert stage.look_up(counter, "read", [], [NAT]) == (3,)
    assert stage.look_up(counter, "read_forgotten", [], [NAT]) == (0,)
    assert stage.ask(counter, "inc", [], [NAT]) == (4,)


def test_an_upgrade_that_replaces_the_heap_starts_the_counter_anew():
    stage, counter = counter_at_three()
    assert isinstance(stage.install(counter, load("counter"), REPLACE, NO_VALUES), Replied)
    assert stage.look_up(counter, "read", [], [NAT]) == (0,)
    assert stage.ask(counter, "inc", [], [NAT]) == (1,)


def test_an_upgrade_without_a_choice_is_refused_and_changes_nothing():
    stage, counter = counter_at_three()
    before = stage.canister(counter)
    status = stage.install(counter, load("counter"), UpgradeMode(), NO_VALUES)
    assert code_and_reason(status) == (RejectCode.CANISTER_ERROR, RejectReason.PERSISTENCE_OPTION_NEEDED)
    after = stage.canister(counter)
    assert (after.code, after.version, after.history) == (before.code, before.version, before.history)
    assert stage.look_up(counter, "read", [], [NAT]) == (3,)


def test_reinstalling_starts_the_counter_anew_and_installing_again_is_refused():
    stage, counter = counter_at_three()
    again = stage.install(counter, load("counter"), InstallMode(), NO_VALUES)
    assert code_and_reason(again) == (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_NOT_EMPTY)
    assert isinstance(stage.install(counter, load("counter"), ReinstallMode(), NO_VALUES), Replied)
    assert stage.look_up(counter, "read", [], [NAT]) == (0,)


def test_an_upgrade_to_another_module_that_keeps_the_heap_is_refused_by_the_motoko_runtime():
    stage, counter = counter_at_three()
    before = stage.wasm_state(counter)
    status = stage.install(counter, load("registry"), KEEP, NO_VALUES)
    assert code_and_reason(status) == (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED)
    assert "Memory-incompatible program upgrade" in status.reject.message
    assert stage.wasm_state(counter) == before
    assert stage.look_up(counter, "read", [], [NAT]) == (3,)


def test_a_stopped_counter_refuses_calls_and_a_started_one_goes_on():
    stage, counter = counter_at_three()
    assert isinstance(stage.control("stop_canister", counter), Replied)
    assert stage.canister(counter).status == Stopped()
    assert stage.refusal(counter, "inc", NO_VALUES).reason == RejectReason.CANISTER_STOPPED
    assert stage.query(counter, "read", NO_VALUES).reason == RejectReason.CANISTER_STOPPED
    assert isinstance(stage.control("start_canister", counter), Replied)
    assert stage.canister(counter).status == Running()
    assert stage.ask(counter, "inc", [], [NAT]) == (4,)


def test_an_argument_of_another_type_traps_and_changes_nothing():
    stage, counter = counter_at_three()
    before = stage.wasm_state(counter)
    for argument in (encode([TEXT], ["no number"]), NO_VALUES, b"not Candid"):
        status = stage.call(counter, "set", argument)
        assert code_and_reason(status) == (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED)
    assert stage.wasm_state(counter) == before


# Registry: a map


def test_the_registry_keeps_its_map_when_an_upgrade_keeps_the_heap_and_not_otherwise():
    stage = Stage()
    registry = stage.installed(load("registry"), NO_VALUES)
    entries = {"a": b"first", "ä": b"\x00" * 5000, "": b""}
    for name, value in entries.items():
        assert stage.ask(registry, "put", [(TEXT, name), (BLOB, value)], [Opt(BLOB)]) == (None,)
    replaced = stage.ask(registry, "put", [(TEXT, "a"), (BLOB, b"second")], [Opt(BLOB)])
    assert replaced == (Some(b"first"),)
    assert isinstance(stage.install(registry, load("registry"), KEEP, NO_VALUES), Replied)
    assert stage.look_up(registry, "size", [], [NAT]) == (3,)
    for name, value in (entries | {"a": b"second"}).items():
        assert stage.look_up(registry, "get", [(TEXT, name)], [Opt(BLOB)]) == (Some(value),)
    assert stage.look_up(registry, "get", [(TEXT, "absent")], [Opt(BLOB)]) == (None,)
    assert isinstance(stage.install(registry, load("registry"), REPLACE, NO_VALUES), Replied)
    assert stage.look_up(registry, "size", [], [NAT]) == (0,)


# Pair: calls with cycles


@pytest.mark.parametrize(("attached", "limit", "accepted"), [(10**9, 4 * 10**8, 4 * 10**8), (5, 10**20, 5), (0, 7, 0)])
def test_a_pair_moves_the_cycles_that_are_accepted_and_gets_the_others_back(attached, limit, accepted):
    stage = Stage()
    sender, taker = (stage.installed(load("pair"), NO_VALUES) for _ in range(2))
    others_before = stage.canister(taker).balance
    arguments = [(PRINCIPAL, taker), (NAT, attached), (NAT, limit)]
    (sent,) = stage.ask(sender, "send", arguments, [SENT])
    assert (sent["offered"], sent["accepted"], sent["refunded"]) == (attached, accepted, attached - accepted)
    assert sent["balance_before"] - sent["balance_after"] > accepted
    (report,) = stage.look_up(taker, "report", [], [REPORT])
    assert (report["received"], report["calls_made"]) == (accepted, 0)
    assert others_before + accepted - 10**9 < stage.canister(taker).balance < others_before + accepted
    (report,) = stage.look_up(sender, "report", [], [REPORT])
    assert (report["received"], report["calls_made"]) == (0, 1)


def test_a_pair_can_be_one_canister_that_calls_itself():
    stage = Stage()
    lonely = stage.installed(load("pair"), NO_VALUES)
    (sent,) = stage.ask(lonely, "send", [(PRINCIPAL, lonely), (NAT, 1000), (NAT, 300)], [SENT])
    assert (sent["offered"], sent["accepted"], sent["refunded"]) == (1000, 300, 700)


def test_cycles_sent_to_a_canister_that_does_not_exist_come_back():
    stage = Stage()
    sender = stage.installed(load("pair"), NO_VALUES)
    arguments = encode([PRINCIPAL, NAT, NAT], [b"\x00\x01\x02\x01\x01", 10**12, 1])
    lost = -rises_of_the_balance(stage, lambda: stage.call(sender, "send", arguments))
    assert 0 < lost < 10**9
    (report,) = stage.look_up(sender, "report", [], [REPORT])
    assert report["calls_made"] == 1


def test_a_pair_without_enough_cycles_to_attach_rejects_and_forgets_the_call():
    stage = Stage()
    sender, taker = (stage.installed(load("pair"), NO_VALUES) for _ in range(2))
    status = stage.call(sender, "send", encode([PRINCIPAL, NAT, NAT], [taker, 2 * MUCH, 1]))
    assert isinstance(status, Rejected)
    (report,) = stage.look_up(taker, "report", [], [REPORT])
    assert report["received"] == 0


# Awaiter: what lasts of a method that traps after an await


@pytest.mark.parametrize("peer", ["itself", "another"])
@pytest.mark.parametrize("traps", [True, False])
def test_a_trap_after_an_await_takes_back_only_what_came_after_it(peer, traps):
    stage = Stage()
    awaiter, other = (stage.installed(load("awaiter"), NO_VALUES) for _ in range(2))
    if peer == "itself":
        status = stage.call(awaiter, "await_self", encode([BOOL], [traps]))
    else:
        status = stage.call(awaiter, "await_peer", encode([PRINCIPAL, BOOL], [other, traps]))
    if traps:
        assert code_and_reason(status) == (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED)
        assert "after the await" in status.reject.message
    else:
        assert status == Replied(NO_VALUES)
    assert stage.look_up(awaiter, "kept", [], [KEPT]) == ({"before": 1, "after": 0 if traps else 1},)
    assert stage.look_up(other, "kept", [], [KEPT]) == ({"before": 0, "after": 0},)


def test_a_trap_before_any_await_takes_everything_back():
    stage = Stage()
    awaiter = stage.installed(load("awaiter"), NO_VALUES)
    before = stage.wasm_state(awaiter)
    status = stage.call(awaiter, "trap_at_once", NO_VALUES)
    assert code_and_reason(status) == (RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED)
    assert stage.wasm_state(awaiter) == before
    assert stage.look_up(awaiter, "kept", [], [KEPT]) == ({"before": 0, "after": 0},)


def test_the_reject_of_an_awaited_call_can_be_caught():
    stage = Stage()
    awaiter, other = (stage.installed(load("awaiter"), NO_VALUES) for _ in range(2))
    peers = {other: False, b"\x00\x01\x02\x01\x01": True}
    for peer, rejected in peers.items():
        assert stage.ask(awaiter, "catch_peer", [(PRINCIPAL, peer)], [BOOL]) == (rejected,)
    assert isinstance(stage.control("stop_canister", other), Replied)
    assert stage.ask(awaiter, "catch_peer", [(PRINCIPAL, other)], [BOOL]) == (True,)
    assert stage.look_up(awaiter, "kept", [], [KEPT]) == ({"before": 3, "after": 1},)


# All of them


@pytest.mark.parametrize("name", MOTOKO)
def test_each_is_installed_upgraded_in_every_way_stopped_uninstalled_and_deleted(name):
    stage = Stage()
    canister_id = stage.installed(load(name), NO_VALUES)
    for mode in (KEEP, REPLACE, UpgradeMode(True, WasmMemoryPersistence.KEEP), ReinstallMode()):
        assert isinstance(stage.install(canister_id, load(name), mode, NO_VALUES), Replied)
        assert stage.wasm_state(canister_id).wasm_memory.wasm_pages > 0
    assert isinstance(stage.control("uninstall_code", canister_id), Replied)
    assert isinstance(stage.control("stop_canister", canister_id), Replied)
    assert isinstance(stage.control("delete_canister", canister_id), Replied)
    assert canister_id not in stage.state.canisters
    assert stage.lockstep.fired["install_code"] == 2
    assert stage.lockstep.fired["upgrade_code"] == 3


def test_a_query_is_answered_to_everybody():
    stage = Stage()
    counter = stage.installed(load("counter"), NO_VALUES)
    answer = stage.query(counter, "read", NO_VALUES, BOB)
    assert isinstance(answer, Reply) and read([NAT], answer.data) == (0,)
