"""
Who comes first: priorities of canisters, their order, and the cores on which they execute.

A canister gains its compute allocation and a part of what nobody has allocated in every round, and pays a round of a
core for every round that it had. Source: rs/execution_environment/src/scheduler/round_schedule.rs.
"""

from attrs import define

from reference_impl.rounds.production.blocks import Capacity
from reference_impl.rounds.production.conductor import Book, Conductor, Points
from spec.values.identifiers import CanisterId
from spec.values.quantities import Count

ONE_PERCENT: Points = 1_000_000
FULL_ROUND: Points = 100 * ONE_PERCENT


@define
class Ranking:
    """The canisters of a round in their order."""

    long: list[CanisterId]
    """Those with a long execution."""
    new: list[CanisterId]
    """All others."""
    cores_for_long: Count


def ranking(conductor: Conductor) -> Ranking:
    """The order in which the canisters have their turns."""
    allocated = {one: allocation(conductor, one) for one in conductor.canisters()}

    def weight(canister_id: CanisterId) -> Points:
        return conductor.book(canister_id).priority + allocated[canister_id]

    def rank(canister_id: CanisterId) -> tuple[int, Points, int, CanisterId]:
        book = conductor.book(canister_id)
        began = conductor.number if book.long_since is None else book.long_since
        return -max(book.unpaid_rounds, 1), -weight(canister_id), began, canister_id

    long = sorted((one for one in allocated if conductor.is_executing(one)), key=rank)
    new = sorted(allocated.keys() - set(long), key=lambda one: (-weight(one), one))
    return Ranking(long, new, _cores_for_long(conductor, long, allocated))


def allocation(conductor: Conductor, canister_id: CanisterId) -> Points:
    """What a canister gains in every round."""
    return conductor.canister(canister_id).settings.compute_allocation * ONE_PERCENT


def _cores_for_long(conductor: Conductor, long: list[CanisterId], allocated: dict[CanisterId, Points]) -> Count:
    """Enough cores for what the canisters with long executions have allocated, and for their part of what is free."""
    cores = conductor.instance.profile.rounds.threads
    if not long or len(long) == len(allocated):
        return min(len(long), cores)
    free = max(FULL_ROUND * (cores - 1) - sum(allocated.values()), 0)
    theirs = sum(allocated[one] for one in long) + free * len(long) // len(allocated)
    # At least one, also if others have allocated everything, which production does not admit.
    return min(len(long), max((theirs + FULL_ROUND - 1) // FULL_ROUND, 1), cores)


def on_cores(
    conductor: Conductor, long: list[CanisterId], new: list[CanisterId], wanted: Count
) -> list[list[CanisterId]]:
    """The canisters of each core: those with long executions on the first ones, the others on the rest, in turn."""
    cores: list[list[CanisterId]] = [[] for _ in range(conductor.instance.profile.rounds.threads)]
    for_long = min(wanted, len(long))
    for_new = cores[for_long:] or cores[-1:]
    for number, canister_id in enumerate(long):
        cores[number % for_long].append(canister_id)
    for number, canister_id in enumerate(new):
        for_new[number % len(for_new)].append(canister_id)
    return cores


def reset(conductor: Conductor) -> None:
    """Once in a long while all priorities begin anew."""
    if conductor.number % conductor.instance.profile.rounds.priority_reset == 0:
        for canister_id in conductor.canisters():
            conductor.book(canister_id).priority = 0


# The end of a round


def update(conductor: Conductor) -> None:
    """The canisters pay for the rounds that they had, and gain what is theirs."""
    rounds = conductor.instance.profile.rounds
    ids = conductor.canisters()
    for canister_id in ids:
        book = conductor.book(canister_id)
        _pay_for_rounds(conductor, canister_id, book)
        book.heap_delta = max(book.heap_delta - rounds.heap_delta_of_canister, 0)
        book.installed = max(book.installed - rounds.install_instructions_of_canister, 0)
    for canister_id in ids:
        book = conductor.book(canister_id)
        book.priority = _nearer(conductor, book.priority + allocation(conductor, canister_id))
    _give_away_what_is_free(conductor, ids)


def _pay_for_rounds(conductor: Conductor, canister_id: CanisterId, book: Book) -> None:
    is_long = conductor.is_executing(canister_id)
    book.unpaid_rounds += canister_id in conductor.notes.full
    if not is_long:
        book.long_since = None
    elif book.long_since is None or canister_id in conductor.notes.completed:
        # The first round of a long execution is paid at once.
        book.long_since = conductor.number
        if book.unpaid_rounds == 1:
            book.priority -= FULL_ROUND
    if book.unpaid_rounds and (not is_long or canister_id in conductor.notes.completed):
        book.priority -= FULL_ROUND * max(book.unpaid_rounds - 1, 1)
        book.unpaid_rounds = 0


def _nearer(conductor: Conductor, priority: Points) -> Points:
    """A priority far from zero loses a fifth of what is beyond its bounds."""
    rounds = conductor.instance.profile.rounds
    bounded = min(max(priority, -rounds.priority_floor * ONE_PERCENT), rounds.priority_ceiling * ONE_PERCENT)
    beyond = priority - bounded
    conductor.reached[Capacity.PRIORITY] += beyond != 0
    return bounded + (abs(beyond) * 80 // 100) * (1 if beyond > 0 else -1)


def _give_away_what_is_free(conductor: Conductor, ids: list[CanisterId]) -> None:
    """Priorities are brought up to a sum of zero, in equal parts, but no canister gains more than a core in all."""
    free = -sum(conductor.book(one).priority for one in ids)
    if free <= 0:
        return
    gained = {one: allocation(conductor, one) for one in ids}
    most = max(FULL_ROUND, (free + sum(gained.values()) + len(ids) - 1) // len(ids))
    for number, canister_id in enumerate(sorted(ids, key=lambda one: (-gained[one], one))):
        part = min(free // (len(ids) - number), most - gained[canister_id])
        conductor.book(canister_id).priority += part
        free -= part
