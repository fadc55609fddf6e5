"""
The crates `ic-agent` and `pocket-ic`, as their registry has them, take our servers through their paces.

Their programs are built once, into `.venv/clients`; without a toolchain, or where the crates cannot be fetched, or
built in time, the tests are skipped. A program that does not compile fails them.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reference_impl.server.tests.installing import ROOT, installed
from reference_impl.server.tests.served import SERVE, Served

HERE = Path(__file__).parent / "clients" / "rust"
MODULE = ROOT / "conformance" / "canisters" / "motoko" / "counter.wasm"
EXECUTABLE = Path(sys.executable).with_name("pocket-ic")
PROGRAMS = ("with_ic_agent.rs", "with_pocket_ic.rs")
FETCH = ("cargo", "fetch", "--locked", "--quiet")
BUILD = ("cargo", "build", "--locked", "--offline", "--quiet", "--target-dir", "target")
FIRST = "rwlgt-iiaaa-aaaaa-aaaaa-cai"
BUILDING_SECONDS = 1200
RUNNING_SECONDS = 300


@pytest.fixture(scope="session")
def programs():
    """The folder with the programs."""
    for tool in ("cargo", "cc"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")
    folder = installed("rust", (HERE / "Cargo.toml", HERE / "Cargo.lock"), ("mkdir", "-p", "src/bin"), *PLACED, FETCH)
    for name in PROGRAMS:
        there, here = folder / "src" / "bin" / name, HERE / "src" / "bin" / name
        if there.read_bytes() != here.read_bytes():
            shutil.copy(here, there)
    try:
        built = subprocess.run(BUILD, cwd=folder, capture_output=True, text=True, timeout=BUILDING_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the crates are not built within {BUILDING_SECONDS} seconds")
    assert built.returncode == 0, built.stderr[-4000:]
    return folder / "target" / "debug"


PLACED = tuple(("cp", str(HERE / "src" / "bin" / name), "src/bin") for name in PROGRAMS)


def told(*command):
    """What a program tells of its run, which must succeed."""
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=RUNNING_SECONDS)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("arguments", "effective_ids"),
    [
        ((), ("aaaaa-aa",)),
        (("--delegated",), (FIRST,)),
        (("--subnets", "2"), ("5v3p4-iyaaa-aaaaa-qaaaa-cai", FIRST)),
    ],
    ids=["root", "delegated", "both"],
)
def test_ic_agent_creates_installs_calls_reads_upgrades_restores_and_delegates_with_everything_verified(
    programs, tmp_path, arguments, effective_ids
):
    with Served.begun(tmp_path, SERVE, *arguments) as served:
        seen = told(programs / "with_ic_agent", served.url, MODULE, *effective_ids)
    assert seen == {
        "increased": 1,
        "read": 1,
        "reject": "certified CanisterError",
        "query_reject": "uncertified CanisterError",
        "read_after_upgrade": 1,
        "read_after_loading": 1,
        "trap": "certified CanisterError",
        "logged": ["[TRAP]"],
        "elsewhere": [1, True] if len(effective_ids) > 1 else None,
        "hash_length": 32,
        "controllers": True,
        "has_candid": True,
        "is_in_ranges": True,
        "by_session": 2,
        "refused": "uncertified CanisterError",
        "wrong_key": True,
    }


def test_pocket_ic_starts_creates_calls_upgrades_and_takes_snapshots_on_several_subnets(programs):
    assert told(programs / "with_pocket_ic", EXECUTABLE, MODULE) == {
        "subnets": 3,
        "apart": True,
        "increased": 1,
        "read": 1,
        "missing": True,
        "missing_error": "CanisterMethodNotFound",
        "empty_error": "CanisterWasmModuleNotFound",
        "in_chunks": 1,
        "before_rounds": 1,
        "awaited": 2,
        "kept": 2,
        "loaded": 2,
        "snapshots": 1,
        "logged": [True],
        "stable": [1, 2, 3, 0],
        "passed": 60,
        "controllers": True,
        "outcalls": 0,
        "hash_length": 32,
        "log_limit": 4096,
        "exists": False,
        "root_key": 133,
    }
