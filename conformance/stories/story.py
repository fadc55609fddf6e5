"""What a story is made of."""

from pathlib import Path
from typing import Final

from attrs import field, frozen

from spec.values.identifiers import MethodName, Text
from spec.values.quantities import Count, Cycles, Seconds

CONTROLLER: Final[Text] = "alice"
"""Who does what a story says of nobody else; the canister is under her control."""


class StoryError(Exception):
    """A story makes no sense. The message is one line that names the place."""


@frozen
class Install:
    """Code is installed, or the code that is there is replaced."""

    module: Path
    argument: Text | None = None
    mode: Text = "install"
    """`install`, `reinstall` or `upgrade`."""
    interface: Path | None = None
    """A file with the interface; without one that of the module itself holds, if it tells one."""


@frozen
class Invoke:
    """A method is called, or queried."""

    method: MethodName
    argument: Text | None
    is_query: bool = False
    cycles: Cycles = 0
    """Attached to the call, which then another canister makes for the sender."""


@frozen
class Wait:
    """Time passes."""

    seconds: Seconds


@frozen
class TakeSnapshot:
    """The state of the canister is kept."""


@frozen
class LoadSnapshot:
    """The state that was kept last comes back."""


@frozen
class TopUp:
    """The canister gets cycles."""

    cycles: Cycles


Act = Install | Invoke | Wait | TakeSnapshot | LoadSnapshot | TopUp


@frozen
class Step:
    """One thing that is done, by whom, and what is expected of it."""

    place: Text
    """Where it stands in the story, for complaints."""
    act: Act
    sender: Text = CONTROLLER
    expected: Text | None = None
    """Values in parentheses, or `reject`."""


@frozen
class Story:
    """Steps about one canister. The first one installs its code."""

    name: Text
    steps: tuple[Step, ...] = field(validator=lambda _, __, steps: _begins_with_code(steps))
    cycles: Cycles = 10**14
    """What the canister has in the beginning."""


def _begins_with_code(steps: tuple[Step, ...]) -> None:
    assert steps, "a story has a step"
    assert isinstance(steps[0].act, Install), "the first step installs code"


LONGEST_WAIT: Final[Seconds] = 10**10
"""Three hundred years; clocks of 64 bits, in nanoseconds, do not go much further."""


def waited(text: object, place: Text) -> Wait:
    """Time that passes, in seconds. Raises `StoryError`."""
    seconds = number(text, place)
    if seconds > LONGEST_WAIT:
        raise StoryError(f"{place}: a clock does not go so far; at most {LONGEST_WAIT:,} seconds")
    return Wait(seconds)


def number(text: object, place: Text) -> Count:
    """A number of zero or more, as people write it. Raises `StoryError`."""
    written = str(text).replace("_", "").replace(",", "")
    if isinstance(text, bool) or not (written.isascii() and written.isdecimal() and len(written) < 40):
        raise StoryError(f"{place}: {text!r} is no number")
    return int(written)
