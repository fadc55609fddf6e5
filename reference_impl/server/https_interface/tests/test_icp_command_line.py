"""
The command line `icp`, as its registry has it, reads, calls and manages a canister, with all that it verifies.

It installs no code here: for that it wants `log_memory_store_size` and `log_memory_limit` in a canister's status, which
version 0.66.0 of the interface specification does not have. So the canister has its code from elsewhere.
"""

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from reference_impl.server.http_gateway.tests.setting_up import called
from reference_impl.server.https_interface.tests.in_process import User
from reference_impl.server.tests.installing import NPM, ROOT, installed
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, principal_from_text, principal_to_text
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    SettingsArguments,
    decode_canister_id_result,
    encode_arguments,
)

HERE = Path(__file__).parent / "clients" / "icp"
MODULE = ROOT / "conformance" / "canisters" / "motoko" / "counter.wasm"
PROGRAM = Path("node_modules/@icp-sdk/icp-cli-linux-x64/bin/icp")
RUNNING_SECONDS = 120
USER = User.of(1)


class CommandLine:
    """The program, with an identity of its own, at a server."""

    def __init__(self, program, home, served):
        self.program, self.home, self.served = program, home, served
        self.told("settings", "telemetry", "false")
        self.told("settings", "update-check", "disabled")
        self.told("identity", "new", "alice", "--storage", "plaintext")
        self.principal = principal_from_text(self.told("identity", "principal", "--identity", "alice").strip())

    def ran(self, *words):
        environment = {**os.environ, "ICP_HOME": str(self.home), "NO_COLOR": "1", "DO_NOT_TRACK": "1"}
        return subprocess.run(
            [str(self.program), *words], env=environment, capture_output=True, text=True, timeout=RUNNING_SECONDS
        )

    def told(self, *words):
        ran = self.ran(*words)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def about(self, *words):
        """What a command tells of a canister of the server."""
        return self.told("canister", *words, "-n", self.served.url, "-k", "fetch", "--identity", "alice")

    def refused(self, *words, key="fetch"):
        """Why a command does not succeed."""
        ran = self.ran("canister", *words, "-n", self.served.url, "-k", key, "--identity", "alice")
        assert ran.returncode != 0, ran.stdout
        return ran.stderr


@pytest.fixture(scope="module")
def icp(any_server, tmp_path_factory):
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("the package is for Linux on x86-64")
    program = installed("icp", (HERE / "package.json", HERE / "package-lock.json"), NPM) / PROGRAM
    program.chmod(0o755)
    return CommandLine(program, tmp_path_factory.mktemp("home"), any_server)


@pytest.fixture(scope="module")
def canister(icp, any_server, request):
    """A counter that belongs to the identity of the program too."""
    settings = SettingsArguments(controllers=List((icp.principal, USER.sender)))
    arguments = encode_arguments(ProvisionalCreateArguments(amount=10**14, settings=settings))
    method = "provisional_create_canister_with_cycles"
    created = decode_canister_id_result(called(any_server, USER, MANAGEMENT_CANISTER, method, arguments))
    install = encode_arguments(InstallCodeArguments(InstallMode(), created, MODULE.read_bytes(), b"DIDL\0\0"))
    called(any_server, USER, created, "install_code", install)
    return principal_to_text(created)


def test_it_reaches_the_server_and_fetches_the_root_key(icp):
    told = json.loads(icp.told("network", "ping", icp.served.url))
    assert told["replica_health_status"] == "healthy"
    assert len(told["root_key"]) == 133


def test_it_calls_and_queries_with_the_interface_that_the_certified_state_tells(icp, canister):
    assert icp.about("call", canister, "set", "(41)").strip() == "()"
    assert icp.about("call", canister, "inc", "()").strip() == "(42 : nat)"
    assert icp.about("call", canister, "read", "()", "--query").strip() == "(42 : nat)"
    assert "inc" in icp.about("metadata", canister, "candid:service")


def test_it_reads_the_certified_controllers_and_hash(icp, canister):
    told = icp.about("status", canister, "--public")
    assert principal_to_text(icp.principal) in told
    assert re.search(r"Module hash: 0x[0-9a-f]{64}", told)


def test_it_stops_and_starts_the_canister_and_reads_its_log_and_snapshots(icp, canister):
    icp.about("stop", canister)
    assert "stopped" in icp.refused("call", canister, "inc", "()")
    assert "No snapshots" in icp.about("snapshot", "list", canister)
    icp.about("start", canister)
    assert icp.about("logs", canister).strip() == ""
    assert icp.about("call", canister, "read", "()", "--query").strip().endswith(": nat)")


def test_rejects_of_queries_and_calls_are_told_with_their_codes(icp, canister):
    for how in ((), ("--query",)):
        assert "reject code CanisterError" in icp.refused("call", canister, "missing", "()", *how)


def test_it_believes_nothing_under_another_root_key(icp, canister):
    key = json.loads(icp.told("network", "ping", icp.served.url))["root_key"]
    wrong = bytes([*key[:-1], key[-1] ^ 1]).hex()
    assert "reject code" not in icp.refused("call", canister, "read", "()", "--query", key=wrong)


def test_what_it_does_not_do_here_is_for_want_of_fields_that_the_text_does_not_have(icp, canister):
    for words in (("status", canister), ("settings", "show", canister)):
        assert "log_memory_store_size" in icp.refused(*words)
