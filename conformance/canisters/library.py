"""The modules that tests and scenarios install, by name."""

from functools import cache
from pathlib import Path
from typing import Final

_DIRECTORY: Final[Path] = Path(__file__).parent

SCRIPTED: Final[tuple[str, ...]] = ("scripted", "scripted_tasks", "scripted_low_memory", "scripted_keep")
"""Variants of the scripted canister: 32-bit memory; programs come as argument."""

MOTOKO: Final[tuple[str, ...]] = ("counter", "pair", "registry", "awaiter")
"""Compiled from Motoko: 64-bit memory, a start function, a heap that upgrades keep; arguments are Candid."""

WEBSITES: Final[tuple[str, ...]] = ("website",)
"""Compiled from Motoko too. It hashes its pages as it begins, which takes too long on the specification."""

INSTRUCTIONS: Final[tuple[str, ...]] = ("instructions_32", "instructions_64")
"""Run every instruction on operands that come as argument, with 32-bit and 64-bit memory."""

NAMES: Final[tuple[str, ...]] = SCRIPTED + INSTRUCTIONS + MOTOKO + WEBSITES
"""Every module that `load` knows."""


class UnknownCanister(ValueError):
    """No module has that name; says which there are."""


@cache
def load(name: str) -> bytes:
    """The binary module of that name. Raises `UnknownCanister` for any other name."""
    if name in SCRIPTED + INSTRUCTIONS:
        return (_DIRECTORY / f"{name}.wasm").read_bytes()
    if name in MOTOKO + WEBSITES:
        return (_DIRECTORY / "motoko" / f"{name}.wasm").read_bytes()
    raise UnknownCanister(f"there is no canister {name!r}; there are {', '.join(NAMES)}")
