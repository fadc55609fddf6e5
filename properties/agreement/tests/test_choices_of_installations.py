"""Both sides agree on every outcome of an installation that the text leaves open."""

import pytest

from conformance.canisters import ic0
from conformance.canisters import scripted as s
from conformance.canisters.library import load
from conformance.canisters.scripted import program
from properties.agreement.stage import ALICE, Stage
from reference_impl.wasm.running import runtime
from spec.state.label import Label
from spec.state.request import Rejected, Replied
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    SettingsArguments,
    UpdateSettingsArguments,
    UpgradeMode,
    encode_arguments,
)
from spec.values.rejects import RejectReason

MODULE = load("scripted")
GROWS = (s.ignore(ic0.stable64_grow(1)), s.ignore(s.memory_grow(1)))
"""Tries to grow stable memory, then the heap."""
INSTALL, UPGRADE, REJECTION = "install_code", "upgrade_code", "management_call_rejection"


@pytest.fixture
def stage():
    """Both sides, and a canister without code."""
    one = Stage()
    one.one = one.create()
    return one


def about_to_install(stage, argument, mode):
    """A call that installs code waits; its message, and the request that made it."""
    arguments = encode_arguments(InstallCodeArguments(mode, stage.one, MODULE, argument))
    request_id, _ = stage.lockstep.submit(ALICE, MANAGEMENT_CANISTER, "install_code", arguments)
    assert stage.lockstep.take(Label("initiate_call", {"request_id": request_id}))
    (message_id,) = stage.state.messages.ids()
    return message_id, request_id


def installed(stage):
    """The canister has code that tries to grow memories in its hook before an upgrade."""
    start = program(s.set_pre_upgrade(program(ic0.debug_print(b"before"), *GROWS)))
    assert isinstance(stage.install(stage.one, MODULE, argument=start), Replied)


def take(stage, rule, message_id, **choices):
    """Takes a transition on both sides; whether it can be taken."""
    code = {"code": 5} if rule == REJECTION else {}
    return stage.lockstep.take(Label(rule, {"message_id": message_id, **code, **choices}))


def grown(stage):
    """By how many pages stable memory and the heap are larger than those of a new canister."""
    after, fresh = stage.wasm_state(stage.one), Stage()
    fresh.one = fresh.create()
    fresh.install(fresh.one, MODULE)
    before = fresh.wasm_state(fresh.one)
    return (
        after.stable_memory.wasm_pages - before.stable_memory.wasm_pages,
        after.wasm_memory.wasm_pages - before.wasm_memory.wasm_pages,
    )


@pytest.mark.checklist("unspec.fn.stable-grow", "entry.init")
@pytest.mark.parametrize(("refused", "sizes"), [((), (1, 1)), ((0,), (0, 1)), ((1,), (1, 0)), ((0, 1, 2), (0, 0))])
def test_growths_are_refused_where_code_is_installed(stage, refused, sizes):
    message_id, request_id = about_to_install(stage, program(*GROWS), InstallMode())
    assert take(stage, INSTALL, message_id, refused_growths=refused)
    stage.lockstep.settle()
    assert isinstance(stage.state.requests[request_id].status, Replied)
    assert grown(stage) == sizes


@pytest.mark.checklist("unspec.fn.stable-grow", "entry.pre-upgrade", "entry.post-upgrade")
@pytest.mark.parametrize(
    ("refused", "sizes"), [((), (2, 1)), ((0,), (1, 1)), ((2,), (1, 1)), ((3,), (2, 0)), ((0, 2, 3), (0, 0))]
)
def test_growths_of_an_upgrade_are_counted_over_the_hooks_of_old_and_new_code(stage, refused, sizes):
    installed(stage)
    message_id, request_id = about_to_install(stage, program(*GROWS), UpgradeMode())
    assert take(stage, UPGRADE, message_id, refused_growths=refused)
    stage.lockstep.settle()
    assert isinstance(stage.state.requests[request_id].status, Replied)
    assert grown(stage) == sizes


@pytest.mark.checklist("unspec.fn.stable-grow", "inv.atomic.upgrade", "unspec.fn.logs")
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_growth_may_end_an_upgrade_which_then_leaves_nothing_but_logs(stage, number):
    installed(stage)
    before = stage.wasm_state(stage.one)
    message_id, request_id = about_to_install(stage, program(ic0.debug_print(b"after"), *GROWS), UpgradeMode())
    assert not take(stage, UPGRADE, message_id, trapping_growths=(number,))
    assert not take(stage, REJECTION, message_id)
    assert take(stage, REJECTION, message_id, trapping_growths=(number,), keeps_logs=True)
    stage.lockstep.settle()
    assert stage.state.requests[request_id].status.reject.reason is RejectReason.CANISTER_TRAPPED
    assert stage.wasm_state(stage.one) == before
    assert texts(stage) == [b"before"] if number < 2 else [b"before", b"after"]


def texts(stage):
    """The log of the canister."""
    return [record.content for record in stage.canister(stage.one).logs]


@pytest.mark.checklist("unspec.fn.logs", "inv.atomic.install-code")
@pytest.mark.parametrize(
    ("choices", "log"),
    [
        ({}, []),
        ({"keeps_logs": True}, [b"printed", b"no"]),
        ({"keeps_logs": True, "system_records": (b"[TRAP]: no",)}, [b"printed", b"[TRAP]: no"]),
    ],
)
def test_logs_of_an_installation_that_fails_are_dropped_or_kept(stage, choices, log):
    message_id, request_id = about_to_install(
        stage, program(ic0.debug_print(b"printed"), ic0.trap(b"no")), InstallMode()
    )
    assert not take(stage, REJECTION, message_id, system_records=(b"without a place",))
    assert not take(stage, REJECTION, message_id, keeps_logs=True, system_records=(b"one", b"too many"))
    assert take(stage, REJECTION, message_id, **choices)
    stage.lockstep.settle()
    assert isinstance(stage.state.requests[request_id].status, Rejected)
    assert texts(stage) == log


@pytest.mark.checklist("unspec.fn.logs", "inv.atomic.upgrade")
def test_what_hooks_wrote_before_a_condition_after_them_fails_may_be_kept(stage):
    installed(stage)
    growing = program(ic0.debug_print(b"growing"), s.ignore(s.memory_grow(10)))
    settings = SettingsArguments(wasm_memory_limit=2**16)
    assert isinstance(stage.manage("update_settings", UpdateSettingsArguments(stage.one, settings)), Replied)
    message_id, request_id = about_to_install(stage, growing, UpgradeMode())
    assert take(stage, REJECTION, message_id, keeps_logs=True)
    stage.lockstep.settle()
    assert stage.state.requests[request_id].status.reject.reason is RejectReason.MEMORY_LIMIT_EXCEEDED
    assert texts(stage) == [b"before", b"growing"]


@pytest.mark.checklist("unspec.fn.logs")
def test_the_engine_keeps_the_logs_of_failed_installations_by_itself_as_production_does(stage):
    engine = stage.lockstep.engine
    about_to_install(stage, program(ic0.debug_print(b"printed"), ic0.trap(b"no")), InstallMode())
    engine.explain()
    engine.drain()
    (rejection,) = (step.label for step in engine.explain() if step.label.rule == REJECTION)
    assert rejection.arguments()["keeps_logs"]
    assert rejection.arguments()["system_records"] == (b"[TRAP]: no",)
    assert [record.content for record in engine.abstract().canisters[stage.one].logs] == [b"printed", b"[TRAP]: no"]


@pytest.mark.checklist("unspec.error.management-conditions")
def test_a_call_that_creates_a_canister_is_not_rejected_whatever_is_refused_to_hooks(stage):
    arguments = encode_arguments(ProvisionalCreateArguments())
    method = "provisional_create_canister_with_cycles"
    request_id, _ = stage.lockstep.submit(ALICE, MANAGEMENT_CANISTER, method, arguments)
    assert stage.lockstep.take(Label("initiate_call", {"request_id": request_id}))
    (message_id,) = stage.state.messages.ids()
    assert not take(stage, REJECTION, message_id)
    assert not take(stage, REJECTION, message_id, refused_growths=(0,))
    stage.lockstep.settle()
    assert isinstance(stage.state.requests[request_id].status, Replied)


def test_the_hooks_of_an_installation_that_fails_run_once_where_the_engine_chooses(stage, monkeypatch):
    """Not once to find out, and once more to be rejected."""
    hooks = []
    execute = runtime.execute

    def watched(*given):
        hooks.append(given)
        return execute(*given)

    about_to_install(stage, program(ic0.debug_print(b"printed"), ic0.trap(b"no")), InstallMode())
    monkeypatch.setattr(runtime, "execute", watched)
    stage.lockstep.engine.drain()
    assert len(hooks) == 1
