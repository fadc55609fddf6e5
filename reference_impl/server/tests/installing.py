"""
Packages of clients, from their registries.

They are installed once, into `.venv/clients`; where that cannot be done, the tests that need them are skipped. A list
of packages that no registry could serve is not such a place: those tests fail.
"""

import fcntl
import hashlib
import os
import re
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

FAULTS_OF_LISTS = re.compile(
    r"\bE(USAGE|TARGET|404|INTEGRITY|RESOLVE|JSONPARSE|INVALIDPACKAGENAME|INVALIDTAGNAME)\b"
    r"|Invalid requirement|from versions: [^)n]|ResolutionImpossible|THESE PACKAGES DO NOT MATCH THE HASHES"
)
"""What npm and pip write where it is the list of packages that is wrong."""
OUT_OF_REACH = re.compile(r"Retrying \(Retry|connection broken|Failed to establish a new connection")
"""What pip writes where the registry has not answered, whatever versions it knows from elsewhere."""


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
            _do(command, folder, f"the packages of {name} cannot be installed")
        ready.write_text(wanted)
    return folder


def _do(command, folder, failing):
    """A command, which succeeds, or fails for a reason that is not ours, or fails the test."""
    try:
        told = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALLING_SECONDS)
    except (OSError, subprocess.SubprocessError) as problem:
        pytest.skip(f"{failing}: {problem}")
    if told.returncode == 0:
        return
    why = f"{failing}: {' '.join(command)}: {told.stderr.strip()[-1000:]}"
    asked_nobody = OUT_OF_REACH.search(told.stderr) or "PIP_NO_INDEX" in os.environ
    if FAULTS_OF_LISTS.search(told.stderr) and not asked_nobody:
        pytest.fail(why)
    pytest.skip(why)
