"""Public names of a package that are imported when they are asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from sys import modules
from typing import Any


def public_names(
    package: str, homes: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """
    `__getattr__` and `__dir__` of a package whose public names stand in other modules, the homes, or are modules there.

    Whoever imports one module of the package does not load the others.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def look_up(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"{package} has no public name {name!r}")
        home = import_module(home_of[name])
        found = getattr(home, name) if hasattr(home, name) else import_module(f"{home.__name__}.{name}")
        setattr(modules[package], name, found)
        return found

    return look_up, lambda: sorted(home_of)
