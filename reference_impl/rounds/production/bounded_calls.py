"""
Calls with bound that cross subnets: makers who are told in vain, and what is dropped with cycles in it.

The engine of the maker knows of such a call where it comes from, by its number, and gives it up when its time is over.
The engine of the callee has the call or the response to it, gives that up on its own, and keeps the sum of the cycles
that each canister elsewhere gets back. What still comes for a number that was given up finds nobody.
"""

from attrs import evolve

from reference_impl.messages import expiry
from reference_impl.rounds.production.addresses import is_management_call
from reference_impl.rounds.production.conductor import Conductor, Place, Whereabouts
from reference_impl.rounds.production.mailing import drop
from reference_impl.subnet.streams import Correspondence, Limit, RefundLetter
from spec.canister.environment import Caller
from spec.canister.outcome import Callback, Closure
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import CallOrigin, Expired, FromCanister, NoDeadline
from spec.values.identifiers import MANAGEMENT_CANISTER, CallContextId, CanisterId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Cycles, Seconds
from spec.values.rejects import RejectCode, RejectReason, Response, system_reject

NOWHERE = Callback(Closure(0, 0), Closure(0, 0))
"""Stands for what a canister of another subnet does with the response."""


def is_of_another(conductor: Conductor, origin: CallOrigin) -> bool:
    """A canister of another subnet made the call."""
    return isinstance(origin, FromCanister) and conductor.instance.is_elsewhere(origin.maker)


def enter(conductor: Conductor, sender: CanisterId, message: CallMessage | ResponseMessage) -> int:
    """A message that did not come into being here gets an id; it has not arrived."""
    instance = conductor.instance
    assert instance.correspondence is not None
    instance.correspondence.arrivals += 1
    message_id = -instance.correspondence.arrivals
    instance.messages.append_as(message_id, message)
    conductor.mail[message_id] = Whereabouts(sender, Place.AT_ITS_RECEIVER, instance.system_time)
    return message_id


# As the maker's subnet


def tell_makers(conductor: Conductor) -> None:
    """Canisters learn that nothing is known of their calls elsewhere whose time is over, by canister and deadline."""
    correspondence, now = conductor.instance.correspondence, conductor.instance.system_time
    if correspondence is None:
        return
    second = now - now % NANOSECONDS_PER_SECOND
    due = [(_rank(origin), number) for number, origin in correspondence.calls.items() if _is_before(origin, second)]
    for _, number in sorted(due):
        origin = correspondence.calls.pop(number)
        reject = system_reject(RejectCode.SYS_UNKNOWN, RejectReason.CALL_TIMED_OUT)
        answer = ResponseMessage(evolve(origin, deadline=NoDeadline()), reject, 0)
        message_id = enter(conductor, origin.callee, answer)
        conductor.arrive(message_id)
        conductor.traffic.told.append((number, message_id))


def _is_before(origin: FromCanister, second: int) -> bool:
    deadline = expiry.deadline_of(origin)
    return deadline is not None and deadline < second


def _rank(origin: FromCanister) -> tuple[object, ...]:
    """Alike calls of a canister, in one context and with one deadline, are ranked by what it does with the response."""
    made, closures = origin.callback, []
    for closure in (made.on_reply, made.on_reject, made.on_cleanup):
        if closure is not None:
            closures += [closure.function, closure.argument]
    deadline = expiry.deadline_of(origin)
    return origin.maker, deadline, origin.calling_context, origin.callee, made.reserved_cycles, closures


def answer_late(
    conductor: Conductor, maker: CanisterId, answerer: CanisterId, response: Response, cycles: Cycles, deadline: Seconds
) -> int:
    """A response for which nobody waits any more is dropped, and its cycles are its maker's again; its id is told."""
    assert deadline, "without bound everybody waits"
    origin = FromCanister(
        calling_context=CallContextId(-1),
        callback=NOWHERE,
        deadline=Expired(deadline * NANOSECONDS_PER_SECOND),
        caller_of_context=Caller(),
        callee=answerer,
        maker=maker,
    )
    message_id = enter(conductor, answerer, ResponseMessage(origin, response, cycles))
    drop(conductor, message_id)
    conductor.traffic.late += 1
    return message_id


def take_refund(conductor: Conductor, letter: RefundLetter) -> None:
    """Cycles come back to a canister, or are lost with it."""
    instance = conductor.instance
    canister = instance.canisters.get(letter.receiver)
    if canister is None:
        instance.lose(letter.cycles)
    else:
        instance.credit(canister, letter.cycles)
    conductor.traffic.refunds += 1


# As the callee's subnet


def has_to_be_answered(conductor: Conductor, message_id: int) -> bool:
    """The message is the answer of the management canister to another subnet, which waits for it."""
    message = conductor.instance.messages[message_id]
    if not isinstance(message, ResponseMessage) or not is_of_another(conductor, message.origin):
        return False
    return isinstance(message.origin, FromCanister) and message.origin.callee == MANAGEMENT_CANISTER


def give_up(conductor: Conductor, message_id: int) -> None:
    """
    A call of another subnet, or the response to one, is dropped; its cycles are to go back.

    A call to the management canister is rejected instead.
    """
    correspondence = conductor.instance.correspondence
    assert correspondence is not None
    if is_management_call(conductor.instance.messages[message_id]):
        conductor.must_take("spontaneous_call_rejection", message_id=message_id, code=int(RejectCode.SYS_TRANSIENT))
        conductor.traffic.management_given_up += 1
        return
    message = conductor.instance.messages.remove(message_id)
    assert isinstance(message, CallMessage | ResponseMessage) and isinstance(message.origin, FromCanister)
    cycles = message.transferred_cycles if isinstance(message, CallMessage) else message.refunded_cycles
    if cycles:
        correspondence.refunds[message.origin.maker] += cycles
    conductor.traffic.given_up.append((message_id, message.origin.maker, message.origin.calling_context))


def send_refunds(conductor: Conductor, correspondence: Correspondence) -> None:
    """Sums that are to go back are put into streams, the largest first, while they have room for refunds."""
    bounds = correspondence.bounds
    for receiver, cycles in sorted(correspondence.refunds.items(), key=lambda one: (-one[1], one[0])):
        owner = conductor.instance.network.owner_of(receiver)
        assert owner is not None, "who made a call has a place"
        outgoing = correspondence.to(owner.subnet_id)
        is_full = len(outgoing.letters) >= bounds.messages or outgoing.size >= bounds.bytes
        if outgoing.refunds >= bounds.refunds or is_full:
            conductor.traffic.reached[Limit.REFUNDS] += 1
            continue
        del correspondence.refunds[receiver]
        outgoing.post(RefundLetter(receiver, cycles, bounds.refund_record))


def seconds_of(origin: FromCanister) -> Seconds:
    """The deadline of a call as it crosses; zero for a call without bound."""
    return 0 if isinstance(origin.deadline, NoDeadline) else origin.deadline.time // NANOSECONDS_PER_SECOND
