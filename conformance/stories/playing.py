"""A story is played: on the specification, and on the implementation that the specification judges."""

import hashlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from conformance.canisters.library import load
from conformance.canisters.scripted import RELAY_REJECT, RELAY_REPLY, call, program
from conformance.judging.patterns import Pattern, replies, replies_where
from conformance.protocol.interface import Refused, Rejected, Replied, Seen
from conformance.stories.preparing import REJECT, Ready
from conformance.stories.story import Install, Invoke, LoadSnapshot, Story, TakeSnapshot, TopUp, Wait
from conformance.suite.scenario import Scenario
from conformance.suite.stage import MUCH, Stage
from spec.rules.management.upgrade import KEEPS_HEAP
from spec.tooling.candid_text import CandidTextError, read_values
from spec.values import management
from spec.values.candid import BLOB, CandidError, read_as_sent
from spec.values.canister_terms import WasmMemoryPersistence
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, MethodName, SnapshotId, Text
from spec.values.quantities import Count

CHUNK: Final[Count] = 2**20
"""Larger modules than fit into a request are uploaded in chunks of so many bytes."""

LARGEST_AT_ONCE: Final[Count] = 1_900_000

SLOW: Final = 2.0
"""What takes longer, in seconds, is told while it is done."""


def scenario_of(story: Story, steps: Sequence[Ready]) -> Scenario:
    """The story as a scenario, which any implementation can play."""

    def script(stage: Stage) -> None:
        _Playing(stage, story, steps).play()

    return Scenario(id=story.name, title="a module of one's own", covers=(), script=script)


class _Playing:
    def __init__(self, stage: Stage, story: Story, steps: Sequence[Ready]) -> None:
        self._stage = stage
        self._story = story
        self._steps = steps
        self._canister = CanisterId(b"")
        self._purse: CanisterId | None = None
        """The canister that makes calls to which cycles are attached."""
        self._snapshot = SnapshotId(b"")

    def play(self) -> None:
        """Does one step after the other."""
        self._canister = self._stage.create(self._story.cycles, name="the canister")
        for step in self._steps:
            self._stage.name_fields(step.told.text)
            self._stage.name_user(step.sender, step.step.sender)
            with told_if_slow(step.step.place):
                seen = self._do(step)
            pattern = self._expected(step)
            if seen is not None and pattern is not None:
                self._stage.expect(seen, pattern)

    def _expected(self, step: Ready) -> Pattern | None:
        match step.step.expected:
            case None:
                return replies() if isinstance(step.act, Install | TakeSnapshot | LoadSnapshot | TopUp) else None
            case _ if step.step.expected == REJECT:
                return Pattern("is a reject, or refused", lambda seen: isinstance(seen, Rejected | Refused))
            case text:
                return replies_where(f"of {text}", lambda data: says(data, text))

    def _do(self, step: Ready) -> Seen | None:
        stage, canister = self._stage, self._canister
        match step.act:
            case Install(mode=mode):
                return self._install(step, mode)
            case Invoke(method, is_query=True):
                return stage.query(canister, step.argument, method, step.sender)
            case Invoke(method, cycles=0):
                return stage.call(canister, step.argument, method, step.sender)
            case Invoke(method, cycles=cycles):
                asking = call(
                    canister, method, step.argument, cycles=cycles, on_reply=RELAY_REPLY, on_reject=RELAY_REJECT
                )
                return stage.call(self._with_cycles(), program(asking), sender=step.sender)
            case Wait(seconds):
                stage.settle(seconds)
                return None
            case TopUp(cycles):
                topping_up = management.ProvisionalTopUpArguments(canister, cycles)
                return self._managed(step, "provisional_top_up_canister", topping_up)
            case TakeSnapshot():
                taken = self._managed(step, "take_canister_snapshot", management.TakeSnapshotArguments(canister))
                if isinstance(taken, Replied):
                    self._snapshot = management.decode_result("take_canister_snapshot", taken.data).id
                return taken
        loading = management.LoadSnapshotArguments(canister, self._snapshot)
        return self._managed(step, "load_canister_snapshot", loading)

    def _managed(self, step: Ready, method_name: Text, arguments: management.AnyArguments) -> Seen:
        argument = management.encode_arguments(arguments)
        return self._stage.manage(MethodName(method_name), argument, self._canister, step.sender)

    def _install(self, step: Ready, mode: Text) -> Seen:
        raw_module = step.told.raw_module
        if len(raw_module) <= LARGEST_AT_ONCE:
            return self._stage.install(self._canister, raw_module, step.argument, mode_of(step, mode), step.sender)
        chunks = [raw_module[start : start + CHUNK] for start in range(0, len(raw_module), CHUNK)]
        for chunk in chunks:
            uploading = management.UploadChunkArguments(self._canister, chunk)
            seen = self._managed(step, "upload_chunk", uploading)
            if not isinstance(seen, Replied):
                return seen
        arguments = management.InstallChunkedCodeArguments(
            mode_of(step, mode),
            self._canister,
            hashlib.sha256(raw_module).digest(),
            None,
            List(tuple(hashlib.sha256(chunk).digest() for chunk in chunks)),
            step.argument,
        )
        return self._managed(step, "install_chunked_code", arguments)

    def _with_cycles(self) -> CanisterId:
        if self._purse is None:
            attached = sum(step.act.cycles for step in self._steps if isinstance(step.act, Invoke))
            self._purse = self._stage.create_with_code(load("scripted"), cycles=MUCH + attached, name="the purse")
        return self._purse


def mode_of(step: Ready, mode: Text) -> management.CanisterInstallMode:
    """How code is installed. A module that asks for it keeps its heap."""
    match mode:
        case "install":
            return management.InstallMode()
        case "reinstall":
            return management.ReinstallMode()
    keeps = KEEPS_HEAP in step.told.module.private_custom_sections
    return management.UpgradeMode(wasm_memory_persistence=WasmMemoryPersistence.KEEP if keeps else None)


def says(data: Blob, text: Text) -> bool:
    """A reply means these values. A reply that is no Candid message is the blob alone in the text."""
    message = read_as_sent(data)
    try:
        if isinstance(message, CandidError):
            return read_values(text, (BLOB,), {}) == (data,)
        return read_values(text, message.types, message.definitions) == message.values
    except CandidTextError:
        return False


@contextmanager
def told_if_slow(words: Text) -> Iterator[None]:
    """Tells on standard error what is done, if it takes long, and how long it took."""
    started = time.monotonic()
    timer = threading.Timer(SLOW, lambda: print(f"… {words}", file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        seconds = time.monotonic() - started
        if seconds >= SLOW:
            print(f"… {words}: {seconds:.1f} s", file=sys.stderr, flush=True)
