"""What rounds cost on the whole engine: on several threads, and beside canisters that do nothing."""

import threading
import time
from collections.abc import Callable, Iterable
from itertools import count
from typing import Final

import wasmtime
from attrs import frozen

from reference_impl.engine import Engine
from reference_impl.subnet.observations import Accepted
from spec.profile import load_profile
from spec.state.canister import Subnet
from spec.state.request import Replied, Request
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MethodName, Principal, self_authenticating_id
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    encode_arguments,
)
from spec.values.quantities import Count, Cycles, Nanoseconds

NOW: Final[Nanoseconds] = 1_700_000_000_000_000_000
MINUTE: Final[Nanoseconds] = 60 * 10**9
USER: Final = self_authenticating_id(b"user")
PLENTY: Final[Cycles] = 10**24
COMPUTING: Final[Count] = 8
"""Canisters that compute in a round."""
TURNS: Final[Count] = 30_000_000
"""Of the loop that each goes through."""
REPEATED: Final = 7

WORKER: Final = f"""(module (import "ic0" "msg_reply" (func $reply)) (memory 1)
    (func (export "canister_update empty") (call $reply))
    (func (export "canister_query look") (call $compute) (call $reply))
    (func (export "canister_update compute") (call $compute) (call $reply))
    (func $compute (local $i i32) (local $sum i64)
      (loop $next
        (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 7)) (i64.extend_i32_u (local.get $i))))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {TURNS}))))
      (i64.store (i32.const 0) (local.get $sum))))"""


class Subnetwork:
    """An engine with canisters."""

    def __init__(self, canisters: Count, threads: Count = 1) -> None:
        subnet = Subnet(self_authenticating_id(b"subnet"), 13)
        self.engine = Engine(load_profile(), subnet, NOW, b"root key", explains=False, threads=threads)
        self._numbers = count()
        management = CanisterId(MANAGEMENT_CANISTER)
        creation = encode_arguments(ProvisionalCreateArguments(PLENTY))
        method = "provisional_create_canister_with_cycles"
        self.together([(management, management, method, creation)] * canisters)
        self.canister_ids = sorted(self.engine.instance.canisters)
        code = bytes(wasmtime.wat2wasm(WORKER))
        self.together(
            (management, one, "install_code", encode_arguments(InstallCodeArguments(InstallMode(), one, code)))
            for one in self.canister_ids
        )

    def together(
        self,
        requests: Iterable[tuple[Principal, Principal, MethodName, Blob]],
        clock: Callable[[], float] = time.process_time,
    ) -> float:
        """Requests are submitted, and answered with replies; the seconds that the rounds take by a clock."""
        accepted = []
        for canister_id, effective_id, method, argument in requests:
            number = next(self._numbers).to_bytes(8, "big")
            request = Request(number, self.engine.instance.system_time + MINUTE, USER, canister_id, method, argument)
            taken = self.engine.submit(request, effective_id)
            assert isinstance(taken, Accepted), taken
            accepted.append(taken.request_id)
        start = clock()
        self.engine.drain()
        seconds = clock() - start
        assert all(isinstance(self.engine.request_status(one), Replied) for one in accepted)
        return seconds

    def all_call(self, method: MethodName, clock: Callable[[], float] = time.process_time) -> float:
        """All canisters that have code are called; the seconds that the rounds take by a clock."""
        return self.together(((one, one, method, b"") for one in self.canister_ids), clock)


@frozen
class OnTwoThreads:
    """How many times as long rounds take on one thread as on two."""

    by_the_wall: float
    """What somebody sees who waits. Other programs disturb it."""
    by_the_busiest: float
    """
    The processor time of all on one thread, against that of the leading thread and the busiest other one on two: what
    somebody would see who has two cores for himself.
    """


def on_two_threads(repeated: Count = REPEATED) -> OnTwoThreads:
    """Rounds in which several canisters compute, on one thread and on two in turns; the least of each counts."""
    alone, together = Subnetwork(COMPUTING), Subnetwork(COMPUTING, threads=2)
    walls, processors = [float("inf")] * 2, [float("inf")] * 2
    for _ in range(repeated):
        walls[0] = min(walls[0], alone.all_call("compute", time.perf_counter))
        processors[0] = min(processors[0], alone.all_call("compute"))
        before = _times_of_threads()
        walls[1] = min(walls[1], together.all_call("compute", time.perf_counter))
        leading, *others = (now - before.get(one, 0.0) for one, now in _times_of_threads().items())
        processors[1] = min(processors[1], leading + max(others))
    return OnTwoThreads(walls[0] / walls[1], processors[0] / processors[1])


def _times_of_threads() -> dict[int, float]:
    """The processor time of each thread, by its number; the thread that asks comes first."""
    others = [one.ident for one in threading.enumerate() if one.ident is not None]
    in_order = [threading.get_ident(), *(one for one in others if one != threading.get_ident())]
    return {one: time.clock_gettime(time.pthread_getcpuclockid(one)) for one in in_order}
