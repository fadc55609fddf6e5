"""
What is left of a canister that has everything, after messages and management calls that keep it as it is, one after
another.

What is kept through an event is seen right after it, and all of it at the end; a failure names the event.
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
    global_value,
    ignore,
    loop_forever,
    memory_grow,
    memory_size,
    program,
    reject,
    reply,
    set_global,
    set_global_timer_program,
    slot,
    stable_append,
    stable_content,
    trap,
    unreachable,
)
from conformance.judging.patterns import fails, refuses, rejects, replies, replies_with
from conformance.protocol.interface import Needs, Replied
from conformance.suite.people import EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.chunks import chunked
from conformance.suite.scenarios.composite import asked
from conformance.suite.scenarios.installation import REINSTALL, UPGRADE
from conformance.suite.scenarios.kept_or_lost import (
    ALL,
    CHANGES,
    PLAIN,
    Event,
    Rich,
    each_of,
    installing,
    look,
    managing,
    rich,
)
from conformance.suite.scenarios.management_calls import REJECTED, asking, manage, update_settings
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.small_limits import SMALL
from conformance.suite.scenarios.snapshots import WRONG, load_snapshot, take, taken
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import Blob, Text
from spec.values.quantities import NANOSECONDS_PER_SECOND, WASM_PAGE
from spec.values.rejects import RejectCode

HOUR = 3_600 * NANOSECONDS_PER_SECOND
COVERS = ("inv.atomic.install-code", "inv.atomic.upgrade", "seed2.no-commit-on-failure")

Events = tuple[tuple[Text, Event], ...]


def glance(subject: Rich) -> Blob:
    """Heap, globals, stable memory and sizes, as a query sees them."""
    told = concat(
        slot(0),
        bytes_of_u64(global_value()),
        stable_content(),
        bytes_of_u32(memory_size()),
        bytes_of_u64(ic0.stable64_size()),
        bytes_of_u32(ic0.env_var_count()),
    )
    seen = subject.stage.query(subject.canister, program(reply(told)))
    return seen.data if isinstance(seen, Replied) else b""


def _through(name: Text, words: Text, events: Events, profile: Text | None = None) -> None:
    """Events that keep everything."""

    def script(stage: Stage) -> None:
        # Given
        subject = rich(stage, PLAIN)
        before = glance(subject)
        for event_words, event in events:
            # When
            with cell(f"when {event_words}"):
                event(subject)
            # Then
            with cell(f"after {event_words}"):
                stage.require(glance(subject) == before, "everything is as before")
                stage.status(subject.canister)
        look(subject, f"after all that: {words}", ALL)

    script.__name__ = name
    title = f"A canister keeps everything through {words}"
    scenario(title, covers=COVERS, needs=Needs(deterministic=True), profile=profile)(script)


# Messages that fail


def _failing(*actions: Action) -> Event:
    def event(subject: Rich) -> None:
        answer = subject.stage.call(subject.canister, program(*CHANGES, *actions))
        subject.stage.expect(answer, rejects(RejectCode.CANISTER_ERROR))

    return event


def _beyond_the_limit(subject: Rich) -> None:
    stage, canister = subject.stage, subject.canister
    stage.expect(update_settings(stage, canister, wasm_memory_limit=8 * WASM_PAGE), replies())
    stage.expect(stage.call(canister, program(*CHANGES, ignore(memory_grow(8)), reply())), fails())
    stage.expect(update_settings(stage, canister, wasm_memory_limit=2**30), replies())


def _asking_without_trace(method_name: Text) -> Event:
    def event(subject: Rich) -> None:
        writing = (append_to_slot(0, b" changed"), set_global(8), stable_append(b" changed"), ignore(memory_grow(1)))
        argument = program(*writing, reply(slot(0)))
        stage, canister = subject.stage, subject.canister
        by_node = stage.query(canister, argument, method_name)
        stage.expect(by_node, replies())
        if method_name == "query":
            stage.expect(stage.call(canister, argument, "query"), replies())

    return event


def _rejected_by_callee(subject: Rich) -> None:
    """A callback that traps after its call was rejected, and so does the cleanup."""
    failing = program(*CHANGES, trap(b"undone"))
    other = scripted(subject.stage)
    for answer in (reject(b"no"), trap(b"no"), reply()):
        calling_other = call(
            other, "update", program(answer), on_reply=failing, on_reject=failing, on_cleanup=program(unreachable())
        )
        subject.stage.expect(subject.stage.call(subject.canister, program(calling_other)), fails())


FAILING: Events = (
    ("an update method traps", _failing(trap(b"undone"))),
    ("an update method is at an unreachable instruction", _failing(unreachable())),
    ("an update method replies twice", _failing(reply(), ic0.msg_reply())),
    ("an update method asks what is not its to ask", _failing(ignore(ic0.msg_reject_msg()))),
    (
        "an update method sends more cycles than there are",
        _failing(ic0.call_new(b"", b"x", b"", b"", b""), ic0.call_cycles_add128(10**30)),
    ),
    ("an update method writes beyond its stable memory", _failing(ic0.stable64_write(2**40, b"x"))),
    ("an update method leaves a heap above its limit", _beyond_the_limit),
    ("a query method writes", _asking_without_trace("query")),
    ("a composite query method writes", _asking_without_trace("composite")),
    ("callback and cleanup trap", _rejected_by_callee),
)
_through("failing_messages", "messages that fail and queries that write", FAILING)


def _in_tasks_that_fail(subject: Rich) -> None:
    """The timer that traps is gone, so it is set again."""
    stage, canister = subject.stage, subject.canister
    stage.expect(
        stage.call(
            canister,
            program(
                set_global_timer_program(program(*CHANGES, trap(b"undone"))), ignore(ic0.global_timer_set(1)), reply()
            ),
        ),
        replies(),
    )
    stage.settle(seconds=1)
    before = bytes_of_u64(ic0.global_timer_set(stage.now + HOUR))
    stage.expect(stage.call(canister, program(reply(before))), replies_with(bytes(8)))


_through("failing_timers", "a timer that traps", (("a timer traps", _in_tasks_that_fail),))


def _out_of_instructions(subject: Rich) -> None:
    """The part of the changes that the limits of the small world let."""
    stage, canister = subject.stage, subject.canister
    endless = program(append_to_slot(0, b" changed"), set_global(8), loop_forever())
    stage.expect(stage.call(canister, endless), fails())
    stage.expect(
        stage.call(canister, program(call(canister, "also_update", program(reply()), on_reply=endless))), fails()
    )


_through(
    "without_instructions",
    "executions that reach their limit of instructions",
    (("executions reach their limit", _out_of_instructions),),
    SMALL,
)

# Management calls that fail, and such that change something else


def _refused(method_name: Text, arguments: Callable[[Rich], management.AnyArguments]) -> Event:
    """The controller's call fails."""
    return lambda subject: subject.stage.expect(
        manage(subject.stage, subject.canister, method_name, arguments(subject)), fails() | refuses()
    )


UNLIKE = management.UploadSnapshotMetadataArguments
REFUSED: Events = (
    ("code is installed where there is some", installing(PLAIN, management.InstallMode(), works=False)),
    ("no module is installed", installing(b"no module", REINSTALL, works=False)),
    ("canister_init traps", installing(PLAIN, REINSTALL, program(*CHANGES, trap(b"undone")), works=False)),
    ("canister_post_upgrade traps", installing(PLAIN, UPGRADE, program(*CHANGES, trap(b"undone")), works=False)),
    (
        "canister_pre_upgrade traps",
        installing(PLAIN, UPGRADE, works=False, hook=program(*CHANGES, trap(b"undone"))),
    ),
    (
        "the heap of an upgrade shall be kept by a module that cannot",
        installing(
            PLAIN,
            management.UpgradeMode(wasm_memory_persistence=management.WasmMemoryPersistence.KEEP),
            works=False,
        ),
    ),
    (
        "chunks that are not there are installed",
        _refused("install_chunked_code", lambda subject: chunked(subject.canister, b"not there", mode=REINSTALL)),
    ),
    (
        "a snapshot that is not there is loaded",
        _refused("load_canister_snapshot", lambda subject: management.LoadSnapshotArguments(subject.canister, WRONG)),
    ),
    (
        "a snapshot that is not there is replaced",
        _refused("take_canister_snapshot", lambda subject: management.TakeSnapshotArguments(subject.canister, WRONG)),
    ),
    (
        "a snapshot that is not there is replaced and the code uninstalled",
        _refused(
            "take_canister_snapshot", lambda subject: management.TakeSnapshotArguments(subject.canister, WRONG, True)
        ),
    ),
    (
        "a snapshot that is not there is deleted",
        _refused("delete_canister_snapshot", lambda subject: management.SnapshotArguments(subject.canister, WRONG)),
    ),
    (
        "it is deleted while it runs",
        _refused("delete_canister", lambda subject: management.CanisterIdArguments(subject.canister)),
    ),
    (
        "more than all computing power is asked for",
        _refused(
            "update_settings",
            lambda subject: management.UpdateSettingsArguments(
                subject.canister,
                management.SettingsArguments(
                    compute_allocation=101, freezing_threshold=7, environment_variables=List()
                ),
            ),
        ),
    ),
    (
        "a chunk that is too large is uploaded",
        _refused("upload_chunk", lambda subject: management.UploadChunkArguments(subject.canister, bytes(2**20 + 1))),
    ),
)
_through("refused_management", "management calls that fail", REFUSED)


def _of_strangers(subject: Rich) -> None:
    """Neither a user nor a canister that does not control it changes anything."""
    stage, canister = subject.stage, subject.canister
    other = scripted(stage)
    only_it = management.CanisterIdArguments(canister)
    settings = management.SettingsArguments(freezing_threshold=7, environment_variables=List())
    for method_name, arguments in (
        ("stop_canister", only_it),
        ("start_canister", only_it),
        ("delete_canister", only_it),
        ("clear_chunk_store", only_it),
        ("canister_status", only_it),
        ("uninstall_code", management.UninstallCodeArguments(canister)),
        ("update_settings", management.UpdateSettingsArguments(canister, settings)),
        ("install_code", management.InstallCodeArguments(REINSTALL, canister, PLAIN)),
        ("install_chunked_code", chunked(canister, b"a chunk", mode=REINSTALL)),
        ("upload_chunk", management.UploadChunkArguments(canister, b"another")),
        ("take_canister_snapshot", management.TakeSnapshotArguments(canister, subject.snapshot, True)),
        ("load_canister_snapshot", management.LoadSnapshotArguments(canister, subject.snapshot)),
        ("delete_canister_snapshot", management.SnapshotArguments(canister, subject.snapshot)),
        ("upload_canister_snapshot_metadata", management.UploadSnapshotMetadataArguments(canister, 8, 0, 0)),
    ):
        with cell(f"{method_name} by strangers"):
            sent = stage.send_managed(method_name, management.encode_arguments(arguments), canister, EVE)
            stage.require(sent.refusal is not None or method_name == "canister_status", "it is refused to a user")
            stage.expect(stage.call(other, asking(method_name, arguments)), REJECTED)


_through("strangers", "what neither its controllers nor it itself ask for", (("strangers manage it", _of_strangers),))


def _uploading(subject: Rich) -> None:
    arguments = management.UploadSnapshotMetadataArguments(subject.canister, 8, 0, 0, certified_data=b"uploaded")
    subject.stage.expect(
        manage(subject.stage, subject.canister, "upload_canister_snapshot_metadata", arguments), replies()
    )


def _loading_what_was_taken(subject: Rich) -> None:
    """A snapshot of the canister as it is."""
    snapshot = taken(subject.stage, subject.canister).id
    subject.stage.expect(load_snapshot(subject.stage, subject.canister, snapshot), replies())
    arguments = management.SnapshotArguments(subject.canister, snapshot)
    subject.stage.expect(manage(subject.stage, subject.canister, "delete_canister_snapshot", arguments), replies())


def _reading(subject: Rich) -> None:
    """All that is read of it."""
    stage, canister = subject.stage, subject.canister
    asked(stage, canister, "fetch_canister_logs")
    asked(stage, canister, "canister_status")
    for part in (management.ModulePart(0, 8), management.HeapPart(0, 8), management.StableMemoryPart(0, 8)):
        arguments = management.ReadSnapshotDataArguments(canister, subject.snapshot, part)
        manage(stage, canister, "read_canister_snapshot_data", arguments)
    stage.about("list_canister_snapshots", canister)
    stage.about("canister_metrics", canister)


HARMLESS: Events = (
    (
        "another snapshot is taken",
        lambda subject: subject.stage.expect(take(subject.stage, subject.canister), replies()),
    ),
    ("it is loaded with what it is", _loading_what_was_taken),
    ("a snapshot is uploaded", _uploading),
    ("it is read", _reading),
    ("it is stopped and started", each_of(managing("stop_canister"), managing("start_canister"))),
    ("it is started while it runs", managing("start_canister")),
    (
        "a chunk is uploaded",
        lambda subject: subject.stage.expect(
            manage(
                subject.stage,
                subject.canister,
                "upload_chunk",
                management.UploadChunkArguments(subject.canister, b"another"),
            ),
            replies(),
        ),
    ),
    ("its chunks are cleared", managing("clear_chunk_store")),
    (
        "it gets cycles",
        lambda subject: subject.stage.expect(
            manage(
                subject.stage,
                subject.canister,
                "provisional_top_up_canister",
                management.ProvisionalTopUpArguments(subject.canister, 10**9),
            ),
            replies(),
        ),
    ),
    (
        "no setting is changed",
        lambda subject: subject.stage.expect(update_settings(subject.stage, subject.canister), replies()),
    ),
)
_through("harmless_management", "management calls that change something else", HARMLESS)
