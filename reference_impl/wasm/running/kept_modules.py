"""
Rewritten and compiled modules, kept on disk from one process to the next.

They are in a folder of the user's cache (`spec.tooling.kept_files`). A file is named by the module and by all that its
contents depend on: the bounds of the rewriting, the text of this package, and the version of the engine.
"""

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import wasmtime
from attrs import asdict, evolve

from reference_impl.wasm.instances.wasmtime_engine import compile_module, engine
from reference_impl.wasm.rewriting.code_rewriting import Bounds
from reference_impl.wasm.rewriting.instrument import Instrumented
from spec.tooling import kept_files

FOLDER: Final = "icspec"
SMALLEST_KEPT: Final = 65_536
"""Bytes of a rewritten module; smaller ones are compiled in no time."""
MOST_FILES: Final = 200
"""The oldest files make room for new ones."""

_LENGTH_SIZE: Final = 8


@cache
def _dependencies() -> bytes:
    """What the contents of files depend on besides the module and the bounds."""
    texts = sorted(Path(__file__).parents[1].glob("*/*.py"))
    digests = [hashlib.sha256(text.read_bytes()).digest() for text in texts]
    return b"".join(digests) + version("wasmtime").encode()


def file_name(digest: bytes, bounds: Bounds) -> str:
    """The name of the file for a module with this digest."""
    return hashlib.sha256(digest + repr(bounds).encode() + _dependencies()).hexdigest()


def kept(digest: bytes, bounds: Bounds) -> tuple[Instrumented, wasmtime.Module] | None:
    """The module as it was rewritten and compiled before; None if it was not, or its file cannot be trusted."""
    chosen = kept_files.folder(FOLDER)
    content = None if chosen is None else kept_files.read(chosen / file_name(digest, bounds))
    if content is None:
        return None
    length = int.from_bytes(content[:_LENGTH_SIZE], "big")
    header = json.loads(content[_LENGTH_SIZE : _LENGTH_SIZE + length])
    end = _LENGTH_SIZE + length + header.pop("binary_size")
    try:
        module = wasmtime.Module.deserialize(engine(), content[end:])
    except wasmtime.WasmtimeError:
        return None
    return Instrumented(binary=content[_LENGTH_SIZE + length : end], **header), module


def compiled(digest: bytes, bounds: Bounds, instrumented: Instrumented) -> wasmtime.Module:
    """Compiles a rewritten module, and keeps both if it is large. Raises `wasmtime.WasmtimeError`."""
    module = compile_module(instrumented.binary, instrumented.is_hard_to_compile)
    chosen = kept_files.folder(FOLDER) if len(instrumented.binary) >= SMALLEST_KEPT else None
    if chosen is not None:
        figures = asdict(evolve(instrumented, binary=b"")) | {"binary_size": len(instrumented.binary)}
        header = json.dumps({name: value for name, value in figures.items() if name != "binary"}).encode()
        content = len(header).to_bytes(_LENGTH_SIZE, "big") + header + instrumented.binary + bytes(module.serialize())
        kept_files.write(chosen / file_name(digest, bounds), content, MOST_FILES)
    return module
