"""What a module tells of its interface, by its custom sections."""

import re
from typing import Final

from attrs import evolve, frozen

from spec.canister.module import CanisterModule
from spec.tooling.candid_text.grammar import CandidTextError
from spec.tooling.candid_text.interfaces import Interface, read_interface

SERVICE: Final = "candid:service"
"""The section that tells the methods."""

ARGUMENTS: Final = "candid:args"
"""The section that tells what an installation takes."""


@frozen
class ToldInterface:
    """An interface, and how it was written."""

    interface: Interface
    text: str


def told_interface(module: CanisterModule) -> ToldInterface | None:
    """What a module tells of its interface, if it does. Raises `CandidTextError`, which names the section."""
    written = _section(module, SERVICE)
    if written is None:
        return None
    interface = _read(written, SERVICE)
    arguments = _section(module, ARGUMENTS)
    if arguments is not None and not interface.parameters:
        whole = _read(f"{_definitions(written)} service : {arguments} -> {{}}", ARGUMENTS)
        interface = evolve(interface, parameters=whole.parameters)
    return ToldInterface(interface, written)


def _section(module: CanisterModule, name: str) -> str | None:
    for sections in (module.public_custom_sections, module.private_custom_sections):
        if name in sections:
            return bytes(sections[name]).decode(errors="replace")
    return None


def _definitions(interface: str) -> str:
    """The definitions of types of an interface, without its service."""
    return re.split(r"(?m)^\s*service\b[^{]*:", interface)[0]


def _read(text: str, section: str) -> Interface:
    try:
        return read_interface(text)
    except CandidTextError as problem:
        raise CandidTextError(f"section {section}: {problem}") from None
