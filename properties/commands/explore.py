"""`icspec explore`: all interleavings of a small world, invariants checked after each step."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from properties.exploration.explorer import Exploration, Looking, World, explore, look_here
from properties.exploration.on_cluster import look_at_share, look_there
from properties.exploration.worlds import WORLDS, NoSuchWorld
from spec.profile import Profile, ProfileError, load_profile
from spec.tooling.cluster import Cluster, ClusterError
from spec.tooling.command_arguments import VerbParser, complain, quoted
from spec.values.quantities import Count

PROGRESS_EVERY = 500
"""How many states lie between two reports of progress."""


def main(arguments: list[str]) -> int:
    """Explores one world or all of them. The exit code is 0 if nothing was violated and everything was visited."""
    options = _parser().parse_args(arguments)
    if options.list:
        for world in WORLDS.values():
            print(f"{world.name:26} {world.title}")
        return 0
    if options.world not in (None, *WORLDS):
        return complain("icspec explore", f"no world is named {quoted(options.world)}; there are {', '.join(WORLDS)}")
    worlds = list(WORLDS.values()) if options.world is None else [WORLDS[options.world]]
    try:
        profile = load_profile(options.profile)
        with _looking(options.cluster) as looking:
            rows = [_row(world, profile, looking, options) for world in worlds]
    except (ProfileError, NoSuchWorld, ClusterError) as problem:
        return complain("icspec explore", problem)
    if options.json:
        print(json.dumps({"worlds": rows}, indent=2))
    violated = any(row["violation"] is not None for row in rows)
    unfinished = [row["world"] for row in rows if not row["exhausted"]]
    if unfinished and not violated:
        print(f"icspec explore: not all states were visited of {', '.join(unfinished)}", file=sys.stderr)
    return 1 if violated or unfinished else 0


def _at_least(least: Count) -> Callable[[str], Count]:
    def read(text: str) -> Count:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{quoted(text)} is no number of at least {least}")
        return int(text)

    return read


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec explore",
        description="Visits every state of a small world, and checks all invariants and the conservation of cycles. "
        "The exit code is 0 only if nothing was violated and every state was visited.",
        epilog="example:\n  icspec explore --world two-callers\n  icspec explore --world two-callers --depth 8 --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--world", metavar="NAME", help="one world; by default all of them")
    parser.add_argument("--profile", metavar="NAME|FILE", default="small-world", help="whose limits and charges hold")
    parser.add_argument("--depth", metavar="N", type=_at_least(0), help="follow schedules of at most N steps")
    parser.add_argument(
        "--most-states", metavar="N", type=_at_least(1), default=200_000, help="give up beyond so many states"
    )
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="the scheduler of a cluster of dask.distributed (icspec[cluster])"
    )
    parser.add_argument("--list", action="store_true", help="list the worlds and do nothing else")
    parser.add_argument("--json", action="store_true", help="print a report for machines")
    return parser


@contextmanager
def _looking(address: str | None) -> Iterator[Looking]:
    """Who looks at states: this process, or the workers of a cluster. Raises `ClusterError`."""
    if address is None:
        yield look_here
        return
    with Cluster(address, look_at_share) as cluster:
        yield look_there(cluster)


def _row(world: World, profile: Profile, looking: Looking, options: argparse.Namespace) -> dict[str, Any]:
    quiet = options.json
    began = time.monotonic()
    last = 0

    def progress(states: Count, length: Count) -> None:
        nonlocal last
        if not quiet and sys.stderr.isatty() and states - last >= PROGRESS_EVERY:
            last = states
            print(f"\r{world.name}: {states} states, {length} steps deep", end="", file=sys.stderr)

    found = explore(
        world,
        profile=profile,
        depth=options.depth,
        most_states=options.most_states,
        progress=progress,
        looking=looking,
    )
    if last:
        print("\r", end="", file=sys.stderr)
    seconds = round(time.monotonic() - began, 2)
    if not quiet:
        _print(world, found, seconds)
    return {
        "world": world.name,
        "states": found.states,
        "steps": found.steps,
        "depth": found.depth,
        "final_states": found.final_states,
        "exhausted": found.exhausted,
        "fired": found.fired,
        "seconds": seconds,
        "violation": None
        if found.violation is None
        else {"what": found.violation.what, "schedule": [str(label) for label in found.violation.schedule]},
    }


def _print(world: World, found: Exploration, seconds: float) -> None:
    visited = "all visited" if found.exhausted else "not all visited"
    print(
        f"{world.name}: {found.states} states, {visited}, {found.steps} steps, longest schedule {found.depth}, "
        f"{found.final_states} final, {seconds} s"
    )
    if found.violation is not None:
        print(f"  {found.violation.what}\n  by the schedule")
        for number, label in enumerate(found.violation.schedule, 1):
            choices = ", ".join(f"{name}={_brief(value)}" for name, value in label.choices)
            print(f"    {number}. {label.rule}({choices})")


def _brief(value: Any) -> str:
    text = f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
