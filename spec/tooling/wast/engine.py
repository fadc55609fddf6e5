"""What test scripts need of an engine: instances that may import from each other."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

from attrs import frozen

from spec.wasm.syntax import Module


class Skipped(Exception):
    """A command is not run, for the reason given."""


@frozen
class ValidModule:
    """A module that the specification accepts, taken apart and as it was."""

    module: Module
    binary: bytes
    left_out: str | None = None
    """The feature for which parts of it were left out."""
    lost: frozenset[str] = frozenset()
    """Names under which the whole module exports something that is left out, or is not the same."""
    missing: frozenset[str] = frozenset()
    """Names under which it exports functions that are left out."""
    idle: frozenset[str] = frozenset()
    """Those of them that change nothing."""
    alone: frozenset[str] = frozenset()
    """Names under which it exports functions that come to nothing that is left out."""
    others: "tuple[ValidModule, ...]" = ()
    """The same with another one of its memories alone: what is missing here may be there."""


class ScriptInstance(Protocol):
    """An instance of a module of a script. A trap is a `Trap`, worded as in the scripts."""

    def call(self, name: str, arguments: Sequence[int]) -> list[int]:
        """Calls an exported function. Parameters and results are bit patterns."""
        ...

    def read(self, name: str) -> int:
        """The bit pattern of an exported global."""
        ...

    def start(self) -> None:
        """Runs the start function, if there is one."""
        ...


Find = Callable[[str, str], ScriptInstance]
"""The instance that is registered under a name, from which something with another name is imported."""


class ScriptEngine(Protocol):
    """Makes the instances of one script."""

    words_for_traps: ClassVar[Mapping[str, str]]
    """What the engine says of a trap instead, by the words of the scripts, where it does not tell two traps apart."""

    def spectest(self) -> ScriptInstance:
        """The instance from which every script may import."""
        ...

    def instance(self, valid: ValidModule, find: Find) -> ScriptInstance:
        """
        An instance; the start function is not run. Raises `LinkError` if imports do not fit, `Trap` if an active
        segment does not fit, and `Skipped` for what the engine does not do.
        """
        ...

    def refuse(self, binary: bytes) -> None:
        """Raises `Malformed` or `Invalid` if the bytes are no valid module."""
        ...
