"""
The inner loop of a round: management calls, then canisters on all cores at once, again and again.

Cores work on different canisters, and what a canister sends is delivered after the iteration, so they do not see each
other: their labels can be taken core by core. Each core has the same room of free memory and free callbacks. Source:
facts on the round, inner_loop.
"""

from attrs import evolve, frozen

from spec.production.rounds.executions import Core, Tasks, executed_on_core, has_work
from spec.production.rounds.induction import delivered
from spec.production.rounds.management import managed
from spec.production.rounds.priority import WHOLE, Order, assigned, order
from spec.production.rounds.progress import Progress
from spec.production.rounds.round_state import Place
from spec.production.rounds.tasks import with_tasks_queued
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId
from spec.values.quantities import Count, Instructions


@frozen
class Loop:
    """The inner loop under way."""

    progress: Progress
    limit: int
    """How many instructions are left for the cores."""
    cores: tuple[Instructions, ...]
    """What was executed on each core."""
    iterations: Count = 0
    tasks: Tasks = {}


def start_limit(progress: Progress) -> Instructions:
    """With so many instructions left a round begins: a slice that begins with one left keeps within the round."""
    rounds = progress.state.profile.rounds
    largest_slice = max(rounds.slice_instructions, rounds.install_slice_instructions)
    return rounds.round_instructions - largest_slice + 1


@defines("seed1.round-ends-empty-or-limit")
def looped(progress: Progress) -> Loop:
    """After all iterations of a round."""
    ranking = order(progress)
    loop = Loop(progress, start_limit(progress), (0,) * progress.state.profile.rounds.threads)
    while True:
        loop = evolve(loop, progress=managed(loop.progress))
        if loop.limit <= 0:
            return loop
        if loop.iterations == 0:
            queued, tasks = with_tasks_queued(loop.progress)
            queued = evolve(queued, long_at_first=frozenset(ranking.long))
            loop = evolve(loop, progress=rate_limited_and_idle_noted(queued, ranking, tasks), tasks=tasks)
        active = scheduled(loop, ranking)
        if not active.long and not active.others:
            return loop
        before = loop
        loop = iterated(loop, active)
        heap_delta = loop.progress.heap_delta
        if spent(before, loop) == 0 or heap_delta >= loop.progress.state.profile.rounds.heap_delta_in_iteration:
            return loop
        loop = evolve(loop, progress=delivered(loop.progress, (Place.OUTPUT,)))


def spent(before: Loop, after: Loop) -> int:
    """How far the limit fell by an iteration, but for what is taken for each canister of the subnet."""
    rounds = before.progress.state.profile.rounds
    return before.limit - after.limit - rounds.finalization_overhead * len(after.progress.canisters())


def is_rate_limited(progress: Progress, canister_id: CanisterId) -> bool:
    """The canister changed so much memory, or installed so much code, that it has to wait."""
    rounds = progress.state.profile.rounds
    record = progress.record(canister_id)
    return (
        record.heap_delta_debit >= rounds.heap_delta_of_canister
        or record.install_debit >= rounds.install_instructions_of_canister
    )


def rate_limited_and_idle_noted(progress: Progress, ranking: Order, tasks: Tasks) -> Progress:
    """
    After rate-limited canisters lost the priority of a round, and idle ones in front of all others had their share.

    Canisters with long executions are not among these others, nor are those with an installation under way.
    """
    for canister_id in progress.canisters():
        if is_rate_limited(progress, canister_id):
            record = progress.record(canister_id)
            progress = progress.with_record(canister_id, evolve(record, priority=record.priority - WHOLE))
    for canister_id in ranking.others:
        if canister_id not in progress.state.canisters or progress.long_execution(canister_id) is not None:
            continue
        if has_work(progress, canister_id, tasks):
            break
        progress = evolve(progress, fully_executed=progress.fully_executed | {canister_id})
    return progress


def rests(progress: Progress, canister_id: CanisterId) -> bool:
    """The canister ended a long execution in this round that began before it."""
    return canister_id in progress.long_at_first and progress.long_execution(canister_id) is None


def scheduled(loop: Loop, ranking: Order) -> Order:
    """The canisters of an iteration: those that have something to execute and need not wait."""
    progress = loop.progress

    def takes_part(canister_id: CanisterId) -> bool:
        return (
            canister_id in progress.state.canisters
            and not rests(progress, canister_id)
            and not is_rate_limited(progress, canister_id)
            and has_work(progress, canister_id, loop.tasks)
        )

    return Order(
        long=tuple(one for one in ranking.long if takes_part(one)),
        others=tuple(one for one in ranking.others if takes_part(one)),
        long_cores=ranking.long_cores,
    )


@defines("seed1.parallel-execution", "seed2.concurrent-canisters")
def iterated(loop: Loop, active: Order) -> Loop:
    """After the canisters were executed, each on its core."""
    progress, tasks = loop.progress, loop.tasks
    used: list[Instructions] = []
    limits: list[int] = []
    room = progress.room_of_core()
    for core_canisters in assigned(progress, active):
        if loop.iterations == 0 and core_canisters:
            progress = evolve(progress, fully_executed=progress.fully_executed | {core_canisters[0]})
        core = Core(evolve(progress, room=room), loop.limit, tasks=tasks)
        for canister_id in core_canisters:
            if core.may_go_on:
                core = executed_on_core(core, canister_id)
        progress, tasks = core.progress, core.tasks
        used.append(core.instructions)
        limits.append(core.limit)
    overhead = progress.state.profile.rounds.finalization_overhead * len(progress.canisters())
    return Loop(
        progress=evolve(progress, room=None),
        limit=min(limits) - overhead,
        cores=tuple(before + more for before, more in zip(loop.cores, used, strict=True)),
        iterations=loop.iterations + 1,
        tasks=tasks,
    )
