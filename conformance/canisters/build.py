"""
Builds the modules of the scripted canister and of the instruction canister from their sources.

Run `python -m conformance.canisters.build` after a change of `scripted.wat` or `instructions.py`.
"""

from pathlib import Path
from typing import Final

import wasmtime

from conformance.canisters import instructions

DIRECTORY: Final[Path] = Path(__file__).parent

VARIANTS: Final[dict[str, str]] = {
    "scripted": "",
    # Apart, because a system may schedule the heartbeat of every canister that exports one.
    "scripted_tasks": """
  (export "canister_heartbeat" (func $on_heartbeat))
  (export "canister_on_low_wasm_memory" (func $on_low_wasm_memory))
""",
    "scripted_low_memory": """
  (export "canister_on_low_wasm_memory" (func $on_low_wasm_memory))
""",
    # The section by which a module says that upgrades can keep its heap.
    "scripted_keep": """
  (@custom "icp:private enhanced-orthogonal-persistence" "")
""",
}
"""What each module has in addition to the source."""


INSTRUCTIONS: Final[dict[str, int]] = {"instructions_32": 32, "instructions_64": 64}
"""The instruction canister, by the bits of its addresses."""


def build(name: str) -> bytes:
    """The module of that name, compiled, without the names of its functions."""
    if name in INSTRUCTIONS:
        return without_names(bytes(wasmtime.wat2wasm(instructions.source(INSTRUCTIONS[name]))))
    source = (DIRECTORY / "scripted.wat").read_text().rstrip()
    return without_names(bytes(wasmtime.wat2wasm(source.removesuffix(")") + VARIANTS[name] + ")")))


def without_names(module: bytes) -> bytes:
    """A binary module without its custom section `name`."""
    kept = module[:8]
    position = 8
    while position < len(module):
        start, identifier = position, module[position]
        size, position = _unsigned(module, position + 1)
        content = module[position : position + size]
        position += size
        if not (identifier == 0 and content.startswith(b"\x04name")):
            kept += module[start:position]
    return kept


def _unsigned(module: bytes, position: int) -> tuple[int, int]:
    """Reads a LEB128 number; gives it and the position after it."""
    value = shift = 0
    while True:
        byte = module[position]
        value |= (byte & 0x7F) << shift
        position += 1
        shift += 7
        if byte < 0x80:
            return value, position


def main() -> None:
    """Writes every module next to the source."""
    for name in (*VARIANTS, *INSTRUCTIONS):
        module = build(name)
        (DIRECTORY / f"{name}.wasm").write_bytes(module)
        print(f"{name}.wasm: {len(module)} bytes")


if __name__ == "__main__":
    main()
