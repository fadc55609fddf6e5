"""How much trouble a run admits: what the system may do of its own accord."""

from typing import Final

from attrs import frozen

from spec.values.identifiers import Text


@frozen
class Environment:
    """
    A promise about the world in which an implementation is judged.

    The interface specification lets the system reject nearly anything at nearly any time. Without a bound on that an
    implementation that rejects everything would conform; so every run says how many such rejections it admits.
    """

    name: Text
    spontaneous_rejections: int | None
    """How many calls and requests the system may reject for reasons of its own; None means any number."""

    def admits(self, rejections: int) -> bool:
        """So many rejections are within the promise."""
        return self.spontaneous_rejections is None or rejections <= self.spontaneous_rejections

    @property
    def is_calm(self) -> bool:
        """The system does nothing of its own accord."""
        return self.spontaneous_rejections == 0


CALM: Final = Environment("calm", 0)
"""An idle system: nothing is rejected without a reason that the rules name."""

HOSTILE: Final = Environment("hostile", None)
"""Anything that the interface specification allows."""


def loaded(rejections: int) -> Environment:
    """A busy system, which rejects at most so many calls and requests in a scenario."""
    return Environment(f"loaded({rejections})", rejections)


def environment_named(name: Text) -> Environment:
    """Reads `calm`, `hostile` or `loaded(K)`, K at least 1. Raises `ValueError` for anything else."""
    if name == "calm":
        return CALM
    if name == "hostile":
        return HOSTILE
    number = name.removeprefix("loaded(").removesuffix(")")
    if name == f"loaded({number})" and number.isascii() and number.isdecimal() and len(number) < 10:
        if int(number) > 0:
            return loaded(int(number))
        raise ValueError(f"{name!r} is no environment: a system that may reject nothing of its own accord is calm")
    raise ValueError(f"{name!r} is no environment: calm, loaded(K) or hostile")
