"""
`pocket-ic`: the reference implementation as the server that clients of PocketIC start.

Clients start it once per object and expect all but the first of these processes to end at once: whoever finds the port
file there already has nothing to do. So the file is made before anything else, and what takes long to import is
imported after that.
"""

import os
import signal
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from contextlib import suppress
from pathlib import Path
from typing import Final

from spec.tooling.command_arguments import VerbParser, complain

NAME: Final = "pocket-ic"
HOST: Final = "127.0.0.1"
IDLE_SECONDS: Final = 60
"""So long after the last request the server ends, unless told otherwise."""
VERSION_VARIABLE: Final = "POCKET_IC_SERVER_VERSION"
OUTCALLS_VARIABLE: Final = "POCKET_IC_LIVE_OUTCALLS"
"""Clients start the server with options of their own alone."""
VERSION: Final = "16.1.0"
"""The newest version of the real server whose interface is served."""
LEVELS: Final = ("critical", "error", "warning", "info", "debug", "trace")

DESCRIPTION: Final = f"""Serves the PocketIC interface on the reference implementation.

Clients of PocketIC start it if the environment variable POCKET_IC_BIN names it. With --version it tells the version of
PocketIC that {VERSION_VARIABLE} names, since clients accept only those that they were made for. It listens
on this machine alone, logs to standard error, and ends when no request has come for a while, at Ctrl-C or SIGTERM."""
EXAMPLE: Final = """example:
  POCKET_IC_BIN=$(command -v pocket-ic) python my_tests.py
  pocket-ic --port 8000 --ttl 3600
"""


def parser() -> VerbParser:
    """The options, as the real server has them."""
    made = VerbParser(prog=NAME, description=DESCRIPTION, epilog=EXAMPLE, formatter_class=RawDescriptionHelpFormatter)
    made.add_argument("-p", "--port", type=_natural, default=0, help="the port to listen on (default: any)")
    made.add_argument("--port-file", type=Path, help="a file to write the port to; if it exists, nothing is done")
    made.add_argument("-i", "--ip-addr", default=HOST, help="the address to listen on")
    made.add_argument("--ttl", type=_natural, default=IDLE_SECONDS, help="end after so many seconds without a request")
    made.add_argument("--hard-ttl", type=_natural, help="end after so many seconds in any case")
    made.add_argument("-l", "--log-levels", default="info", help=f"how much is logged: {', '.join(LEVELS)}")
    made.add_argument("--profile", default="production", help="a bundled profile, or a file NAME.toml")
    made.add_argument(
        "--live-outcalls",
        action="store_true",
        help=f"make HTTPS outcalls of instances in live mode for real; {OUTCALLS_VARIABLE}=1 says the same",
    )
    made.add_argument("--version", action="store_true", help="tell the version and end")
    return made


def _natural(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text)
    raise ValueError(text)


def served_version() -> str:
    """The version of PocketIC that clients are told."""
    return os.environ.get(VERSION_VARIABLE, VERSION)


def main() -> int:
    """Serves until told to stop, or until nobody asks any more; 2 for what cannot be served."""
    given = parser().parse_args()
    if given.version:
        print(f"pocket-ic-server {served_version()}")
        return 0
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: sys.exit(0))
    if given.log_levels.lower() not in LEVELS:
        return complain(NAME, f"Failed to parse log level: {given.log_levels}")
    try:
        if given.port_file is not None and not _made(given.port_file):
            return 0
    except OSError as problem:
        return complain(NAME, f"{given.port_file}: {problem.strerror}")
    try:
        return _serve(given)
    finally:
        if given.port_file is not None:
            with suppress(OSError):
                given.port_file.unlink()


def _made(port_file: Path) -> bool:
    """The file is made, and was not there before."""
    try:
        os.close(os.open(port_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        return False
    return True


def _serve(given: Namespace) -> int:
    from reference_impl.server.listening import LOOPBACK, listening
    from reference_impl.server.pocket_ic.process import Process
    from reference_impl.wasm.instances.wasmtime_engine import require_memory
    from spec.profile import ProfileError, load_profile

    try:
        require_memory()
        profile = load_profile(given.profile)
        opened = listening(given.ip_addr, given.port)
    except (ProfileError, MemoryError) as problem:
        return complain(NAME, problem)
    except OSError as problem:
        return complain(NAME, f"Failed to bind to address {given.ip_addr}:{given.port}: {problem}")
    if given.ip_addr not in LOOPBACK:
        print(f"{NAME}: anyone who reaches {given.ip_addr} can use this server", file=sys.stderr)
    port = opened.getsockname()[1]
    if given.port_file is not None:
        given.port_file.write_text(f"{port}\n", encoding="ascii")
    makes_outcalls = given.live_outcalls or os.environ.get(OUTCALLS_VARIABLE) == "1"
    Process(profile, given.ttl, given.hard_ttl, given.log_levels.lower(), makes_outcalls).run(opened)
    return 0


if __name__ == "__main__":
    sys.exit(main())
