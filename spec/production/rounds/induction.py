"""
The beginning of a round: time, what has timed out, what is delivered, and the requests of the block.

Source: facts on the round, batch A1 to A8 and execute_round E1. Three steps of it have no counterpart in the rules: the
topology but for subnet admins, splits of a subnet, and query statistics. What a canister sends to another subnet goes
through streams (`routing`, `stream_induction`); without a topology, and to the management canister of its own subnet,
it is delivered in the next round.
"""

from attrs import evolve

from spec import fees
from spec.machine import submission_label
from spec.production.capacities.room import free_message_memory
from spec.production.capacities.usage import is_guaranteed, largest_response
from spec.production.choices import as_production, changes_settings_at_no_cost
from spec.production.rounds.bounded_wait import dropped, given_up_for_another, is_answered_in_any_case, makers_told
from spec.production.rounds.inputs import in_turn, inputs_of, is_in_hand
from spec.production.rounds.payments import paid_later_or_now, set_aside
from spec.production.rounds.progress import Progress, followed, receiver_of
from spec.production.rounds.round_state import Ingress, Place, Rotation, Source
from spec.production.rounds.turns import announced, with_turn
from spec.production.streams.addresses import canister_concerned
from spec.rules.resources import liquid_balance
from spec.rules.spontaneous.resources import admins_of
from spec.state.canister import Stopping
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, Message, ResponseMessage
from spec.state.origin import CallOrigin, Deadline, Expired, FromCanister, NoDeadline
from spec.state.request import Request
from spec.transition import RequestStatusChanged
from spec.values.checklist import defines
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, MessageId, Principal, SubnetId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Nanoseconds
from spec.values.rejects import RejectCode


def at_time(progress: Progress, time: Nanoseconds) -> Progress:
    """
    After the clocks were set to the time of the batch, if it is later than theirs.

    The clock of a canister with a paused execution stands still: its execution sees the time at which it began.
    """
    if time > progress.state.system_time:
        progress = progress.take(Label("system_time_progress", {"time": time}))
    now = progress.state.system_time
    for canister_id in progress.canisters():
        if progress.state.canisters[canister_id].time < now and not progress.is_paused(canister_id):
            progress = progress.take(Label("canister_time_progress", {"canister_id": canister_id, "time": now}))
    return progress


def with_admins(progress: Progress, admins: Map[SubnetId, List[Principal]]) -> Progress:
    """After the admins of subnets were set to those of the registry; others have none."""
    for subnet_id in sorted({*admins.keys(), *progress.state.subnet_admins.keys()}):
        wanted: List[Principal] = admins[subnet_id] if subnet_id in admins else List()
        if wanted != admins_of(progress.state, subnet_id):
            progress = progress.take(Label("subnet_admins_change", {"subnet_id": subnet_id, "admins": wanted}))
    return progress


# Time-outs


def is_over(progress: Progress, origin: CallOrigin) -> bool:
    """The deadline of a call has passed, in whole seconds; nobody was told so far."""
    return isinstance(origin, FromCanister) and isinstance(origin.deadline, Deadline) and is_late(progress, origin)


def is_late(progress: Progress, origin: CallOrigin) -> bool:
    """The deadline of a call has passed, in whole seconds."""
    second = progress.state.system_time // NANOSECONDS_PER_SECOND * NANOSECONDS_PER_SECOND
    if not isinstance(origin, FromCanister) or isinstance(origin.deadline, NoDeadline):
        return False
    return origin.deadline.time < second


def timed_out(progress: Progress) -> Progress:
    """
    After calls were given up on whose deadline has passed: messages first, then calls in progress, then stop calls.

    A response that has reached its receiver is handled however late it is. Of calls that other subnets make, messages
    are dropped; those calls of own canisters come last that went to other subnets.
    """
    for message_id in held_up_too_long(progress):
        refusal = Label("spontaneous_call_rejection", {"message_id": message_id, "code": RejectCode.SYS_TRANSIENT})
        progress = progress.take(refusal)
    for message_id in late_messages(progress):
        if progress.is_of_another(origin_of(progress, message_id)):
            progress = given_up_for_another(progress, message_id)
            continue
        progress = given_up(progress, Label("call_expiry_of_message", {"message_id": message_id}))
        if not is_in_hand(progress, message_id):
            progress = dropped(progress, message_id)
    for context_id, context in progress.state.call_contexts.items():
        is_own = not progress.is_elsewhere(context.canister) and not progress.is_of_another(context.origin)
        if is_own and context.needs_to_respond and is_over(progress, context.origin):
            progress = given_up(progress, Label("call_expiry_of_call_context", {"context_id": context_id}))
    for canister_id in progress.canisters():
        status = progress.state.canisters[canister_id].status
        calls = status.stop_calls.items if isinstance(status, Stopping) else ()
        for index, call in enumerate(calls):
            if is_over(progress, call.origin) and not progress.is_of_another(call.origin):
                choices = {"canister_id": canister_id, "index": index}
                progress = given_up(progress, Label("call_expiry_of_stop_call", choices))
    return followed(makers_told(progress, due_elsewhere(progress)))


def due_elsewhere(progress: Progress) -> tuple[FromCanister, ...]:
    """The calls that went to other subnets whose deadline has passed."""
    return tuple(one for one in progress.rounds.bounded if is_over(progress, one))


def origin_of(progress: Progress, message_id: MessageId) -> CallOrigin:
    """Where a call or response comes from."""
    message = progress.state.messages[message_id]
    assert not isinstance(message, FuncMessage)
    return message.origin


def given_up(progress: Progress, label: Label) -> Progress:
    """After a call was given up on; its maker has the answer at once, before what is delivered in this round."""
    progress = progress.take(label)
    message_id = MessageId(progress.state.messages.next_id - 1)
    receiver = receiver_of(progress.state, progress.state.messages[message_id])
    assert receiver is not None
    return announced(progress, receiver, message_id)


def held_up_too_long(progress: Progress) -> list[MessageId]:
    """The calls with unbounded wait that have not left their makers for so long that they are rejected."""
    lifetime = progress.state.profile.capacities.request_lifetime * NANOSECONDS_PER_SECOND
    waiting = progress.rounds.waiting
    old = [
        MessageId(message_id)
        for message_id, message in progress.state.messages.entries
        if isinstance(message, CallMessage)
        and is_guaranteed(message.origin)
        and waiting[message_id].place in (Place.OUTPUT, Place.LEAVING)
        and waiting[message_id].since + lifetime < progress.state.system_time
    ]
    return sorted(old, key=lambda one: (waiting[one].sender, one))


def late_messages(progress: Progress) -> list[MessageId]:
    """The messages whose time is over, by the canisters in whose queues they are; the management queues come last."""

    def rank(entry: tuple[int, Message]) -> tuple[bool, bytes, int]:
        waiting = progress.rounds.waiting[entry[0]]
        holder = receiver_of(progress.state, entry[1]) or MANAGEMENT_CANISTER
        if waiting.place in (Place.OUTPUT, Place.LEAVING):
            holder = waiting.sender
        return holder == MANAGEMENT_CANISTER, holder, entry[0]

    late = [
        (message_id, message)
        for message_id, message in progress.state.messages.entries
        if isinstance(message, CallMessage | ResponseMessage)
        and progress.rounds.waiting[message_id].place is not Place.AWAY
        and is_given_up(progress, MessageId(message_id), message.origin)
    ]
    return [
        MessageId(message_id)
        for message_id, message in sorted(late, key=rank)
        if isinstance(message, CallMessage) or progress.rounds.waiting[message_id].place is not Place.INPUT
    ]


def is_given_up(progress: Progress, message_id: MessageId, origin: CallOrigin) -> bool:
    """The time of a message is over, and whoever made the call was not told; or nobody here tells its maker."""
    if progress.is_of_another(origin):
        is_kept = is_in_hand(progress, message_id) or is_answered_in_any_case(progress, message_id)
        return is_late(progress, origin) and not is_kept
    return is_over(progress, origin)


# Delivery


@defines("seed1.intra-subnet-delivery", "seed1.intra-subnet-deterministic", "seed2.later-delivery")
def delivered(progress: Progress, places: tuple[Place, ...]) -> Progress:
    """
    After the messages at some places have reached their receivers.

    Late responses are dropped, and calls to canisters that do not exist are rejected. A call with unbounded wait stays
    with its maker, and those behind it, while no memory is left for the response that its callee will give.
    """
    moving = [
        message_id
        for message_id, _ in progress.state.messages.entries
        if progress.rounds.waiting[message_id].place in places
    ]
    held_up: set[tuple[CanisterId, CanisterId]] = set()
    for number in sorted(moving, key=lambda one: (progress.rounds.waiting[one].sender, one)):
        message_id = MessageId(number)
        message = progress.state.messages[message_id]
        receiver = receiver_of(progress.state, message)
        if is_expired(message):
            progress = dropped(progress, message_id)
        elif receiver is not None and receiver in (*progress.state.canisters.keys(), MANAGEMENT_CANISTER):
            if has_to_stay(progress, message_id, held_up):
                held_up |= {(progress.rounds.waiting[message_id].sender, receiver)}
                continue
            progress = announced(progress.placed(message_id, Place.INPUT), receiver, message_id)
        elif isinstance(message, CallMessage):
            progress = progress.take_if_enabled(Label("reject_call_to_missing_canister", {"message_id": message_id}))
    return followed(progress)


def has_to_stay(progress: Progress, message_id: MessageId, held_up: set[tuple[CanisterId, CanisterId]]) -> bool:
    """
    A call between canisters of the subnet for which no memory is left, or behind one.

    Responses have their room already.
    """
    message = progress.state.messages[message_id]
    if not isinstance(message, CallMessage) or not isinstance(message.origin, FromCanister):
        return False
    if progress.rounds.waiting[message_id].place is not Place.OUTPUT:
        return False
    if (message.origin.maker, message.callee) in held_up:
        return True
    needed = largest_response(progress.state.profile.limits)
    return is_guaranteed(message.origin) and needed > free_message_memory(
        progress.state, progress.under_way(), progress.away()
    )


def is_expired(message: Message) -> bool:
    """The message is a response whose receiver was told SYS_UNKNOWN already."""
    return (
        isinstance(message, ResponseMessage)
        and isinstance(message.origin, FromCanister)
        and isinstance(message.origin.deadline, Expired)
    )


# Requests


def inducted(progress: Progress, ingress: tuple[Ingress, ...]) -> Progress:
    """
    After the requests of the block became known, in order, and were paid for.

    One that the rules do not admit, or whose canister cannot pay, leaves no trace; production may show it as failed.
    """
    for one in ingress:
        label = as_production(progress.state, submission_label(one.request, one.effective_id))
        fired = progress.tried(label)
        payer, fee = payer_and_fee(progress, one)
        if fired is None or is_full(progress) or (payer is not None and not can_pay(progress, payer, fee)):
            continue
        shown = fired.outputs[0]
        assert isinstance(shown, RequestStatusChanged)
        progress = progress.took(label, fired)
        progress = evolve(
            progress, rounds=evolve(progress.rounds, ingress=(*progress.rounds.ingress, shown.request_id))
        )
        progress = with_turn(progress, one.request.canister_id, Source.INGRESS, one.effective_id)
        if payer is not None:
            progress = paid_later_or_now(progress, payer, fee)
        if one.size is not None and changes_settings_at_no_cost(one.request):
            owing = (*progress.rounds.paid_afterwards, shown.request_id)
            progress = evolve(progress, rounds=evolve(progress.rounds, paid_afterwards=owing))
    return requests_to_missing_canisters_rejected(progress)


def is_full(progress: Progress) -> bool:
    """No more requests can be known."""
    own = [one for one, _ in progress.state.requests.items() if progress.is_own_request(one)]
    return len(own) >= progress.state.profile.capacities.ingress_history


def payer_and_fee(progress: Progress, ingress: Ingress) -> tuple[CanisterId | None, int]:
    """Who pays for taking a request in, and how much; nobody if there is no such canister, or it costs nothing."""
    payer = payer_of(ingress.request)
    if ingress.size is None or payer is None or payer not in progress.state.canisters:
        return None, 0
    size = progress.state.canisters[payer].subnet.subnet_size
    return payer, fees.ingress_fee(progress.state.profile.fees, ingress.size, size)


@defines("seed1.reverse-gas")
def payer_of(request: Request) -> CanisterId | None:
    """The canister that pays for a request. Source: facts on fees, ingress_payer."""
    if request.canister_id != MANAGEMENT_CANISTER:
        return request.canister_id
    if changes_settings_at_no_cost(request):
        return None
    return canister_concerned(request.method_name, request.argument)


def can_pay(progress: Progress, canister_id: CanisterId, fee: int) -> bool:
    """The canister is not frozen by paying a fee, with what it owes and what is set aside for its paused execution."""
    liquid = liquid_balance(progress.state.profile, progress.state.canisters[canister_id])
    return liquid >= progress.record(canister_id).unpaid + set_aside(progress, canister_id) + fee


def requests_to_missing_canisters_rejected(progress: Progress) -> Progress:
    """After requests to canisters that do not exist were rejected; they have nobody to wait for."""
    for request_id in progress.rounds.ingress:
        receiver = progress.state.requests[request_id].request.canister_id
        if receiver == MANAGEMENT_CANISTER or receiver in progress.state.canisters:
            continue
        message_id = progress.state.messages.next_id
        progress = progress.take(Label("initiate_call", {"request_id": request_id}))
        progress = progress.take(Label("reject_call_to_missing_canister", {"message_id": message_id}))
        waits = tuple(one for one in progress.rounds.ingress if one != request_id)
        progress = evolve(progress, rounds=evolve(progress.rounds, ingress=waits))
    return progress


def without_expired_requests(progress: Progress) -> Progress:
    """After requests were rejected that can no longer be started. One that expires just now stays."""
    for request_id in progress.rounds.ingress:
        if progress.state.requests[request_id].request.ingress_expiry < progress.state.system_time:
            choices = {"request_id": request_id, "code": RejectCode.SYS_TRANSIENT}
            progress = progress.take(Label("request_rejection", choices))
            waits = tuple(one for one in progress.rounds.ingress if one != request_id)
            progress = evolve(progress, rounds=evolve(progress.rounds, ingress=waits))
    return without_turns_of_users_gone(progress)


def without_turns_of_users_gone(progress: Progress) -> Progress:
    """Where the last request of a ring's place has expired, the place is gone, too."""

    def kept(rotation: Rotation, receiver: CanisterId) -> Rotation:
        ring = in_turn(inputs_of(progress, receiver)[Source.INGRESS], rotation, Source.INGRESS)
        return evolve(rotation, rings=rotation.rings.set(Source.INGRESS.value, ring))

    management = kept(progress.rounds.management, MANAGEMENT_CANISTER)
    after = evolve(progress, rounds=evolve(progress.rounds, management=management))
    for canister_id in progress.canisters():
        record = progress.record(canister_id)
        after = after.with_record(canister_id, evolve(record, rotation=kept(record.rotation, canister_id)))
    return after
