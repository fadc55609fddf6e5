"""What can be wrong with a file that was kept, so that it must not be used."""

import os
from pathlib import Path
from typing import Final


def cut(path: Path) -> None:
    """Its last byte is missing."""
    path.write_bytes(path.read_bytes()[:-1])


def changed(path: Path) -> None:
    """One byte is another."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def open_to_others(path: Path) -> None:
    """Others can write to it."""
    path.chmod(0o660)


def in_an_open_folder(path: Path) -> None:
    """Others can write to its folder."""
    path.parent.chmod(0o770)


def elsewhere(path: Path) -> None:
    """It is a link."""
    moved = path.with_name("moved")
    path.rename(moved)
    path.symlink_to(moved)


def a_pipe(path: Path) -> None:
    """It is a pipe that nobody writes to."""
    path.unlink()
    os.mkfifo(path, 0o600)


SPOILING: Final = (cut, changed, open_to_others, in_an_open_folder, elsewhere, a_pipe, Path.unlink)
