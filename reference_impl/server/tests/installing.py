"""
Packages of clients, from their registries.

They are installed once, into `.venv/clients`; where that cannot be done, the tests that need them are skipped.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
INSTALLED = ROOT / ".venv" / "clients"
INSTALLING_SECONDS = 240
PIP = ("bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt")
NEW_ENVIRONMENT = (sys.executable, "-m", "venv", ".")
NPM = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")


def installed(name, files, *commands, into=None):
    """A folder with packages, which commands put there unless they did so before for the same files."""
    folder = (INSTALLED if into is None else into) / name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = folder / "ready"
        if ready.exists() and ready.read_text() == wanted:
            return folder
        for file in files:
            shutil.copy(file, folder)
        for command in commands:
            try:
                subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=INSTALLING_SECONDS)
            except (OSError, subprocess.SubprocessError) as problem:
                pytest.skip(f"the packages of {name} cannot be installed: {problem}")
        ready.write_text(wanted)
    return folder
