"""`icspec wast`: runs official test scripts of WebAssembly on either engine."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import wasmtime

from properties.agreement.official_scripts import RewrittenScript
from spec.profile import load_profile
from spec.tooling.command_arguments import VerbParser, complain, require_writable
from spec.tooling.wast.engine import ScriptEngine
from spec.tooling.wast.script import Report, run_script
from spec.tooling.wast.script_link import InterpretedScript
from spec.tooling.wast.script_text import ScriptError

EXAMPLE: Final = """examples:
  icspec wast i32.wast simd_lane.wast --json report.json
  icspec wast --engine reference scripts/
"""

FAILED: Final = 1

ENGINES: Final[dict[str, Callable[[], ScriptEngine]]] = {
    "specification": InterpretedScript,
    "reference": lambda: RewrittenScript(load_profile("production").limits),
}
"""What makes the instances of one script."""


class ScriptFileError(Exception):
    """A file cannot be read, or holds no test script: one line that says why."""


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec wast",
        description="Runs official test scripts of WebAssembly on the specification's interpreter, or on the code that "
        "the reference implementation makes of modules. What is about features that canisters may not use is skipped, "
        "and told with the reason.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a test script, or a folder of them")
    parser.add_argument(
        "--engine", choices=ENGINES, default="specification", help="what runs the scripts; by default the specification"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report to this file; - for output")
    return parser


def _compile_text(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def _scripts(given: list[Path]) -> list[Path]:
    """The files, with those of a folder in the order of their names."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(path.rglob("*.wast"))
            if not inside:
                raise ScriptFileError(f"{path}: there are no files *.wast")
            found.extend(inside)
        else:
            found.append(path)
    return found


def _run(path: Path, report: Report, engine: ScriptEngine) -> None:
    """Adds one file to the report."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        run_script(str(path), text, _compile_text, report, engine)
    except OSError as problem:
        raise ScriptFileError(f"{path}: {problem.strerror or problem}") from None
    except ScriptError as problem:
        raise ScriptFileError(f"{path}: {problem}") from None


def _print_reasons(title: str, counted: Counter[tuple[str, str]]) -> None:
    """How often each reason was given, and in which files."""
    by_reason: Counter[str] = Counter()
    files: dict[str, set[str]] = {}
    for (file, why), number in counted.items():
        by_reason[why] += number
        files.setdefault(why, set()).add(Path(file).name)
    for why, number in by_reason.most_common():
        print(f"{title} {number:>6}  {why}: {', '.join(sorted(files[why]))}")


def _print_summary(report: Report, files: int) -> None:
    for failure in report.failures:
        print(f"failed {failure.file}:{failure.line}: {failure.command}: {failure.why}")
    _print_reasons("skipped", report.skipped)
    _print_reasons("not applicable", report.not_applicable)
    skipped, beside = report.skipped.total(), report.not_applicable.total()
    print(
        f"{files} files: {report.passed} passed, {len(report.failures)} failed, {skipped} skipped, "
        f"{beside} not applicable"
    )


def main(arguments: list[str]) -> int:
    """Runs official test scripts of WebAssembly on either engine."""
    given = _parser().parse_args(arguments)
    report = Report()
    to_output = given.json == Path("-")
    if given.json is not None and not to_output:
        try:
            require_writable(given.json)
        except OSError as problem:
            return complain("icspec wast", f"{given.json}: {problem.strerror}")
    try:
        scripts = _scripts(given.files)
        for number, path in enumerate(scripts, 1):
            if sys.stderr.isatty():
                print(f"\r\x1b[K{number}/{len(scripts)} {path.name}", end="", file=sys.stderr, flush=True)
            _run(path, report, ENGINES[given.engine]())
    except ScriptFileError as problem:
        return complain("icspec wast", problem)
    finally:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr)
    if not to_output:
        _print_summary(report, len(scripts))
    if given.json is not None:
        written = json.dumps({"files": len(scripts), **report.as_json()}, indent=1) + "\n"
        if to_output:
            sys.stdout.write(written)
        else:
            try:
                given.json.write_text(written, encoding="utf-8")
            except OSError as problem:
                return complain("icspec wast", f"{given.json}: {problem.strerror or problem}")
    return FAILED if report.failures else 0
