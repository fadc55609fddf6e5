"""Streams, their signals, and what is discarded when."""

import pytest
from attrs import evolve

from spec.production.streams.stream import (
    Header,
    Refusal,
    RejectSignal,
    Slice,
    Stream,
    accepted,
    discarded,
    extended,
    fault_of,
    refused,
    slice_from,
    without_signals_before,
)

THREE = Stream(begin=5, messages=("five", "six", "seven"))
"""A stream that has had five messages before."""


def test_a_message_gets_the_index_at_the_end():
    longer = extended(THREE, ("eight",))
    assert (THREE.end, longer.end) == (8, 9)
    assert slice_from(longer, 8, 10) == Slice(longer.header, 8, ("eight",))


def test_a_slice_has_the_messages_that_the_receiver_has_not_taken_in_as_many_as_it_may_have():
    assert slice_from(THREE, 6, 1) == Slice(Header(5, 8, 0), 6, ("six",))
    assert slice_from(THREE, 8, 1).messages == ()


@pytest.mark.checklist(
    "prod.stream_handler.garbage_collect_messages_success", "prod.stream_handler.garbage_collect_local_state_success"
)
def test_accepted_messages_are_discarded_and_no_others():
    assert discarded(THREE, 7, ()) == (Stream(begin=7, messages=("seven",)), ())
    assert discarded(THREE, 5, ()) == (THREE, ())


@pytest.mark.checklist("prod.stream_handler.garbage_collect_messages_with_reject_signals_success")
def test_refused_messages_are_discarded_too_and_given_back_with_their_signals():
    signal = RejectSignal(6, Refusal.QUEUE_FULL)
    assert discarded(THREE, 8, (signal,)) == (Stream(begin=8), ((signal, "six"),))


def test_every_message_gets_one_signal_and_only_refusals_are_written_down():
    stream = refused(accepted(refused(Stream(), Refusal.CANISTER_NOT_FOUND)), Refusal.OUT_OF_MEMORY)
    signals = (RejectSignal(0, Refusal.CANISTER_NOT_FOUND), RejectSignal(2, Refusal.OUT_OF_MEMORY))
    assert stream == Stream(signals_end=3, reject_signals=signals)


@pytest.mark.checklist("prod.stream_handler.garbage_collect_signals_success")
def test_signals_on_messages_that_are_discarded_there_are_discarded_here():
    signals = (RejectSignal(3, Refusal.CANISTER_STOPPED), RejectSignal(6, Refusal.CANISTER_STOPPED))
    stream = Stream(signals_end=9, reject_signals=signals)
    assert without_signals_before(stream, 4) == evolve(stream, reject_signals=signals[1:])


NEXT = Slice(Header(begin=1, end=9, signals_end=6), first=4, messages=("four", "five"))
"""A slice for a subnet whose own stream is `OWN`."""
OWN = Stream(begin=5, messages=("five", "six", "seven"), signals_end=4)


def test_a_slice_fits_that_has_the_next_messages_and_signals_on_messages_that_are_there():
    assert fault_of(NEXT, OWN) is None
    assert fault_of(evolve(NEXT, first=4, messages=()), OWN) is None


LATE = (RejectSignal(6, Refusal.UNKNOWN),)
TWICE = (RejectSignal(5, Refusal.UNKNOWN), RejectSignal(5, Refusal.UNKNOWN))


@pytest.mark.parametrize(
    ("slice_", "because"),
    [
        (evolve(NEXT, header=Header(1, 9, 9)), "its signals end outside the messages of the stream"),
        (evolve(NEXT, header=Header(1, 9, 4)), "its signals end outside the messages of the stream"),
        (evolve(NEXT, header=Header(1, 9, 6, LATE)), "its reject signals are out of order"),
        (evolve(NEXT, header=Header(1, 9, 7, TWICE)), "its reject signals are out of order"),
        (evolve(NEXT, header=Header(5, 9, 6)), "its messages begin after the signals end, or end before it"),
        (evolve(NEXT, first=5), "its first message is not the next one"),
        (evolve(NEXT, first=3), "its first message is not the next one"),
        (evolve(NEXT, header=Header(1, 5, 6)), "it has more messages than its stream"),
    ],
)
def test_a_slice_that_does_not_fit_is_told_by_what_is_wrong_with_it(slice_, because):
    assert fault_of(slice_, OWN) == because
