"""
What a canister has, and what is left of it after each thing that can happen.

Every event happens to a canister that has everything: heap, globals, stable memory, certified data, a timer, logs,
chunks, a snapshot, settings. Then all of it is looked at; a failure names the event and the part.
"""

from collections.abc import Callable

from attrs import define

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    global_value,
    ignore,
    memory_grow,
    memory_size,
    program,
    reply,
    set_global,
    set_global_timer_program,
    set_pre_upgrade,
    slot,
    stable_append,
    stable_content,
    trap,
)
from conformance.judging.patterns import replies
from conformance.protocol.interface import CanisterElsewhere, Needs, Rejected
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.composite import asked
from conformance.suite.scenarios.installation import REINSTALL, UPGRADE
from conformance.suite.scenarios.management_calls import DONE, manage, result_of, update_settings
from conformance.suite.scenarios.snapshots import load_snapshot, metadata, take, taken
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.canister_terms import EnvironmentVariable, Public, WasmMemoryPersistence
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, SnapshotId, Text
from spec.values.quantities import NANOSECONDS_PER_SECOND

KEEPING = load("scripted_keep")
PLAIN = load("scripted")
MINUTE = 60 * NANOSECONDS_PER_SECOND

HEAP, GLOBALS, STABLE, CERTIFIED, TIMER = "heap", "globals", "stable memory", "certified data", "timer"
"""The parts of which the text says for each event whether they are kept."""

ALL = frozenset({HEAP, GLOBALS, STABLE, CERTIFIED, TIMER})
NONE: frozenset[Text] = frozenset()

SETTINGS = management.SettingsArguments(
    freezing_threshold=1_000,
    log_visibility=Public(),
    wasm_memory_limit=2**30,
    environment_variables=List.of(EnvironmentVariable("colour", "blue")),
)

EVERYTHING = (
    append_to_slot(0, b"heap"),
    ignore(memory_grow(2)),
    set_global(7),
    stable_append(b"stable"),
    ic0.certified_data_set(b"certified"),
    ic0.debug_print(b"logged"),
    set_global_timer_program(program(append_to_slot(0, b" timer"))),
)


@define
class Rich:
    """A canister that has everything, and the snapshot of it."""

    stage: Stage
    canister: CanisterId
    """Its id, which an event may change."""
    snapshot: SnapshotId


def rich(stage: Stage, module: Blob) -> Rich:
    """Makes one. The snapshot has another heap, another certified data, and no timer."""
    canister = stage.create(settings=SETTINGS)
    before = program(append_to_slot(0, b"old heap"), ic0.certified_data_set(b"old"), set_global(3))
    stage.expect(stage.install(canister, module, before), DONE)
    with cell("when it was installed, its first snapshot"):
        snapshot = taken(stage, canister).id
    stage.expect(stage.install(canister, module, mode=REINSTALL), DONE)
    due = ignore(ic0.global_timer_set(stage.now + MINUTE))
    stage.expect(stage.call(canister, program(*EVERYTHING, due, reply())), replies())
    stage.expect(
        manage(stage, canister, "upload_chunk", management.UploadChunkArguments(canister, b"a chunk")), replies()
    )
    return Rich(stage, canister, snapshot)


# Looking


def look(subject: Rich, words: Text, kept: frozenset[Text] | None) -> None:
    """Looks at everything; of the five parts just those in `kept` must be as they were."""
    stage, canister = subject.stage, subject.canister
    with cell(f"{words}, its status"):
        status = stage.status(canister)
    with cell(f"{words}, its chunks"):
        stage.about("stored_chunks", canister)
    with cell(f"{words}, its snapshots"):
        stage.about("list_canister_snapshots", canister)
    with cell(f"{words}, its logs"):
        asked(stage, canister, "fetch_canister_logs")
    if status.module_hash is None or kept is None:
        return
    with cell(f"{words}, what a snapshot of it tells"):
        now = metadata(stage, canister, taken(stage, canister).id)
        stage.require((now.certified_data == b"certified") == (CERTIFIED in kept), "the certified data are right")
    for part, told, value in (
        (HEAP, slot(0), b"heap"),
        (GLOBALS, bytes_of_u64(global_value()), (7).to_bytes(8, "little")),
        (STABLE, stable_content(), b"stable"),
    ):
        with cell(f"{words}, its {part}"):
            seen = stage.query(canister, program(reply(told)))
            stage.expect(seen, replies())
            stage.require((getattr(seen, "data", b"") == value) == (part in kept), f"its {part} are right")
    with cell(f"{words}, what its code sees"):
        everything = concat(
            bytes_of_u32(memory_size()),
            bytes_of_u64(ic0.stable64_size()),
            bytes_of_u64(ic0.canister_version()),
            bytes_of_u32(ic0.canister_status()),
            bytes_of_u32(ic0.env_var_count()),
        )
        stage.expect(stage.call(canister, program(reply(everything))), replies())
    with cell(f"{words}, its timer"):
        before = stage.call(canister, program(reply(bytes_of_u64(ic0.global_timer_set(0)))))
        stage.expect(before, replies())
        was_set = getattr(before, "data", b"") not in (b"", bytes(8))
        stage.require(was_set == (TIMER in kept), "its timer is set or not")


# Events

Event = Callable[[Rich], None]


def installing(
    module: Blob,
    mode: management.CanisterInstallMode,
    argument: Blob = b"",
    works: bool = True,
    hook: Blob | None = None,
) -> Event:
    def event(subject: Rich) -> None:
        if hook is not None:
            subject.stage.call(subject.canister, program(set_pre_upgrade(hook), reply()))
        answer = subject.stage.install(subject.canister, module, argument, mode)
        subject.stage.require(isinstance(answer, Rejected) != works, "the installation works or does not")

    return event


def calling(argument: Blob) -> Event:
    return lambda subject: (subject.stage.call(subject.canister, argument), None)[1]


def managing(method_name: Text, kind: type = management.CanisterIdArguments) -> Event:
    return lambda subject: subject.stage.expect(
        manage(subject.stage, subject.canister, method_name, kind(subject.canister)), replies()
    )


def each_of(*events: Event) -> Event:
    def event(subject: Rich) -> None:
        for one in events:
            one(subject)

    return event


def _loading(subject: Rich) -> None:
    subject.stage.expect(load_snapshot(subject.stage, subject.canister, subject.snapshot), DONE)


def _replacing(subject: Rich) -> None:
    subject.stage.expect(take(subject.stage, subject.canister, replace_snapshot=subject.snapshot), replies())


def _taking_and_uninstalling(subject: Rich) -> None:
    summary = result_of(
        "take_canister_snapshot",
        take(subject.stage, subject.canister, replace_snapshot=subject.snapshot, uninstall_code=True),
    )
    look(subject, "after a snapshot was taken and its code uninstalled", None)
    subject.stage.expect(load_snapshot(subject.stage, subject.canister, summary.id), DONE)


def calling_itself(answer: Blob, in_callback: Blob) -> Event:
    def event(subject: Rich) -> None:
        argument = program(
            call(subject.canister, "also_update", answer, on_reply=in_callback, on_reject=in_callback, on_cleanup=CLEAN)
        )
        subject.stage.call(subject.canister, argument)

    return event


CHANGES = (
    append_to_slot(0, b" changed"),
    set_global(8),
    stable_append(b" changed"),
    ic0.certified_data_set(b"changed"),
    ignore(ic0.global_timer_set(0)),
    ignore(memory_grow(1)),
)
"""Something done to every part."""

CLEAN = program(ic0.debug_print(b"cleaned up"))
TRAPPING = program(*CHANGES, trap(b"undone"))
KEEP = management.UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.KEEP)
REPLACE = management.UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.REPLACE)
SKIP = management.UpgradeMode(skip_pre_upgrade=True)

EVENTS: tuple[tuple[Text, Text, Event, frozenset[Text] | None, Blob], ...] = (
    ("reinstall", "its code was reinstalled", installing(PLAIN, REINSTALL), NONE, PLAIN),
    (
        "failed_reinstall",
        "a reinstallation trapped",
        installing(PLAIN, REINSTALL, TRAPPING, works=False),
        ALL,
        PLAIN,
    ),
    (
        "second_install",
        "another installation was refused",
        installing(PLAIN, management.InstallMode(), works=False),
        ALL,
        PLAIN,
    ),
    ("upgrade", "it was upgraded", installing(PLAIN, UPGRADE), frozenset({STABLE, CERTIFIED}), PLAIN),
    (
        "upgrade_without_hook",
        "it was upgraded without canister_pre_upgrade",
        installing(PLAIN, SKIP, hook=TRAPPING),
        frozenset({STABLE, CERTIFIED}),
        PLAIN,
    ),
    (
        "upgrade_keeping",
        "it was upgraded with its heap",
        installing(KEEPING, KEEP),
        frozenset({HEAP, STABLE, CERTIFIED}),
        KEEPING,
    ),
    (
        "upgrade_replacing",
        "it was upgraded with a new heap",
        installing(KEEPING, REPLACE),
        frozenset({STABLE, CERTIFIED}),
        KEEPING,
    ),
    (
        "trap_in_pre_upgrade",
        "canister_pre_upgrade trapped",
        installing(PLAIN, UPGRADE, works=False, hook=TRAPPING),
        ALL,
        PLAIN,
    ),
    (
        "trap_in_post_upgrade",
        "canister_post_upgrade trapped",
        installing(PLAIN, UPGRADE, TRAPPING, works=False, hook=program(*CHANGES)),
        ALL,
        PLAIN,
    ),
    (
        "no_choice",
        "an upgrade was refused for want of a choice",
        installing(KEEPING, UPGRADE, works=False),
        ALL,
        KEEPING,
    ),
    ("bad_module", "an upgrade to no module was refused", installing(b"no module", UPGRADE, works=False), ALL, PLAIN),
    (
        "uninstall",
        "its code was uninstalled and installed again",
        each_of(
            managing("uninstall_code", management.UninstallCodeArguments),
            lambda subject: look(subject, "after its code was uninstalled", None),
            installing(PLAIN, management.InstallMode()),
        ),
        NONE,
        PLAIN,
    ),
    (
        "stop",
        "it was stopped and started",
        each_of(
            managing("stop_canister"),
            lambda subject: look(subject, "after it was stopped", None),
            managing("start_canister"),
        ),
        ALL,
        PLAIN,
    ),
    ("loading", "its snapshot was loaded", _loading, frozenset({TIMER}), PLAIN),
    ("replacing", "its snapshot was replaced", _replacing, ALL, PLAIN),
    (
        "taking_and_uninstalling",
        "a snapshot was taken, its code uninstalled and the snapshot loaded",
        _taking_and_uninstalling,
        ALL - {TIMER},
        PLAIN,
    ),
    (
        "settings",
        "settings were changed",
        lambda subject: subject.stage.expect(
            update_settings(subject.stage, subject.canister, compute_allocation=1, log_visibility=Public()), DONE
        ),
        ALL,
        PLAIN,
    ),
    ("chunks", "its chunks were cleared", managing("clear_chunk_store"), ALL, PLAIN),
    ("trap", "an update call trapped", calling(TRAPPING), ALL, PLAIN),
    (
        "trap_in_callback",
        "a callback trapped",
        calling_itself(program(reply()), TRAPPING),
        ALL,
        PLAIN,
    ),
    (
        "trap_in_callee",
        "a call to itself trapped, and what the callback did then was undone too",
        calling_itself(TRAPPING, TRAPPING),
        ALL,
        PLAIN,
    ),
)
"""Name, words, event, what is kept, and the code of the canister."""


def after_event(
    group: Text,
    name: Text,
    words: Text,
    event: Event,
    kept: frozenset[Text] | None,
    module: Blob = PLAIN,
    needs: Needs | None = None,
    elsewhere: tuple[CanisterElsewhere, ...] = (),
) -> None:
    """In a group, given by its module: one event, after which everything is looked at."""

    def script(stage: Stage) -> None:
        # Given
        subject = rich(stage, module)
        # When
        with cell(f"when {words}"):
            event(subject)
        # Then
        look(subject, f"after {words}", kept)

    script.__name__, script.__module__ = name, group
    scenario(
        f"After {words}, a canister has what the specification says, and has lost the rest",
        covers=("inv.atomic.install-code", "inv.atomic.upgrade", "seed2.no-commit-on-failure"),
        needs=needs,
        elsewhere=elsewhere,
    )(script)


for _row in EVENTS:
    after_event(__name__, *_row)
