"""
What code asks, wherever it runs: every function of the System API that reads, in every entry point and callback.

A place stores what each function tells in a slot of its own, and a query shows the slot; where a function may not be
called, it traps. A failure names the function and the place.
"""

from collections.abc import Callable
from contextlib import suppress
from itertools import cycle

from attrs import evolve

from conformance.canisters import ic0
from conformance.canisters.expressions import Action
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    call,
    concat,
    counter,
    equal_bytes,
    ignore,
    is_zero,
    memory_grow,
    program,
    reject,
    reply,
    run,
    sequence,
    set_counter,
    set_global_timer_program,
    set_heartbeat,
    set_inspect_message,
    set_on_low_wasm_memory,
    set_pre_upgrade,
    set_slot,
    set_stored_method,
    slot,
    stable_append,
    stable_content,
    trap,
    when,
)
from conformance.judging.patterns import fails, is_unanswered, refuses, rejects, replies, replies_with
from conformance.judging.verdicts import Fail, Judged
from conformance.protocol.interface import Needs, QueryAnswer, Replied
from conformance.suite.people import ALICE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.asked import (
    ASKED,
    COVERS,
    GONE_ON,
    PLAIN,
    VERSION,
    asker,
    impossible,
    look,
    noting,
    possible,
    told_together,
)
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.installation import REINSTALL, UPGRADE
from conformance.suite.scenarios.management_calls import DONE, update_settings
from conformance.suite.scenarios.traps import TRAPPED
from conformance.suite.stage import Stage
from spec.system_api.context import Context
from spec.values import management
from spec.values.identifiers import Blob, CanisterId, Text
from spec.values.quantities import WASM_PAGE
from spec.values.rejects import RejectCode

LOW_MEMORY = load("scripted_low_memory")
DETERMINISTIC = Needs(deterministic=True)


Run = Callable[[Stage, CanisterId, CanisterId, Action], None]
"""Has a canister, with the help of another one, do something in a place."""


def _place(name: Text, place: Text, context: Context, run: Run) -> None:
    """A place in which everything is noted that can be asked there."""
    names = possible(context)

    def script(stage: Stage) -> None:
        canister, peer = asker(stage), asker(stage)
        try:
            with cell(place):
                run(stage, canister, peer, noting(names))
            look(stage, canister, place, names)
        except Judged as judged:
            if not isinstance(judged.verdict, Fail) or not stage.finds_out_more:
                raise
            with stage.unjudged():
                ending = [each for each in names if not _is_noted(stage, run, canister, peer, each)]
            # Reason: if none is noted, it is not because of what was asked.
            if not 0 < len(ending) < len(names):
                raise
            found = f"code that asks for {', '.join(ending)} in {place} goes no further"
            raise Judged(evolve(judged.verdict, why=f"{judged.verdict.why}; {found}")) from None

    script.__name__ = name
    scenario(f"Code that runs in {place} is told what the specification says", covers=COVERS, needs=DETERMINISTIC)(
        script
    )


def _is_noted(stage: Stage, run: Run, canister: CanisterId, peer: CanisterId, name: Text) -> bool:
    """Code that asks for this alone in a place goes on after it."""
    with suppress(Judged):
        run(stage, canister, peer, sequence(noting([name]), set_slot(GONE_ON, name.encode())))
    return stage.query(canister, program(reply(slot(GONE_ON)))) == Replied(name.encode())


def _called(stage: Stage, canister: CanisterId, argument: bytes) -> None:
    stage.expect(stage.call(canister, argument), replies())


_place(
    "update",
    "an update method that a user calls",
    Context.UPDATE,
    lambda stage, canister, _, noted: _called(stage, canister, program(noted, reply())),
)
_place(
    "update_of_canister",
    "an update method that a canister calls, with cycles and a deadline",
    Context.UPDATE,
    lambda stage, canister, peer, noted: _called(
        stage,
        peer,
        program(
            call(
                canister,
                "update",
                program(noted, reply()),
                cycles=1_000_000,
                timeout_seconds=30,
                on_reply=program(reply()),
            )
        ),
    ),
)
_place(
    "reply_callback",
    "a reply callback",
    Context.REPLY_CALLBACK,
    lambda stage, canister, peer, noted: _called(
        stage,
        canister,
        program(
            call(
                peer,
                "update",
                program(reply(b"an answer")),
                cycles=1_000,
                on_reply=program(noted, reply()),
            )
        ),
    ),
)
_place(
    "reject_callback",
    "a reject callback",
    Context.REJECT_CALLBACK,
    lambda stage, canister, peer, noted: _called(
        stage,
        canister,
        program(
            call(
                peer,
                "update",
                program(reject(b"a reason")),
                cycles=1_000,
                timeout_seconds=20,
                on_reject=program(noted, reply()),
            )
        ),
    ),
)
_place(
    "cleanup",
    "a cleanup callback",
    Context.CLEANUP,
    lambda stage, canister, peer, noted: stage.expect(
        stage.call(
            canister,
            program(
                call(
                    peer,
                    "update",
                    program(reply()),
                    on_reply=program(trap(b"clean up")),
                    on_cleanup=program(noted),
                )
            ),
        ),
        TRAPPED,
    ),
)
_place(
    "post_upgrade",
    "canister_post_upgrade",
    Context.INIT,
    lambda stage, canister, _, noted: stage.expect(stage.install(canister, PLAIN, program(noted), UPGRADE), DONE),
)
_place(
    "init",
    "canister_init",
    Context.INIT,
    lambda stage, canister, _, noted: stage.expect(stage.install(canister, PLAIN, program(noted), REINSTALL), DONE),
)


def _timer(stage: Stage, canister: CanisterId, _: CanisterId, noted: Action) -> None:
    _called(
        stage, canister, program(set_global_timer_program(program(noted)), ignore(ic0.global_timer_set(1)), reply())
    )
    stage.settle(seconds=1)


def _hook(stage: Stage, canister: CanisterId, _: CanisterId, noted: Action) -> None:
    stage.expect(stage.install(canister, LOW_MEMORY, mode=UPGRADE), DONE)
    _called(stage, canister, program(set_on_low_wasm_memory(program(noted)), reply()))
    limits = {"wasm_memory_limit": 100 * WASM_PAGE, "wasm_memory_threshold": 95 * WASM_PAGE}
    stage.expect(update_settings(stage, canister, **limits), DONE)
    _called(stage, canister, program(ignore(memory_grow(10)), reply()))
    stage.settle()


_place("timer", "canister_global_timer", Context.SYSTEM_TASK, _timer)
_place("low_memory_hook", "canister_on_low_wasm_memory", Context.SYSTEM_TASK, _hook)


@scenario("Code that runs in canister_pre_upgrade is told what the specification says", covers=COVERS)
def pre_upgrade(stage: Stage) -> None:
    # Given
    canister = asker(stage)
    told = told_together(Context.PRE_UPGRADE)
    _called(stage, canister, program(set_pre_upgrade(program(stable_append(told))), reply()))
    # When
    stage.expect(stage.install(canister, PLAIN, mode=UPGRADE), DONE)
    # Then
    with cell("all together in canister_pre_upgrade"):
        stage.expect(stage.query(canister, program(reply(stable_content()))), replies())


@scenario("The version that canister_pre_upgrade is told is that of before the upgrade", covers=COVERS)
def version_in_pre_upgrade(stage: Stage) -> None:
    # Given
    canister = asker(stage)
    _called(stage, canister, program(set_pre_upgrade(program(stable_append(VERSION))), reply()))
    # When
    stage.expect(stage.install(canister, PLAIN, mode=UPGRADE), DONE)
    # Then
    stage.expect(stage.query(canister, program(reply(VERSION))), replies())
    stage.expect(stage.query(canister, program(reply(stable_content()))), replies())


@scenario("A query method that is called like an update method is told what the specification says", covers=COVERS)
def replicated_query(stage: Stage) -> None:
    # Given
    canister = asker(stage)
    for name in possible(Context.REPLICATED_QUERY):
        # Then
        with cell(f"{name} in a replicated query"):
            stage.expect(stage.call(canister, program(reply(ASKED[name][1])), "query"), replies())


def _queried(method_name: Text, context: Context, place: Text) -> None:
    def script(stage: Stage) -> None:
        canister = asker(stage)
        for name in possible(context):
            # Unspecified: whether a query has a certificate.
            if name != "data_certificate_present":
                with cell(f"{name} in {place}"):
                    stage.expect(stage.query(canister, program(reply(ASKED[name][1])), method_name), replies())
        for name in impossible(context):
            with cell(f"{name} in {place}"):
                seen = stage.query(canister, program(ignore(ASKED[name][1]), reply()), method_name)
                stage.expect(seen, rejects(RejectCode.CANISTER_ERROR))

    script.__name__ = f"in_{method_name}"
    title = f"Code that runs in {place} is told what the specification says, and traps where it may not ask"
    scenario(title, covers=COVERS)(script)


_queried("query", Context.NON_REPLICATED_QUERY, "a query method")
_queried("composite", Context.COMPOSITE_QUERY, "a composite query method")


@scenario("Update methods and callbacks that ask what is not theirs to ask trap", covers=COVERS)
def not_theirs(stage: Stage) -> None:
    # Given
    canister, peer = asker(stage), asker(stage)
    for name in impossible(Context.UPDATE):
        # Then
        with cell(f"{name} in an update method"):
            stage.expect(stage.call(canister, program(ignore(ASKED[name][1]), reply())), TRAPPED)
    for context, answer, place in (
        (Context.REPLY_CALLBACK, reply(), "a reply callback"),
        (Context.REJECT_CALLBACK, reject(b"no"), "a reject callback"),
    ):
        for name in impossible(context):
            asking = program(ignore(ASKED[name][1]), reply())
            with cell(f"{name} in {place}"):
                calling = program(call(peer, "update", program(answer), on_reply=asking, on_reject=asking))
                stage.expect(stage.call(canister, calling), TRAPPED)


@scenario("What code is told of itself is the same wherever it runs", covers=COVERS)
def the_same_everywhere(stage: Stage) -> None:
    # Given
    canister, peer = asker(stage), asker(stage)
    told = concat(ic0.canister_self(), ic0.env_var_value(b"colour"), ic0.msg_caller())
    expected = canister + b"blue"
    # Then
    in_callback = program(call(peer, "update", program(reply()), on_reply=program(reply(told))))
    for seen in (
        stage.call(canister, program(reply(told))),
        stage.call(canister, program(reply(told)), "query"),
        stage.call(canister, in_callback),
        stage.query(canister, program(reply(told))),
        stage.query(canister, program(reply(told)), "composite"),
    ):
        stage.expect(seen, replies_with(expected + ALICE))


# Where nothing is kept


CALLBACKS_OF_COMPOSITE_QUERIES = (
    ("composite_reply", Context.COMPOSITE_REPLY_CALLBACK, reply(b"an answer"), "a reply callback"),
    ("composite_reject", Context.COMPOSITE_REJECT_CALLBACK, reject(b"a reason"), "a reject callback"),
)


def _callback_of_composite_query(name: Text, context: Context, answer: Action, place: Text) -> None:
    def script(stage: Stage) -> None:
        canister, peer = asker(stage), asker(stage)

        def asked(in_callback: Blob) -> QueryAnswer:
            calling = call(peer, "query", program(answer), on_reply=in_callback, on_reject=in_callback)
            return stage.query(canister, program(calling), "composite")

        for each in possible(context):
            # Unspecified: whether a query has a certificate.
            if each != "data_certificate_present":
                with cell(f"{each} in {place} of a composite query"):
                    stage.expect(asked(program(reply(ASKED[each][1]))), replies())
        for each in impossible(context):
            with cell(f"{each} in {place} of a composite query"):
                stage.expect(asked(program(ignore(ASKED[each][1]), reply())), rejects(RejectCode.CANISTER_ERROR))

    script.__name__ = name
    scenario(f"Code that runs in {place} of a composite query is told what the specification says", covers=COVERS)(
        script
    )


for _row in CALLBACKS_OF_COMPOSITE_QUERIES:
    _callback_of_composite_query(*_row)


OTHERWISE_IN_QUERIES = {
    *("msg_arg_data", "msg_method_name", "performance_counter(0)", "performance_counter(1)"),
    *("data_certificate_present", "canister_version"),
}
"""What a query is told otherwise than an inspection, or may be: versions may have risen meanwhile."""

OF_PRICES = {name for name in ASKED if name.startswith("cost_") or "balance" in name}
"""What is told of cycles; what that is, only those know who know the prices."""


@scenario(
    "Code that inspects a message is told what the specification says, and traps where it may not ask",
    covers=(*COVERS, "entry.inspect-message"),
)
def inspect_message(stage: Stage) -> None:
    # Given
    hooks = set_inspect_message(program(run(ic0.msg_arg_data()))), set_stored_method(program(reply()))
    canister = asker(stage, more=sequence(*hooks))
    # When
    for name in possible(Context.INSPECT_MESSAGE):
        if name in OTHERWISE_IN_QUERIES:
            continue
        told = ASKED[name][1]
        expected = stage.query(canister, program(reply(told)))
        content = expected.data if isinstance(expected, Replied) else b""
        with cell(f"{name} in canister_inspect_message"):
            is_known = (stage.knows_prices or name not in OF_PRICES) and (stage.knows_the_time or name != "time")
            checked = when(equal_bytes(told, content), ic0.accept_message())
            check = program(checked) if is_known else program(ignore(told), ic0.accept_message())
            stage.expect(stage.answer(stage.send(canister, "stored_update", check)), is_unanswered())
    for name in impossible(Context.INSPECT_MESSAGE):
        with cell(f"{name} in canister_inspect_message"):
            asking = program(ignore(ASKED[name][1]), ic0.accept_message())
            stage.expect(stage.answer(stage.send(canister, "stored_update", asking)), refuses())
    # Then
    stage.settle()


@scenario(
    "Code that runs in the heartbeat is told what the specification says, if the system lets it run",
    covers=(*COVERS, "entry.heartbeat"),
    needs=DETERMINISTIC,
)
def heartbeat(stage: Stage) -> None:
    # Given
    first_of_all = when(is_zero(counter(0)), sequence(set_counter(0, 1), noting(possible(Context.SYSTEM_TASK))))
    canister = asker(stage, load("scripted_tasks"), set_heartbeat(program(first_of_all)))
    # Then
    look(stage, canister, "canister_heartbeat", possible(Context.SYSTEM_TASK))


# Where asking traps


def _unchanged(stage: Stage, canister: CanisterId, words: Text) -> None:
    with cell(words):
        stage.expect(stage.query(canister, program(reply(slot(255)))), replies_with(b""))


def _trapping(name: Text) -> Blob:
    """Leaves a mark, which the trap takes back."""
    return program(set_slot(255, b"asked"), ignore(ASKED[name][1]))


@scenario("Code that asks what is not its to ask while it is installed or upgraded traps", covers=COVERS)
def not_theirs_while_installing(stage: Stage) -> None:
    # Given
    canister = asker(stage)
    places: tuple[tuple[management.CanisterInstallMode, Text], ...] = (
        (UPGRADE, "canister_post_upgrade"),
        (REINSTALL, "canister_init"),
    )
    for name, (mode, place) in zip(impossible(Context.INIT), cycle(places), strict=False):
        # Then
        with cell(f"{name} in {place}"):
            stage.expect(stage.install(canister, PLAIN, _trapping(name), mode), fails())
    for name in impossible(Context.PRE_UPGRADE):
        with cell(f"{name} in canister_pre_upgrade"):
            _called(stage, canister, program(set_pre_upgrade(_trapping(name)), reply()))
            stage.expect(stage.install(canister, PLAIN, mode=UPGRADE), fails())
    _unchanged(stage, canister, "after all that")


@scenario(
    "Timers and cleanups that ask what is not theirs to ask trap",
    covers=(*COVERS, "entry.cleanup-callback"),
    needs=DETERMINISTIC,
)
def not_theirs_in_tasks(stage: Stage) -> None:
    # Given
    canister, peer = asker(stage), asker(stage)
    for name in impossible(Context.SYSTEM_TASK):
        # Then
        due = ignore(ic0.global_timer_set(1))
        _called(stage, canister, program(set_global_timer_program(_trapping(name)), due, reply()))
        stage.settle(seconds=1)
        _unchanged(stage, canister, f"{name} in canister_global_timer")
    for name in impossible(Context.CLEANUP):
        calling = call(peer, "update", program(reply()), on_reply=trap(b"clean up").code, on_cleanup=_trapping(name))
        stage.expect(stage.call(canister, program(calling)), TRAPPED)
        _unchanged(stage, canister, f"{name} in a cleanup callback")
