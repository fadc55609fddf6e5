"""Pure functions that keep their last results: while one state is looked at, many ask the same of it."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

Argument = TypeVar("Argument")
Others = ParamSpec("Others")
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


def remembering_recent(
    kept: int,
) -> Callable[[Callable[Concatenate[Argument, Others], Result]], Callable[Concatenate[Argument, Others], Result]]:
    """
    Makes a pure function keep so many of its last results.

    A result is given again for the same object as first argument, which never changes, and for others that are equal.
    """

    def remembers(
        function: Callable[Concatenate[Argument, Others], Result],
    ) -> Callable[Concatenate[Argument, Others], Result]:
        # Invariant: it is replaced as a whole, so that threads never see a part of it.
        recent: tuple[tuple[Argument, Any, Any, Result], ...] = ()

        def call(argument: Argument, /, *others: Others.args, **named: Others.kwargs) -> Result:
            nonlocal recent
            for known, known_others, known_named, known_result in recent:
                if known is argument and known_others == others and known_named == named:
                    return known_result
            result = function(argument, *others, **named)
            recent = ((argument, others, named, result), *recent[: kept - 1])
            return result

        update_wrapper(call, function)
        return call

    return remembers
