"""
The beginning of a round: time, what has timed out, what is delivered, and the requests of the block.

Source: facts on the round, batch A1 to A8 and execute_round E1.
"""

from collections.abc import Mapping

from reference_impl.messages import expiry, requests
from reference_impl.rounds.production.addresses import canister_about
from reference_impl.rounds.production.blocks import BlockRequest, Capacity
from reference_impl.rounds.production.bounded_calls import give_up, has_to_be_answered, is_of_another, tell_makers
from reference_impl.rounds.production.conductor import Conductor, Place
from reference_impl.rounds.production.mailing import drop
from reference_impl.rounds.production.payments import pay, set_aside
from reference_impl.rounds.production.turns import Source
from reference_impl.subnet.ingress_history import request_id_of
from reference_impl.subnet.ledger import ingress_fee
from reference_impl.subnet.message_memory import is_guaranteed
from spec.state.canister import Stopping
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import CallOrigin
from spec.state.request import Request
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, Principal, RequestId, SubnetId
from spec.values.quantities import NANOSECONDS_PER_SECOND, ByteCount, Cycles, Nanoseconds
from spec.values.rejects import RejectCode


def set_clocks(conductor: Conductor, time: Nanoseconds) -> None:
    """Clocks go forward to the time of the block, but for canisters whose execution is paused."""
    instance = conductor.instance
    if time > instance.system_time:
        conductor.must_take("system_time_progress", time=time)
    for canister_id in conductor.canisters():
        if conductor.canister(canister_id).time < instance.system_time and not conductor.is_paused(canister_id):
            conductor.must_take("canister_time_progress", canister_id=canister_id, time=instance.system_time)


def set_admins(conductor: Conductor, admins: Mapping[SubnetId, List[Principal]]) -> None:
    """The admins of all subnets are those given."""
    known = conductor.instance.subnet_admins
    none: List[Principal] = List()
    for subnet_id in sorted(admins.keys() | known.keys()):
        wanted = admins.get(subnet_id, none)
        if wanted != known.get(subnet_id, none):
            conductor.must_take("subnet_admins_change", subnet_id=subnet_id, admins=wanted)


# Time-outs


def time_out(conductor: Conductor) -> None:
    """Calls are given up whose time is over: on their way, in progress, and waiting for a canister to stop."""
    for message_id in _kept_too_long(conductor):
        code = int(RejectCode.SYS_TRANSIENT)
        conductor.must_take("spontaneous_call_rejection", message_id=message_id, code=code)
        conductor.reached[Capacity.REQUEST_LIFETIME] += 1
    for message_id in _late(conductor):
        if is_of_another(conductor, conductor.instance.messages.origin(message_id)):
            if message_id not in conductor.held and not has_to_be_answered(conductor, message_id):
                give_up(conductor, message_id)
                conductor.reached[Capacity.CALL_DEADLINE] += 1
            continue
        conductor.must_take("call_expiry_of_message", message_id=message_id)
        conductor.reached[Capacity.CALL_DEADLINE] += 1
        if message_id not in conductor.held:
            drop(conductor, message_id)
    contexts = conductor.instance.contexts
    for context_id in sorted(contexts):
        if contexts[context_id].needs_to_respond and _is_to_be_told(conductor, contexts[context_id].origin):
            conductor.must_take("call_expiry_of_call_context", context_id=context_id)
            conductor.reached[Capacity.CALL_DEADLINE] += 1
    for canister_id in conductor.canisters():
        _time_out_stop_calls(conductor, canister_id)
    tell_makers(conductor)
    conductor.follow()


def _time_out_stop_calls(conductor: Conductor, canister_id: CanisterId) -> None:
    status = conductor.canister(canister_id).status
    if isinstance(status, Stopping):
        for index, waiting in enumerate(status.stop_calls):
            if _is_to_be_told(conductor, waiting.origin):
                conductor.must_take("call_expiry_of_stop_call", canister_id=canister_id, index=index)
                conductor.reached[Capacity.CALL_DEADLINE] += 1


def _is_over(conductor: Conductor, origin: CallOrigin) -> bool:
    """The deadline of a call lies before the second that it is now."""
    deadline, now = expiry.deadline_of(origin), conductor.instance.system_time
    return deadline is not None and deadline < now - now % NANOSECONDS_PER_SECOND


def _is_to_be_told(conductor: Conductor, origin: CallOrigin) -> bool:
    """The time of a call is over whose maker lives here; others are told by their own subnets."""
    return _is_over(conductor, origin) and not is_of_another(conductor, origin)


def _kept_too_long(conductor: Conductor) -> list[int]:
    """The calls without bound that have been with their makers for too long, canister by canister."""
    messages, now = conductor.instance.messages, conductor.instance.system_time
    lifetime = conductor.instance.profile.capacities.request_lifetime * NANOSECONDS_PER_SECOND
    old = [
        message_id
        for message_id, where in conductor.mail.items()
        if where.place in (Place.AT_ITS_MAKER, Place.LEAVING)
        and where.since + lifetime < now
        and message_id in messages
    ]
    calls = [one for one in old if isinstance(messages[one], CallMessage) and is_guaranteed(messages.origin(one))]
    return sorted(calls, key=lambda one: (conductor.mail[one].sender, one))


def _late(conductor: Conductor) -> list[int]:
    """
    The messages whose time is over, by the canisters in whose queues they are; the management queues come last.

    A response that is with its receiver is handled however late it is.
    """

    def rank(message_id: int) -> tuple[bool, bytes, int]:
        holder = conductor.receiver(message_id)
        if conductor.mail[message_id].place in (Place.AT_ITS_MAKER, Place.LEAVING):
            holder = conductor.mail[message_id].sender
        return holder == MANAGEMENT_CANISTER, holder or b"", message_id

    late = [
        message_id
        for message_id, message in conductor.instance.messages.in_order()
        if (isinstance(message, ResponseMessage) and conductor.is_on_its_way(message_id))
        or isinstance(message, CallMessage)
    ]
    return sorted((one for one in late if _is_over(conductor, conductor.instance.messages.origin(one))), key=rank)


# Requests


def induct(conductor: Conductor, block: tuple[BlockRequest, ...]) -> None:
    """The requests of a block become known, if they are admitted and paid for; others leave no trace."""
    instance = conductor.instance
    for one in block:
        payer = _payer(conductor, one.request) if one.size is not None else None
        fee = 0 if payer is None else _fee(conductor, payer, one.size or 0)
        if _is_full(conductor) or (payer is not None and not _can_pay(conductor, payer, fee)):
            continue
        if not _submitted(conductor, one):
            continue
        request_id = request_id_of(one.request)
        if request_id in conductor.waiting and one.request.canister_id in (MANAGEMENT_CANISTER, *instance.canisters):
            receiver = CanisterId(one.request.canister_id)
            conductor.turns_of(receiver).add(Source.USERS, one.effective_id, request_id)
        if payer is not None:
            _take_fee(conductor, payer, fee)
        if one.size is not None and _is_free_change(one.request):
            conductor.pay_later.add(request_id)
    _reject_requests_to_missing(conductor)


def _submitted(conductor: Conductor, one: BlockRequest) -> bool:
    request = one.request
    choices: dict[str, object] = {"request": request, "effective_id": one.effective_id}
    if request.canister_id != MANAGEMENT_CANISTER:
        return conductor.take("submit_request", **choices)
    choices["may_unfreeze"] = requests.changes_frozen_canister(conductor.instance, request)
    return conductor.take("submit_management_request", **choices)


def _is_full(conductor: Conductor) -> bool:
    full = len(list(conductor.instance.ingress.items())) >= conductor.instance.profile.capacities.ingress_history
    conductor.reached[Capacity.INGRESS_HISTORY] += full
    return full


def _is_free_change(request: Request) -> bool:
    """A short change of settings costs nothing when it comes."""
    is_change = request.canister_id == MANAGEMENT_CANISTER and request.method_name == "update_settings"
    return is_change and len(request.argument) <= requests.FREE_SETTINGS_CHANGE


def _payer(conductor: Conductor, request: Request) -> CanisterId | None:
    """The canister that pays for a request; None if nobody does. Source: facts on fees, ingress_payer."""
    payer: CanisterId | None = CanisterId(request.canister_id)
    if request.canister_id == MANAGEMENT_CANISTER:
        is_free = _is_free_change(request)
        payer = None if is_free else canister_about(request.method_name, request.argument)
    return payer if payer in conductor.instance.canisters else None


def _fee(conductor: Conductor, payer: CanisterId, size: ByteCount) -> Cycles:
    return ingress_fee(conductor.instance.profile, size, conductor.canister(payer).subnet.subnet_size)


def _can_pay(conductor: Conductor, payer: CanisterId, fee: Cycles) -> bool:
    liquid = conductor.instance.liquid(conductor.canister(payer))
    return liquid - conductor.book(payer).owes - set_aside(conductor, payer) >= fee


def _take_fee(conductor: Conductor, payer: CanisterId, fee: Cycles) -> None:
    """The balance of a canister whose execution is paused may not change, so it pays later."""
    if conductor.is_paused(payer):
        conductor.book(payer).owes += fee
    else:
        pay(conductor, payer, fee)


def _reject_requests_to_missing(conductor: Conductor) -> None:
    canisters = (MANAGEMENT_CANISTER, *conductor.instance.canisters)
    for request_id in list(conductor.waiting):
        if conductor.instance.ingress[request_id].request.canister_id not in canisters:
            message_id = conductor.started(request_id)
            code = int(RejectCode.DESTINATION_INVALID)
            conductor.must_take("reject_call_to_missing_canister", message_id=message_id, code=code)


def reject_expired_requests(conductor: Conductor) -> None:
    """Requests that can no longer be started are rejected; one that expires just now can."""
    now = conductor.instance.system_time
    expired: list[RequestId] = [
        one for one in conductor.waiting if conductor.instance.ingress[one].request.ingress_expiry < now
    ]
    for request_id in expired:
        conductor.must_take("request_rejection", request_id=request_id, code=int(RejectCode.SYS_TRANSIENT))
        conductor.reached[Capacity.REQUEST_EXPIRY] += 1
    for turns in (conductor.management, *(conductor.book(one).turns for one in conductor.canisters())):
        turns.forget_users_without_requests()
