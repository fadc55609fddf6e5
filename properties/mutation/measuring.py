"""
What the suite asks of the right implementation, what that answers, and which of its lines run for it.

A mutant that answers a scenario's requests as the right implementation does gets its verdict, too: so most scenarios
need no judge. Lines that run when a canister's module is rewritten and compiled count for every scenario that has
that module, though it is done once.
"""

import hashlib
import json
import multiprocessing
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from attrs import field, frozen

from conformance.running.case import Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.suite.scenario import Scenario
from properties.mutation.mutants import AREAS, ROOT, Mutant
from properties.mutation.patching import forget
from properties.mutation.serving import RightImplementation
from reference_impl.server.service import Service
from reference_impl.server.stdio import respond
from reference_impl.wasm.instances.instance import CompiledModule
from reference_impl.wasm.running import module as modules
from spec.canister.module import CanisterModule, MalformedModule
from spec.profile import Profile
from spec.values.identifiers import Blob, Text

KEPT: Final = ROOT / "build" / "mutation"
"""Where measurements are kept."""

EXPLAINING: Final = ("explain", "state")
"""What is not asked of a black box."""

Line = tuple[Text, int]
"""A file, from the root, and the number of a line."""


@frozen
class Exchange:
    """One request, and what the right implementation answers."""

    verb: Text
    request: bytes
    response: bytes


@frozen
class Recording:
    """What one scenario does to the right implementation."""

    scenario: Text
    """Its id."""
    exchanges: tuple[Exchange, ...]
    lines: frozenset[Line]
    """Those that run."""
    loads: frozenset[Text]
    """What is worked out once and used again, by name: `Measurement.loading` has the lines."""
    seconds: float
    """How long answering takes."""
    applies_to_black_boxes: bool
    digest: Text = field()
    """A hash of what is asked and answered."""

    @digest.default
    def _digest(self) -> Text:
        told = hashlib.sha256()
        for each in self.exchanges:
            told.update(each.request + each.response)
        return told.hexdigest()[:16]


@frozen
class Measurement:
    """What the suite does to the right implementation."""

    recordings: tuple[Recording, ...]
    loading: dict[Text, frozenset[Line]]
    """The lines that run for what is worked out once."""

    def reaching(self, mutant: Mutant) -> list[Recording]:
        """The scenarios in which the mutant runs, the quickest first."""
        lines = {(mutant.path, number) for number in range(mutant.first_line, mutant.last_line + 1)}
        through = self.loading_through(mutant)
        found = [each for each in self.recordings if each.lines & lines or each.loads & through]
        return sorted(found, key=lambda each: each.seconds)

    def loading_through(self, mutant: Mutant) -> frozenset[Text]:
        """What is worked out once in which the mutant runs."""
        lines = {(mutant.path, number) for number in range(mutant.first_line, mutant.last_line + 1)}
        return frozenset(name for name, run in self.loading.items() if run & lines)


# Recording


class _Trace:
    """Notes the lines that run, in the files of mutants, for a scenario or for what is worked out once."""

    def __init__(self) -> None:
        self.files = {
            str(path): path.relative_to(ROOT).as_posix()
            for places in AREAS.values()
            for place in places
            for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).glob("**/*.py"))
        }
        self.lines: set[Line] = set()
        self.loading: dict[Text, frozenset[Line]] = {}
        self.loads: set[Text] = set()

    def __call__(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        file = self.files.get(frame.f_code.co_filename)
        if file is None:
            return None

        def local(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
            if event == "line":
                self.lines.add((file, frame.f_lineno))
            return local

        return local

    def once(self, name: Text, forget_it: Callable[[], object], work: Callable[[], Any]) -> Any:
        """Does work whose lines are noted apart, under a name; the first time, as if it was not done before."""
        self.loads.add(name)
        if name in self.loading:
            return work()
        forget_it()
        outer, self.lines = self.lines, set()
        try:
            return work()
        finally:
            self.loading[name] = frozenset(self.lines)
            self.lines = outer


def record(chosen: Scenario) -> tuple[tuple[Exchange, ...], bool]:
    """What a scenario asks and gets, explained, and whether it passes."""
    implementation = RightImplementation()
    case = run_scenario(chosen, implementation, implementation.describe(), Manner())
    exchanges = tuple(Exchange(*each) for each in implementation.here.exchanged)
    return exchanges, case.verdict.name == "pass"


def _traced(exchanges: Sequence[Exchange], trace: _Trace) -> tuple[frozenset[Line], frozenset[Text]]:
    """Which lines run when the requests are made again."""
    trace.lines, trace.loads = set(), set()

    def loader(raw: Blob, profile: Profile) -> CanisterModule | MalformedModule:
        key = (hashlib.sha256(raw).digest(), profile.limits)
        name = hashlib.sha256(raw + repr(profile.limits).encode()).hexdigest()[:16]
        loaded: CanisterModule | MalformedModule = trace.once(
            name, lambda: modules._cache.pop(key, None), lambda: modules.load_module(raw, profile)
        )
        return loaded

    def once(method: Callable[..., Any], made: Callable[[CompiledModule], list[CompiledModule]]) -> Callable[..., Any]:
        def run(compiled: CompiledModule, *given: Any) -> Any:
            name = f"{method.__name__} {hashlib.sha256(compiled.instrumented.binary).hexdigest()[:16]}"
            return trace.once(name, made(compiled).clear, lambda: method(compiled, *given))

        return run

    exactly, roomy = CompiledModule.counting_exactly, CompiledModule.for_large_stable_memory
    forget(loads_anew=False)
    service = Service(loader=loader)
    try:
        CompiledModule.counting_exactly = once(exactly, lambda each: each.exact)  # type: ignore[method-assign]
        CompiledModule.for_large_stable_memory = once(roomy, lambda each: each.with_more_room)  # type: ignore[method-assign]
        threading.settrace(trace)
        sys.settrace(trace)
        for each in exchanges:
            # Reason: no mutant is in what makes the digest of a state, which takes longest.
            if each.verb != "state":
                respond(service, each.request)
    finally:
        sys.settrace(None)
        threading.settrace(None)
        CompiledModule.counting_exactly = exactly  # type: ignore[method-assign]
        CompiledModule.for_large_stable_memory = roomy  # type: ignore[method-assign]
    return frozenset(trace.lines), frozenset(trace.loads)


def replay_seconds(exchanges: Sequence[Exchange]) -> float:
    """How long the right implementation takes to answer again what a black box is asked."""
    began = time.process_time()
    service = Service()
    for each in exchanges:
        if each.verb not in EXPLAINING:
            respond(service, each.request)
    return time.process_time() - began


def measured(scenarios: Sequence[Scenario]) -> Measurement:
    """Records scenarios, one after the other, in this process."""
    trace = _Trace()
    recordings: list[Recording] = []
    for chosen in scenarios:
        exchanges, passes = record(chosen)
        if not passes or not exchanges:
            # Reason: what the right implementation does not pass tells nothing of a wrong one.
            continue
        lines, loads = _traced(exchanges, trace)
        is_for_all = not chosen.needs.capabilities
        seconds = replay_seconds(exchanges)
        recordings.append(Recording(chosen.id, exchanges, lines, loads, seconds, is_for_all))
    return Measurement(tuple(recordings), trace.loading)


# Keeping


def _sources(*places: Path) -> Iterator[Path]:
    for place in places:
        yield from sorted(
            path
            for path in place.glob("**/*")
            if path.is_file() and "tests" not in path.parts and path.suffix != ".pyc"
        )


def digest_of(*places: Path) -> Text:
    """A hash of the files of some folders."""
    told = hashlib.sha256()
    for path in _sources(*places):
        told.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return told.hexdigest()[:16]


def judge_digest() -> Text:
    """A hash of what gives verdicts: the judge and the specification."""
    conformance = ROOT / "conformance"
    return digest_of(ROOT / "spec", conformance / "judging", conformance / "running", conformance / "protocol")


def measured_and_kept(scenarios: Sequence[Scenario], workers: int, tell: Callable[[Text], None]) -> Measurement:
    """The measurement of scenarios, by groups; a group that was measured before, with the same sources, is read."""
    conformance = ROOT / "conformance"
    shared = hashlib.sha256(
        json.dumps(
            [judge_digest(), digest_of(ROOT / "reference_impl", conformance / "canisters")]
            + [path.read_text() for path in sorted((conformance / "suite").glob("*.py"))]
        ).encode()
    ).hexdigest()
    groups: dict[Text, list[Scenario]] = {}
    for each in scenarios:
        groups.setdefault(each.id.partition("/")[0], []).append(each)
    files: dict[Text, Path] = {}
    for group, members in groups.items():
        own = Path(str(sys.modules[members[0].script.__module__].__file__)).read_bytes()
        names = " ".join(each.id for each in members).encode()
        files[group] = KEPT / f"{group}-{hashlib.sha256(shared.encode() + own + names).hexdigest()[:16]}.pickle"
    KEPT.mkdir(parents=True, exist_ok=True)
    missing = [group for group in groups if not files[group].exists()]
    if missing:
        tell(f"measuring {sum(len(groups[group]) for group in missing)} scenarios in {len(missing)} groups")
        # Reason: a group with many scenarios takes long, so these begin first.
        missing.sort(key=lambda group: -len(groups[group]))
        with multiprocessing.get_context("fork").Pool(workers, maxtasksperchild=1) as pool:
            work = [([each.id for each in groups[group]], files[group]) for group in missing]
            for done in pool.imap_unordered(_measure_group, work, chunksize=1):
                tell(f"measured {done}")
    recordings: list[Recording] = []
    loading: dict[Text, frozenset[Line]] = {}
    for group in groups:
        part: Measurement = pickle.loads(files[group].read_bytes())
        recordings += part.recordings
        for name, lines in part.loading.items():
            loading[name] = loading.get(name, frozenset()) | lines
    return Measurement(tuple(recordings), loading)


def _measure_group(work: tuple[list[Text], Path]) -> Text:
    ids, file = work
    known = {each.id: each for each in all_scenarios()}
    part = measured([known[each] for each in ids])
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_bytes(pickle.dumps(part))
    unfinished.replace(file)
    return file.name.rpartition("-")[0]
