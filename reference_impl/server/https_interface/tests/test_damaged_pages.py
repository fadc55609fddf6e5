"""A server that meets a damaged page of its state directory ends, and says which."""

import asyncio

import pytest
from attrs import evolve

from reference_impl.durability.directory import StateDirectory
from reference_impl.durability.faults import StateDirectoryFault
from reference_impl.durability.inputs import RoundRun
from reference_impl.durability.tests.working import BEGINNING, START, Work, offer
from reference_impl.server.https_interface.engine_thread import EngineThread
from reference_impl.wasm.instances.kept_instances import KEPT


def read_all(engine):
    """All pages of all heaps, as a query may read them."""
    codes = [one.code for one in engine.instance.canisters.values() if one.code]
    return [dict(code.wasm_state.wasm_memory.contents.items()) for code in codes]


def test_who_reads_a_damaged_page_is_told_and_nothing_is_answered_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(KEPT, "most_bytes", KEPT.most_bytes)
    directory = StateDirectory.opened(tmp_path, BEGINNING)
    for given in Work(2, directory.engine).inputs(40):
        offer(directory.engine, given)
    offer(directory.engine, RoundRun())
    directory.checkpoint()
    directory.close()

    async def served():
        kept = StateDirectory.opened(tmp_path, evolve(BEGINNING, memory=1 << 20))
        thread = EngineThread(kept.engine, lambda: START, kept)
        ended = []
        thread.at_fault = lambda: ended.append(thread.fault)
        assert sum(map(len, await thread.read(read_all))) > 0
        assert ended == []
        for one in tmp_path.glob("checkpoint-*"):
            one.write_bytes(bytes(one.stat().st_size))
        with pytest.raises(StateDirectoryFault, match=f"^{tmp_path}/checkpoint-[0-9-]+: byte [0-9]+: the checksum is"):
            await thread.read(read_all)
        assert [str(one) for one in ended] == [str(thread.fault)]
        with pytest.raises(StateDirectoryFault):
            await thread.ask(lambda engine: engine.rounds)
        await thread.stop()

    asyncio.run(served())
