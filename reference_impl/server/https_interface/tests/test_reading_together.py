"""Queries that come together are answered on several threads."""

import asyncio
import threading

import pytest

from reference_impl.server.https_interface.tests.in_process import Instance

PARTIES = 3


@pytest.fixture
def instance():
    made = Instance.of(threads=PARTIES)
    yield made
    made.close()


def read_together(instance, acts):
    """What the engine answers to all, who wait until all are there; exceptions as they are."""
    held = threading.Event()

    async def read():
        waiting = asyncio.create_task(instance.thread.ask(lambda _: held.wait(30)))
        readings = [asyncio.create_task(instance.thread.read(act)) for act in acts]
        await asyncio.sleep(0)
        held.set()
        await waiting
        return await asyncio.gather(*readings, return_exceptions=True)

    return instance.runner.run(read())


def test_as_many_as_there_are_threads_read_at_the_same_time(instance):
    met = threading.Barrier(PARTIES)
    told = read_together(instance, [lambda engine: met.wait(30) >= 0 and engine is instance.engine] * PARTIES)
    assert told == [True] * PARTIES


def test_who_fails_fails_alone(instance):
    def fail(_):
        raise ValueError("nothing to read")

    first, second, third = read_together(instance, [lambda _: 1, fail, lambda _: 3])
    assert (first, str(second), third) == (1, "nothing to read", 3)
    assert isinstance(second, ValueError)


def test_nothing_changes_while_somebody_reads(instance):
    started, seen = threading.Event(), []

    def read(engine):
        started.set()
        before = engine.instance.system_time
        threading.Event().wait(0.2)
        return engine.instance.system_time - before

    async def both():
        reading = asyncio.create_task(instance.thread.read(read))
        await asyncio.to_thread(started.wait, 30)
        instance.clock[0] += 10**9
        await instance.thread.ask(lambda engine: seen.append(engine.instance.system_time))
        return await reading

    before = instance.engine.instance.system_time
    assert instance.runner.run(both()) == 0
    assert seen == [before + 10**9]
