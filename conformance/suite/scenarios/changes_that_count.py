"""
What is left of a canister that has everything, after executions of every kind whose changes count.

What such an execution changes, and what it keeps beside that, is seen after it.
"""

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    append_to_slot,
    call,
    ignore,
    memory_grow,
    program,
    reject,
    reply,
    set_global,
    set_global_timer_program,
    stable_append,
    trap,
)
from conformance.judging.patterns import fails, replies
from conformance.protocol.interface import Needs
from conformance.suite.scenarios.chunks import chunked
from conformance.suite.scenarios.installation import REINSTALL, UPGRADE
from conformance.suite.scenarios.kept_or_lost import (
    CERTIFIED,
    CHANGES,
    NONE,
    PLAIN,
    STABLE,
    TIMER,
    Event,
    Rich,
    after_event,
    calling,
    calling_itself,
    each_of,
    installing,
    look,
    managing,
)
from conformance.suite.scenarios.management_calls import manage
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.snapshots import load_snapshot, taken
from spec.values import management
from spec.values.canister_terms import HookStatus, SimpleStatus
from spec.values.identifiers import Text
from spec.values.quantities import NANOSECONDS_PER_SECOND

HOUR = 3_600 * NANOSECONDS_PER_SECOND
IN_CLEANUP = (append_to_slot(0, b" changed"), set_global(8), stable_append(b" changed"), ignore(memory_grow(1)))


def _timed(subject: Rich) -> None:
    stage, canister = subject.stage, subject.canister
    setting = set_global_timer_program(program(*CHANGES)), ignore(ic0.global_timer_set(1))
    stage.expect(stage.call(canister, program(*setting, reply())), replies())
    stage.settle(seconds=1)


def _loading_from_another(subject: Rich) -> None:
    """The snapshot of another canister, of which nothing else comes along."""
    stage = subject.stage
    other = scripted(
        stage, program(append_to_slot(0, b"other"), ic0.certified_data_set(b"other"), stable_append(b"other"))
    )
    stage.expect(stage.call(other, program(ignore(ic0.global_timer_set(stage.now + HOUR)), reply())), replies())
    stage.expect(load_snapshot(stage, subject.canister, taken(stage, other).id), replies())


def _loading_what_was_uploaded(subject: Rich) -> None:
    """A snapshot that its controller made: the module alone, with certified data, and timer and hook as told."""
    stage, canister = subject.stage, subject.canister
    module = bytes.fromhex("0061736d01000000")
    described = management.UploadSnapshotMetadataArguments(
        canister,
        len(module),
        0,
        0,
        certified_data=b"uploaded",
        global_timer=0,
        on_low_wasm_memory_hook_status=HookStatus.CONDITION_NOT_SATISFIED,
    )
    answer = manage(stage, canister, "upload_canister_snapshot_metadata", described)
    snapshot = management.decode_result("upload_canister_snapshot_metadata", getattr(answer, "data", b""))
    content = management.UploadSnapshotDataArguments(canister, snapshot, management.ModulePart(0), module)
    stage.expect(manage(stage, canister, "upload_canister_snapshot_data", content), replies())
    stage.expect(load_snapshot(stage, canister, snapshot), replies())
    look(subject, "after what was uploaded was loaded", None)
    stage.expect(stage.install(canister, PLAIN, mode=UPGRADE), replies())


def _from_chunks(mode: management.CanisterInstallMode) -> Event:
    def event(subject: Rich) -> None:
        stage, canister = subject.stage, subject.canister
        for chunk in (PLAIN[:3_000], PLAIN[3_000:]):
            arguments = management.UploadChunkArguments(canister, chunk)
            stage.expect(manage(stage, canister, "upload_chunk", arguments), replies())
        installation = chunked(canister, PLAIN[:3_000], PLAIN[3_000:], mode=mode)
        stage.expect(manage(stage, canister, "install_chunked_code", installation), replies())

    return event


def _stopped(event: Event) -> Event:
    return each_of(managing("stop_canister"), event, _is_stopped, managing("start_canister"))


def _is_stopped(subject: Rich) -> None:
    status = subject.stage.status(subject.canister).status
    subject.stage.require(status is SimpleStatus.STOPPED, "it is still stopped")


COUNTING: tuple[tuple[Text, Text, Event, frozenset[Text] | None], ...] = (
    ("rejected", "an update method rejected", calling(program(*CHANGES, reject(b"no"))), NONE),
    ("unanswered", "an update method returned without an answer", calling(program(*CHANGES)), NONE),
    (
        "in_reply_callback",
        "a reply callback changed everything",
        calling_itself(program(reply()), program(*CHANGES, reply())),
        NONE,
    ),
    (
        "in_reject_callback",
        "a reject callback changed everything",
        calling_itself(program(reject(b"no")), program(*CHANGES)),
        NONE,
    ),
    (
        "in_cleanup",
        "a cleanup changed what it may",
        lambda subject: subject.stage.expect(
            subject.stage.call(
                subject.canister,
                program(
                    call(
                        subject.canister,
                        "also_update",
                        program(reply()),
                        on_reply=program(*CHANGES, trap(b"undone")),
                        on_cleanup=program(*IN_CLEANUP),
                    )
                ),
            ),
            fails(),
        ),
        frozenset({CERTIFIED, TIMER}),
    ),
    ("in_timer", "a timer changed everything", _timed, NONE),
    ("of_another", "the snapshot of another canister was loaded", _loading_from_another, frozenset({TIMER})),
    ("uploaded", "an uploaded snapshot was loaded and the code upgraded", _loading_what_was_uploaded, NONE),
    (
        "reinstalled_from_chunks",
        "its code was reinstalled from chunks",
        _from_chunks(REINSTALL),
        NONE,
    ),
    (
        "upgraded_from_chunks",
        "it was upgraded from chunks",
        _from_chunks(UPGRADE),
        frozenset({STABLE, CERTIFIED}),
    ),
    (
        "upgraded_while_stopped",
        "it was upgraded while stopped",
        _stopped(installing(PLAIN, UPGRADE)),
        frozenset({STABLE, CERTIFIED}),
    ),
    (
        "reinstalled_while_stopped",
        "its code was reinstalled while stopped",
        _stopped(installing(PLAIN, REINSTALL)),
        NONE,
    ),
    (
        "uninstalled_and_loaded",
        "its code was uninstalled and its snapshot loaded",
        each_of(
            managing("uninstall_code", management.UninstallCodeArguments),
            lambda subject: subject.stage.expect(
                load_snapshot(subject.stage, subject.canister, subject.snapshot), replies()
            ),
        ),
        NONE,
    ),
    (
        "loaded_while_stopped",
        "its snapshot was loaded while stopped",
        _stopped(
            lambda subject: subject.stage.expect(
                load_snapshot(subject.stage, subject.canister, subject.snapshot), replies()
            )
        ),
        frozenset({TIMER}),
    ),
)

for _name, _words, _event, _kept in COUNTING:
    after_event(__name__, _name, _words, _event, _kept, needs=Needs(deterministic=True))
