"""
Clients of PocketIC, as their registries have them, with the tests that come with them.

Their packages are installed once, into `.venv/clients`; where that cannot be done, the tests are skipped.
"""

import os
import subprocess
from pathlib import Path

import pytest

from reference_impl.server.pocket_ic.tests.served import EXECUTABLE
from reference_impl.server.tests.installing import NEW_ENVIRONMENT, PIP, installed

HERE = Path(__file__).parent / "clients"
RUNNING_SECONDS = 500
SOURCE = "pocket_ic-3.1.2"
DOWNLOAD = ("bin/python", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "pocket-ic==3.1.2")


@pytest.fixture(scope="session")
def python():
    """A folder with an environment that has the client in Python, and the archive of its source."""
    unpack = ("tar", "-xzf", f"{SOURCE}.tar.gz")
    return installed("pocket_ic", (HERE / "requirements.txt",), NEW_ENVIRONMENT, PIP, DOWNLOAD, unpack)


@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("tests/pocket_ic_test.py", 16),
        ("examples/counter_canister/counter_canister_test.py", 1),
        ("examples/ledger_canister/ledger_canister_test.py", 7),
    ],
)
def test_the_tests_of_the_client_in_python_pass(python, file, count):
    program = python / SOURCE / file
    told = subprocess.run(
        [python / "bin" / "python", program],
        cwd=program.parent,
        env={**os.environ, "POCKET_IC_BIN": str(EXECUTABLE), "POCKET_IC_MUTE_SERVER": "1"},
        capture_output=True,
        text=True,
        timeout=RUNNING_SECONDS,
    )
    assert told.returncode == 0, told.stderr[-4000:]
    assert f"Ran {count} test" in told.stderr
