"""
Rewritten and compiled modules, kept on disk from one process to the next.

They are in the folder `icspec` of the user's cache (`XDG_CACHE_HOME`, or `~/.cache`); with `ICSPEC_CACHE=off` nothing
is kept. Compiled code runs as it is, so a file is used only if it belongs to the user, nobody else can write to it or
to the folder, and it is whole. A file is named by the module and by all that its contents depend on: the bounds of the
rewriting, the text of this package, and the version of the engine. Whatever goes wrong here only costs time.
"""

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import wasmtime
from attrs import asdict, evolve

from reference_impl.wasm.instances.wasmtime_engine import compile_module, engine
from reference_impl.wasm.rewriting.code_rewriting import Bounds
from reference_impl.wasm.rewriting.instrument import Instrumented

SWITCH: Final = "ICSPEC_CACHE"
OFF: Final = "off"
SMALLEST_KEPT: Final = 65_536
"""Bytes of a rewritten module; smaller ones are compiled in no time."""
MOST_FILES: Final = 200
"""The oldest files make room for new ones."""

_DIGEST_SIZE: Final = hashlib.sha256().digest_size
_LENGTH_SIZE: Final = 8
_PRIVATE_FOLDER: Final = 0o700
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def folder() -> Path | None:
    """The folder, made if need be; None if nothing is to be kept, or others could write there."""
    if os.environ.get(SWITCH) == OFF or not hasattr(os, "getuid"):
        return None
    try:
        chosen = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "icspec"
        if not chosen.is_absolute():
            return None
        chosen.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        found = chosen.lstat()
    except (OSError, RuntimeError):
        return None
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return chosen if is_ours else None


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
    chosen = folder()
    content = None if chosen is None else _read(chosen / file_name(digest, bounds))
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
    chosen = folder() if len(instrumented.binary) >= SMALLEST_KEPT else None
    if chosen is not None:
        figures = asdict(evolve(instrumented, binary=b"")) | {"binary_size": len(instrumented.binary)}
        header = json.dumps({name: value for name, value in figures.items() if name != "binary"}).encode()
        content = len(header).to_bytes(_LENGTH_SIZE, "big") + header + instrumented.binary + bytes(module.serialize())
        with contextlib.suppress(OSError):
            _write(chosen, file_name(digest, bounds), content)
    return module


def _read(path: Path) -> bytes | None:
    """What was written into a file of ours; None if it is not there, not ours, or not whole."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & _OTHERS_MAY_WRITE:
                return None
            digest, content = file.read(_DIGEST_SIZE), file.read()
    except OSError:
        return None
    return content if hashlib.sha256(content).digest() == digest else None


def _write(chosen: Path, name: str, content: bytes) -> None:
    """Writes a file as a whole: who reads at the same time finds the old one, or the new one."""
    descriptor, temporary = tempfile.mkstemp(dir=chosen)
    try:
        with open(descriptor, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        os.replace(temporary, chosen / name)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    files = sorted(chosen.iterdir(), key=lambda one: one.lstat().st_mtime)
    for old in files[: max(len(files) - MOST_FILES, 0)]:
        old.unlink(missing_ok=True)
