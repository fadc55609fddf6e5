"""The process of a server: it listens, logs, and ends when it is told to or when nobody asks any more."""

import asyncio
import logging
import socket
import time
from collections.abc import Mapping
from typing import Final

import uvicorn
from attrs import define

from reference_impl.server.listening import log_to_standard_error, server_of
from reference_impl.server.pocket_ic.application import PocketApplication
from reference_impl.server.pocket_ic.server import PocketServer
from spec.profile import Profile
from spec.values.identifiers import Text
from spec.values.quantities import Seconds

LOOKING_SECONDS: Final = 0.1
"""So often is looked whether there is a reason to end."""

LEVELS: Final[Mapping[Text, int]] = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": logging.DEBUG,
}


@define
class Process:
    """How long a server lives, and what it writes."""

    profile: Profile
    idle_seconds: Seconds
    most_seconds: Seconds | None
    level: Text
    makes_outcalls: bool = False
    """Instances in live mode make outcalls for real."""

    def run(self, opened: socket.socket) -> None:
        """Serves until there is a reason to end."""
        log_to_standard_error(LEVELS[self.level])
        application = PocketApplication(self.profile, PocketServer(makes_outcalls=self.makes_outcalls))
        asyncio.run(self._serve(server_of(application), application, opened))

    async def _serve(self, server: uvicorn.Server, application: PocketApplication, opened: socket.socket) -> None:
        watching = asyncio.get_running_loop().create_task(self._watch(server, application))
        try:
            await server.serve(sockets=[opened])
        finally:
            watching.cancel()

    async def _watch(self, server: uvicorn.Server, application: PocketApplication) -> None:
        began = time.monotonic()
        while not server.should_exit:
            await asyncio.sleep(LOOKING_SECONDS)
            is_over = self.most_seconds is not None and time.monotonic() - began >= self.most_seconds
            if is_over or application.idle_seconds >= self.idle_seconds:
                server.should_exit = True
