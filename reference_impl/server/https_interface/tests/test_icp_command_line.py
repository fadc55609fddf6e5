"""
The command line `icp`, as its registry has it, installs, reads, calls and manages a canister,
and verifies what it reads.

It creates canisters of such a subnet through the cycles ledger alone, which only production has. So each canister comes
from elsewhere, without code.
"""

import hashlib
import json
import re

import pytest

from reference_impl.server.http_gateway.tests.setting_up import called
from reference_impl.server.https_interface.tests.icp_command_line import CommandLine
from reference_impl.server.https_interface.tests.in_process import User
from reference_impl.server.tests.installing import ROOT
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, principal_to_text
from spec.values.management import (
    ProvisionalCreateArguments,
    SettingsArguments,
    decode_canister_id_result,
    encode_arguments,
)

MODULE = ROOT / "conformance" / "canisters" / "motoko" / "counter.wasm"
LONGER = 2 << 20
"""More bytes than a message may have."""
USER = User.of(1)


@pytest.fixture(scope="module")
def icp(any_server, tmp_path_factory):
    made = CommandLine.installed(tmp_path_factory.mktemp("home"), any_server.url)
    made.served = any_server
    return made


def created(icp):
    """A canister without code that belongs to the identity of the program."""
    settings = SettingsArguments(controllers=List((icp.principal,)))
    arguments = encode_arguments(ProvisionalCreateArguments(amount=10**14, settings=settings))
    method = "provisional_create_canister_with_cycles"
    canister_id = decode_canister_id_result(called(icp.served, USER, MANAGEMENT_CANISTER, method, arguments))
    return principal_to_text(canister_id)


@pytest.fixture(scope="module")
def canister(icp):
    """A counter, which the program installed."""
    named = created(icp)
    icp.about("install", named, "--wasm", str(MODULE), "--args", "()")
    return named


def test_it_reaches_the_server_and_fetches_the_root_key(icp):
    told = json.loads(icp.told("network", "ping", icp.url))
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


def test_it_installs_a_module_that_is_too_large_for_a_message_in_chunks(icp, tmp_path):
    named = created(icp)
    custom = b"\7padding" + bytes(LONGER)
    size = b"".join(bytes((len(custom) >> shift & 0x7F | 0x80,)) for shift in (0, 7, 14)) + bytes((len(custom) >> 21,))
    module = MODULE.read_bytes() + b"\0" + size + custom
    (tmp_path / "large.wasm").write_bytes(module)
    icp.about("install", named, "--wasm", str(tmp_path / "large.wasm"), "--args", "()")
    assert status(icp, named)["module_hash"] == "0x" + hashlib.sha256(module).hexdigest()
    assert icp.about("call", named, "inc", "()").strip() == "(1 : nat)"


def test_it_reads_in_the_log_why_a_call_trapped(icp):
    named = created(icp)
    icp.about("install", named, "--wasm", str(MODULE), "--args", "()")
    a_text = b"DIDL\0\1\x71\1x".hex()
    assert "CanisterError" in icp.refused("call", named, "set", a_text, "--args-format", "hex")
    assert "[TRAP]" in icp.about("logs", named)


def test_rejects_of_queries_and_calls_are_told_with_their_codes(icp, canister):
    for how in ((), ("--query",)):
        assert "reject code CanisterError" in icp.refused("call", canister, "missing", "()", *how)


def test_it_believes_nothing_under_another_root_key(icp, canister):
    key = json.loads(icp.told("network", "ping", icp.url))["root_key"]
    wrong = bytes([*key[:-1], key[-1] ^ 1]).hex()
    assert "reject code" not in icp.refused("call", canister, "read", "()", "--query", key=wrong)


def status(icp, named):
    return json.loads(icp.about("status", named, "--json"))


def test_it_tells_the_status_and_changes_settings(icp):
    named = created(icp)
    empty = status(icp, named)
    assert empty["status"] == "Running"
    assert empty["module_hash"] is None
    assert empty["cycles"] == "100_000_000_000_000"
    assert empty["settings"]["controllers"] == [principal_to_text(icp.principal)]
    assert empty["settings"]["log_memory_limit"] == "4_096"
    icp.about("settings", "update", named, "--freezing-threshold", "7d", "--wasm-memory-limit", "1gib")
    icp.about("settings", "update", named, "--log-visibility", "public", "--add-environment-variable", "COLOUR=blue")
    icp.about("install", named, "--wasm", str(MODULE), "--args", "()")
    told = status(icp, named)
    assert told["module_hash"] == "0x" + hashlib.sha256(MODULE.read_bytes()).hexdigest()
    assert told["settings"] == {
        **empty["settings"],
        "freezing_threshold": "604_800",
        "wasm_memory_limit": "1_073_741_824",
        "log_visibility": {"type": "Public"},
        "environment_variables": [{"name": "COLOUR", "value": "blue"}],
    }
    assert "COLOUR" in icp.about("settings", "show", named)


def test_it_upgrades_and_reinstalls_and_deletes_a_canister(icp):
    named = created(icp)
    install = ("install", named, "--wasm", str(MODULE), "--args", "()")
    read = ("call", named, "read", "()", "--query")
    icp.about(*install)
    icp.about("call", named, "set", "(7)")
    icp.about(*install, "--mode", "upgrade")
    assert icp.about(*read).strip() == "(7 : nat)"
    icp.about(*install, "--mode", "reinstall", "--yes")
    assert icp.about(*read).strip() == "(0 : nat)"
    icp.about("stop", named)
    assert status(icp, named)["status"] == "Stopped"
    icp.about("delete", named, "--no-recover-cycles")
    assert named in icp.refused("status", named, "--json")


def test_it_creates_downloads_restores_and_uploads_snapshots(icp, tmp_path):
    named = created(icp)
    read = ("call", named, "read", "()", "--query")
    icp.about("install", named, "--wasm", str(MODULE), "--args", "()")
    icp.about("call", named, "set", "(5)")
    icp.about("stop", named)
    taken = icp.about("snapshot", "create", named, "--quiet").strip()
    assert taken in icp.about("snapshot", "list", named)
    icp.about("snapshot", "download", named, taken, "--output", str(tmp_path / "snapshot"))
    icp.about("start", named)
    icp.about("call", named, "set", "(6)")
    icp.about("stop", named)
    icp.about("snapshot", "restore", named, taken)
    icp.about("start", named)
    assert icp.about(*read).strip() == "(5 : nat)"
    other = created(icp)
    icp.about("stop", other)
    brought = icp.about("snapshot", "upload", other, "--input", str(tmp_path / "snapshot"), "--quiet").strip()
    icp.about("snapshot", "restore", other, brought)
    icp.about("start", other)
    assert icp.about("call", other, "inc", "()").strip() == "(6 : nat)"
    icp.about("snapshot", "delete", named, taken)
    assert "No snapshots" in icp.about("snapshot", "list", named)
