"""How servers of the reference implementation listen, log and end, whatever it is that they serve."""

import errno
import logging
import resource
import signal
import socket
import sys
from contextlib import suppress
from typing import Final, Literal

import uvicorn

from reference_impl.own_name import server_header
from reference_impl.server.asgi import HttpApplication
from reference_impl.server.bounded_heads import BoundedHeads
from spec.values.identifiers import Text

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
MOST_WAITING: Final = 2048
"""Connections that may wait to be accepted."""
KEEP_ALIVE_SECONDS: Final = 75
MOST_FILES: Final = 1 << 16
"""Of no more use is made."""
GRACE_SECONDS: Final = 15
"""So long a server that is told to stop waits for the requests that it has begun to answer."""


def listening(host: Text, port: int) -> socket.socket:
    """A socket that listens. Raises `OSError`, also for what can be no address or port."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        opened = socket.create_server((host, port), family=family, backlog=MOST_WAITING)
    except (OverflowError, UnicodeError) as problem:
        raise OSError(errno.EADDRNOTAVAIL, str(problem)) from None
    # Reason: head and body of an answer are written one after the other, and else the body would wait until the client
    # has acknowledged the head, which takes 40 ms. Accepted connections inherit it.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def log_to_standard_error(level: int = logging.INFO) -> None:
    """A line for each request from this level on, and what goes wrong."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for name, least in (("icspec.serve", level), ("uvicorn", logging.WARNING)):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(least)


def configuration(
    application: HttpApplication, *, lifespan: Literal["on", "off"] = "on", grace_seconds: int = GRACE_SECONDS
) -> uvicorn.Config:
    """How an application is served."""
    return uvicorn.Config(
        application,
        http=BoundedHeads,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=[("server", server_header())],
        ws="none",
        lifespan=lifespan,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=grace_seconds,
    )


def allow_many_connections() -> None:
    """As many connections and memories as the operating system lets this process have: each is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def server_of(application: HttpApplication) -> uvicorn.Server:
    """The server of this process, which ends at Ctrl-C or SIGTERM, before it begins too."""
    allow_many_connections()
    server = uvicorn.Server(configuration(application))

    def end(*_: object) -> None:
        # Reason: also, when it has ended, the server sends itself the signal again that it ended at.
        server.should_exit = True

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)
    return server
