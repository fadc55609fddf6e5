"""
What the judge asks an implementation, and what that answers; another one that answers alike gets the same verdict.

The judge chooses what it asks by the answers alone. So only the scenarios in which answers differ need to be judged.
"""

from collections.abc import Callable
from typing import Any, Final

from attrs import field, frozen

from conformance.protocol.interface import Implementation

VERBS: Final = frozenset(name for name in vars(Implementation) if not name.startswith("_"))


@frozen
class Exchange:
    """One request, and its answer; an error counts as one."""

    verb: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    answer: object


def answered(implementation: Any, verb: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> object:
    """What an implementation answers, or the text of the error."""
    try:
        return getattr(implementation, verb)(*arguments, **options)
    except Exception as problem:
        return repr(problem)


@frozen
class Noting:
    """An implementation whose exchanges are noted."""

    implementation: Any
    exchanges: list[Exchange] = field(factory=list)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.implementation, name)
        return self._noting(name, value) if name in VERBS else value

    def _noting(self, verb: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*arguments: Any, **options: Any) -> Any:
            try:
                answer = method(*arguments, **options)
            except Exception as problem:
                self.exchanges.append(Exchange(verb, arguments, options, repr(problem)))
                raise
            self.exchanges.append(Exchange(verb, arguments, options, answer))
            return answer

        return asked


def answers_alike(implementation: Any, exchanges: list[Exchange]) -> bool:
    """It gives the same answers to the same requests."""
    return all(answered(implementation, each.verb, each.arguments, each.options) == each.answer for each in exchanges)
