"""Pure functions that keep their last result: while one state is looked at, many ask the same of it."""

from collections.abc import Callable
from typing import Generic, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class RememberingLast(Generic[Argument, Result]):
    """
    A pure function of one argument that never changes. It is not computed again while the same object comes.

    Argument and result are kept in one tuple, so that threads never see one without the other.
    """

    def __init__(self, function: Callable[[Argument], Result]) -> None:
        self.function = function
        self._last: tuple[Argument, Result] | None = None

    def __call__(self, argument: Argument) -> Result:
        """What the function gives."""
        last = self._last
        if last is None or last[0] is not argument:
            last = self._last = argument, self.function(argument)
        return last[1]
