"""`icspec serve` in a process of its own: how it begins and ends, and clients that misbehave."""

import signal
import socket
import subprocess
import threading
import time

import cbor2
import pytest

from reference_impl.server.https_interface.serve import main
from reference_impl.server.https_interface.tests.in_process import MINUTE, User
from reference_impl.server.tests.served import PATIENCE, SERVE, Served
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import ProvisionalCreateArguments, encode_arguments

CALL = "/api/v4/canister/aaaaa-aa/call"
CBOR = {"content-type": "application/cbor"}


def creation(number):
    """A request to create a canister, at the present time."""
    return cbor2.dumps(
        User.of(1).envelope(
            {
                "request_type": "call",
                "ingress_expiry": time.time_ns() + 4 * MINUTE,
                "canister_id": MANAGEMENT_CANISTER,
                "method_name": "provisional_create_canister_with_cycles",
                "arg": encode_arguments(ProvisionalCreateArguments(amount=10**13)),
                "nonce": number.to_bytes(8, "big"),
            }
        )
    )


def status(server):
    """Whether it still answers."""
    return server.asked("GET", "/api/v2/status")[0]


def test_one_connection_serves_many_requests_and_two_at_once_do_not_wait_for_each_other(server):
    idle, busy = server.connection(), server.connection()
    idle.connect()
    for number in range(3):
        busy.request("POST", CALL, creation(number), CBOR)
        answered = busy.getresponse()
        assert (answered.status, cbor2.loads(answered.read()[3:])["status"]) == (200, "replied")
    idle.request("GET", "/api/v2/status")
    assert idle.getresponse().status == 200
    busy.close()
    idle.close()


def test_a_body_that_is_too_large_is_refused_and_the_server_goes_on(server):
    connection = server.connection()
    connection.request("POST", CALL, bytes(5 << 20), CBOR)
    answered = connection.getresponse()
    assert (answered.status, answered.read()[:18]) == (413, b"The body is larger")
    connection.close()
    assert status(server) == 200


def test_what_is_not_http_is_refused_and_the_server_goes_on(server):
    for sent in (b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00" * 100, b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100)[:12] in (b"HTTP/1.1 400", b"")
    assert status(server) == 200


def test_clients_that_hang_up_in_the_middle_do_no_harm(server):
    body = creation(100)
    head = f"POST {CALL} HTTP/1.1\r\nhost: x\r\ncontent-type: application/cbor\r\ncontent-length: {len(body)}\r\n\r\n"
    whole = head.encode() + body
    for end in (10, len(head) + 5, len(whole) - 1, len(whole)):
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
            client.sendall(whole[:end])
    assert status(server) == 200
    assert "Traceback" not in server.log


def test_a_client_that_sends_a_byte_at_a_time_is_answered_and_keeps_nobody_waiting(server):
    body = creation(200)
    head = f"POST {CALL} HTTP/1.1\r\nhost: x\r\ncontent-type: application/cbor\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
        for byte in head.encode() + body[:-1]:
            client.sendall(bytes([byte]))
        assert status(server) == 200
        client.sendall(body[-1:])
        assert client.recv(12) == b"HTTP/1.1 200"


def test_a_hundred_connections_at_once_are_all_answered(server):
    answers = []

    def ask(number):
        connection = server.connection()
        connection.request("POST", CALL, creation(1000 + number), CBOR)
        answered = connection.getresponse()
        answers.append((answered.status, cbor2.loads(answered.read()[3:])["status"]))
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(100)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE)
    assert answers == [(200, "replied")] * 100


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_takes_its_port_file_away_and_succeeds(tmp_path, sent):
    with Served.begun(tmp_path, SERVE) as served:
        assert status(served) == 200
        served.process.send_signal(sent)
        assert served.process.wait(PATIENCE) == 0
        assert not served.port_file.exists()
        assert served.process.stdout.read() == f"serving on {served.url}\n".encode()
        (line,) = served.log.splitlines()
        assert "GET /api/v2/status 200" in line


def test_a_server_listens_to_this_machine_alone_unless_told_otherwise(server):
    server.require_refused_elsewhere()


def refused(capsys, *arguments):
    """The line that says why nothing is served."""
    try:
        code = main(list(arguments))
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    return told.err


def test_what_cannot_be_served_is_told_in_one_line(capsys, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = {
            ("--port", port): f"icspec serve: 127.0.0.1:{port}: ",
            ("--port", "70000"): "icspec serve: argument --port: '70000' is not a port",
            ("--nodes", "0"): "icspec serve: argument --nodes: '0' is not a number of nodes",
            ("--threads", "0"): "icspec serve: argument --threads: '0' is not a number of threads from 1 to 256",
            ("--memory", "much"): "icspec serve: argument --memory: 'much' is not a number of mebibytes",
            ("--profile", "none.toml"): "icspec serve: none.toml: ",
            ("--port-file", str(tmp_path / "no" / "file")): f"icspec serve: {tmp_path}/no/file: ",
            ("--host", "no such host"): "icspec serve: no such host:0: ",
            ("extra",): "icspec serve: unrecognized arguments: extra",
        }
        for arguments, beginning in told.items():
            line = refused(capsys, *arguments)
            assert line.startswith(beginning), line
            assert line.count("\n") == 1


def test_a_server_with_several_threads_and_little_memory_answers(tmp_path):
    with Served.begun(tmp_path, SERVE, "--threads", "2", "--memory", "1") as server:
        connection = server.connection()
        connection.request("POST", CALL, creation(1), CBOR)
        answered = connection.getresponse()
        assert (answered.status, cbor2.loads(answered.read()[3:])["status"]) == (200, "replied")
        connection.close()


def test_where_there_is_no_place_for_pages_that_is_told_in_one_line(capsys, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/nowhere")
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    told = refused(capsys, "--memory", "1")
    assert told == "icspec serve: there can be no file for the memories of canisters: No such file or directory\n"


def test_help_shows_an_example():
    shown = subprocess.run([*SERVE, "--help"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert "example:\n  icspec serve --port 4943" in shown.stdout
