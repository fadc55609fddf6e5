"""How a run ends where the prover cannot follow: always told, with file and line of the text that asked."""

import sys
import traceback
from pathlib import Path
from types import FrameType

import attrs

from properties.proof.terms.session import session

ROOT = Path(__file__).parents[3]
"""The folder of the project."""
PROVER = str(ROOT / "properties" / "proof")
LIBRARIES = tuple({str(Path(attrs.__file__).parents[1]), str(Path(traceback.__file__).parent)})
MACHINERY = str(ROOT / "spec" / "transition.py")
"""Calls every rule and every opaque function, and so is never the text that asks."""
GENERATED = "<attrs generated"
"""How the names of files begin that attrs makes up."""
MISTAKE = "<mistake"
"""The same for functions with a planted mistake."""


class Infeasible(Exception):
    """No answer is possible here: the run describes nothing."""


class Refusals:
    """What was refused on the current path. Catching a refusal does not undo it."""

    def __init__(self) -> None:
        self.told: list[NotFollowed] = []


class NotFollowed(Exception):
    """The text does something that is not defined on unknown values, or not for all of them. The message says what."""

    def __init__(self, what: str, place: str | None = None) -> None:
        place = place_of(sys._getframe(1)) if place is None else place
        super().__init__(f"{place}: {what}" if place else what)
        refusals().told.append(self)


def refusals() -> Refusals:
    """What was refused on the current path of the open session."""
    return session().part(Refusals)


def shown(path: str) -> str:
    """The name of a file as people know it."""
    return path.removeprefix(f"{ROOT}/")


def place_of(frame: FrameType | None) -> str:
    """File and line of the innermost text outside the prover and its libraries; empty if there is none."""
    while frame is not None:
        if is_text(frame.f_code.co_filename):
            return f"{shown(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def is_text(file: str) -> bool:
    """The file is neither of the prover nor of a library: it is of the specification, or tried in its place."""
    if file.startswith("<"):
        return file.startswith(MISTAKE)
    if file == MACHINERY:
        return False
    return not file.startswith(LIBRARIES) and (not file.startswith(PROVER) or "/tests/" in file)


def is_asked_by_text() -> bool:
    """The text itself asks for what is evaluated now, and not the prover or a traceback."""
    here = sys._getframe(1).f_code.co_filename
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith((GENERATED, here)):
        frame = frame.f_back
    return frame is not None and is_text(frame.f_code.co_filename)


def told(problem: BaseException) -> str:
    """An exception in one line, with file and line of the text that raised it."""
    if isinstance(problem, NotFollowed):
        return str(problem)
    places = [
        f"{shown(frame.filename)}:{frame.lineno}"
        for frame in traceback.extract_tb(problem.__traceback__)
        if is_text(frame.filename)
    ]
    what = lacking(problem) if isinstance(problem, AttributeError) and problem.name else in_words(problem)
    return f"{places[-1]}: {what}" if places else what


def in_words(problem: BaseException) -> str:
    """The class and the message of an exception."""
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__


def lacking(problem: AttributeError) -> str:
    """What is read of a value that has no such thing, because nothing required that it is of another class."""
    if problem.obj is None:
        return f"{problem.name} is read of what may be None: that it is there is not required"
    kind = getattr(type(problem.obj), "kind", type(problem.obj)).__name__
    return f"{problem.name} is read of what may be of class {kind}, which has none: another class is not required"
