"""
Executions that are done ahead, on several threads, so that their results are there when it is their turn.

A function of a module gives the same whenever it is run on the same state, with the same argument, in the same
environment. So each canister that has something to execute gets a likeness of the subnet which holds nothing but it,
and goes there through the turn that it is about to have; the likenesses do that at the same time. Then the round goes
through all turns one after the other, as ever. Where it comes to an execution that was done ahead on exactly the same,
it takes over what that gave, and otherwise executes. So what a round does is the same with any number of threads, and
without them.
"""

import copy
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from attrs import define, evolve, frozen

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.environments.room import Lack, Room
from reference_impl.messages.pending_function import PendingFunction
from reference_impl.subnet.call_contexts import CallContexts
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.ingress_history import IngressHistory
from reference_impl.subnet.observations import Recorder
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.environment import Environment
from spec.canister.outcome import Outcome
from spec.state.request import KnownRequest, Processing, Request, RequestStatus
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId, Principal, RequestId
from spec.values.quantities import ByteCount, Count, Instructions

WORTH_A_THREAD: Final[Instructions] = 1_000_000
"""Of canisters whose executions took less lately nothing is done ahead: a likeness would take longer."""


@frozen
class Turn:
    """What a canister is about to do."""

    canister_id: CanisterId
    go_through: Callable[[SubnetInstance], None]
    """Does it, in an instance that holds nothing but the canister."""
    responses: tuple[int, ...] = ()
    """The messages that it gets beside the calls that wait for it."""
    requests: tuple[RequestId, ...] = ()
    """The requests to it that are not started."""


@frozen
class _Question:
    """What an execution asked about room for a call, and what it was told."""

    callee: CanisterId
    to_callee: Count
    to_all: Count
    memory: ByteCount
    lack: Lack | None


@define(eq=False)
class _Questioned(Room):
    """Room that remembers what it was asked."""

    questions: tuple[_Question, ...] = ()

    def lack(self, callee: CanisterId, to_callee: Count, to_all: Count, memory: ByteCount) -> Lack | None:
        """What a call does not find."""
        lack = super().lack(callee, to_callee, to_all, memory)
        self.questions += (_Question(callee, to_callee, to_all, memory, lack),)
        return lack


def _told(function: PendingFunction) -> tuple[object, ...]:
    """All that an execution is told, beside the state on which it runs and its environment."""
    context = function.context
    given = context.available_cycles, context.needs_to_respond, context.deadline()
    return function.entry_point, function.caller, function.is_query, *given


@frozen(eq=False)
class _Done:
    """An execution that was done ahead."""

    function: PendingFunction
    state: object
    told: tuple[object, ...]
    environment: Environment
    outcome: Outcome
    room: _Questioned | None

    def stands_for(self, function: PendingFunction, environment: KeptEnvironment) -> bool:
        """The other execution would be the same: all that it is told, and the answers to all that it asks."""
        if (
            self.function.code.installed.module is not function.code.installed.module
            or self.state is not function.code.wasm_state
            or self.told != _told(function)
            or self.environment != environment
            or (self.room is None) is not (environment.room is None)
        ):
            return False
        room = environment.room
        return room is None or self.room is None or all(map(_has_same_answer(room), self.room.questions))


def _has_same_answer(room: Room) -> Callable[[_Question], bool]:
    def is_same(one: _Question) -> bool:
        return room.lack(one.callee, one.to_callee, one.to_all, one.memory) is one.lack

    return is_same


def _tell(room: Room, came_of_it: Room) -> None:
    """What came of the room for an execution counts for another room."""
    room.refused = came_of_it.refused
    room.lacks = came_of_it.lacks
    room.memory_at_end = came_of_it.memory_at_end


class _Ahead:
    """Executes in a likeness, and remembers what executions gave."""

    def __init__(self) -> None:
        self.done: deque[_Done] = deque()
        self.failed = False
        """It could not go through the turn; what fails here is done again, and fails there for all to see."""

    def run(self, function: PendingFunction, environment: KeptEnvironment) -> Outcome:
        """Runs the function."""
        room, state, told = environment.room, function.code.wasm_state, _told(function)
        asked = None if room is None else _Questioned(room.slots, room.open_calls, room.left)
        seen = evolve(environment)
        environment.room = asked
        outcome = function.run(environment)
        if room is not None and asked is not None:
            _tell(room, asked)
        self.done.append(_Done(function, state, told, seen, outcome, asked))
        return outcome


@defines("seed1.parallel-execution", "seed2.concurrent-canisters")
class Foresight:
    """Executes what is about to be executed, as far as that can be told, on several threads."""

    def __init__(self, threads: Count) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="canisters")
        self._under_way: dict[CanisterId, Future[_Ahead]] = {}
        self._is_worth: dict[CanisterId, bool] = {}
        """Whether the latest execution of a canister was long enough."""
        self.used: Count = 0
        """How many executions were done ahead and taken over."""
        self.mistaken: Count = 0
        """How often a canister went another way than it went ahead."""
        self.failed: Count = 0
        """How often a canister could not go ahead."""

    def run(self, function: PendingFunction, environment: KeptEnvironment) -> Outcome:
        """What the function gives; it is run unless that was done ahead."""
        canister_id = function.canister.canister_id
        outcome = self._foreseen(canister_id, function, environment)
        if outcome is None:
            outcome = function.run(environment)
        self._is_worth[canister_id] = outcome.instructions_used >= WORTH_A_THREAD
        return outcome

    def _foreseen(
        self, canister_id: CanisterId, function: PendingFunction, environment: KeptEnvironment
    ) -> Outcome | None:
        under_way = self._under_way.get(canister_id)
        if under_way is None:
            return None
        done = under_way.result().done
        if not done or not done[0].stands_for(function, environment):
            # What comes later is not the same either.
            self.mistaken += bool(done)
            self.failed += under_way.result().failed
            del self._under_way[canister_id]
            return None
        first = done.popleft()
        if first.room is not None and environment.room is not None:
            _tell(environment.room, first.room)
        self.used += 1
        return first.outcome

    def look_ahead(self, instance: SubnetInstance, turns: Iterable[Turn]) -> None:
        """Canisters begin with the turns that they are about to have, if several are worth it."""
        worth = [one for one in turns if self._is_worth.get(one.canister_id, True) and _has_code(instance, one)]
        if len(worth) < 2:
            return
        for turn in worth:
            self._under_way[turn.canister_id] = self._pool.submit(_go_ahead, turn, _likeness(instance, turn))

    def forget(self) -> None:
        """What was done ahead and not taken over is dropped. From now on nothing is done any more."""
        under_way, self._under_way = self._under_way, {}
        for one in under_way.values():
            one.cancel()
        for one in under_way.values():
            if not one.cancelled():
                self.failed += one.result().failed


def _has_code(instance: SubnetInstance, turn: Turn) -> bool:
    canister = instance.canisters.get(turn.canister_id)
    return canister is not None and canister.code is not None


def _go_ahead(turn: Turn, likeness: SubnetInstance) -> _Ahead:
    ahead = likeness.foresight = _Ahead()
    try:
        turn.go_through(likeness)
    except Exception:
        ahead.failed = True
    return ahead


_UNKNOWN: Final = KnownRequest(Request(b"", 0, Principal(b""), CanisterId(b""), "", b""), Processing(), Principal(b""))
"""A request of which nothing is known."""


class _NobodyAsks(IngressHistory):
    """In a likeness nobody asks what becomes of requests but those that it is about to start."""

    def change(self, request_id: RequestId, status: RequestStatus) -> KnownRequest:
        """Of other requests nothing is noted."""
        return super().change(request_id, status) if request_id in self else _UNKNOWN


def _likeness(instance: SubnetInstance, turn: Turn) -> SubnetInstance:
    """The instance with nothing in it but one canister, its messages and its contexts. What is in it may change."""
    canister_id = turn.canister_id
    like = copy.copy(instance)
    like.canisters = {canister_id: _record_like(instance.canisters[canister_id])}
    like.with_tasks = {one: None for one in instance.with_tasks if one == canister_id}
    like.hooks_due = {one: None for one in instance.hooks_due if one == canister_id}
    like.stopping, like.written, like.to_certify, like.to_keep = {}, {}, {}, {}
    like.contexts = _contexts_like(instance.contexts, canister_id)
    like.messages = instance.messages.only(canister_id, turn.responses)
    like.reject_texts = dict(instance.reject_texts)
    like.ingress = _NobodyAsks()
    for request_id in turn.requests:
        like.ingress.remember(request_id, instance.ingress[request_id])
    like.recorder = Recorder(explains=False)
    like.memory_in_use = Counter(instance.memory_in_use)
    return like


def _record_like(record: CanisterRecord) -> CanisterRecord:
    """The canister, with copies of what executions change."""
    return evolve(
        record,
        code=copy.copy(record.code),
        open_calls=Counter(record.open_calls),
        logs=list(record.logs),
        consumed=dict(record.consumed),
        standing=None,
    )


def _contexts_like(contexts: CallContexts, canister_id: CanisterId) -> CallContexts:
    like = CallContexts()
    for context_id in contexts.of_canister(canister_id):
        like.open(context_id, copy.copy(contexts[context_id]))
        if not contexts.is_unreferenced(context_id):
            del like.unreferenced[context_id]
    like.next_id = contexts.next_id
    return like
