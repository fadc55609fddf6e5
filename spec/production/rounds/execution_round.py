"""
The deterministic round: what production does between two blocks, as a choice among the labels that the rules allow.

Every change of the state is a label that `step` takes, so a round is a run of the specification by construction. What
the rules leave open is decided here in the way of production: who comes first, how much is done, and when. What the
rules do not know is left out, and said where it would stand. Source: facts on the round.
"""

import hashlib

from attrs import evolve

from spec.production.rounds.executions import finished_pending
from spec.production.rounds.finalization import checkpointed, finalized, may_execute
from spec.production.rounds.induction import (
    at_time,
    delivered,
    inducted,
    timed_out,
    with_admins,
    without_expired_requests,
)
from spec.production.rounds.inputs import inputs_of, next_input
from spec.production.rounds.iterations import Loop, looped
from spec.production.rounds.management import (
    answered_from_outside,
    is_executable,
    randomness_given,
    with_installation_resumed,
)
from spec.production.rounds.priority import with_priorities_reset
from spec.production.rounds.progress import Progress, adopted, followed
from spec.production.rounds.round_state import Batch, Method, Place, Round, RoundState
from spec.production.rounds.routing import routed
from spec.production.rounds.stream_induction import streams_inducted
from spec.production.rounds.tasks import tasks_due
from spec.state.message import ResponseMessage
from spec.state.origin import FromUser
from spec.state.state import State
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob
from spec.values.quantities import Count


@defines(
    "unspec.order.enabled-rules",
    "unspec.order.ingress",
    "unspec.order.system-tasks",
    "seed1.deterministic-scheduling",
    "seed1.deterministic-state",
    "seed1.one-invocation-per-round",
    "seed1.top-layer",
)
def execute_round(state: State, rounds: RoundState, batch: Batch) -> tuple[State, RoundState, Round]:
    """
    One round: the state and the round state after it, and what it did.

    The same arguments always give the same result. Raises `ValueError` for an answer that is no label of the outside
    world.
    """
    begun = Progress(state, evolve(rounds, number=rounds.number + 1))
    progress = prepared(inducted_batch(adopted(followed(finished_pending(begun))), batch))
    progress = answered_from_outside(progress, batch.answers)
    loop = Loop(progress, 0, (0,) * state.profile.rounds.threads)
    if may_execute(progress):
        progress = randomness_given(progress, seeds(batch.randomness, len(progress.rounds.postponed)))
        loop = looped(with_installation_resumed(progress))
        progress = finalized(loop.progress)
    progress = adopted(routed(checkpointed(progress)))
    return progress.state, progress.rounds, summary(progress, loop)


def inducted_batch(progress: Progress, batch: Batch) -> Progress:
    """After what comes with a batch is there: time, admins, time-outs, messages, streams of other subnets, requests."""
    progress = at_time(progress, batch.time)
    if batch.subnet_admins is not None:
        progress = with_admins(progress, batch.subnet_admins)
    progress = delivered(timed_out(progress), (Place.OUTPUT, Place.STREAM))
    return inducted(streams_inducted(progress, batch), batch.ingress)


def prepared(progress: Progress) -> Progress:
    """After requests were rejected that have expired; once in a long while, with all priorities at zero."""
    progress = without_expired_requests(progress)
    if progress.rounds.number % progress.state.profile.rounds.priority_reset == 0:
        return with_priorities_reset(progress)
    return progress


@defines("seed1.prng-seeding")
def seeds(randomness: Blob, count: Count) -> tuple[Blob, ...]:
    """So many different random blobs of 32 bytes, from the randomness of a block."""
    return tuple(hashlib.sha256(randomness + number.to_bytes(8, "big")).digest() for number in range(count))


def summary(progress: Progress, loop: Loop) -> Round:
    """What a round did."""
    return Round(
        labels=progress.labels,
        outputs=progress.outputs,
        number=progress.rounds.number,
        cores=loop.cores,
        iterations=loop.iterations,
        management_instructions=progress.management_instructions,
        slices=progress.slices,
        for_others=progress.for_others,
        told=progress.told,
    )


def is_quiet(state: State, rounds: RoundState) -> bool:
    """Nothing is left to do before time goes on: no input, timer or long execution waits. Heartbeats do not count."""
    progress = adopted(Progress(state, rounds))
    moving = any(
        progress.rounds.waiting[one].place not in (Place.INPUT, Place.AWAY)
        or (isinstance(message, ResponseMessage) and isinstance(message.origin, FromUser))
        for one, message in state.messages.entries
    )
    if moving or len(progress.rounds.long_executions) or progress.rounds.postponed:
        return False
    waits = [
        item for by in inputs_of(progress, MANAGEMENT_CANISTER).values() for items in by.values() for item in items
    ]
    return not any(is_executable(progress, item) for item in waits) and not any(
        next_input(progress, one).item is not None or Method.GLOBAL_TIMER in tasks_due(progress, one)
        for one in progress.canisters()
    )
