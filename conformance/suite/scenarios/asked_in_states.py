"""
What code asks while its canister is in some state: stopping, stopped, frozen, near the limit of its heap, without code.

In each state everything is noted that can be asked in the executions that are possible then; a failure names the
function and the state.
"""

from collections.abc import Callable

from conformance.canisters import ic0
from conformance.canisters.expressions import Action
from conformance.canisters.scripted import (
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    ignore,
    memory_grow,
    program,
    reply,
    sequence,
    set_pre_upgrade,
    slot,
    stable_append,
    stable_content,
)
from conformance.judging.patterns import denies, fails, refuses, replies, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.acting import Sent
from conformance.suite.people import ALICE, BOB
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.asked import (
    ASKED,
    COVERS,
    PLAIN,
    asker,
    look,
    noting,
    possible,
    told_together,
)
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.installation import REINSTALL, UPGRADE
from conformance.suite.scenarios.lifecycle import about, managing, stopping_canister
from conformance.suite.scenarios.management_calls import DONE, asking, update_settings
from conformance.suite.scenarios.preparations import LONG_THRESHOLD, require_that_it_freezes, scripted, stop
from conformance.suite.stage import Stage
from spec.system_api.context import Context
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import CanisterId, Text
from spec.values.quantities import WASM_PAGE

DETERMINISTIC = Needs(deterministic=True)


def waiting(stage: Stage, canister: CanisterId, on_reply: Action) -> tuple[Sent, CanisterId]:
    """A call that the canister makes waits; starting the canister that is given lets its callback run."""
    endless, helper, _ = stopping_canister(stage)
    holding = managing("stop_canister", about(endless))
    sent = stage.send(canister, "update", program(call(helper, "update", holding, on_reply=program(on_reply))))
    stage.settle()
    return sent, endless


NOTING = sequence(noting(possible(Context.REPLY_CALLBACK)), reply())


@scenario(
    "Code that runs in a callback while its canister is stopping is told what the specification says", covers=COVERS
)
def stopping(stage: Stage) -> None:
    # Given
    canister = asker(stage)
    sent, endless = waiting(stage, canister, NOTING)
    stopped = stage.send_managed("stop_canister", about(canister), canister)
    stage.settle()
    # When
    stage.expect(stage.about("start_canister", endless), DONE)
    # Then
    stage.expect(stage.answer(sent), replies())
    stage.expect(stage.answer(stopped), DONE)
    stage.expect(stage.query(canister, program(reply())), denies())
    stage.expect(stage.about("start_canister", canister), DONE)
    look(stage, canister, "a callback of a stopping canister", possible(Context.REPLY_CALLBACK))


@scenario(
    "Code that runs in a callback while its canister is frozen is told what the specification says", covers=COVERS
)
def frozen(stage: Stage) -> None:
    # Given
    canister, owner = asker(stage), scripted(stage)
    stage.expect(update_settings(stage, canister, controllers=List(tuple(sorted((ALICE, owner))))), DONE)
    sent, endless = waiting(stage, canister, NOTING)
    require_that_it_freezes(stage, canister)
    stage.expect(update_settings(stage, canister, freezing_threshold=LONG_THRESHOLD), DONE)
    stage.expect(stage.answer(stage.send(canister, "update", program(reply()))), refuses())
    # When
    stage.expect(stage.about("start_canister", endless), DONE)
    # Then
    stage.expect(stage.answer(sent), replies())
    thaw = management.UpdateSettingsArguments(canister, management.SettingsArguments(freezing_threshold=1))
    stage.expect(stage.call(owner, asking("update_settings", thaw)), DONE)
    look(stage, canister, "a callback of a frozen canister", possible(Context.REPLY_CALLBACK))


@scenario(
    "What code is told after settings were changed, and after a call that waited meanwhile, is what holds now",
    covers=(*COVERS, "setting.environment-variables"),
)
def changed_meanwhile(stage: Stage) -> None:
    # Given
    canister = asker(stage)
    told = bytes_of_u32(ic0.env_var_count() + 16 * ic0.is_controller(bytes(BOB)))
    before = stage.query(canister, program(reply(told)))
    sent, endless = waiting(stage, canister, reply(told))
    # When
    changes = {
        "environment_variables": List(),
        "controllers": List(tuple(sorted((BOB, *_controllers(stage, canister))))),
    }
    stage.expect(update_settings(stage, canister, **changes), DONE)
    stage.expect(stage.about("start_canister", endless), DONE)
    # Then
    after = stage.answer(sent)
    stage.require(before != after, "the callback is told something else than was told before")
    with cell("in the callback"):
        stage.expect(after, replies())
    with cell("in a query"):
        stage.expect(stage.query(canister, program(reply(told))), replies())


def _controllers(stage: Stage, canister: CanisterId) -> List:  # type: ignore[type-arg]
    return stage.status(canister).settings.controllers


def _while_installed(name: Text, words: Text, into: Callable[[Stage, CanisterId], None]) -> None:
    """All three functions of an installation, of a canister in this state."""

    def script(stage: Stage) -> None:
        # Given
        canister = asker(stage)
        into(stage, canister)
        # When
        before = program(set_pre_upgrade(program(stable_append(told_together(Context.PRE_UPGRADE)))))
        noting_in_init = before + program(noting(possible(Context.INIT)))
        stage.expect(stage.install(canister, PLAIN, noting_in_init, REINSTALL), DONE)
        out_of(stage, canister)
        look(stage, canister, f"canister_init of a canister that is {words}", possible(Context.INIT))
        into(stage, canister)
        stage.expect(stage.install(canister, PLAIN, noting_in_init, UPGRADE), DONE)
        # Then
        out_of(stage, canister)
        look(stage, canister, f"canister_post_upgrade of a canister that is {words}", possible(Context.INIT))
        with cell(f"canister_pre_upgrade of a canister that is {words}"):
            stage.expect(stage.query(canister, program(reply(stable_content()))), replies())

    script.__name__ = name
    scenario(
        f"Code that is installed into a canister that is {words} is told what the specification says", covers=COVERS
    )(script)


def out_of(stage: Stage, canister: CanisterId) -> None:
    """Makes the canister run and answer queries."""
    stage.expect(stage.about("start_canister", canister), DONE)


_while_installed("stopped_and_installed", "stopped", stop)


@scenario(
    "The limit of the heap and what is left of it change nothing of what code is told",
    covers=(*COVERS, "setting.wasm-memory-limit"),
)
def near_the_limit(stage: Stage) -> None:
    # Given
    canister = asker(stage)
    stage.expect(update_settings(stage, canister, wasm_memory_limit=4 * WASM_PAGE), DONE)
    grown = bytes_of_u64(memory_grow(1))
    # Then
    with cell("growing beyond the limit"):
        stage.expect(stage.call(canister, program(ignore(memory_grow(4)), reply())), fails())
    with cell("growing up to the limit"):
        stage.expect(stage.call(canister, program(reply(grown))), replies())
    with cell("asking there"):
        stage.expect(stage.call(canister, program(noting(possible(Context.UPDATE)), reply())), replies())
    look(stage, canister, "an update method near the limit of the heap", possible(Context.UPDATE))


@scenario(
    "A callback finds what the canister has now: after an upgrade nothing of before, after an uninstallation no code",
    covers=("entry.reply-callback", "rule.mgmt.upgrade.effects", "rule.callback-invocation.deleted-context"),
)
def callbacks_of_earlier_code(stage: Stage) -> None:
    # Given
    upgraded, reinstalled, kept = (asker(stage) for _ in range(3))
    endless, helper, _ = stopping_canister(stage)
    holding = managing("stop_canister", about(endless))
    note = program(append_to_slot(0, b"callback"), stable_append(b"callback"), reply(b"replied"))
    calls = [
        stage.send(each, "update", program(call(helper, "update", holding, cycles=900, on_reply=note, on_reject=note)))
        for each in (upgraded, reinstalled, kept)
    ]
    stage.settle()
    # When
    stage.expect(stage.install(upgraded, PLAIN, mode=UPGRADE), DONE)
    stage.expect(stage.install(reinstalled, PLAIN, mode=REINSTALL), DONE)
    for each in (upgraded, reinstalled, kept):
        with cell("while a call is open"):
            stage.status(each)
    stage.expect(stage.about("start_canister", endless), DONE)
    # Then
    for each, sent, words in zip(
        (upgraded, reinstalled, kept), calls, ("upgraded", "reinstalled", "unchanged"), strict=True
    ):
        with cell(f"the canister that was {words}"):
            stage.answer(sent)
            stage.status(each)
            stage.expect(stage.query(each, program(reply(concat(slot(0), b" ", stable_content())))), replies())
    stage.expect(stage.answer(calls[2]), replies_with(b"replied"))


@scenario(
    "Queries are asked of running canisters only; what a started canister tells is what it told before",
    covers=(*COVERS, "rule.query.preconditions"),
)
def stopped_and_started(stage: Stage) -> None:
    # Given
    canister, other = asker(stage), scripted(stage)
    told = {name: ASKED[name][1] for name in ("canister_self", "env_var_name", "stable64_size", "canister_status")}
    before = {name: stage.query(canister, program(reply(each))) for name, each in told.items()}
    stop(stage, canister)
    # Then
    calling = program(
        call(canister, "query", program(reply()), on_reply=program(reply()), on_reject=program(reply(b"no")))
    )
    stage.expect(stage.query(canister, program(reply())), denies())
    stage.expect(stage.query(other, calling, "composite"), replies_with(b"no"))
    stage.expect(stage.about("start_canister", canister), DONE)
    for name, each in told.items():
        with cell(f"{name} after it was stopped and started"):
            seen = stage.query(canister, program(reply(each)))
            stage.require(seen == before[name], "it is told the same as before")
