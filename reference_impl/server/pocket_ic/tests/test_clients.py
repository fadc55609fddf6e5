"""
Clients of PocketIC, as their registries have them, with the tests that come with them.

Their packages are installed once, into `.venv/clients`; where that cannot be done, the tests are skipped. The tests of
PicJS and of node-motoko, the compiler of Motoko for Node, are in their repositories alone: the variables
PIC_JS_REPOSITORY and NODE_MOTOKO_REPOSITORY name copies of them, without which they are skipped.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reference_impl.server.tests.installing import NEW_ENVIRONMENT, NPM, PIP, ROOT, installed

EXECUTABLE = Path(sys.executable).with_name("pocket-ic")
HERE = Path(__file__).parent / "clients"
MODULE = ROOT / "conformance" / "canisters" / "motoko" / "counter.wasm"
RUNNING_SECONDS = 500
PIC_JS = "PIC_JS_REPOSITORY"
NODE_MOTOKO = "NODE_MOTOKO_REPOSITORY"
SOURCE = "pocket_ic-3.1.2"
DOWNLOAD = ("bin/python", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "pocket-ic==3.1.2")
INSTALL = ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")


@pytest.fixture(scope="module", autouse=True)
def named_by_the_environment(tmp_path_factory):
    """Clients find the executable by a variable; the one in Python cannot start a path with spaces, so it is a link."""
    link = tmp_path_factory.mktemp("executable") / "pocket-ic"
    link.symlink_to(EXECUTABLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POCKET_IC_BIN", str(link))
        patch.setenv("POCKET_IC_MUTE_SERVER", "1")
        yield


def ran(*command, folder):
    """What a program wrote, which must succeed."""
    told = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=RUNNING_SECONDS,
    )
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-4000:]
    return told.stdout + told.stderr


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
    assert f"Ran {count} test" in ran(python / "bin" / "python", program, folder=program.parent)


@pytest.fixture(scope="session")
def pic_js():
    """A folder with PicJS."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    files = (HERE / "pic_js" / "package.json", HERE / "pic_js" / "package-lock.json")
    folder = installed("pic_js", files, NPM)
    shutil.copy(HERE / "pic_js" / "with_pic_js.mjs", folder)
    return folder


def test_pic_js_starts_creates_installs_calls_upgrades_and_goes_live_with_an_agent_that_verifies(pic_js):
    written = ran("node", "with_pic_js.mjs", MODULE, folder=pic_js)
    (told,) = (json.loads(line) for line in written.splitlines() if line.startswith("{"))
    assert told == {
        "subnets": ["Application", "Application", "NNS"],
        "isOnSubnet": True,
        "increased": 1,
        "missing": True,
        "readAfterUpgrade": 1,
        "increasedInChunks": 1,
        "readBeforeRound": 1,
        "increasedLater": 2,
        "added": True,
        "advanced": 60_000,
        "stableMemory": [1, 2, 3, 0],
        "stopped": True,
        "increasedLive": 3,
        "readLive": 3,
        "unknown": True,
        "rootKeyLength": 133,
        "featureFails": True,
    }
    assert "The feature ii is not served: system canisters are needed" in written


def copy_of(repository, variable):
    """The folder that a variable names, with the repository."""
    if variable not in os.environ:
        pytest.skip(f"{variable} names no copy of github.com/{repository}")
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    return Path(os.environ[variable])


def start_by(file):
    """
    Makes the file that clients start: they find the server in that place alone.

    It stays for an hour where clients do not say how long, since compiling may take longer than a minute.
    """
    file.write_text(f'#!/bin/sh\nexec "{EXECUTABLE}" --ttl 3600 "$@"\n')
    file.chmod(0o700)


@pytest.fixture(scope="session")
def pic_js_suite():
    """A folder with the tests and examples of PicJS, whose canisters are compiled, and all that they need."""
    repository = copy_of("dfinity/pic-js", PIC_JS)
    folder = installed("pic_js_suite", (HERE / "pic_js_suite" / "package.json",), INSTALL)
    for name in ("packages/pic", "examples"):
        shutil.copytree(repository / name, folder / name, dirs_exist_ok=True)
    shutil.copy(repository / "tsconfig.json", folder)
    shutil.copy(HERE / "pic_js_suite" / "build_examples.mjs", folder)
    start_by(folder / "packages" / "pic" / "pocket-ic")
    return folder


def passed(told):
    """How many tests passed, as the last line about tests tells it; all that there are."""
    (line,) = re.findall(r"^ *Tests:? .*$", told, re.MULTILINE)
    count = int(re.search(r"(\d+) passed", line)[1])
    assert not re.search(r"failed|skipped|todo", line), line
    return count


def test_the_tests_of_pic_js_pass(pic_js_suite):
    told = ran("npx", "jest", "-c", "packages/pic/jest.config.ts", folder=pic_js_suite)
    assert passed(told) == 59


def test_the_tests_of_the_motoko_examples_of_pic_js_pass(pic_js_suite):
    ran("node", "build_examples.mjs", folder=pic_js_suite)
    counts = {}
    for name in ("clock", "google_search", "multicanister"):
        config = f"examples/{name}/tests/jest.config.ts"
        counts[name] = passed(ran("npx", "jest", "-c", config, folder=pic_js_suite))
    config = "./examples/counter/tests/vitest.config.ts"
    counts["counter"] = passed(ran("npx", "vitest", "run", "-c", config, folder=pic_js_suite))
    assert counts == {"clock": 8, "google_search": 1, "multicanister": 2, "counter": 14}


@pytest.fixture(scope="session")
def node_motoko():
    """A folder with the tests of node-motoko, and all that they need."""
    repository = copy_of("caffeinelabs/node-motoko", NODE_MOTOKO)
    folder = installed("node_motoko", (repository / "package.json", repository / "package-lock.json"), NPM)
    shutil.copytree(repository, folder, ignore=shutil.ignore_patterns("node_modules", ".git"), dirs_exist_ok=True)
    shutil.copy(HERE / "node_motoko" / "patient.cjs", folder)
    start_by(folder / "node_modules" / "@dfinity" / "pic" / "pocket-ic")
    return folder


def test_the_tests_of_node_motoko_pass_one_of_which_compiles_installs_and_calls_a_canister(node_motoko):
    told = ran("npx", "jest", "--verbose", "--setupFilesAfterEnv", "./patient.cjs", folder=node_motoko)
    assert re.search(r"✓ run test file", told)
    assert passed(told) == 40
