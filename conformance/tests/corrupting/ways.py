"""What a way of corruption is, what it can do, and how one is registered."""

import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

Frame = dict
"""A request or a response as JSON."""

PASS, FAIL, INCONCLUSIVE, NOT_APPLICABLE = "pass", "fail", "inconclusive", "not_applicable"


class Proxy:
    """What a way of corruption can do."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._answers = self._socket.makefile("rb")
        self.last = b""
        """What was answered last."""
        self.slow = False
        """Give each byte on its own."""

    def ask(self, request: Frame) -> bytes:
        """The right response to a request, with its line end."""
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        self.last = self._answers.readline()
        return self.last

    def right(self, request: Frame) -> Frame:
        """The right response as JSON."""
        return json.loads(self.ask(request))

    def write(self, line: bytes) -> None:
        """Writes bytes to the judge."""
        for part in [line[at : at + 1] for at in range(len(line))] if self.slow else [line]:
            written = 0
            while written < len(part):
                written += os.write(1, part[written:])
            if self.slow:
                time.sleep(0.0002)

    def say(self, frame: object) -> None:
        """Writes a frame to the judge."""
        self.write(json.dumps(frame).encode() + b"\n")


Act = Callable[[Proxy, Frame], None]


@dataclass(frozen=True)
class Way:
    """One way of corruption, and what the judge has to say of it."""

    name: str
    act: Act
    """Answers a request of the verb."""
    on: str
    """The verb that is answered so; `*` for each."""
    verdict: str
    says: str
    """A part of the reason of the verdict."""
    nth: int
    """The how manieth request of the verb it is; 0 for each."""
    replayed: bool
    """The implementation is judged by what it explains."""
    short: tuple[str, ...]
    """The verbs whose time limit is short: those at which it is silent; `others` as in `TimeLimits`."""


WAYS: dict[str, Way] = {}


def way(
    name: str,
    *,
    on: str = "answer",
    verdict: str = FAIL,
    says: str = "",
    nth: int = 1,
    replayed: bool = False,
    short: tuple[str, ...] = (),
) -> Callable[[Act], Act]:
    """Registers a way."""

    def register(act: Act) -> Act:
        assert name not in WAYS
        WAYS[name] = Way(name, act, on, verdict, says, nth, replayed, short)
        return act

    return register


def each_place(frame: object, change: Callable[[object], object]) -> object:
    """A frame with every value changed that is no object and no list."""
    if isinstance(frame, dict):
        return {name: each_place(each, change) for name, each in frame.items()}
    return [each_place(each, change) for each in frame] if isinstance(frame, list) else change(frame)


def replacing(name: str, *, old: bytes, new: bytes, says: str, on: str = "answer") -> None:
    """A way that replaces a part of a line."""

    @way(name, on=on, says=says)
    def act(proxy: Proxy, request: Frame) -> None:
        line = proxy.ask(request)
        assert old in line, line
        proxy.write(line.replace(old, new, 1))


def changing(
    name: str, change: Callable[[Frame], None], *, on: str = "answer", says: str, replayed: bool = False, nth: int = 1
) -> None:
    """A way that changes a response."""

    @way(name, on=on, says=says, replayed=replayed, nth=nth)
    def act(proxy: Proxy, request: Frame) -> None:
        frame = proxy.right(request)
        change(frame)
        proxy.say(frame)


def answering(
    name: str, frame: Callable[[Frame], object], *, on: str = "answer", verdict: str = FAIL, says: str
) -> None:
    """A way that answers something of its own."""

    @way(name, on=on, verdict=verdict, says=says)
    def act(proxy: Proxy, request: Frame) -> None:
        proxy.ask(request)
        proxy.say(frame(request))


def setting(name: str, field: str, value: object, *, on: str, says: str) -> None:
    """A way that sets a field of the result."""
    changing(name, lambda frame: frame["result"].__setitem__(field, value), on=on, says=says)
