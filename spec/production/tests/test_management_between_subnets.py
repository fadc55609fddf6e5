"""Calls to the management canister about canisters of other subnets: where they go, in which order, and who answers."""

from attrs import evolve

from spec.production.network import wire_form
from spec.production.rounds.tests.playing import asking, doing
from spec.production.tests.subnets import BEYOND, HERE, NOWHERE, OTHER, SUBNETS, THERE, THIRD, answering, subnets
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.tests.worlds import SUBNET, A, performed, returns
from spec.state.canister import Running, Stopped
from spec.state.request import Replied
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import RejectCode, Reply

WAIT = 10
"""Seconds."""


def about(method, canister_id, **changes):
    """A call to the management canister."""
    argument = management.encode_arguments(management.CanisterIdArguments(canister_id))
    return evolve(performed(MANAGEMENT_CANISTER), method_name=method, argument=argument, **changes)


def managing(*calls):
    """A calls the management canister, and replies when it is answered; it controls canisters of other subnets."""
    made = tuple(evolve(one, number=place) for place, one in enumerate(calls))
    others = [answering(one, controllers=List((A,))) for one in (HERE[1], THERE[0], BEYOND)]
    own = doing(A, go=returns(new_calls=List(made)), callback=returns(response=Reply(b"done")))
    return subnets(own, *others).round(SUBNET, asking(A))


def addresses(played, receiver):
    """To whom the calls in the stream to a subnet go, as the wire has it."""
    sent = played.stream(SUBNET, receiver).messages
    return [
        wire_form(played.network.state, one, sender=SUBNET.subnet_id, receiver=receiver.subnet_id).receiver
        for one in sent
    ]


def status(played, canister_id):
    return played.network.state.canisters[canister_id].status


def is_answered(played):
    return played.network.state.requests[request_id_of(asking(A).request)].status == Replied(b"done")


def test_a_call_about_a_canister_of_another_subnet_is_executed_there_and_answered():
    played = managing(about("stop_canister", THERE[0]))
    assert addresses(played, OTHER) == [OTHER.subnet_id]
    assert status(played, THERE[0]) == Running()
    there = played.round(OTHER)
    assert status(there, THERE[0]) == Stopped()
    assert not is_answered(there)
    assert is_answered(there.round(SUBNET))


def test_calls_about_own_canisters_and_about_those_of_nobody_stay():
    for canister_id in (HERE[1], NOWHERE):
        played = managing(about("canister_status", canister_id))
        assert all(not played.stream(SUBNET, one).messages for one in SUBNETS[1:])
        assert is_answered(played.round(SUBNET).round(SUBNET))


def test_calls_of_a_canister_to_management_canisters_go_one_after_another():
    calls = (about("stop_canister", THERE[0]), about("stop_canister", BEYOND), about("stop_canister", HERE[1]))
    played = managing(*calls)
    assert (len(addresses(played, OTHER)), len(addresses(played, THIRD))) == (1, 0)
    waiting = played.round(SUBNET).round(THIRD)
    assert (status(waiting, BEYOND), status(waiting, HERE[1])) == (Running(), Running())
    first = waiting.round(OTHER).round(SUBNET)
    assert (len(addresses(first, THIRD)), status(first, HERE[1])) == (1, Running())
    second = first.round(THIRD).round(SUBNET)
    assert (status(second, BEYOND), status(second, HERE[1])) == (Stopped(), Stopped())


def test_a_call_whose_time_is_over_is_rejected_there_so_that_the_next_one_may_go():
    calls = (about("stop_canister", THERE[0], timeout=WAIT), about("stop_canister", BEYOND))
    played = managing(*calls).round(SUBNET, senders=(), seconds=WAIT + 2)
    rounds = played.network.rounds[SUBNET.subnet_id]
    assert (rounds.bounded, rounds.asking) == ((), frozenset((A,)))
    assert is_answered(played)
    there = played.round(OTHER)
    assert len(addresses(there.round(SUBNET), THIRD)) == 1


def test_a_call_that_does_not_get_its_turn_in_time_is_rejected_there_with_its_cycles():
    chunk = management.encode_arguments(management.UploadChunkArguments(THERE[0], b"chunk"))
    call = performed(MANAGEMENT_CANISTER, "upload_chunk", chunk, timeout=WAIT, transferred_cycles=5)
    played = managing(call)
    profile = played.network.state.profile
    # Reason: without instructions for management no chunk is stored.
    profile = evolve(profile, rounds=evolve(profile.rounds, round_instructions=1))
    state = evolve(played.network.state, profile=profile)
    waiting = evolve(played, network=evolve(played.network, state=state)).round(OTHER)
    assert waiting.stream(OTHER, SUBNET).messages == ()
    (sent,) = waiting.round(OTHER, seconds=WAIT + 2).stream(OTHER, SUBNET).messages
    state = waiting.round(OTHER, seconds=WAIT + 2).network.state
    shown = wire_form(state, sent, sender=OTHER.subnet_id, receiver=SUBNET.subnet_id)
    assert (shown.respondent, shown.refund, shown.response.code) == (OTHER.subnet_id, 5, RejectCode.SYS_TRANSIENT)
