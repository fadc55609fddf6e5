"""`icspec serve`: the reference implementation over HTTP, for the clients that everybody uses."""

import socket
import sys
import time
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from contextlib import suppress
from pathlib import Path
from typing import Final

from reference_impl.certification.signing import OTHER, ROOT, ROOT_KEY
from reference_impl.engine import Engine
from reference_impl.server.https_interface.application import Application
from reference_impl.server.https_interface.endpoints import Endpoints
from reference_impl.server.https_interface.engine_thread import EngineThread
from reference_impl.server.listening import LOOPBACK, listening, log_to_standard_error, server_of
from reference_impl.wasm.instances.wasmtime_engine import require_memory
from spec.profile import Profile, ProfileError, load_profile
from spec.state.canister import Subnet
from spec.tooling.command_arguments import VerbParser, complain, require_writable
from spec.values.identifiers import Text

VERB: Final = "icspec serve"
NODES: Final = 13
"""Of the subnet unless told otherwise; prices go by them."""
MOST_NODES: Final = 100

DESCRIPTION: Final = """Serves the reference implementation over HTTP: the HTTPS interface of the Internet Computer.

For development: time is that of this machine's clock, the state lasts as long as the process, and everybody knows the
secret of the root key. The command ends at Ctrl-C or SIGTERM, after the requests that it has begun to answer."""
EXAMPLE: Final = """example:
  icspec serve --port 4943
  icspec serve --port-file port.txt      any free port, which is written into the file
"""


def _port(text: Text) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 1 << 16:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a port")


def _nodes(text: Text) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= MOST_NODES:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a number of nodes from 1 to {MOST_NODES}")


def parser() -> VerbParser:
    """The arguments of the verb."""
    made = VerbParser(prog=VERB, description=DESCRIPTION, epilog=EXAMPLE, formatter_class=RawDescriptionHelpFormatter)
    made.add_argument("--host", default=LOOPBACK[0], help="the address to listen on (default: this machine alone)")
    made.add_argument("--port", type=_port, default=0, help="the port to listen on (default: any that is free)")
    made.add_argument("--port-file", type=Path, help="a file that holds the port as long as the server listens")
    made.add_argument("--profile", default="production", help="a bundled profile, or a file NAME.toml")
    made.add_argument("--nodes", type=_nodes, default=NODES, help=f"nodes of the subnet (default: {NODES})")
    made.add_argument(
        "--delegated",
        action="store_true",
        help="serve a subnet to which the root subnet delegates, as most subnets are, and not the root subnet",
    )
    return made


def application(profile: Profile, nodes: int, *, is_delegated: bool) -> Application:
    """An instance without canisters, at the present time."""
    subnet = Subnet((OTHER if is_delegated else ROOT).subnet_id, nodes)
    engine = EngineThread(Engine(profile, subnet, time.time_ns(), ROOT_KEY), time.time_ns)
    return Application(engine, Endpoints(engine))


def serve(made: Application, opened: socket.socket) -> None:
    """Serves until told to stop."""
    log_to_standard_error()
    server_of(made).run(sockets=[opened])


def main(arguments: list[str]) -> int:
    """Serves the reference implementation over the HTTPS interface, until told to stop; 2 for what cannot be served."""
    given = parser().parse_args(arguments)
    try:
        require_memory()
        profile = load_profile(given.profile)
        if given.port_file is not None:
            require_writable(given.port_file)
        opened = listening(given.host, given.port)
    except (ProfileError, MemoryError) as problem:
        return complain(VERB, problem)
    except OSError as problem:
        place = given.port_file if problem.filename is not None else f"{given.host}:{given.port}"
        return complain(VERB, f"{place}: {problem.strerror}")
    port = opened.getsockname()[1]
    where = f"[{given.host}]" if ":" in given.host else given.host
    print(f"serving on http://{where}:{port}", flush=True)
    if given.host not in LOOPBACK:
        print(f"{VERB}: anyone who reaches {given.host} can use this instance", file=sys.stderr)
    try:
        if given.port_file is not None:
            given.port_file.write_text(f"{port}\n", encoding="ascii")
        serve(application(profile, given.nodes, is_delegated=given.delegated), opened)
    finally:
        if given.port_file is not None:
            with suppress(FileNotFoundError):
                given.port_file.unlink()
    return 0
