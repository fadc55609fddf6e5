"""
Which canister comes first: priorities, the order of canisters, and how both are kept fair.

A canister gains its compute allocation and a share of what nobody has allocated in every round, and loses a whole round
of a core whenever it had one. Priorities are in points. Source: facts on the round, priority.
"""

from typing import Final

from attrs import evolve, frozen

from spec.production.rounds.progress import Progress
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId
from spec.values.quantities import Count, Percent

Points = int
"""Of priority; may be negative."""

PERCENT: Final[Points] = 10**6
"""One percent of a round on a core."""

WHOLE: Final[Points] = 100 * PERCENT
"""A whole round on a core."""

SHRINKING: Final = (4, 5)
"""What is above the ceiling, or below the floor, shrinks to this part in a round: four fifths."""


@frozen
class Order:
    """The canisters in the order in which they are executed."""

    long: tuple[CanisterId, ...]
    """Those with a long execution. They come before all others."""
    others: tuple[CanisterId, ...]
    long_cores: Count
    """How many cores go to long executions, if there are so many."""


def allocation(progress: Progress, canister_id: CanisterId) -> Points:
    """The compute allocation of a canister."""
    percent: Percent = progress.state.canisters[canister_id].settings.compute_allocation
    return percent * PERCENT


@defines("seed2.os-scheduling")
def order(progress: Progress) -> Order:
    """The order of all canisters of the subnet. A paused or aborted installation is no long execution here."""
    ids = progress.canisters()
    long = sorted((one for one in ids if is_long(progress, one)), key=lambda one: rank_of_long(progress, one))
    others = sorted((one for one in ids if not is_long(progress, one)), key=lambda one: (-weight(progress, one), one))
    return Order(tuple(long), tuple(others), cores_for_long(progress, long, len(ids)))


def is_long(progress: Progress, canister_id: CanisterId) -> bool:
    """The canister has a long execution, paused or aborted."""
    long = progress.long_execution(canister_id)
    return long is not None and not long.is_installation


def weight(progress: Progress, canister_id: CanisterId) -> Points:
    """What the order goes by."""
    return progress.record(canister_id).priority + allocation(progress, canister_id)


def rank_of_long(progress: Progress, canister_id: CanisterId) -> tuple[int, int, int, CanisterId]:
    """Of long executions, those that had more rounds come first, then those with more priority, then older ones."""
    record = progress.record(canister_id)
    began = progress.rounds.number if record.long_since is None else record.long_since
    return (-max(record.executed_rounds, 1), -weight(progress, canister_id), began, canister_id)


def cores_for_long(progress: Progress, long: list[CanisterId], canisters: Count) -> Count:
    """
    How many cores go to long executions: enough for their allocations and their part of what is not allocated.

    At least one, even if others have allocated everything; production admits no such allocations.
    """
    threads = progress.state.profile.rounds.threads
    if not long:
        return 0
    if len(long) == canisters:
        return min(len(long), threads)
    allocated = sum(allocation(progress, one) for one in progress.canisters())
    free = max((threads - 1) * WHOLE - allocated, 0)
    theirs = sum(allocation(progress, one) for one in long) + free * len(long) // canisters
    return min(len(long), max(-(-theirs // WHOLE), 1), threads)


def assigned(progress: Progress, chosen: Order) -> tuple[tuple[CanisterId, ...], ...]:
    """The canisters of each core, in order: long executions in turn on their cores, the others on the rest."""
    threads = progress.state.profile.rounds.threads
    long_cores = min(chosen.long_cores, len(chosen.long))
    rest = max(threads - long_cores, 1)
    cores: list[list[CanisterId]] = [[] for _ in range(threads)]
    for number, canister_id in enumerate(chosen.long):
        cores[number % long_cores].append(canister_id)
    for number, canister_id in enumerate(chosen.others):
        cores[min(long_cores, threads - 1) + number % rest].append(canister_id)
    return tuple(tuple(core) for core in cores)


# The end of a round


def with_new_priorities(progress: Progress) -> Progress:
    """After what the canisters have gained and lost in this round."""
    for canister_id in progress.canisters():
        progress = charged_for_round(progress, canister_id)
    for canister_id in progress.canisters():
        record = progress.record(canister_id)
        raised = bounded(progress, record.priority + allocation(progress, canister_id))
        progress = progress.with_record(canister_id, evolve(record, priority=raised))
    return with_free_compute(progress)


def charged_for_round(progress: Progress, canister_id: CanisterId) -> Progress:
    """After a canister was charged for the rounds that it had, and its debits have fallen."""
    rounds = progress.state.profile.rounds
    record = progress.record(canister_id)
    number = progress.rounds.number
    executed = record.executed_rounds + (1 if canister_id in progress.fully_executed else 0)
    priority = record.priority
    has_completed = canister_id in progress.completed
    since = number if record.long_since is None or has_completed else record.long_since
    if is_long(progress, canister_id) and since == number and executed == 1:
        priority -= WHOLE
    if executed > 0 and (has_completed or not is_long(progress, canister_id)):
        priority -= WHOLE * max(executed - 1, 1)
        executed = 0
    return progress.with_record(
        canister_id,
        evolve(
            record,
            priority=priority,
            executed_rounds=executed,
            long_since=since if is_long(progress, canister_id) else None,
            fully_executed=number if canister_id in progress.fully_executed else record.fully_executed,
            heap_delta_debit=max(record.heap_delta_debit - rounds.heap_delta_of_canister, 0),
            install_debit=max(record.install_debit - rounds.install_instructions_of_canister, 0),
        ),
    )


def bounded(progress: Progress, priority: Points) -> Points:
    """A priority far from zero comes nearer: what is beyond the ceiling or the floor shrinks."""
    rounds = progress.state.profile.rounds
    ceiling, floor = rounds.priority_ceiling * PERCENT, -rounds.priority_floor * PERCENT
    numerator, denominator = SHRINKING
    if priority > ceiling:
        return ceiling + (priority - ceiling) * numerator // denominator
    if priority < floor:
        return floor - (floor - priority) * numerator // denominator
    return priority


def with_free_compute(progress: Progress) -> Progress:
    """
    After what nobody has allocated was given away in equal shares, none larger than what makes a whole core.

    The priorities then add up to zero; they stay as they are if they add up to more already.
    """
    ids = progress.canisters()
    free = -sum(progress.record(one).priority for one in ids)
    if free <= 0:
        return progress
    allocated = sum(allocation(progress, one) for one in ids)
    largest = max(WHOLE, -(-(free + allocated) // len(ids)))
    remaining = len(ids)
    for canister_id in sorted(ids, key=lambda one: (-allocation(progress, one), one)):
        share = min(free // remaining, largest - allocation(progress, canister_id))
        record = progress.record(canister_id)
        progress = progress.with_record(canister_id, evolve(record, priority=record.priority + share))
        free, remaining = free - share, remaining - 1
    return progress


def with_priorities_reset(progress: Progress) -> Progress:
    """After all priorities were set to zero."""
    for canister_id in progress.canisters():
        progress = progress.with_record(canister_id, evolve(progress.record(canister_id), priority=0))
    return progress
