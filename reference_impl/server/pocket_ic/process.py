"""The process of a server: it listens, logs, and ends when it is told to or when nobody asks any more."""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Mapping
from typing import Final

import uvicorn
from attrs import define

from reference_impl.server.pocket_ic.application import PocketApplication
from spec.profile import Profile
from spec.values.identifiers import Text
from spec.values.quantities import Seconds

LOOKING_SECONDS: Final = 0.1
"""So often is looked whether there is a reason to end."""
GRACE_SECONDS: Final = 15
"""So long a server that is told to stop waits for the requests that it has begun to answer."""
KEEP_ALIVE_SECONDS: Final = 75

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

    def run(self, opened: socket.socket) -> None:
        """Serves until there is a reason to end."""
        self._log()
        application = PocketApplication(self.profile)
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
            lifespan="on",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = uvicorn.Server(config)

        def end(*_: object) -> None:
            # Before the server begins, and when it sends itself the signal again that it stopped at.
            server.should_exit = True

        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, end)
        asyncio.run(self._serve(server, application, opened))

    def _log(self) -> None:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        for name, level in (("icspec.serve", LEVELS[self.level]), ("uvicorn", logging.WARNING)):
            logging.getLogger(name).addHandler(handler)
            logging.getLogger(name).setLevel(level)

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
