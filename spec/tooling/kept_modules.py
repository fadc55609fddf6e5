"""
Modules that the specification accepted, remembered on disk from one process to the next.

A file is named by the bytes of a module, the limits, and the text of all code that decodes and checks modules. It
holds figures alone. Functions of a module that is remembered are decoded when they first run. Files are in the folder
`icspec-accepted` of the user's cache (`spec.tooling.kept_files`).
"""

import hashlib
import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from attrs import asdict

from spec.profile import Limits
from spec.system_api.accepted_modules import Accepted
from spec.tooling import kept_files
from spec.values.identifiers import Blob

FOLDER: Final = "icspec-accepted"
SMALLEST_KEPT: Final = 65_536
"""Bytes of a module; smaller ones are checked in no time."""
MOST_FILES: Final = 1_000
"""The oldest files make room for new ones."""
LONGEST_FILE: Final = 1_000
"""In bytes. Longer ones are not ours."""

_DECIDING: Final = ("wasm", "system_api", "values", "canister")
"""The folders whose text decides what is accepted."""


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
        path = _path(binary, limits)
        content = None if path is None else kept_files.read(path, LONGEST_FILE)
        return None if content is None else Accepted(**json.loads(content))

    def enter(self, binary: Blob, limits: Limits, accepted: Callable[[], Accepted]) -> None:
        """Remembers a large module."""
        path = _path(binary, limits)
        if path is not None:
            kept_files.write(path, json.dumps(asdict(accepted())).encode(), MOST_FILES)


def _path(binary: Blob, limits: Limits) -> Path | None:
    """The file for a module with these limits; None for a small one, or if there are no files."""
    chosen = kept_files.folder(FOLDER) if len(binary) >= SMALLEST_KEPT else None
    return None if chosen is None else chosen / file_name(binary, limits)
