"""
Which engine runs canisters: the interpreter of this specification, or for a while another one in its place.

The meaning of a module is what the interpreter makes of it. Whoever puts another engine in its place vouches that it
gives the same outcomes; an engine that does not makes everything wrong that follows from an execution.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spec.canister.module import CanisterModule, MalformedModule
from spec.profile import Profile
from spec.system_api.module import parse_module
from spec.values.identifiers import Blob

Engine = Callable[[Blob, Profile], CanisterModule | MalformedModule]
"""The module that some bytes are, under a profile."""

_engines: list[Engine] = [parse_module]
"""The last one runs canisters."""


def module_by_engine(raw_module: Blob, profile: Profile) -> CanisterModule | MalformedModule:
    """The module that some bytes are, as the engine has it that runs canisters now."""
    return _engines[-1](raw_module, profile)


@contextmanager
def run_by(engine: Engine) -> Iterator[None]:
    """Inside, this engine runs canisters."""
    _engines.append(engine)
    try:
        yield
    finally:
        _engines.pop()
