"""Whoever reads waits for nobody: he is told the state that was committed last, also while a round computes."""

import asyncio
import threading

import cbor2
import pytest
import wasmtime

from reference_impl.server.https_interface.tests.in_process import COUNTER, MINUTE, Instance, User, shown_requests
from spec.certification.certificate import decode_certificate
from spec.values.identifiers import principal_to_text
from spec.values.request_id import hash_of_map

PARTIES = 3
PATIENCE = 600.0
"""Seconds that a call may take: a machine that is busy takes long to compute."""
USER = User.of(1)
LONG = 2_000_000_000
"""So often a loop goes round: some seconds. A query takes some milliseconds."""
COMPUTING = bytes(
    wasmtime.wat2wasm(f"""(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
  (memory 1)
  (func $answer (call $append (i32.const 0) (i32.const 4)) (call $reply))
  (func (export "canister_update compute")
    (local $left i32)
    (i32.store (i32.const 0) (i32.const 7))
    (call $certify (i32.const 0) (i32.const 4))
    (local.set $left (i32.const {LONG}))
    (loop $again
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    (call $answer))
  (func (export "canister_query get") (call $answer)))""")
)


@pytest.fixture(params=[1, PARTIES], ids=["one thread", "several threads"])
def instance(request):
    made = Instance.of(threads=request.param, patience=PATIENCE)
    yield made
    made.close()


class While:
    """What is asked, while a call computes."""

    def __init__(self, instance):
        self.instance = instance

    async def query(self, canister_id, method="get"):
        """What a query is answered."""
        content = self.instance.content("query", canister_id=canister_id, method_name=method, arg=b"")
        answered = await self.posted(canister_id, "query", content)
        assert answered.status == 200, answered.body
        return answered.fields["reply"]["arg"]

    async def read(self, about, *paths, user=USER):
        """A certificate, as it was answered."""
        content = self.instance.content("read_state", paths=[list(path) for path in paths])
        answered = await self.posted(about, "read_state", content, user)
        assert answered.status == 200, answered.body
        return answered

    async def posted(self, about, kind, content, user=USER):
        path = f"/api/v3/canister/{principal_to_text(about)}/{kind}"
        return await self.instance.asked("POST", path, cbor2.dumps(user.envelope(content)))


def begun_rounds(engine):
    """Tells when a round begins in which there is a call to be started."""
    begun, run = threading.Event(), engine.round

    def round_told():
        if engine.instance.ingress.received():
            begun.set()
        run()

    engine.round = round_told
    return begun


def while_it_computes(instance, canister_id, ask):
    """What is told while the canister computes, and what the call is answered."""

    async def both():
        begun = begun_rounds(instance.engine)
        content = USER.envelope(instance.content("call", canister_id=canister_id, method_name="compute", arg=b""))
        call = asyncio.create_task(_posted_call(instance, canister_id, content))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        told = await ask(While(instance), hash_of_map(content["content"]))
        assert not call.done(), "the call should still compute: it is too short for this machine"
        return told, await call

    return instance.runner.run(both())


async def _posted_call(instance, canister_id, envelope):
    return await instance.asked(
        "POST", f"/api/v4/canister/{principal_to_text(canister_id)}/call", cbor2.dumps(envelope)
    )


def test_queries_to_the_same_and_to_another_canister_are_answered_from_the_committed_state(instance):
    computing, other = instance.installed(USER, COMPUTING), instance.installed(USER, COUNTER)
    assert instance.reply(instance.call(USER, other, "inc")) == b"\1\0\0\0"

    async def ask(meanwhile, _):
        return [await meanwhile.query(one) for _ in range(5) for one in (computing, other)]

    told, answered = while_it_computes(instance, computing, ask)
    assert told == [bytes(4), b"\1\0\0\0"] * 5
    assert instance.reply(answered) == b"\7\0\0\0"
    assert instance.query(USER, computing, "get").fields["reply"]["arg"] == b"\7\0\0\0"


def test_certified_reads_show_the_tree_that_was_certified_last(instance):
    computing = instance.installed(USER, COMPUTING)
    paths = [[b"time"], [b"canister", computing, b"module_hash"]]
    before = instance.read(USER, computing, *paths)

    async def ask(meanwhile, request_id):
        return (
            await meanwhile.read(computing, *paths),
            await meanwhile.read(computing, [b"request_status", request_id]),
            request_id,
        )

    (read, status, request_id), answered = while_it_computes(instance, computing, ask)
    assert read.value(b"canister", computing, b"module_hash") == before.value(b"canister", computing, b"module_hash")
    assert read.value(b"canister", computing, b"module_hash") is not None
    assert status.value(b"request_status", request_id, b"status") == b"received"
    assert shown_requests(decode_certificate(answered.fields["certificate"])) == [request_id]
    after = instance.read(USER, computing, [b"request_status", request_id])
    assert after.value(b"request_status", request_id, b"status") == b"replied"


def test_a_query_expires_by_the_clock_and_not_by_the_time_of_the_state_that_it_sees(instance):
    computing = instance.installed(USER, COMPUTING)

    async def ask(meanwhile, _):
        old = instance.content("query", canister_id=computing, method_name="get", arg=b"")
        instance.clock[0] += 5 * MINUTE
        return (await meanwhile.posted(computing, "query", old)).status, await meanwhile.query(computing)

    told, _ = while_it_computes(instance, computing, ask)
    assert told == (400, bytes(4))


def test_status_and_figures_are_told_while_a_round_computes(instance):
    computing = instance.installed(USER, COMPUTING)

    async def ask(_, __):
        status = await instance.asked("GET", "/api/v2/status")
        figures = await instance.asked("GET", "/_/metrics")
        return status.status, b"icspec_canisters 1.0" in figures.body

    assert while_it_computes(instance, computing, ask)[0] == (200, True)


def read_together(instance, acts):
    """What is told to all, who read while the engine is at work; exceptions as they are."""
    held = threading.Event()

    async def read():
        waiting = asyncio.create_task(instance.thread.ask(lambda _: held.wait(30)))
        readings = [asyncio.create_task(instance.thread.read(act)) for act in acts]
        told = await asyncio.gather(*readings, return_exceptions=True)
        held.set()
        assert await waiting, "nobody has waited for the engine"
        return told

    return instance.runner.run(read())


def test_as_many_as_there_are_threads_read_at_the_same_time():
    instance = Instance.of(threads=PARTIES)
    met = threading.Barrier(PARTIES)
    assert read_together(instance, [lambda _: met.wait(30) >= 0] * PARTIES) == [True] * PARTIES
    instance.close()


def test_who_fails_fails_alone(instance):
    def fail(_):
        raise ValueError("nothing to read")

    first, second, third = read_together(instance, [lambda _: 1, fail, lambda _: 3])
    assert (first, str(second), third) == (1, "nothing to read", 3)
    assert isinstance(second, ValueError)


def test_nothing_changes_for_one_who_reads(instance):
    started, changed = threading.Event(), threading.Event()

    def read(state):
        before = state.instance.system_time
        started.set()
        assert changed.wait(30)
        return state.instance.system_time - before

    async def both():
        reading = asyncio.create_task(instance.thread.read(read))
        await asyncio.to_thread(started.wait, 30)
        before = instance.engine.instance.system_time
        instance.clock[0] += 10**9
        after = await instance.thread.ask(lambda engine: engine.instance.system_time)
        changed.set()
        return await reading, after - before, await instance.thread.read(lambda state: state.instance.system_time)

    moved, passed, last = instance.runner.run(both())
    assert (moved, passed, last) == (0, 10**9, instance.clock[0])


def test_who_was_answered_a_call_reads_what_it_has_done(instance):
    canister_id = instance.installed(USER, COUNTER)
    for number in range(1, 20):
        assert instance.reply(instance.call(USER, canister_id, "inc", nonce=bytes([number]))) == bytes(
            [number, 0, 0, 0]
        )
        assert instance.query(USER, canister_id, "get").fields["reply"]["arg"] == bytes([number, 0, 0, 0])
