"""Many answers wait for one writing."""

import asyncio
import threading

import pytest

from reference_impl.durability.acknowledging import Acknowledging
from reference_impl.durability.faults import StateDirectoryFault


class Slow:
    """A directory that writes when it is told to."""

    def __init__(self):
        self.noted = 0
        self.acknowledged = 0
        self.writings = 0
        self.may_write = threading.Semaphore(0)
        self.fault = None

    def acknowledge(self):
        noted = self.noted
        self.may_write.acquire()
        if self.fault is not None:
            raise self.fault
        self.writings += 1
        self.acknowledged = noted


async def settled():
    for _ in range(20):
        await asyncio.sleep(0.005)


def test_inputs_noted_while_one_writing_lasts_wait_for_the_next_one_together():
    async def run():
        directory = Slow()
        acknowledging = Acknowledging(directory)
        waiting = []
        for number in range(1, 6):
            directory.noted = number
            waiting.append(asyncio.ensure_future(acknowledging.wait(number)))
            await settled()
        assert not any(one.done() for one in waiting)
        directory.may_write.release()
        await settled()
        assert [one.done() for one in waiting] == [True, False, False, False, False]
        directory.may_write.release()
        await asyncio.gather(*waiting)
        assert (directory.writings, directory.acknowledged) == (2, 5)
        await acknowledging.wait(5)
        assert directory.writings == 2
        acknowledging.close()

    asyncio.run(run())


def test_who_no_longer_waits_holds_up_nobody_and_all_are_told_of_a_fault():
    async def run():
        directory = Slow()
        acknowledging = Acknowledging(directory)
        directory.noted = 1
        gone, stays = (asyncio.ensure_future(acknowledging.wait(1)) for _ in range(2))
        await settled()
        gone.cancel()
        directory.fault = StateDirectoryFault("there is no room")
        directory.may_write.release()
        with pytest.raises(StateDirectoryFault):
            await stays
        assert gone.cancelled()
        acknowledging.close()

    asyncio.run(run())
