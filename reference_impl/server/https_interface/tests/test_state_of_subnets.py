"""`icspec serve --subnets N --state-dir D`: each subnet goes on with its canisters, also after a kill."""

import signal
import subprocess
import time

import cbor2
import pytest

from reference_impl.server.http_gateway.tests.setting_up import called
from reference_impl.server.https_interface.tests.in_process import COUNTER, MINUTE, Answered, Instance, User
from reference_impl.server.https_interface.tests.test_subnets import CALLER, OF_EACH
from reference_impl.server.tests.served import PATIENCE, SERVE, Served, port_in
from spec.values.identifiers import MANAGEMENT_CANISTER, principal_to_text
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    decode_canister_id_result,
    encode_arguments,
)

USER = User.of(1)


@pytest.fixture
def begun(tmp_path):
    """Begins a server in a process of its own after the last one was ended by a signal."""
    processes = []

    def begin(ended_by, subnets=3):
        for one in processes:
            one.send_signal(ended_by)
            one.wait(PATIENCE)
        processes.clear()
        port_file = tmp_path / "port"
        port_file.unlink(missing_ok=True)
        kept = ("--subnets", str(subnets), "--nodes", "4", "--state-dir", str(tmp_path / "state"))
        with (tmp_path / "log").open("ab") as log:
            whole = [*SERVE, "--port-file", str(port_file), *kept]
            processes.append(subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=log))
        return Served(processes[0], port_in(port_file, processes[0]), port_file, tmp_path / "log")

    yield begin
    for one in processes:
        one.kill()
        one.wait(PATIENCE)


def asked(served, canister_id, method, argument=b"", kind="call", version="v4"):
    """What a call or query gave."""
    content = {
        "request_type": kind,
        "ingress_expiry": time.time_ns() + 4 * MINUTE,
        "canister_id": canister_id,
        "method_name": method,
        "arg": argument,
    }
    path = f"/api/{version}/canister/{principal_to_text(canister_id)}/{kind}"
    body = cbor2.dumps(USER.envelope(content))
    status, answered = served.asked("POST", path, body, content_type="application/cbor")
    return Answered(status, {}, answered)


def read(served, canister_id):
    fields = asked(served, canister_id, "get", kind="query", version="v3").fields
    return int.from_bytes(fields["reply"]["arg"], "little")


def created(served, about, module=None):
    arguments = encode_arguments(ProvisionalCreateArguments(amount=10**14))
    method = "provisional_create_canister_with_cycles"
    canister_id = decode_canister_id_result(called(served, USER, about, method, arguments))
    if module is not None:
        install = encode_arguments(InstallCodeArguments(InstallMode(), canister_id, module, b""))
        called(served, USER, canister_id, "install_code", install)
    return canister_id


def test_subnets_go_on_with_their_canisters_ids_keys_and_calls_after_a_kill_and_after_an_end(begun):
    served = begun(signal.SIGKILL)
    caller, counter = created(served, OF_EACH[1], CALLER), created(served, OF_EACH[2], COUNTER)
    on_root = created(served, MANAGEMENT_CANISTER, COUNTER)
    Instance.reply(asked(served, caller, "forward", counter))
    assert asked(served, on_root, "inc", version="v2").status == 202
    keys = set()
    for times, ended_by in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL), start=2):
        served = begun(ended_by)
        certified = Instance.reply(asked(served, caller, "forward", counter))
        assert int.from_bytes(certified, "little") == times == read(served, counter)
        assert read(served, on_root) == 1
        keys.add(Answered(200, {}, served.asked("GET", "/api/v2/status")[1]).fields["root_key"])
        new = created(served, OF_EACH[2])
        assert int.from_bytes(new[:8], "big") == int.from_bytes(counter[:8], "big") + times - 1
    assert len(keys) == 1


def test_a_directory_of_several_subnets_is_not_one_of_another_number(begun, tmp_path):
    begun(signal.SIGTERM)
    with pytest.raises(AssertionError, match="the server did not start: 2"):
        begun(signal.SIGTERM, subnets=2)
    assert "the state is one of another number of subnets: it is 3 there, and 2 here" in (tmp_path / "log").read_text()
