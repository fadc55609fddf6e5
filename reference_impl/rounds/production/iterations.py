"""
The inner loop: management calls, then all cores, then messages between the canisters, again and again.

Source: facts on the round, inner_loop; rs/execution_environment/src/scheduler.rs.
"""

from typing import Final

from attrs import define, field

from reference_impl.rounds.production.ahead import Ahead
from reference_impl.rounds.production.blocks import Capacity
from reference_impl.rounds.production.conductor import Conductor, Place
from reference_impl.rounds.production.executions import HEARTBEAT, TIMER, Core, Turn, due_behind_hook, has_work
from reference_impl.rounds.production.mailing import deliver
from reference_impl.rounds.production.management import handle_management_calls
from reference_impl.rounds.production.priorities import FULL_ROUND, Ranking, on_cores
from reference_impl.rounds.production.usage import RoomOnCore
from spec.state.canister import HookStatus
from spec.values.identifiers import CanisterId
from spec.values.quantities import Count, Instructions

TIMER_HEARTBEAT_MESSAGE: Final = (TIMER, HEARTBEAT, None)
"""What a canister is looked at for, in turn; None stands for a message."""


@define
class Loop:
    """The inner loop of a round."""

    conductor: Conductor
    ranking: Ranking
    limit: int
    """How many instructions are left."""
    executed: list[Instructions]
    """On each core."""
    iterations: Count = 0
    queued: dict[CanisterId, list[str]] = field(factory=dict)
    """The tasks of each canister."""

    @classmethod
    def of_round(cls, conductor: Conductor, ranking: Ranking) -> "Loop":
        """The loop before its first iteration."""
        rounds = conductor.instance.profile.rounds
        largest_slice = max(rounds.slice_instructions, rounds.install_slice_instructions)
        limit = rounds.round_instructions - largest_slice + 1
        return cls(conductor, ranking, limit, [0] * rounds.threads)

    def run(self) -> None:
        """Iterations until nothing is left to do, or the round is used up."""
        conductor = self.conductor
        while True:
            handle_management_calls(conductor)
            if self.limit <= 0:
                return
            if self.iterations == 0:
                self._queue_tasks()
                self._begin_first_iteration()
            long, new = self._active()
            if not long and not new:
                return
            spent = self._iterate(long, new)
            if not spent:
                return
            if conductor.notes.heap_delta >= conductor.instance.profile.rounds.heap_delta_in_iteration:
                return
            deliver(conductor, Place.AT_ITS_MAKER)

    def _queue_tasks(self) -> None:
        """Canisters are looked at for a due timer, a heartbeat, and messages: what comes first is done first."""
        conductor = self.conductor
        for canister_id in conductor.canisters():
            if canister_id in conductor.long_runs:
                continue
            due = [task for task in (TIMER, HEARTBEAT) if due_behind_hook(conductor, task, canister_id)]
            if due:
                self.queued[canister_id] = self._choose(canister_id, due)

    def _choose(self, canister_id: CanisterId, due: list[str]) -> list[str]:
        book = self.conductor.book(canister_id)
        for _ in TIMER_HEARTBEAT_MESSAGE:
            looked_for = TIMER_HEARTBEAT_MESSAGE[book.looks_next_for]
            book.looks_next_for = (book.looks_next_for + 1) % len(TIMER_HEARTBEAT_MESSAGE)
            if self.conductor.canister(canister_id).low_memory_hook is HookStatus.READY:
                return []
            if looked_for in due:
                return [looked_for, *(task for task in due if task != looked_for)]
            if looked_for is None and has_work(self.conductor, canister_id, ()):
                return []
        raise AssertionError("a task that is due is found")

    def _has_work(self, canister_id: CanisterId) -> bool:
        return has_work(self.conductor, canister_id, self.queued.get(canister_id, ()))

    def _begin_first_iteration(self) -> None:
        """Canisters that have to pause pay for a round; idle ones in front of the others have had their turn."""
        conductor = self.conductor
        conductor.notes.was_long = frozenset(one for one in conductor.canisters() if conductor.is_executing(one))
        for canister_id in conductor.canisters():
            if self._is_rate_limited(canister_id):
                conductor.book(canister_id).priority -= FULL_ROUND
                conductor.reached[Capacity.RATE_OF_EXECUTION] += 1
        for canister_id in self.ranking.new:
            if canister_id in conductor.instance.canisters and canister_id not in conductor.long_runs:
                if self._has_work(canister_id):
                    break
                conductor.notes.full.add(canister_id)

    def _is_rate_limited(self, canister_id: CanisterId) -> bool:
        rounds, book = self.conductor.instance.profile.rounds, self.conductor.book(canister_id)
        return (
            book.heap_delta >= rounds.heap_delta_of_canister
            or book.installed >= rounds.install_instructions_of_canister
        )

    def _active(self) -> tuple[list[CanisterId], list[CanisterId]]:
        """The canisters that have a turn now, with a long execution since before the round and without."""
        conductor = self.conductor

        def has_turn(canister_id: CanisterId) -> bool:
            if canister_id not in conductor.instance.canisters or self._is_rate_limited(canister_id):
                return False
            ended = canister_id in conductor.notes.was_long and not conductor.is_executing(canister_id)
            return not ended and self._has_work(canister_id)

        return [one for one in self.ranking.long if has_turn(one)], [one for one in self.ranking.new if has_turn(one)]

    def _iterate(self, long: list[CanisterId], new: list[CanisterId]) -> int:
        """The canisters have their turns; how many instructions are gone."""
        conductor = self.conductor
        rounds = conductor.instance.profile.rounds
        room = RoomOnCore.now(conductor)
        limits: list[int] = []
        on_each = on_cores(conductor, long, new, self.ranking.cores_for_long)
        ahead = Ahead(conductor, on_each, Core(self.limit, room), self.queued)
        for number, canister_ids in enumerate(on_each):
            if self.iterations == 0:
                conductor.notes.full.update(canister_ids[:1])
            core = Core(self.limit, room.copied())
            for place, canister_id in enumerate(canister_ids):
                if core.may_begin(conductor):
                    ahead.look(number, place)
                Turn(conductor, core, canister_id, self.queued.get(canister_id, [])).run()
            self.executed[number] += core.executed
            limits.append(core.limit)
            conductor.reached[Capacity.ROUND] += core.limit <= 0
            conductor.reached[Capacity.HEAP_DELTA_OF_ITERATION] += core.heap_delta >= rounds.heap_delta_in_iteration
        ahead.forget()
        spent = self.limit - min(limits)
        self.limit -= spent + rounds.finalization_overhead * len(conductor.canisters())
        self.iterations += 1
        return spent
