"""What rounds cost on the whole engine: on several threads, and beside canisters that do nothing."""

import threading
import time
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import wasmtime
from attrs import evolve, frozen

from reference_impl.certification.signing import ROOT_KEY
from reference_impl.durability.contents import Contents
from reference_impl.durability.directory import Beginning, StateDirectory
from reference_impl.engine import Engine
from reference_impl.reads.queries import Query
from reference_impl.reads.state_tree import state_tree
from reference_impl.rounds.production import Block, BlockRequest, ProductionRounds
from reference_impl.subnet.canister_record import empty_canister
from reference_impl.subnet.ingress_history import request_id_of
from reference_impl.subnet.observations import Accepted
from spec.profile import load_profile
from spec.state.canister import Empty, Subnet
from spec.state.request import Replied, Request
from spec.values.identifiers import (
    MANAGEMENT_CANISTER,
    Blob,
    CanisterId,
    MethodName,
    Principal,
    numbered_canister_id,
    self_authenticating_id,
)
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    encode_arguments,
)
from spec.values.quantities import NANOSECONDS_PER_SECOND, OS_PAGE, Count, Cycles, Nanoseconds
from spec.values.rejects import Reply

NOW: Final[Nanoseconds] = 1_700_000_000_000_000_000
MINUTE: Final[Nanoseconds] = 60 * 10**9
USER: Final = self_authenticating_id(b"user")
PLENTY: Final[Cycles] = 10**24
COMPUTING: Final[Count] = 8
"""Canisters that compute in a round."""
TURNS: Final[Count] = 30_000_000
"""Of the loop that each goes through."""
REPEATED: Final = 7
ACTIVE: Final[Count] = 10
NEVER: Final[Count] = 2**62
"""So many steps are not between two checkpoints, of which each is asked for."""
FIRST_IDLE: Final[Count] = 1_000
"""The number of the first idle canister."""

WORKER: Final = f"""(module (import "ic0" "msg_reply" (func $reply))
    (import "ic0" "certified_data_set" (func $certify (param i32 i32))) (memory 1)
    (func (export "canister_update certify")
      (i32.store (i32.const 64) (i32.add (i32.const 1) (i32.load (i32.const 64))))
      (call $certify (i32.const 64) (i32.const 32)) (call $reply))
    (func (export "canister_update empty") (call $reply))
    (func (export "canister_query look") (call $compute) (call $reply))
    (func (export "canister_update compute") (call $compute) (call $reply))
    (func $compute (local $i i32) (local $sum i64)
      (loop $next
        (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 7)) (i64.extend_i32_u (local.get $i))))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {TURNS}))))
      (i64.store (i32.const 0) (local.get $sum))))"""

HOLDER: Final = """(module (import "ic0" "msg_reply" (func $reply)) (memory PAGES)
    (func (export "canister_update fill") (local $i i32)
      (loop $next
        (i64.store (local.get $i) (i64.extend_i32_u (i32.add (local.get $i) (i32.const 1))))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8)))
          (i32.mul (i32.const PAGES) (i32.const 65536)))))
      (call $reply))
    (func (export "canister_update write")
      (i32.store (i32.const 5000) (i32.add (i32.const 1) (i32.load (i32.const 5000)))) (call $reply)))"""


class Asking:
    """Asks an engine, and lets it answer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._numbers = count()

    def created(self, canisters: Count) -> list[CanisterId]:
        """New canisters."""
        management = CanisterId(MANAGEMENT_CANISTER)
        there = set(self.engine.instance.canisters)
        creation = encode_arguments(ProvisionalCreateArguments(PLENTY))
        self.together([(management, management, "provisional_create_canister_with_cycles", creation)] * canisters)
        return sorted(self.engine.instance.canisters.keys() - there)

    def install(self, canister_ids: Iterable[CanisterId], code: Blob) -> None:
        """Canisters get code."""
        management = CanisterId(MANAGEMENT_CANISTER)
        self.together(
            (management, one, "install_code", encode_arguments(InstallCodeArguments(InstallMode(), one, code)))
            for one in canister_ids
        )

    def together(self, requests: Iterable[tuple[Principal, Principal, MethodName, Blob]]) -> None:
        """Requests are submitted, and answered with replies."""
        accepted = []
        for canister_id, effective_id, method, argument in requests:
            number = next(self._numbers).to_bytes(8, "big")
            request = Request(number, self.engine.instance.system_time + MINUTE, USER, canister_id, method, argument)
            taken = self.engine.submit(request, effective_id)
            assert isinstance(taken, Accepted), taken
            accepted.append(taken.request_id)
        self.engine.drain()
        statuses = [self.engine.request_status(one) for one in accepted]
        assert all(isinstance(one, Replied) for one in statuses), statuses[:3]


class Working(Asking):
    """An engine with canisters that compute."""

    def __init__(self, canisters: Count, threads: Count = 1, engine: Engine | None = None) -> None:
        """On a new engine, if none is given."""
        subnet = Subnet(self_authenticating_id(b"subnet"), 13)
        super().__init__(engine or Engine(load_profile(), subnet, NOW, b"root key", explains=False, threads=threads))
        self.canister_ids = self.created(canisters)
        self.install(self.canister_ids, bytes(wasmtime.wat2wasm(WORKER)))

    def add_idle(self, canisters: Count) -> None:
        """So many canisters are there that do nothing."""
        instance = self.engine.instance
        like = evolve(instance.canisters[self.canister_ids[0]].frozen(), code=Empty())
        for number in range(FIRST_IDLE, FIRST_IDLE + canisters):
            instance.add_canister(empty_canister(numbered_canister_id(number), like))

    def all_query(self, method: MethodName) -> None:
        """All canisters that have code are queried."""
        expiry = self.engine.instance.system_time + MINUTE
        asked = [(Query(b"", expiry, USER, one, method, b""), one) for one in self.canister_ids]
        assert all(isinstance(one, Reply) for one in self.engine.query_together(asked))

    def all_call(self, method: MethodName) -> None:
        """All canisters that have code are called."""
        self.together((one, one, method, b"") for one in self.canister_ids)


class Producing(Working):
    """The same with the rounds of production, as soon as the canisters have their code."""

    def __init__(self, canisters: Count, threads: Count = 1) -> None:
        super().__init__(canisters)
        self._rounds = ProductionRounds(self.engine.instance, threads)

    def in_a_round(self, method: MethodName) -> None:
        """All canisters that have code are called in one round."""
        time = self.engine.instance.system_time + NANOSECONDS_PER_SECOND
        requests = [
            Request(next(self._numbers).to_bytes(8, "big"), time + MINUTE, USER, one, method, b"")
            for one in self.canister_ids
        ]
        self._rounds.execute(Block(time, tuple(BlockRequest(one, one.canister_id, None) for one in requests)))
        statuses = [self.engine.request_status(request_id_of(one)) for one in requests]
        assert all(isinstance(one, Replied) for one in statuses), statuses[:3]


def idle(canisters: Count) -> dict[str, float]:
    """Seconds of rounds with a few active canisters, of a step of time, and of certifying, beside so many idle ones."""
    working = Working(ACTIVE)
    instance = working.engine.instance
    working.add_idle(canisters)
    working.all_call("empty")
    state_tree(instance)
    return {
        "a round with ten messages": _least(lambda: working.all_call("empty")),
        "a step of time": _least(lambda: working.engine.advance(NANOSECONDS_PER_SECOND)),
        "the state tree after such a round": _least(lambda: state_tree(instance), lambda: working.all_call("empty")),
        "the state tree after ten canisters certified": _least(
            lambda: state_tree(instance), lambda: working.all_call("certify")
        ),
    }


def _least(run: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """The least processor time of some runs, with something before each that does not count."""
    times = []
    for _ in range(REPEATED):
        before()
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


@frozen
class OnTwoThreads:
    """How many times as long something takes on one thread as on two."""

    by_the_wall: float
    """What somebody sees who waits. Other programs disturb it."""
    by_the_busiest: float
    """
    How many times as much processor time all threads take as the leading one and the busiest other one together: what
    somebody would see who has two cores for himself.
    """


def rounds_on_two_threads() -> OnTwoThreads:
    """Rounds in which several canisters compute."""
    alone, together = Working(COMPUTING), Working(COMPUTING, threads=2)
    return _on_two_threads(lambda: alone.all_call("compute"), lambda: together.all_call("compute"))


def rounds_of_production_on_two_threads() -> OnTwoThreads:
    """Rounds of production in which several canisters compute."""
    alone, together = Producing(COMPUTING), Producing(COMPUTING, threads=2)
    return _on_two_threads(lambda: alone.in_a_round("compute"), lambda: together.in_a_round("compute"))


def queries_on_two_threads() -> OnTwoThreads:
    """Queries that compute, of several canisters."""
    alone, together = Working(COMPUTING), Working(COMPUTING, threads=2)
    return _on_two_threads(lambda: alone.all_query("look"), lambda: together.all_query("look"))


def _on_two_threads(alone: Callable[[], object], together: Callable[[], object]) -> OnTwoThreads:
    """Both in turns; the least time by the wall counts, and the median of what is compared within a run."""
    walls, shares = [float("inf")] * 2, []
    for _ in range(REPEATED):
        for place, run in enumerate((alone, together)):
            before, start = _times_of_threads(), time.perf_counter()
            run()
            walls[place] = min(walls[place], time.perf_counter() - start)
            leading, *others = (now - before.get(one, 0.0) for one, now in _times_of_threads().items())
        shares.append((leading + sum(others)) / (leading + max(others)))
    return OnTwoThreads(walls[0] / walls[1], median(shares))


def _times_of_threads() -> dict[int, float]:
    """The processor time of each thread, by its number; the thread that asks comes first."""
    others = [one.ident for one in threading.enumerate() if one.ident is not None]
    in_order = [threading.get_ident(), *(one for one in others if one != threading.get_ident())]
    return {one: time.clock_gettime(time.pthread_getcpuclockid(one)) for one in in_order}


def checkpoints() -> dict[Count, float]:
    """Seconds that telling what has changed takes after a page was written, by the mebibytes that a canister holds."""
    return {mebibytes: _checkpoint(mebibytes) for mebibytes in (1, 64)}


def checkpoints_beside_idle(canisters: Count) -> float:
    """Seconds that a checkpoint takes after ten messages to ten canisters, beside so many that do nothing."""
    beginning = Beginning(load_profile(), Subnet(self_authenticating_id(ROOT_KEY), 13), ROOT_KEY, NOW)
    with TemporaryDirectory() as path:
        directory = StateDirectory.opened(Path(path), beginning, checkpoint_steps=NEVER)
        working = Working(ACTIVE, engine=directory.engine)
        working.add_idle(canisters)
        working.engine.advance(NANOSECONDS_PER_SECOND)
        directory.checkpoint()

        def checkpoint() -> float:
            working.all_call("certify")
            start = time.process_time()
            directory.checkpoint()
            return time.process_time() - start

        # Reason: some of them take in the files of those before, so the least would not say what they cost.
        seconds = median(checkpoint() for _ in range(REPEATED * 3))
        directory.close()
    return seconds


def _checkpoint(mebibytes: Count) -> float:
    subnet = Subnet(self_authenticating_id(b"subnet"), 13)
    asking = Asking(Engine(load_profile(), subnet, NOW, b"root key", explains=False))
    (canister_id,) = asking.created(1)
    asking.install([canister_id], bytes(wasmtime.wat2wasm(HOLDER.replace("PAGES", str(mebibytes * 16)))))
    asking.together([(canister_id, canister_id, "fill", b"")])
    contents = Contents()
    contents.changes(asking.engine)

    def checkpoint() -> float:
        asking.together([(canister_id, canister_id, "write", b"")])
        start = time.process_time()
        changes = contents.changes(asking.engine)
        seconds = time.process_time() - start
        assert sum(len(value or b"") == OS_PAGE for value in changes.values()) == 1, "one page has changed"
        return seconds

    return min(checkpoint() for _ in range(REPEATED * REPEATED))
