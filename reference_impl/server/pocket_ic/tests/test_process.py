"""`pocket-ic` as clients start it: the port file, the version, and when it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reference_impl.server.pocket_ic.tests.in_process import configuration
from reference_impl.server.tests.served import PATIENCE, POCKET_IC, Served, port_in

EXECUTABLE = Path(sys.executable).with_name("pocket-ic")


def posted(served, path, body):
    """The status and body that JSON is answered with."""
    return served.asked("POST", path, json.dumps(body).encode(), content_type="application/json")


def outcome(*arguments, **variables):
    told = subprocess.run(
        [*POCKET_IC, *arguments], capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, **variables}
    )
    return told.returncode, told.stdout, told.stderr


def test_it_tells_the_version_that_it_is_told_to_tell():
    assert outcome("--version") == (0, "pocket-ic-server 16.1.0\n", "")
    assert outcome("--version", POCKET_IC_SERVER_VERSION="7.0.0") == (0, "pocket-ic-server 7.0.0\n", "")


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        (("--log-levels", "loud"), "pocket-ic: Failed to parse log level: loud\n"),
        (("--port-file", "/nowhere/port"), "pocket-ic: /nowhere/port: No such file or directory\n"),
        (("--profile", "none"), "pocket-ic: "),
        (("--ip-addr", "192.0.2.1"), "pocket-ic: Failed to bind to address 192.0.2.1:0"),
        (("--port", "99999"), "pocket-ic: Failed to bind to address 127.0.0.1:99999"),
        (("--ttl", "soon"), "pocket-ic: argument --ttl: "),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(arguments, because):
    code, output, complaint = outcome(*arguments)
    assert (code, output) == (2, "")
    assert complaint.startswith(because)
    assert complaint.count("\n") == 1


def test_it_is_installed_under_the_name_that_clients_look_for():
    assert EXECUTABLE.is_file()
    told = subprocess.run([EXECUTABLE, "--version"], capture_output=True, text=True, timeout=PATIENCE)
    assert told.stdout.startswith("pocket-ic-server ")


def test_only_the_first_of_several_with_one_port_file_serves(tmp_path):
    port_file = tmp_path / "port"
    command = [*POCKET_IC, "--port-file", str(port_file)]
    several = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(3)]
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and sum(one.poll() is None for one in several) > 1:
        time.sleep(0.02)
    (serving,) = [one for one in several if one.poll() is None]
    assert [one.returncode for one in several if one is not serving] == [0, 0]
    port_in(port_file, serving)
    serving.terminate()
    assert serving.wait(PATIENCE) == 0
    assert not port_file.exists()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to_and_takes_its_port_file_with_it(tmp_path, told):
    with Served.begun(tmp_path, POCKET_IC) as served:
        assert posted(served, "/instances", configuration(application=1))[0] == 201
        served.process.send_signal(told)
        assert served.process.wait(PATIENCE) == 0
        assert not served.port_file.exists()


def test_it_ends_when_nobody_has_asked_for_a_while_but_not_while_something_is_under_way(tmp_path):
    with Served.begun(tmp_path, POCKET_IC, "--ttl", "1") as served:
        for _ in range(4):
            assert served.asked("GET", "/status") == (200, b"")
            time.sleep(0.5)
        began = time.monotonic()
        assert served.process.wait(PATIENCE) == 0
        assert time.monotonic() - began < 30


def test_it_ends_after_a_while_in_any_case(tmp_path):
    with Served.begun(tmp_path, POCKET_IC, "--hard-ttl", "1") as served:
        until = time.monotonic() + PATIENCE
        while served.process.poll() is None and time.monotonic() < until:
            try:
                served.asked("GET", "/status")
            except OSError:
                break
            time.sleep(0.05)
        assert served.process.wait(PATIENCE) == 0


def test_it_listens_on_this_machine_alone(tmp_path):
    with Served.begun(tmp_path, POCKET_IC) as served:
        assert served.asked("GET", "/status") == (200, b"")
        served.require_refused_elsewhere()


def test_clients_that_leave_in_the_middle_and_many_at_once_do_no_harm(tmp_path):
    with Served.begun(tmp_path, POCKET_IC) as served:
        assert posted(served, "/instances", configuration(application=1))[0] == 201
        for sent in (b"POST /instances HTTP/1.1\r\ncontent-length: 100\r\n\r\n{", b"\0\1\2", b"GET"):
            with socket.create_connection(("127.0.0.1", served.port)) as gone:
                gone.sendall(sent)
        statuses = []

        def tick():
            statuses.append(posted(served, "/instances/0/update/tick", {})[0])

        threads = [threading.Thread(target=tick) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 50
        status, body = served.asked("GET", "/instances/0/read/get_time")
        assert (status, body) == (200, b'{"nanos_since_epoch":1620328630000000051}')
        assert "Traceback" not in served.log
