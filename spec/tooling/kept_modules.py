"""
Modules that the specification accepted, remembered on disk from one process to the next.

A file is named by the bytes of a module, the limits, and the text of all code that decodes and checks modules. It
holds figures alone, and is used only if it belongs to the user, nobody else can write to it or to the folder, and it is
whole. Functions of a module that is remembered are decoded when they first run. Files are in the folder
`icspec-accepted` of the user's cache (`XDG_CACHE_HOME`, or `~/.cache`); with `ICSPEC_CACHE=off` there are none. What
goes wrong here only costs time.
"""

import contextlib
import hashlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from spec.profile import Limits
from spec.system_api.accepted_modules import Accepted
from spec.values.identifiers import Blob

SWITCH: Final = "ICSPEC_CACHE"
OFF: Final = "off"
SMALLEST_KEPT: Final = 65_536
"""Bytes of a module; smaller ones are checked in no time."""
MOST_FILES: Final = 1_000
"""The oldest files make room for new ones."""
LONGEST_FILE: Final = 1_000
"""In bytes. Longer ones are not ours."""

_DIGEST_SIZE: Final = hashlib.sha256().digest_size
_PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = 0o077
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_DECIDING: Final = ("wasm", "system_api", "values", "canister")
"""The folders whose text decides what is accepted."""


def folder() -> Path | None:
    """The folder, made if need be; None if nothing is to be kept, or others could write there."""
    if os.environ.get(SWITCH) == OFF or not hasattr(os, "getuid"):
        return None
    try:
        chosen = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "icspec-accepted"
        if not chosen.is_absolute():
            return None
        chosen.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        found = chosen.lstat()
    except (OSError, RuntimeError):
        return None
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & _OTHERS
    return chosen if is_ours else None


@cache
def _text() -> bytes:
    """A digest of all code that decides what is accepted."""
    spec = Path(__file__).parents[1]
    files = sorted(path for name in _DECIDING for path in (spec / name).rglob("*") if path.suffix in (".py", ".toml"))
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.digest()


def file_name(binary: Blob, limits: Limits) -> str:
    """The name of the file for a module with these limits."""
    return hashlib.sha256(hashlib.sha256(binary).digest() + repr(limits).encode() + _text()).hexdigest()


class OnDisk:
    """Remembers large modules in files."""

    def find(self, binary: Blob, limits: Limits) -> Accepted | None:
        """What is known of a module that was accepted with these limits."""
        chosen = folder() if len(binary) >= SMALLEST_KEPT else None
        content = None if chosen is None else _read(chosen / file_name(binary, limits))
        return None if content is None else Accepted(**json.loads(content))

    def enter(self, binary: Blob, limits: Limits, accepted: Callable[[], Accepted]) -> None:
        """Remembers a large module."""
        chosen = folder() if len(binary) >= SMALLEST_KEPT else None
        if chosen is not None:
            content = json.dumps({"instructions_to_compile": accepted().instructions_to_compile}).encode()
            with contextlib.suppress(OSError):
                _write(chosen, file_name(binary, limits), content)


def _read(path: Path) -> bytes | None:
    """What was written into a file of ours; None if it is not there, not ours, or not whole."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & _OTHERS_MAY_WRITE:
                return None
            digest, content = file.read(_DIGEST_SIZE), file.read(LONGEST_FILE)
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
