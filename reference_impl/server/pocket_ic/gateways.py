"""
Further ports of a server, each for one instance: its HTTPS interface, for agents that are told no more than an address,
and the pages of its canisters.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn
from attrs import define

from reference_impl.server.asgi import API, PREFLIGHT, HttpApplication, Receive, Scope, is_preflight
from reference_impl.server.http_gateway.pages import Pages
from reference_impl.server.https_interface.answers import Answer, error
from reference_impl.server.listening import configuration, listening
from reference_impl.server.pocket_ic.configuration import GatewayWish
from reference_impl.server.pocket_ic.fields import Json, Refused, number_in
from reference_impl.server.pocket_ic.interface import API_LIMIT, answer_api
from reference_impl.server.pocket_ic.runner import Runner
from spec.values.identifiers import Text
from spec.values.quantities import Count

GRACE_SECONDS: Final = 1
"""So long a port that ends waits for the requests that it has begun to answer."""


class GatewayApplication(HttpApplication):
    """What one such port serves."""

    def __init__(self, runner: Runner, domains: tuple[Text, ...]) -> None:
        super().__init__(body_limit=API_LIMIT)
        self._runner = runner
        self._pages = Pages(runner, domains)

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """The answer of the instance."""
        if is_preflight(scope):
            return PREFLIGHT
        if scope["path"].startswith(API):
            return await answer_api(self._runner, self, scope, receive, scope["path"])
        try:
            return await self._pages.answer(self, scope, receive)
        except Refused as problem:
            return error(problem.status, str(problem))


class _Quiet(uvicorn.Server):
    """A server beside another one, which takes the signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None are taken."""
        yield


@define
class Gateway:
    """A port with the server that listens there."""

    instance: Count
    port: int
    server: uvicorn.Server
    task: "asyncio.Task[None]"


class Gateways:
    """The further ports of a server."""

    def __init__(self) -> None:
        self._opened: list[Gateway | None] = []

    async def open(self, instance: Count, runner: Runner, wish: GatewayWish) -> tuple[Count, int]:
        """A port for an instance, with the number of the gateway. Raises `Refused` if there is none to be had."""
        try:
            opened = listening(wish.address, wish.port)
        except OSError as problem:
            raise Refused(f"Failed to bind to address {wish.address}:{wish.port}: {problem.strerror}") from None
        server = _Quiet(
            configuration(GatewayApplication(runner, wish.domains), lifespan="off", grace_seconds=GRACE_SECONDS)
        )
        task = asyncio.get_running_loop().create_task(server.serve(sockets=[opened]))
        port: int = opened.getsockname()[1]
        self._opened.append(Gateway(instance, port, server, task))
        return len(self._opened) - 1, port

    def shown(self) -> Json:
        """The gateways that there are."""
        return [
            {"instance_id": number, "port": one.port, "forward_to": {"PocketIcInstance": one.instance}}
            for number, one in enumerate(self._opened)
            if one is not None
        ]

    async def close(self, number: Text) -> bool:
        """A gateway ends; whether there was one."""
        place = number_in(number)
        if place is None or place >= len(self._opened):
            return False
        gateway, self._opened[place] = self._opened[place], None
        if gateway is None:
            return False
        gateway.server.should_exit = True
        with suppress(asyncio.CancelledError):
            await gateway.task
        return True

    async def close_of(self, instance: Count | None = None) -> None:
        """All gateways of an instance end, or all that there are."""
        for number, one in enumerate(list(self._opened)):
            if one is not None and instance in (None, one.instance):
                await self.close(str(number))
