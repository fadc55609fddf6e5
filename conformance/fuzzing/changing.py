"""Smaller scenarios than one that fails: without acts, without parts of programs, with simpler values."""

from collections.abc import Iterator
from typing import Final

from attrs import evolve

from conformance.fuzzing.drawing import Drawn
from conformance.fuzzing.expressions import Call, Course, Value, call
from spec.values.identifiers import Text

NEVER_LEFT_OUT: Final = frozenset({"RELAY_REPLY", "RELAY_REJECT", "MANAGEMENT_CANISTER", "canister", "argument_of"})

ACTIONS: Final = frozenset({"program", "sequence"})
"""Calls whose arguments are actions, any of which may be left out."""


def smaller(drawn: Drawn) -> Iterator[Drawn]:
    """Scenarios that have less, those first that have much less."""
    for course in _shorter(drawn.course):
        yield evolve(drawn, course=course)
    for place in reversed(range(len(drawn.course))):
        for act in _simpler(drawn.course[place]):
            yield evolve(drawn, course=(*drawn.course[:place], act, *drawn.course[place + 1 :]))


def _shorter(course: Course) -> Iterator[Course]:
    size = (len(course) + 1) // 2
    while size:
        for start in range(len(course) - size, -1, -size):
            yield course[:start] + course[start + size :]
        size //= 2


def _simpler(value: Value) -> Iterator[Value]:
    """What is like this, but simpler in one place."""
    match value:
        case Call(name) if name in NEVER_LEFT_OUT:
            return
        case Call(name, arguments, named):
            yield from _without_parts(value)
            for place, part in enumerate(arguments):
                for other in _simpler(part):
                    yield evolve(value, arguments=(*arguments[:place], other, *arguments[place + 1 :]))
            for place, (option, part) in enumerate(named):
                for other in _simpler(part):
                    yield evolve(value, named=(*named[:place], (option, other), *named[place + 1 :]))
        case bytes() if value and not value.startswith(b"\x00asm"):
            yield b""
        case bool() | None:
            return
        case int() if value > 1:
            yield 0


def _without_parts(value: Call) -> Iterator[Call]:
    """The call without one of the parts that it need not have."""
    if value.name in ACTIONS:
        for place in reversed(range(len(value.arguments))):
            yield evolve(value, arguments=value.arguments[:place] + value.arguments[place + 1 :])
        for place, part in enumerate(value.arguments):
            if part.name == "when":
                for action in part.arguments[1:]:
                    yield evolve(value, arguments=(*value.arguments[:place], action, *value.arguments[place + 1 :]))
    if value.name == "call":
        for option, part in value.named:
            if option in ("on_cleanup", "timeout_seconds", "cycles"):
                yield evolve(value, named=tuple(each for each in value.named if each[0] != option))
            elif option in ("on_reply", "on_reject") and part != _usual(option):
                yield value.with_option(option, _usual(option))


def _usual(option: Text) -> Call:
    return call("RELAY_REPLY" if option == "on_reply" else "RELAY_REJECT")
