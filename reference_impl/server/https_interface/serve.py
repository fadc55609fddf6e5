"""`icspec serve`: the reference implementation over HTTP, for the clients that everybody uses."""

import socket
import sys
import time
from argparse import ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from contextlib import suppress
from pathlib import Path
from typing import Final

from reference_impl.certification.signing import OTHER, ROOT, ROOT_KEY
from reference_impl.durability.directory import CHECKPOINT_STEPS, Beginning, StateDirectory
from reference_impl.durability.faults import StateDirectoryFault
from reference_impl.server.https_interface.application import Application
from reference_impl.server.https_interface.endpoints import Endpoints
from reference_impl.server.https_interface.engine_thread import EngineThread
from reference_impl.server.https_interface.subnets import network_with, told
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
MOST_SUBNETS: Final = 64
MOST_THREADS: Final = 256

DESCRIPTION: Final = """Serves the reference implementation over HTTP: the HTTPS interface of the Internet Computer.

For development: time is that of this machine's clock, and everybody knows the secret of the root key. The state lasts
as long as the process, or is kept in a directory, from which the next one goes on, however this one ended. The command
ends at Ctrl-C or SIGTERM, after the requests that it has begun to answer."""
EXAMPLE: Final = """example:
  icspec serve --port 4943
  icspec serve --port-file port.txt      any free port, which is written into the file
  icspec serve --subnets 3               the root subnet and two others
  icspec serve --state-dir state         goes on where the last one with this directory ended
"""


def _port(text: Text) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 1 << 16:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a port")


def _nodes(text: Text) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= MOST_NODES:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a number of nodes from 1 to {MOST_NODES}")


def _threads(text: Text) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= MOST_THREADS:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a number of threads from 1 to {MOST_THREADS}")


def _subnets(text: Text) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= MOST_SUBNETS:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a number of subnets from 1 to {MOST_SUBNETS}")


def _mebibytes(text: Text) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0:
        return int(text) << 20
    raise ArgumentTypeError(f"{text!r} is not a number of mebibytes")


def _steps(text: Text) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is not a number of rounds")


def parser() -> VerbParser:
    """The arguments of the verb."""
    made = VerbParser(prog=VERB, description=DESCRIPTION, epilog=EXAMPLE, formatter_class=RawDescriptionHelpFormatter)
    made.add_argument("--host", default=LOOPBACK[0], help="the address to listen on (default: this machine alone)")
    made.add_argument("--port", type=_port, default=0, help="the port to listen on (default: any that is free)")
    made.add_argument("--port-file", type=Path, help="a file that holds the port as long as the server listens")
    made.add_argument("--profile", default="production", help="a bundled profile, or a file NAME.toml")
    made.add_argument("--nodes", type=_nodes, default=NODES, help=f"nodes of the subnet (default: {NODES})")
    made.add_argument(
        "--threads",
        type=_threads,
        default=1,
        metavar="N",
        help="threads on which canisters execute and answer queries; only the time taken depends on it (default: 1)",
    )
    made.add_argument(
        "--subnets",
        type=_subnets,
        default=1,
        metavar="N",
        help="the root subnet and others to which it delegates, which call each other (default: one alone)",
    )
    made.add_argument(
        "--memory",
        type=_mebibytes,
        metavar="MEBIBYTES",
        help="about what canisters may take of this machine's memory; the rest is in a temporary file (default: all)",
    )
    made.add_argument(
        "--by-shares",
        action="store_true",
        help="sign certificates by shares of the subnet's nodes, which takes longer and gives the same signatures",
    )
    made.add_argument(
        "--delegated",
        action="store_true",
        help="serve a subnet to which the root subnet delegates, as most subnets are, and not the root subnet",
    )
    made.add_argument("--state-dir", type=Path, metavar="DIR", help="where the state is kept, and gone on from")
    made.add_argument(
        "--checkpoint-rounds",
        type=_steps,
        default=CHECKPOINT_STEPS,
        metavar="N",
        help=f"rounds, or steps of time, between two checkpoints of the state (default: {CHECKPOINT_STEPS})",
    )
    made.add_argument("--keep-history", action="store_true", help="keep all that ever came in, in the state directory")
    return made


def engine_thread(given: Namespace, profile: Profile) -> EngineThread:
    """An instance at the present time, without canisters or as it was kept. Raises `StateDirectoryFault`."""
    if given.subnets > 1 and given.delegated:
        raise ValueError("--subnets and --delegated do not go together")
    network = network_with(given.subnets, given.nodes) if given.subnets > 1 else None
    # Reason: canisters for which nothing is said are created on the root subnet.
    subnet = Subnet((OTHER if given.delegated else ROOT).subnet_id, given.nodes)
    how = (given.threads, given.memory, given.by_shares)
    beginning = Beginning(profile, subnet, ROOT_KEY, time.time_ns(), *how, network)
    if network is not None:
        print("\n".join(told(network)), flush=True)
    if given.state_dir is None:
        return EngineThread(beginning.engine(), time.time_ns)
    steps, keeps_history = given.checkpoint_rounds, given.keep_history
    kept = StateDirectory.opened(given.state_dir, beginning, checkpoint_steps=steps, keeps_history=keeps_history)
    return EngineThread(kept.engine, time.time_ns, kept)


def serve(engine: EngineThread, opened: socket.socket) -> None:
    """Serves until told to stop, or until the state cannot be kept any more."""
    log_to_standard_error()
    server = server_of(Application(engine, Endpoints(engine)))

    def end() -> None:
        server.should_exit = True

    engine.at_fault = end
    server.run(sockets=[opened])


def main(arguments: list[str]) -> int:
    """Serves the reference implementation over the HTTPS interface, until told to stop; 2 for what cannot be served."""
    given = parser().parse_args(arguments)
    try:
        require_memory()
        profile = load_profile(given.profile)
        if given.port_file is not None:
            require_writable(given.port_file)
        engine = engine_thread(given, profile)
        opened = listening(given.host, given.port)
    except (ProfileError, MemoryError, StateDirectoryFault, ValueError) as problem:
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
        serve(engine, opened)
    finally:
        if given.port_file is not None:
            with suppress(FileNotFoundError):
                given.port_file.unlink()
    return 0 if engine.fault is None else complain(VERB, engine.fault)
