"""The queues of messages and the counts of open calls."""

from reference_impl.subnet.call_contexts import CallContexts, OpenContext
from reference_impl.subnet.queues import MessageQueues
from spec.canister.environment import Caller
from spec.canister.outcome import Callback, Closure
from spec.profile import load_profile
from spec.state.message import Between, CallMessage, FuncMessage, PublicMethod, ResponseMessage, Unordered
from spec.state.origin import FromCanister, FromUser, NoDeadline
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, RequestId
from spec.values.rejects import Reply

LIMITS = load_profile().limits
ALICE, BOB, EVE = Principal(b"alice"), Principal(b"bob"), Principal(b"eve")
CALLBACK = Callback(Closure(1, 0), Closure(2, 0))


def between(sender, receiver, argument=b""):
    origin = FromCanister(0, CALLBACK, NoDeadline(), Caller(sender), receiver, sender)
    return CallMessage(origin, Caller(sender), receiver, "go", argument, 0, Between(sender, receiver))


def from_user(receiver, number=0):
    origin = FromUser(RequestId(bytes([number]) * 32))
    return CallMessage(origin, Caller(ALICE), receiver, "go", b"", 0, Unordered())


def function_of(call):
    return FuncMessage(0, call.caller, call.callee, PublicMethod(call.method_name, call.argument), call.queue, 0)


def test_ids_count_up_and_prepended_messages_come_first():
    queues = MessageQueues(LIMITS)
    first, second = queues.append(between(ALICE, BOB)), queues.append(between(ALICE, EVE))
    third = queues.prepend(from_user(BOB))
    assert (first, second, third) == (0, 1, 2)
    assert [message_id for message_id, _ in queues.in_order()] == [2, 0, 1]
    assert queues.next_id == 3


def test_only_the_oldest_call_of_a_pair_is_eligible():
    queues = MessageQueues(LIMITS)
    first, second = queues.append(between(ALICE, BOB)), queues.append(between(ALICE, BOB))
    other, user = queues.append(between(EVE, BOB)), queues.prepend(from_user(BOB))
    assert [queues.is_eligible(one) for one in (first, second, other, user)] == [True, False, True, True]
    queues.remove(first)
    assert queues.is_eligible(second)


def test_a_call_may_leave_from_the_middle():
    queues = MessageQueues(LIMITS)
    ids = [queues.append(between(ALICE, BOB, bytes([index]))) for index in range(3)]
    queues.remove(ids[1])
    assert queues.is_eligible(ids[0])
    queues.remove(ids[0])
    assert queues.is_eligible(ids[2])
    queues.remove(ids[2])
    assert queues.is_empty
    assert queues.next_call(BOB) is None


def test_a_function_takes_the_place_and_the_id_of_its_call():
    queues = MessageQueues(LIMITS)
    call = between(ALICE, BOB)
    ids = [queues.append(call), queues.append(call)]
    queues.start(ids[0], function_of(call))
    assert [message_id for message_id, _ in queues.in_order()] == ids
    assert queues.pending_function == ids[0]
    queues.remove(ids[0])
    assert queues.pending_function is None


def test_senders_and_users_take_turns_at_a_receiver():
    queues = MessageQueues(LIMITS)
    for _ in range(3):
        queues.append(between(ALICE, BOB, b"alice"))
    queues.append(between(EVE, BOB, b"eve"))
    queues.prepend(from_user(BOB))
    order = []
    while (message_id := queues.next_call(BOB)) is not None:
        message = queues.remove(message_id)
        order.append(message.argument or b"user")
    assert order == [b"alice", b"eve", b"user", b"alice", b"alice"]


def test_users_are_served_in_the_order_in_which_their_requests_started():
    queues = MessageQueues(LIMITS)
    ids = [queues.prepend(from_user(BOB, number)) for number in range(3)]
    assert [queues.remove(queues.next_call(BOB)).origin.request_id[0] for _ in ids] == [0, 1, 2]


def test_the_management_canister_is_no_ordinary_receiver():
    queues = MessageQueues(LIMITS)
    queues.append(between(ALICE, MANAGEMENT_CANISTER))
    queues.append(between(ALICE, BOB))
    assert queues.receivers() == [BOB]
    assert queues.next_call(MANAGEMENT_CANISTER) == 0


def test_responses_to_users_and_to_canisters_wait_apart():
    queues = MessageQueues(LIMITS)
    to_canister = queues.append(ResponseMessage(between(ALICE, BOB).origin, Reply(b""), 0))
    to_user = queues.append(ResponseMessage(from_user(BOB).origin, Reply(b""), 0))
    assert (queues.next_response(), next(iter(queues.user_responses))) == (to_canister, to_user)
    assert queues.waiting_responses == 1


def context_of(canister):
    return OpenContext(canister, FromUser(RequestId(bytes(32))), Caller(ALICE), needs_to_respond=True, cycles=0)


def test_a_context_is_unreferenced_while_no_call_is_unanswered():
    contexts = CallContexts()
    contexts.open(0, context_of(BOB))
    assert contexts.is_unreferenced(0)
    contexts.call_made(0)
    contexts.call_made(0)
    contexts.call_answered(0)
    assert not contexts.is_unreferenced(0)
    assert not contexts.unreferenced
    contexts.call_answered(0)
    assert list(contexts.unreferenced) == [0]


def test_contexts_are_known_by_their_canister_and_ids_are_not_used_again():
    contexts = CallContexts()
    contexts.open(0, context_of(BOB))
    contexts.open(5, context_of(BOB))
    contexts.open(2, context_of(EVE))
    assert contexts.of_canister(BOB) == [0, 5]
    contexts.remove(5)
    contexts.remove(0)
    assert not contexts.has_open(BOB)
    assert contexts.has_open(EVE)
    assert contexts.next_id == 6
