"""`icspec serve --state-dir`: killed at any time it goes on where it was, and what it has said stays true."""

import random
import re
import resource
import signal
import subprocess
import threading
import time
from http.client import HTTPException

import cbor2
import pytest
from attrs import field, frozen

from reference_impl.certification.hash_trees import hash_of
from reference_impl.durability.directory import StateDirectory
from reference_impl.durability.inputs import Chosen, input_of
from reference_impl.durability.journal import read_journal
from reference_impl.durability.tests.working import BEATING, BEGINNING, MINUTE, argument, certified, offer
from reference_impl.server.https_interface.tests.in_process import SELF_DESCRIBED
from reference_impl.server.tests.served import PATIENCE, SERVE, Served, port_in
from reference_impl.subnet.ingress_history import request_id_of
from spec.state.request import Replied, Request
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Principal, principal_to_text
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    decode_canister_id_result,
    encode_arguments,
)

CBOR = {"content_type": "application/cbor"}


@pytest.fixture
def servers(tmp_path):
    """Begins servers in processes of their own, of which none is left."""
    processes = []

    def begun(state, *arguments):
        port_file = tmp_path / "port"
        port_file.unlink(missing_ok=True)
        whole = [*SERVE, "--port-file", str(port_file), "--state-dir", str(state), *arguments]
        with (tmp_path / "log").open("ab") as log:
            processes.append(subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=log))
        return processes[-1], port_in(port_file, processes[-1])

    yield begun
    for one in processes:
        one.kill()
        one.wait(PATIENCE)


@frozen
class Said:
    """What servers of one directory have answered."""

    taken_in: list[bytes] = field(factory=list)
    """The ids of requests of which it was said that they were taken in, or how they ended."""
    hashes: list[bytes] = field(factory=list)
    """The hashes of the states that were certified."""


class Client:
    """Sends requests of the anonymous user, each of them once, and notes what is answered."""

    def __init__(self, port, said, numbers):
        self._server = Served(None, port, None, None)
        self._said = said
        self._numbers = numbers

    def _post(self, path, content):
        envelope = cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, {"content": {"sender": ANONYMOUS, **content}}))
        return self._server.asked("POST", path, envelope, **CBOR)

    def _certified(self, body):
        certificate = cbor2.loads(cbor2.loads(body)["certificate"])
        self._said.hashes.append(hash_of(certificate["tree"]))
        return certificate

    def call(self, canister_id, method, content, about, version):
        expiry = time.time_ns() + 4 * MINUTE
        nonce = self._numbers.randbytes(8)
        request = Request(nonce, expiry, ANONYMOUS, Principal(canister_id), method, content)
        status, body = self._post(
            f"/api/{version}/canister/{principal_to_text(about)}/call",
            {
                "request_type": "call",
                "nonce": nonce,
                "ingress_expiry": expiry,
                "canister_id": canister_id,
                "method_name": method,
                "arg": content,
            },
        )
        assert status in (200, 202), (status, body)
        self._said.taken_in.append(request_id_of(request))
        if status == 200:
            assert cbor2.loads(body)["status"] == "replied", body
            return reply_in(self._certified(body)["tree"])
        return None

    def managed(self, method, arguments, about=MANAGEMENT_CANISTER):
        return self.call(MANAGEMENT_CANISTER, method, encode_arguments(arguments), about, "v4")

    def read_time(self, canister_id):
        path = f"/api/v3/canister/{principal_to_text(canister_id)}/read_state"
        content = {"request_type": "read_state", "ingress_expiry": time.time_ns() + 4 * MINUTE, "paths": [[b"time"]]}
        status, body = self._post(path, content)
        assert status == 200, body
        self._certified(body)

    def work(self, canister_ids, end):
        """Until the server is gone, which it may be at any time once `end` is set."""
        try:
            while True:
                canister_id, version = self._numbers.choice(canister_ids), self._numbers.choice(["v2", "v2", "v4"])
                where = self._numbers.choice([128, 70_000, 200_000, 400_000, 900_000])
                content = argument(where, self._numbers.randrange(2**32))
                method = self._numbers.choice(["write", "write", "stable", "ask"])
                if method == "ask":
                    content += self._numbers.choice(canister_ids)
                self.call(canister_id, method, content, canister_id, version)
                if self._numbers.random() < 0.3:
                    self.read_time(canister_id)
        except (OSError, HTTPException):
            assert end.is_set()


def reply_in(tree):
    """The value under a label `reply`, wherever it is."""
    match tree:
        case [2, b"reply", [3, value]]:
            return value
        case [1 | 2, *parts]:
            return next((found for part in parts if (found := reply_in(part)) is not None), None)
    return None


def killed_in_the_middle(process, port, canister_ids, said, numbers):
    """Three clients work until the process is killed, mostly when they have got an answer."""
    end, failed = threading.Event(), []

    def work(seed):
        try:
            Client(port, said, random.Random(seed)).work(canister_ids, end)
        except BaseException as problem:
            failed.append(problem)

    workers = [threading.Thread(target=work, args=(numbers.random(),)) for _ in range(3)]
    for one in workers:
        one.start()
    before, until = len(said.taken_in), time.monotonic() + PATIENCE
    if numbers.random() < 0.8:
        while len(said.taken_in) == before and time.monotonic() < until:
            time.sleep(0.005)
    time.sleep(numbers.uniform(0, 0.2))
    end.set()
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    for one in workers:
        one.join(PATIENCE)
    assert not failed, failed


def undisturbed_run(state):
    """An engine that gets all that ever came in, the hashes of its states, what it is kept as, what it forgot."""
    directory = StateDirectory.opened(state, BEGINNING, keeps_history=True)
    identity, begun_at = directory._identity, directory.engine.instance.started_at
    kept = directory.engine.abstract(), certified(directory.engine)
    directory.close()
    engine = BEGINNING.engine()
    engine.instance.system_time = engine.instance.started_at = begun_at
    hashes, forgotten = [certified(engine)], set()
    for path in sorted(state.glob("journal-*")):
        for frame in read_journal(path, identity).records:
            given = input_of(frame.content)
            if isinstance(given, Chosen):
                # Requests that expired long ago: a long run has such.
                forgotten.add(given.label.arguments()["request_id"])
            offer(engine, given)
            engine.explain()
            hashes.append(certified(engine))
    return engine, hashes, kept, forgotten


def refusal(*arguments):
    """What the command says where it does not serve."""
    told = subprocess.run([*SERVE, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE)
    assert told.returncode == 2 and told.stdout == "", told
    assert told.stderr.count("\n") == 1, told.stderr
    return told.stderr.removeprefix("icspec serve: ").removesuffix("\n")


def test_a_directory_that_cannot_be_used_is_refused_in_one_line_that_names_it(servers, tmp_path):
    state = tmp_path / "state"
    process, _ = servers(state)
    in_use = f"{state}: another process uses this directory (process {process.pid})"
    assert refusal("--state-dir", state) == in_use
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert refusal("--state-dir", state, "--nodes", "4") == (
        f"{state}: the state is one of another nodes: it is 13 there, and 4 here"
    )
    (journal,) = state.glob("journal-*")
    content = bytearray(journal.read_bytes())
    content[40] ^= 1
    journal.write_bytes(content)
    assert refusal("--state-dir", state) == f"{journal}: byte 15: the checksum is wrong"
    assert refusal("--state-dir", "/proc/nothing").startswith("/proc/nothing: ")
    assert refusal("--checkpoint-rounds", "0").startswith("argument --checkpoint-rounds: '0' is not a number of rounds")


def test_a_server_whose_disk_is_full_ends_with_one_line_and_goes_on_when_there_is_room(servers, tmp_path):
    state, said, numbers = tmp_path / "state", Said(), random.Random(1)
    process, port = servers(state)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
    client, arguments = Client(port, said, numbers), ProvisionalCreateArguments(amount=10**15)
    refused = []
    while not refused:
        try:
            client.managed("provisional_create_canister_with_cycles", arguments)
        except (AssertionError, OSError, HTTPException) as problem:
            refused.append(str(problem))
    # Where it was a step of time that was not kept, it may be gone already.
    assert "503, b'The state cannot be kept any more" in refused[0] or "onnect" in refused[0], refused
    assert process.wait(PATIENCE) == 2
    last = (tmp_path / "log").read_text().splitlines()[-1]
    assert re.fullmatch(rf"icspec serve: {state}/(journal|checkpoint)-[0-9-]+: File too large", last)
    assert "Traceback" not in (tmp_path / "log").read_text()
    process, port = servers(state)
    client = Client(port, said, numbers)
    client.read_time(MANAGEMENT_CANISTER)
    process.terminate()
    assert process.wait(PATIENCE) == 0
    directory = StateDirectory.opened(state, BEGINNING)
    assert set(said.taken_in) <= dict(directory.engine.instance.ingress.items()).keys()
    assert len(said.taken_in) > 3
    directory.close()


def require_that_kills_change_nothing(servers, tmp_path, kills):
    state, said, numbers = tmp_path / "state", Said(), random.Random(kills)
    options = ("--keep-history", "--checkpoint-rounds", "4")
    unfinished = 0
    process, port = servers(state, *options)
    client = Client(port, said, numbers)
    canister_ids = [
        decode_canister_id_result(
            client.managed("provisional_create_canister_with_cycles", ProvisionalCreateArguments(amount=10**15))
        )
        for _ in range(2)
    ]
    for one in canister_ids:
        client.managed("install_code", InstallCodeArguments(InstallMode(), one, BEATING, b""), one)
    for _ in range(kills):
        killed_in_the_middle(process, port, canister_ids, said, numbers)
        unfinished += any(state.glob("*.new"))
        process, port = servers(state, *options)
    Client(port, said, numbers).read_time(canister_ids[0])
    process.terminate()
    assert process.wait(PATIENCE) == 0
    engine, hashes, kept, forgotten = undisturbed_run(state)
    assert kept == (engine.abstract(), certified(engine))
    assert set(said.hashes) <= set(hashes)
    known = dict(engine.instance.ingress.items())
    assert set(said.taken_in) <= known.keys() | forgotten
    assert sum(isinstance(known[one].status, Replied) for one in known.keys() & said.taken_in) > min(kills, 20) // 2
    assert len(said.hashes) > kills // 2
    return unfinished


def test_killed_twenty_times_it_is_in_the_state_of_a_run_that_nobody_disturbed(servers, tmp_path):
    require_that_kills_change_nothing(servers, tmp_path, 20)


@pytest.mark.deep
def test_killed_two_hundred_times_also_in_checkpoints_it_is_where_nobody_disturbed_it(servers, tmp_path):
    assert require_that_kills_change_nothing(servers, tmp_path, 200) > 0
