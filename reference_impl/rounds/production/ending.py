"""
The end of a round: answers, canisters that have stopped, payments, priorities, paused executions, checkpoints.

Source: facts on the round, execute_round E9 to E11 and batch A11.
"""

from reference_impl.rounds.production import priorities
from reference_impl.rounds.production.blocks import Capacity
from reference_impl.rounds.production.bounded_calls import give_up, has_to_be_answered, is_of_another
from reference_impl.rounds.production.conductor import Conductor
from reference_impl.rounds.production.payments import pay_for_time
from reference_impl.rounds.production.usage import best_effort_message_memory, is_best_effort
from reference_impl.subnet.message_memory import size_of_call, size_of_response
from spec.state.canister import Stopping
from spec.state.message import CallMessage, ResponseMessage, Unordered
from spec.state.origin import FromCanister, FromUser
from spec.values.identifiers import CanisterId
from spec.values.quantities import NANOSECONDS_PER_SECOND, ByteCount
from spec.values.rejects import RejectCode


def finish(conductor: Conductor) -> None:
    """The end of a round in which canisters could execute."""
    _answer_users(conductor)
    _complete_stops(conductor)
    _give_up_stop_calls(conductor)
    _answer_users(conductor)
    _forget_answers(conductor)
    _trim_histories(conductor)
    pay_for_time(conductor)
    priorities.update(conductor)
    _abort_surplus(conductor)
    _shed(conductor)


def _answer_users(conductor: Conductor) -> None:
    for message_id, message in list(conductor.instance.messages.in_order()):
        if isinstance(message, ResponseMessage) and isinstance(message.origin, FromUser):
            conductor.must_take("respond_to_user", message_id=message_id)


def _complete_stops(conductor: Conductor) -> None:
    instance = conductor.instance
    for canister_id in conductor.canisters():
        if canister_id in instance.stopping and not instance.contexts.has_open(canister_id):
            conductor.must_take("stop_completion", canister_id=canister_id)
    conductor.follow()


def _give_up_stop_calls(conductor: Conductor) -> None:
    """Calls are rejected that have waited too long for a canister to stop, the latest first."""
    timeout = conductor.instance.profile.rounds.stop_timeout * NANOSECONDS_PER_SECOND
    for canister_id in conductor.canisters():
        canister = conductor.canister(canister_id)
        if isinstance(canister.status, Stopping):
            for index in reversed(range(len(canister.stop_calls_since))):
                if canister.stop_calls_since[index] + timeout < conductor.instance.system_time:
                    conductor.must_take("stop_call_rejection", canister_id=canister_id, index=index)
                    conductor.reached[Capacity.STOP_TIMEOUT] += 1
    conductor.follow()


def _forget_answers(conductor: Conductor) -> None:
    """Requests are forgotten that have expired, and were answered long ago."""
    now = conductor.instance.system_time
    lifetime = conductor.instance.profile.rounds.answer_lifetime * NANOSECONDS_PER_SECOND
    for request_id, answered in sorted(conductor.answered.items()):
        if answered + lifetime < now and conductor.take("request_deletion", request_id=request_id):
            conductor.reached[Capacity.ANSWER_LIFETIME] += 1


def _trim_histories(conductor: Conductor) -> None:
    kept = conductor.instance.profile.limits.history_entries
    for canister_id in conductor.canisters():
        is_long = len(conductor.canister(canister_id).history.changes) > kept
        if is_long and conductor.take("canister_history_trimming", canister_id=canister_id, kept=kept):
            conductor.reached[Capacity.HISTORY] += 1


def _shed(conductor: Conductor) -> None:
    """
    Calls with bounded wait are given up while messages of this kind take too much memory.

    The canister that has most of them loses its largest one. Own responses are kept until the deadline of their call;
    calls of other subnets, and responses to them, are dropped.
    """
    most = conductor.instance.profile.capacities.best_effort_message_memory
    while best_effort_message_memory(conductor) > most:
        message_id = _largest_message(conductor)
        if message_id is None:
            return
        if is_of_another(conductor, conductor.instance.messages.origin(message_id)):
            give_up(conductor, message_id)
            conductor.traffic.shed += 1
        else:
            code = int(RejectCode.SYS_TRANSIENT)
            conductor.must_take("spontaneous_call_rejection", message_id=message_id, code=code)
        conductor.reached[Capacity.BEST_EFFORT_MEMORY] += 1


def _largest_message(conductor: Conductor) -> int | None:
    """Of canisters that are equal the larger id, of messages the one that arrived last, or was made last."""
    held: dict[CanisterId, list[tuple[ByteCount, bool, int, int]]] = {}
    limits = conductor.instance.profile.limits
    for message_id, message in conductor.instance.messages.in_order():
        if not isinstance(message, CallMessage | ResponseMessage) or not is_best_effort(message.origin):
            continue
        if message_id in conductor.held or has_to_be_answered(conductor, message_id):
            continue
        assert isinstance(message.origin, FromCanister)
        if isinstance(message, CallMessage) and not isinstance(message.queue, Unordered):
            holder = message.origin.maker if conductor.is_on_its_way(message_id) else message.callee
            held.setdefault(holder, []).append((size_of_call(limits, message), *_age(conductor, message_id)))
        elif isinstance(message, ResponseMessage) and is_of_another(conductor, message.origin):
            size = size_of_response(limits, message.response)
            held.setdefault(message.origin.callee, []).append((size, *_age(conductor, message_id)))
    if not held:
        return None
    holder = max(held, key=lambda one: (sum(size for size, *_ in held[one]), one))
    return max(held[holder])[-1]


def _age(conductor: Conductor, message_id: int) -> tuple[bool, int, int]:
    """Whether it has arrived; as the how manieth, or made as the how manieth; and its id."""
    if conductor.is_on_its_way(message_id):
        return False, message_id, message_id
    return True, conductor.mail[message_id].arrival, message_id


# Heap delta, checkpoints and paused executions


def may_execute(conductor: Conductor) -> bool:
    """Memory has changed less since the last checkpoint than is granted by now: a reserve, and the rest evenly."""
    rounds = conductor.instance.profile.rounds
    capacity, interval = rounds.heap_delta_capacity, rounds.checkpoint_interval
    reserve = min(rounds.heap_delta_reserve, capacity // 2)
    until_checkpoint = (interval - conductor.number % interval) % interval
    may = conductor.heap_delta < capacity - (capacity - reserve) * until_checkpoint // interval
    conductor.reached[Capacity.HEAP_DELTA] += not may
    return may


def checkpoint(conductor: Conductor) -> None:
    """Every so many rounds all paused executions are aborted, and changes of memory count anew."""
    if conductor.number % conductor.instance.profile.rounds.checkpoint_interval == 0:
        for canister_id in conductor.long_runs:
            conductor.reached[Capacity.CHECKPOINT] += not conductor.long_runs[canister_id].is_aborted
            _abort(conductor, canister_id)
        conductor.heap_delta = 0


def _abort_surplus(conductor: Conductor) -> None:
    """The first few paused executions are kept."""
    paused = [one for one in priorities.ranking(conductor).long if conductor.is_paused(one)]
    for canister_id in paused[conductor.instance.profile.rounds.paused_executions :]:
        _abort(conductor, canister_id)
        conductor.reached[Capacity.PAUSED_EXECUTIONS] += 1


def _abort(conductor: Conductor, canister_id: CanisterId) -> None:
    """An execution loses what it has done; its canister does not pay for the rounds that it took."""
    run = conductor.long_runs[canister_id]
    run.is_aborted, run.done = True, 0
    conductor.book(canister_id).unpaid_rounds = 0
