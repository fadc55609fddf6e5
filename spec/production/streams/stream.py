"""
A stream: the messages from one subnet to another one, in their order, and signals on what came from there.

Messages have indices that count from the beginning of time. Those before `begin` were discarded, after the receiver has
told by its signals that it has taken them. Signals are kept for as long as the messages that they are about, so both
directions of a pair of subnets discard each other's past. Source: rs/types/types/src/xnet.rs;
rs/replicated_state/src/metadata_state.rs; rs/messaging/src/routing/stream_handler.rs.
"""

from enum import Enum
from typing import Generic, TypeVar

from attrs import evolve, frozen

from spec.values.identifiers import MessageId
from spec.values.quantities import Count

Item = TypeVar("Item")
"""A message: the id of one in the state, or what the wire shows of it."""


class Refusal(Enum):
    """Why a request was not taken in, in the order in which the wire lists the reasons."""

    CANISTER_MIGRATING = 0
    """No canister migrates here, so nobody gives this reason."""
    CANISTER_NOT_FOUND = 1
    CANISTER_STOPPED = 2
    CANISTER_STOPPING = 3
    QUEUE_FULL = 4
    """A queue has room for as many calls as its sender may have open, so nobody gives this reason either."""
    OUT_OF_MEMORY = 5
    UNKNOWN = 6


@frozen
class RejectSignal:
    """The message at an index of the reverse stream was not taken in."""

    index: Count
    reason: Refusal
    answer: MessageId | None = None
    """The response in the state that the signal stands for; the wire does not show it."""


@frozen
class Header:
    """What a stream tells beside its messages."""

    begin: Count
    end: Count
    """The index that the next message will have."""
    signals_end: Count
    """Every message of the reverse stream before this index was taken in, or has a reject signal."""
    reject_signals: tuple[RejectSignal, ...] = ()
    """In the order of their indices."""


@frozen
class Stream(Generic[Item]):
    """The messages to another subnet, and the signals on those from there. The empty one is that to a new subnet."""

    begin: Count = 0
    """The index of the first message."""
    messages: tuple[Item, ...] = ()
    signals_end: Count = 0
    reject_signals: tuple[RejectSignal, ...] = ()

    @property
    def end(self) -> Count:
        """The index that the next message will have."""
        return self.begin + len(self.messages)

    @property
    def header(self) -> Header:
        """All but the messages."""
        return Header(self.begin, self.end, self.signals_end, self.reject_signals)


@frozen
class Slice(Generic[Item]):
    """What a subnet sees of a stream to it: the header, and some messages that follow each other."""

    header: Header
    first: Count
    """The index of the first of the messages."""
    messages: tuple[Item, ...] = ()

    @property
    def end(self) -> Count:
        """The index after the last of the messages."""
        return self.first + len(self.messages)


# What the sender does


def extended(stream: Stream[Item], items: tuple[Item, ...]) -> Stream[Item]:
    """The stream with more messages at its end."""
    return evolve(stream, messages=stream.messages + items)


def slice_from(stream: Stream[Item], first: Count, most: Count) -> Slice[Item]:
    """The header, and so many messages at most, from an index on that the stream has not discarded."""
    offset = first - stream.begin
    return Slice(stream.header, first, stream.messages[offset : offset + most])


def discarded(
    stream: Stream[Item], signals_end: Count, reject_signals: tuple[RejectSignal, ...]
) -> tuple[Stream[Item], tuple[tuple[RejectSignal, Item], ...]]:
    """The stream without the messages that the receiver has signalled; and those of them that it has not taken in."""
    refused = tuple(
        (signal, stream.messages[signal.index - stream.begin])
        for signal in reject_signals
        if stream.begin <= signal.index < signals_end
    )
    return evolve(stream, begin=signals_end, messages=stream.messages[signals_end - stream.begin :]), refused


# What the receiver does, with the stream in the other direction


def accepted(stream: Stream[Item]) -> Stream[Item]:
    """The stream with a signal that the next message of the reverse stream was taken in, or dropped."""
    return evolve(stream, signals_end=stream.signals_end + 1)


def refused(stream: Stream[Item], reason: Refusal, answer: MessageId | None = None) -> Stream[Item]:
    """The stream with a signal that the next message of the reverse stream was not taken in."""
    signal = RejectSignal(stream.signals_end, reason, answer)
    return evolve(stream, signals_end=stream.signals_end + 1, reject_signals=(*stream.reject_signals, signal))


def without_signals_before(stream: Stream[Item], index: Count) -> Stream[Item]:
    """The stream without the signals on messages that the other subnet has discarded."""
    kept = tuple(signal for signal in stream.reject_signals if signal.index >= index)
    return evolve(stream, reject_signals=kept)


def fault_of(slice_: Slice[Item], stream: Stream[Item]) -> str | None:
    """
    Why a slice does not fit the stream in the other direction; None if it does.

    Its signals must be about messages that are still there or come next, in order, and its messages must be the next
    ones. Production stops at a certified slice that does not fit: one of the two subnets is broken then.
    """
    header = slice_.header
    indices = [signal.index for signal in header.reject_signals]
    if not stream.begin <= header.signals_end <= stream.end:
        return "its signals end outside the messages of the stream"
    if indices != sorted(set(indices)) or (indices and indices[-1] >= header.signals_end):
        return "its reject signals are out of order"
    if not header.begin <= stream.signals_end <= header.end:
        return "its messages begin after the signals end, or end before it"
    if slice_.messages and slice_.first != stream.signals_end:
        return "its first message is not the next one"
    if slice_.end > header.end:
        return "it has more messages than its stream"
    return None
