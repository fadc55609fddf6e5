"""`icspec fill`: writes fixtures, for those who judge an implementation in another language."""

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from conformance.commands.arguments import positive, regular_expression
from conformance.fixtures.filling import Filled, filled
from conformance.fixtures.folding import Blobs
from conformance.fixtures.reading import RELEASES
from conformance.fixtures.writing import LARGEST_TOTAL, Writer, Written, as_bytes
from conformance.running.workers import default_workers
from conformance.suite.loading import all_scenarios, selected
from spec.tooling.command_arguments import VerbParser, complain, quoted

UNRELEASED: Final = "unreleased"

RELEASE: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")

SLOW: Final = 2.0
"""After so many seconds it is told how far it is."""

EXAMPLE = """examples:
  icspec fill fixtures                       all scenarios, in both formats
  icspec fill fixtures --only calls/         those of one group
  icspec fill fixtures --release 1.0.0       with the version of a release, which never changes
"""


def _release(text: str) -> str:
    if not RELEASE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is no version of a release, as 1.0.0 is one")
    return text


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec fill",
        description="Writes the scenarios as fixtures: what users do and what may be answered (scenario/1), and "
        "transitions with what they show and digests of states (trace/1).",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="a directory that is not there yet, or is empty")
    parser.add_argument("--only", type=regular_expression, metavar="REGEX", help="scenarios whose id or title matches")
    parser.add_argument("--workers", type=positive, metavar="N", help="how many at a time; by default one a core")
    parser.add_argument("--release", type=_release, metavar="VERSION", help="of a release")
    parser.add_argument("--json", action="store_true", help="say what was written as JSON")
    return parser


def main(arguments: list[str]) -> int:
    """Writes fixtures: what users do and what may be answered, and traces of transitions."""
    given = _parser().parse_args(arguments)
    directory: Path = given.directory
    scenarios = selected(all_scenarios(), given.only)
    if not scenarios:
        return _complain(f"no scenario matches {quoted(given.only)}")
    try:
        directory.mkdir(exist_ok=True)
        if any(directory.iterdir()):
            return _complain(f"{directory}: it is not empty; fixtures that were written never change")
        written = _write(directory, [chosen.id for chosen in scenarios], given.workers, given.release or UNRELEASED)
    except OSError as problem:
        return _complain(f"{problem.filename or directory}: {problem.strerror}")
    known = releases().get(given.release)
    if known is not None and known != written.digest:
        return _complain(f"{directory}: release {given.release} is another one, with an index of SHA-256 {known}")
    _tell(written, as_json=given.json)
    return 0 if written.files else _complain("nothing could be written as a fixture")


def releases() -> dict[str, str]:
    """The SHA-256 of the index of each release that was published, by version."""
    published: dict[str, str] = json.loads(RELEASES.read_text())
    return published


def _complain(problem: str) -> int:
    return complain("icspec fill", problem)


def _write(directory: Path, ids: list[str], workers: int | None, release: str) -> Written:
    writer, began, told = Writer(directory), time.monotonic(), 0.0
    traces: list[tuple[bool, int, Filled, Blobs]] = []
    for done, (scenario, trace, blobs) in enumerate(_filled(ids, workers), 1):
        writer.write(scenario, blobs)
        size = 0 if trace.document is None else len(as_bytes(trace.document))
        traces.append((scenario.document is not None, size, trace, blobs))
        elapsed = time.monotonic() - began
        if elapsed - told > SLOW:
            print(f"icspec fill: {done} of {len(ids)} scenarios, {elapsed:.0f} s", file=sys.stderr, flush=True)
            told = elapsed
    # Reason: where not everything has room, large traces of what scenarios show as well are left out.
    for _, _, trace, blobs in sorted(traces, key=lambda each: (each[0], each[1], each[2].id)):
        writer.write(trace, blobs)
    return writer.finish(release)


def _filled(ids: list[str], workers: int | None) -> Iterator[tuple[Filled, Filled, Blobs]]:
    count = min(workers or default_workers(), len(ids))
    if count == 1:
        yield from map(_fill, ids)
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_fill, ids, chunksize=4)


def _fill(scenario_id: str) -> tuple[Filled, Filled, Blobs]:
    (chosen,) = [each for each in all_scenarios() if each.id == scenario_id]
    blobs = Blobs()
    scenario, trace = filled(chosen, blobs)
    return scenario, trace, blobs


def _tell(written: Written, *, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                {
                    "files": dict(written.files),
                    "bytes": written.total,
                    "largest": written.largest,
                    "rules": len(written.rules),
                    "shortened": written.shortened,
                    "left_out": written.left_out,
                    "index_sha256": written.digest,
                }
            )
        )
        return
    for name, count in written.files.items():
        print(f"{name}: {count} fixtures")
    for why in sorted({each["why"] for each in written.left_out}):
        alike = [each for each in written.left_out if each["why"] == why]
        print(f"left out: {len(alike)} of {', '.join(sorted({each['format'] for each in alike}))}: {why}")
    print(f"{written.total:,} of at most {LARGEST_TOTAL:,} bytes, the largest file {written.largest:,}")
    print(f"{len(written.rules)} rules; the index has the SHA-256 {written.digest}")
