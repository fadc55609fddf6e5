"""
What code does, wherever it runs: every function of the System API that acts, in every entry point and callback.

In each place, first everything is done at once that may be done there, and all that came of it is looked at; then each
other thing is tried alone, which must trap. A failure names the place and the function.
"""

from collections.abc import Callable, Iterable

from attrs import frozen

from conformance.canisters import ic0
from conformance.canisters.expressions import Action
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    RELAY_REJECT,
    RELAY_REPLY,
    append_to_slot,
    bytes_of_u64,
    call,
    concat,
    ignore,
    memory_grow,
    program,
    reject,
    reply,
    run,
    sequence,
    set_global,
    set_global_timer_program,
    set_heartbeat,
    set_inspect_message,
    set_on_low_wasm_memory,
    set_pre_upgrade,
    set_stored_method,
    slot,
    stable_append,
    stable_content,
    trap,
)
from conformance.judging.patterns import fails, refuses, rejects, replies, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.composite import asked
from conformance.suite.scenarios.installation import REINSTALL, UPGRADE
from conformance.suite.scenarios.management_calls import update_settings
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.snapshots import metadata, taken
from conformance.suite.stage import Stage
from spec.system_api.context import Context
from spec.system_api.table import IMPORTS
from spec.values.identifiers import Blob, CanisterId, Text
from spec.values.quantities import WASM_PAGE
from spec.values.rejects import RejectCode

COVERS = ("entry.mode-matrix", "api-general.contexts")
DETERMINISTIC = Needs(deterministic=True)
CYCLES = 10_000
"""What the calls carry that the acting canister gets."""

FAR_AWAY = 2**62
"""A time at which a timer may be set that never fires here."""


@frozen
class Place:
    """A canister that acts, and one that calls it and that it calls."""

    stage: Stage
    canister: CanisterId
    peer: CanisterId


def acts(peer: CanisterId) -> dict[Text, tuple[tuple[Text, ...], Action]]:
    """What can be done, with the functions that it takes."""
    begun = ic0.call_new(peer, b"query", b"", b"", b"")
    return {
        "accept_message": (("accept_message",), ic0.accept_message()),
        "msg_reply_data_append": (("msg_reply_data_append",), ic0.msg_reply_data_append(b"appended ")),
        "msg_cycles_accept128": (("msg_cycles_accept128",), ignore(ic0.msg_cycles_accept128(1_001))),
        "msg_cycles_accept": (("msg_cycles_accept",), ignore(ic0.msg_cycles_accept(1_002))),
        "cycles_burn128": (("cycles_burn128",), ignore(ic0.cycles_burn128(1_003))),
        "global_timer_set": (("global_timer_set",), ignore(ic0.global_timer_set(FAR_AWAY))),
        "certified_data_set": (("certified_data_set",), ic0.certified_data_set(b"certified")),
        "a call": (("call_new", "call_perform"), call(peer, "query", program(reply()))),
        "a call with a deadline": (
            ("call_new", "call_with_best_effort_response", "call_perform"),
            call(peer, "query", program(reply()), timeout_seconds=10),
        ),
        "a call with cycles": (("call_cycles_add128",), call(peer, "query", program(reply()), cycles=7)),
        "call_cycles_add": (("call_cycles_add",), begun + ic0.call_cycles_add(8)),
        "call_on_cleanup": (("call_on_cleanup",), begun + ic0.call_on_cleanup()),
        "stable memory": (("stable64_grow",), stable_append(b"stable ")),
        "stable_grow": (("stable_grow",), ignore(ic0.stable_grow(2))),
        "debug_print": (("debug_print",), ic0.debug_print(b"printed")),
        "the heap": ((), append_to_slot(0, b"heap ")),
        "its size": ((), ignore(memory_grow(1))),
        "a global": ((), set_global(7)),
    }


def possible(place: Place, context: Context) -> Action:
    """Everything that may be done there."""
    return sequence(*(act for functions, act in acts(place.peer).values() if is_possible(functions, context)))


def impossible(place: Place, context: Context) -> Iterable[tuple[Text, Action]]:
    """What may not be done there, each after a mark that the trap must take back. Responding counts too."""
    others = {"msg_reply": (("msg_reply",), ic0.msg_reply()), "msg_reject": (("msg_reject",), reject(b"no"))}
    for name, (functions, act) in (acts(place.peer) | others).items():
        if not is_possible(functions, context):
            yield name, sequence(append_to_slot(0, b"undone "), act)


def is_possible(functions: Iterable[Text], context: Context) -> bool:
    """All the functions may be called there."""
    return all(context in IMPORTS[function].contexts for function in functions)


def look(place: Place, words: Text) -> None:
    """Looks at everything that could have been done."""
    stage, canister = place.stage, place.canister
    with cell(f"{words}: heap, stable memory, cycles"):
        told = concat(slot(0), stable_content(), bytes_of_u64(ic0.stable64_size()), ic0.canister_cycle_balance128())
        stage.expect(stage.query(canister, program(reply(told))), replies())
    with cell(f"{words}: the status of both canisters"):
        stage.status(canister)
        stage.status(place.peer)
    with cell(f"{words}: the log"):
        asked(stage, canister, "fetch_canister_logs")
    with cell(f"{words}: certified data, timer and globals, as a snapshot tells them"):
        metadata(stage, canister, taken(stage, canister).id)


# Places: each does something there, and says whether it worked

Doing = Callable[[Place, Action], bool]


def _called(method_name: Text) -> Doing:
    def doing(place: Place, act: Action) -> bool:
        return _through_peer(place, method_name, program(act, reply(b"done")))

    return doing


def _through_peer(place: Place, method_name: Text, argument: Blob) -> bool:
    calling = call(place.canister, method_name, argument, cycles=CYCLES, on_reply=RELAY_REPLY, on_reject=RELAY_REJECT)
    return replies().admits(place.stage.call(place.peer, program(calling)))


def _in_callback(answer: Action) -> Doing:
    def doing(place: Place, act: Action) -> bool:
        after = program(act, reply(b"done"))
        inner = call(place.peer, "also_update", program(answer), on_reply=after, on_reject=after)
        return _through_peer(place, "update", program(inner))

    return doing


def _marks(place: Place) -> Blob:
    seen = place.stage.query(place.canister, program(reply(slot(0))))
    return getattr(seen, "data", b"")


def _seen_by_its_marks(doing: Callable[[Place, Action], None]) -> Doing:
    """Nobody is told whether it worked, except by the heap."""

    def done(place: Place, act: Action) -> bool:
        before = _marks(place)
        doing(place, act)
        return _marks(place) != before

    return done


def _in_cleanup(place: Place, act: Action) -> None:
    trapping = call(place.peer, "update", program(reply()), on_reply=trap(b"clean up").code, on_cleanup=program(act))
    place.stage.expect(place.stage.call(place.canister, program(trapping)), fails())


def _in_timer(place: Place, act: Action) -> None:
    setting = program(set_global_timer_program(program(act)), ignore(ic0.global_timer_set(1)), reply())
    place.stage.expect(place.stage.call(place.canister, setting), replies())
    place.stage.settle(seconds=1)


def _in_low_memory_hook(place: Place, act: Action) -> None:
    stage, canister = place.stage, place.canister
    stage.expect(stage.call(canister, program(set_on_low_wasm_memory(program(act)), reply())), replies())
    for threshold in (0, 100 * WASM_PAGE):
        limits = {"wasm_memory_limit": 100 * WASM_PAGE, "wasm_memory_threshold": threshold}
        stage.expect(update_settings(stage, canister, **limits), replies())
        stage.expect(stage.call(canister, program(reply())), replies())


def _while_installing(mode: object) -> Doing:
    def doing(place: Place, act: Action) -> bool:
        answer = place.stage.install(place.canister, load("scripted"), program(act), mode)  # type: ignore[arg-type]
        return replies().admits(answer)

    return doing


def _in_pre_upgrade(place: Place, act: Action) -> bool:
    stage, canister = place.stage, place.canister
    stage.expect(stage.call(canister, program(set_pre_upgrade(program(act)), reply())), replies())
    return replies().admits(stage.install(canister, load("scripted"), mode=UPGRADE))


PLACES: tuple[tuple[Text, Text, Context, Doing, Text], ...] = (
    ("update", "an update method", Context.UPDATE, _called("update"), "scripted"),
    ("replicated_query", "a query method called as an update", Context.REPLICATED_QUERY, _called("query"), "scripted"),
    ("reply_callback", "a reply callback", Context.REPLY_CALLBACK, _in_callback(reply()), "scripted"),
    ("reject_callback", "a reject callback", Context.REJECT_CALLBACK, _in_callback(reject(b"no")), "scripted"),
    ("cleanup", "a cleanup callback", Context.CLEANUP, _seen_by_its_marks(_in_cleanup), "scripted"),
    ("timer", "canister_global_timer", Context.SYSTEM_TASK, _seen_by_its_marks(_in_timer), "scripted"),
    (
        "low_memory_hook",
        "canister_on_low_wasm_memory",
        Context.SYSTEM_TASK,
        _seen_by_its_marks(_in_low_memory_hook),
        "scripted_low_memory",
    ),
    ("init", "canister_init", Context.INIT, _while_installing(REINSTALL), "scripted"),
    ("post_upgrade", "canister_post_upgrade", Context.INIT, _while_installing(UPGRADE), "scripted"),
    ("pre_upgrade", "canister_pre_upgrade", Context.PRE_UPGRADE, _in_pre_upgrade, "scripted"),
)


AS_ELSEWHERE = ("post_upgrade", "low_memory_hook")
"""What may not be done there is tried in `canister_init` and in a timer, of which the text says the same."""


def _place(name: Text, words: Text, context: Context, doing: Doing, module: Text) -> None:
    def script(stage: Stage) -> None:
        # Given
        place = Place(stage, scripted(stage, name=module), scripted(stage))
        # When
        with cell(f"everything that may be done in {words}"):
            stage.require(doing(place, possible(place, context)), "it works")
        look(place, f"after everything that may be done in {words}")
        # Then
        if name in AS_ELSEWHERE:
            return
        for each, act in impossible(place, context):
            with cell(f"{each} in {words}"):
                stage.require(not doing(place, act), "it traps")
        look(place, f"after what may not be done in {words}")

    script.__name__ = name
    scenario(
        f"Code that runs in {words} may do what the specification says, and nothing else",
        covers=COVERS,
        needs=DETERMINISTIC,
    )(script)


for _row in PLACES:
    _place(*_row)


def _queried(method_name: Text, context: Context, words: Text) -> None:
    def script(stage: Stage) -> None:
        # Given
        place = Place(stage, scripted(stage), scripted(stage))
        # Then
        with cell(f"everything that may be done in {words}"):
            seen = stage.query(place.canister, program(possible(place, context), reply(b"done")), method_name)
            stage.expect(seen, replies_with(b"appended done"))
        for each, act in impossible(place, context):
            with cell(f"{each} in {words}"):
                seen = stage.query(place.canister, program(act, reply()), method_name)
                stage.expect(seen, rejects(RejectCode.CANISTER_ERROR))
        look(place, f"after all that was tried in {words}")

    script.__name__ = method_name
    title = f"Code that runs in {words} may do what the specification says, and nothing of it is kept"
    scenario(title, covers=(*COVERS, "inv.query-discards-state"))(script)


_queried("query", Context.NON_REPLICATED_QUERY, "a query method")
_queried("composite", Context.COMPOSITE_QUERY, "a composite query method")


INSPECTING = sequence(
    set_inspect_message(program(run(ic0.msg_arg_data()))), set_stored_method(program(reply(b"answered")))
)
"""What is done to inspect a message is what its argument says."""


@scenario(
    "Code that inspects a message may do what the specification says, and nothing of it is kept",
    covers=(*COVERS, "entry.inspect-message"),
)
def inspect_message(stage: Stage) -> None:
    # Given
    place = Place(stage, scripted(stage, program(INSPECTING)), scripted(stage))
    # When
    acting = program(possible(place, Context.INSPECT_MESSAGE))
    with cell("everything that may be done in canister_inspect_message"):
        stage.expect(stage.call(place.canister, acting, "stored_update"), replies_with(b"answered"))
    # Then
    for each, act in impossible(place, Context.INSPECT_MESSAGE):
        with cell(f"{each} in canister_inspect_message"):
            trying = program(ic0.accept_message(), act)
            stage.expect(stage.answer(stage.send(place.canister, "stored_update", trying)), refuses())
    look(place, "after all that was tried in canister_inspect_message")


@scenario(
    "Code that runs in the heartbeat may do what the specification says, if the system lets it run",
    covers=(*COVERS, "entry.heartbeat"),
    needs=DETERMINISTIC,
)
def heartbeat(stage: Stage) -> None:
    # Given
    place = Place(stage, stage.create(), scripted(stage))
    acting = set_heartbeat(program(possible(place, Context.SYSTEM_TASK)))
    stage.expect(stage.install(place.canister, load("scripted_tasks"), program(acting)), replies())
    # Then
    told = concat(slot(0), stable_content(), bytes_of_u64(ic0.stable64_size()), ic0.canister_cycle_balance128())
    stage.expect(stage.query(place.canister, program(reply(told))), replies())
