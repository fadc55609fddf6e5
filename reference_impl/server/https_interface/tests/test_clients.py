"""
Clients that everybody uses, as their registries have them, take a served instance through its paces.

Their packages are installed once, into `.venv/clients`; where that cannot be done, the tests are skipped.
"""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from reference_impl.server.https_interface.tests.in_process import User
from reference_impl.server.https_interface.tests.signing_canister import SigningCanister
from reference_impl.server.tests.installing import NEW_ENVIRONMENT, NPM, PIP, ROOT, installed
from reference_impl.server.tests.served import SERVE, Served
from spec.values.identifiers import principal_to_text

HERE = Path(__file__).parent / "clients"
MODULE = ROOT / "conformance" / "canisters" / "motoko" / "counter.wasm"
PAIR = MODULE.with_name("pair.wasm")
PROGRAMS = ("setting_up.mjs", "agent.mjs", "two_subnets.mjs", "delegated_by_canister.mjs")
FIRSTS = ("rwlgt-iiaaa-aaaaa-aaaaa-cai", "5v3p4-iyaaa-aaaaa-qaaaa-cai")
"""A canister id of each of two subnets."""
RUNNING_SECONDS = 240


@pytest.fixture(scope="session")
def javascript():
    """A folder with the agents in JavaScript."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    folder = installed("javascript", (HERE / "package.json", HERE / "package-lock.json"), NPM)
    for name in PROGRAMS:
        shutil.copy(HERE / name, folder)
    return folder


@pytest.fixture(scope="session")
def python():
    """The interpreter of an environment with the agents in Python."""
    folder = installed("python", (HERE / "requirements.txt",), NEW_ENVIRONMENT, PIP)
    return folder / "bin" / "python"


def outcome(*command, folder=None):
    """What a client tells of its run."""
    environment = {**os.environ, "PYTHONPATH": str(HERE / "stand_ins")}
    told = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, timeout=RUNNING_SECONDS
    )
    assert told.returncode == 0, told.stderr[-2000:]
    return json.loads(told.stdout.splitlines()[-1])


@pytest.mark.checklist("http.endpoint.status", "cert.use.call-response", "http.verify.delegation-chain")
@pytest.mark.parametrize("agent", ["core", "dfinity"])
def test_an_agent_in_javascript_creates_installs_calls_reads_upgrades_restores_and_delegates(
    any_server, javascript, agent
):
    told = outcome("node", "agent.mjs", agent, any_server.url, MODULE, folder=javascript)
    assert told == {
        "increased": 1,
        "read": 1,
        "read_after_upgrade": 1,
        "forgotten_after_upgrade": 0,
        "told_hash_is_right": True,
        "controllers_are_right": True,
        "certified_hash_is_right": True,
        "has_candid": True,
        "has_time": True,
        "node_keys": 13,
        "read_after_loading": 1,
        "snapshot_is_listed": True,
        "trap_reject": 5,
        "logged": ["[TRAP]"],
        "query_reject": 5,
        "update_reject": 5,
        "nobody_reject": 3,
        "increased_by_session": 42,
        "read_by_session": 42,
        "elsewhere_fails": True,
        "expired_fails": True,
        "wrong_root_key_fails": True,
    }


@pytest.mark.parametrize("agent", ["core", "dfinity"])
def test_an_agent_in_javascript_is_a_user_whose_key_is_that_of_a_canister(any_server, javascript, agent):
    signer, session = SigningCanister.installed(any_server), User.of(8)
    chain = signer.delegation_to(session)
    told = outcome("node", PROGRAMS[3], agent, any_server.url, MODULE, chain, "8", folder=javascript)
    user = principal_to_text(signer.user)
    assert told == {
        "principal": user,
        "controllers": [user],
        "increased": 1,
        "read": 1,
        "another_session_fails": True,
    }


@pytest.mark.parametrize("agent", ["core", "dfinity"])
def test_an_agent_in_javascript_uses_canisters_of_two_subnets_that_send_each_other_cycles(tmp_path, javascript, agent):
    with Served.begun(tmp_path, SERVE, "--subnets", "2") as served:
        told = outcome("node", PROGRAMS[2], agent, served.url, PAIR, *FIRSTS, folder=javascript)
    assert told == {"accepted": 400, "refunded": 600, "received": 400, "kept": 0, "subnets": 2, "nodes": 26}


def test_icp_py_core_creates_installs_calls_reads_upgrades_restores_and_delegates_with_everything_verified(
    any_server, python
):
    signer, session = SigningCanister.installed(any_server), User.of(8)
    chain = signer.delegation_to(session)
    told = outcome(python, HERE / "with_icp_py_core.py", any_server.url, MODULE, chain, "8")
    assert told == {
        "increased": 1,
        "read": 1,
        "read_after_upgrade": 1,
        "read_after_loading": 1,
        "trapped": "ReplicaReject",
        "logged": ["[TRAP]"],
        "user": principal_to_text(signer.user),
        "increased_by_session": 2,
        "query_refused": "ReplicaReject",
        "update_refused": "ReplicaReject",
        "module_hash": hashlib.sha256(MODULE.read_bytes()).hexdigest(),
        "wrong_root_key": "CertificateVerificationError",
    }


def test_ic_py_creates_installs_calls_and_reads(server, python):
    told = outcome(python, HERE / "with_ic_py.py", server.url, MODULE)
    assert told == {"increased": 1, "read": 1, "update_refused": "Exception", "certificate": True}


def test_a_client_whose_packages_cannot_be_installed_is_skipped_with_the_reason(tmp_path):
    with pytest.raises(pytest.skip.Exception, match="the packages of none cannot be installed"):
        installed("none", (HERE / "requirements.txt",), ("false",), into=tmp_path)


@pytest.mark.parametrize(
    "said",
    [
        "npm error code ETARGET",
        "npm ERR! code EUSAGE",
        "ERROR: Could not find a version that satisfies the requirement cbor2==99 (from versions: 5.0, 5.1)",
        "ERROR: Invalid requirement: 'cbor2 = 5'",
    ],
)
def test_a_list_of_packages_that_is_wrong_fails_and_is_not_skipped(tmp_path, monkeypatch, said):
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    files = (HERE / "requirements.txt",)
    with pytest.raises(pytest.fail.Exception, match="the packages of none cannot be installed"):
        installed("none", files, ("sh", "-c", 'echo "$0" >&2; false', said), into=tmp_path)
    for unreachable in ("npm error code EAI_AGAIN", "(from versions: none)", f"connection broken by {said}"):
        with pytest.raises(pytest.skip.Exception):
            installed("none", files, ("sh", "-c", 'echo "$0" >&2; false', unreachable), into=tmp_path)
