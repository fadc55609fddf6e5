"""
The end of a round: answers to users, canisters that have stopped, payments, priorities, paused executions.

Source: facts on the round, execute_round E9 to E11. Signatures get nothing here: what they need comes from outside.
"""

from attrs import evolve

from spec.production.capacities.usage import best_effort_message_memory, is_best_effort, size_of
from spec.production.rounds.bounded_wait import given_up_for_another, is_answered_in_any_case
from spec.production.rounds.inputs import is_in_hand
from spec.production.rounds.payments import resources_paid
from spec.production.rounds.priority import order, with_new_priorities
from spec.production.rounds.progress import Progress, followed, is_stopping, stop_times
from spec.production.rounds.round_state import Place
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, ResponseMessage, Unordered
from spec.state.origin import FromCanister, FromUser
from spec.values.containers import Map
from spec.values.identifiers import CanisterId, MessageId
from spec.values.quantities import NANOSECONDS_PER_SECOND, ByteCount
from spec.values.rejects import RejectCode


def users_answered(progress: Progress) -> Progress:
    """After the responses to users became the statuses of their requests."""
    for message_id, message in progress.state.messages.entries:
        is_away = progress.rounds.waiting[message_id].place is Place.AWAY
        if isinstance(message, ResponseMessage) and isinstance(message.origin, FromUser) and not is_away:
            progress = progress.take_if_enabled(Label("respond_to_user", {"message_id": message_id}))
    return progress


def finalized(progress: Progress) -> Progress:
    """After the end of a round in which canisters could execute."""
    progress = users_answered(stop_calls_rejected(canisters_stopped(users_answered(progress))))
    progress = histories_trimmed(requests_forgotten(progress))
    return shed(with_few_paused(with_new_priorities(resources_paid(progress))))


def canisters_stopped(progress: Progress) -> Progress:
    """After the stopping canisters have stopped that have no call context left."""
    for canister_id in progress.canisters():
        if is_stopping(progress.state, canister_id):
            progress = progress.take_if_enabled(Label("stop_completion", {"canister_id": canister_id}))
    return followed(progress)


def stop_calls_rejected(progress: Progress) -> Progress:
    """After calls were rejected that have waited too long for a canister to stop; and when the others began to wait."""
    timeout = progress.state.profile.rounds.stop_timeout * NANOSECONDS_PER_SECOND
    since: dict[CanisterId, tuple[int, ...]] = {}
    for canister_id in progress.canisters():
        if is_stopping(progress.state, canister_id):
            times = stop_times(progress, canister_id)
            for index in reversed(range(len(times))):
                if times[index] + timeout < progress.state.system_time:
                    choices = {"canister_id": canister_id, "index": index}
                    progress = progress.take(Label("stop_call_rejection", choices))
                    times = times[:index] + times[index + 1 :]
            since[canister_id] = times
    return followed(evolve(progress, rounds=evolve(progress.rounds, stop_calls=Map.of(since.items()))))


def requests_forgotten(progress: Progress) -> Progress:
    """After requests were forgotten that have expired, and were answered long ago."""
    lifetime = progress.state.profile.rounds.answer_lifetime * NANOSECONDS_PER_SECOND
    for request_id, answered in progress.rounds.answered.items():
        if answered + lifetime < progress.state.system_time:
            progress = progress.take_if_enabled(Label("request_deletion", {"request_id": request_id}))
    return progress


def shed(progress: Progress) -> Progress:
    """
    After calls with bounded wait were given up because those take too much memory, the largest first.

    They are taken from the canister whose messages of this kind take most. Own calls are rejected; those of other
    subnets, and responses to them, are dropped. Production drops the other responses, too, which the rules keep until
    the deadline of their call.
    """
    most = progress.state.profile.capacities.best_effort_message_memory
    while best_effort_message_memory(progress.state, progress.away()) > most:
        found = largest_best_effort_message(progress)
        if found is None:
            return progress
        message = progress.state.messages[found]
        assert not isinstance(message, FuncMessage)
        if progress.is_of_another(message.origin):
            progress = given_up_for_another(progress, found)
        else:
            choices = {"message_id": found, "code": RejectCode.SYS_TRANSIENT}
            progress = progress.take(Label("spontaneous_call_rejection", choices))
    return progress


def largest_best_effort_message(progress: Progress) -> MessageId | None:
    """
    The largest message that can be given up of the canister that has most.

    Of equal canisters it is that with the larger id; of equal messages the one that arrived last, or was made last.
    """
    under_way, away = progress.under_way(), progress.away()
    held: dict[CanisterId, list[tuple[ByteCount, bool, int, int]]] = {}
    for message_id, message in progress.state.messages.entries:
        if isinstance(message, FuncMessage) or message_id in away or not is_best_effort(message.origin):
            continue
        if is_in_hand(progress, MessageId(message_id)) or is_answered_in_any_case(progress, MessageId(message_id)):
            continue
        holder = holder_of(progress, message, message_id in under_way)
        if holder is not None:
            waiting = progress.rounds.waiting[message_id]
            age = (True, waiting.arrival) if waiting.place is Place.INPUT else (False, message_id)
            size = size_of(progress.state.profile.limits, message)
            held.setdefault(holder, []).append((size, *age, message_id))
    if not held:
        return None
    _, most = max((sum(size for size, *_ in messages), one) for one, messages in held.items())
    return MessageId(max(held[most])[-1])


def holder_of(progress: Progress, message: CallMessage | ResponseMessage, is_under_way: bool) -> CanisterId | None:
    """The canister in whose queues a message is that can be given up; None if it cannot."""
    assert isinstance(message.origin, FromCanister)
    match message:
        case CallMessage():
            is_here = not isinstance(message.queue, Unordered)
            return (message.origin.maker if is_under_way else message.callee) if is_here else None
        case ResponseMessage():
            return message.origin.callee if progress.is_of_another(message.origin) else None


def histories_trimmed(progress: Progress) -> Progress:
    """After the histories were cut to the changes that are kept. Production does it with each change."""
    kept = progress.state.profile.limits.history_entries
    for canister_id in progress.canisters():
        if len(progress.state.canisters[canister_id].history.recent_changes) > kept:
            progress = progress.take_if_enabled(
                Label("canister_history_trimming", {"canister_id": canister_id, "kept": kept})
            )
    return progress


# Checkpoints and paused executions


def is_checkpoint(progress: Progress) -> bool:
    """The round ends with a checkpoint."""
    return progress.rounds.number % progress.state.profile.rounds.checkpoint_interval == 0


def may_execute(progress: Progress) -> bool:
    """
    Less memory has changed since the last checkpoint than is scheduled by now.

    A reserve is there at once; the rest of the capacity comes evenly until the next checkpoint.
    """
    rounds = progress.state.profile.rounds
    reserve = min(rounds.heap_delta_reserve, rounds.heap_delta_capacity // 2)
    left = -progress.rounds.number % rounds.checkpoint_interval
    kept_back = (rounds.heap_delta_capacity - reserve) * left // rounds.checkpoint_interval
    return progress.rounds.heap_delta < rounds.heap_delta_capacity - kept_back


def checkpointed(progress: Progress) -> Progress:
    """After a checkpoint, if there is one: all paused executions are aborted, and changed memory counts anew."""
    if not is_checkpoint(progress):
        return progress
    for canister_id, _ in progress.rounds.long_executions.items():
        progress = aborted(progress, canister_id)
    return evolve(progress, rounds=evolve(progress.rounds, heap_delta=0))


def with_few_paused(progress: Progress) -> Progress:
    """After paused executions were aborted but for the first few in the order of long executions."""
    paused = [one for one in order(progress).long if progress.is_paused(one)]
    for canister_id in paused[progress.state.profile.rounds.paused_executions :]:
        progress = aborted(progress, canister_id)
    return progress


def aborted(progress: Progress, canister_id: CanisterId) -> Progress:
    """After a paused execution lost what it had done; the rounds that it had cost nothing."""
    long = progress.long_execution(canister_id)
    assert long is not None
    record = evolve(progress.record(canister_id), executed_rounds=0)
    after = evolve(long, executed=0, is_aborted=True)
    return progress.with_record(canister_id, record).with_long_execution(canister_id, after)
