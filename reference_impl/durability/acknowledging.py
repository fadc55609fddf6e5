"""Answers wait until what they rest on is on the disk: many of them for one writing."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from reference_impl.durability.directory import StateDirectory
from spec.values.quantities import Count


class Acknowledging:
    """Makes the inputs of a directory durable, on a thread of its own. It is asked in one event loop."""

    def __init__(self, directory: StateDirectory) -> None:
        self._directory = directory
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._writing: asyncio.Future[None] | None = None

    async def wait(self, noted: Count) -> None:
        """Until so many inputs are on the disk. Raises `StateDirectoryFault` if that cannot be."""
        while self._directory.acknowledged < noted:
            if self._writing is None or self._writing.done():
                running = asyncio.get_running_loop().run_in_executor(self._thread, self._directory.acknowledge)
                self._writing = running
            # Reason: others wait for the same writing, also if this one no longer does.
            await asyncio.shield(self._writing)

    def close(self) -> None:
        """Nothing more is asked for."""
        self._thread.shutdown(wait=True)
