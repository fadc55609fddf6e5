"""
`icspec count`: what one execution of an exported function is charged, by the specification and by the reference
implementation.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import wasmtime
from attrs import asdict, evolve

from reference_impl.wasm.running import count as reference
from spec.canister.module import MalformedModule
from spec.canister.occasion import PLAIN, Occasion
from spec.profile import Profile, ProfileError, load_profile
from spec.rules.modules import module_or_defect
from spec.system_api import count as specification
from spec.tooling.candid_text import CandidTextError, Interface, message_of, told_interface
from spec.tooling.command_arguments import VerbParser, complain, quoted
from spec.values.candid import CandidType
from spec.values.identifiers import ANONYMOUS, Blob, Principal, Text, principal_from_text
from spec.values.quantities import Instructions

SPEC: Final = "spec"
REFERENCE: Final = "reference"
BOTH: Final = "both"

AGREED, DIFFERENT, USAGE_ERROR, TRAPPED = 0, 1, 2, 3
"""The exit codes."""

BINARY_START: Final = (b"\0asm", b"\x1f\x8b\x08")
"""How binary modules start, plain and compressed; anything else is read as text."""

EXAMPLE: Final = """example:
  icspec count counter.wat --call "canister_update inc"
  icspec count ledger.wasm --init "(record { owner = 1 })" --call "canister_update transfer" --arg "(5)" --cycles 1_000

exit code: 0 if the engines agree, 1 if they do not, 2 if there is nothing to count, 3 if the call does not return
"""

Count = specification.Count | reference.Count
Counter = Callable[[Blob, Text, Instructions, Profile, Occasion], Count]

COUNTERS: Final[dict[str, Counter]] = {SPEC: specification.count_export, REFERENCE: reference.count_export}
"""By the name of the engine."""

RETURNS: Final = "returns"
"""The outcome of an execution that ends as it should."""

COMPARED: Final = ("instructions", "page_charge", "accounted", "outcome")
"""What both engines must agree on; the reason of a trap is for people."""


class CannotCount(Exception):
    """There is nothing to count. The message says why, in one line."""

    exit_code = USAGE_ERROR


class OnlyOneRefuses(CannotCount):
    """One engine counts what another one refuses."""

    exit_code = DIFFERENT


def read_module(path: Path) -> Blob:
    """The binary of a module in a file, translated if the file holds text. Raises `CannotCount`."""
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise CannotCount(f"{path}: {problem.strerror}") from None
    if content.startswith(BINARY_START):
        return content
    if path.suffix == ".wasm":
        raise CannotCount(f"{path}: the file is neither a WebAssembly binary nor a gzip stream")
    try:
        return bytes(wasmtime.wat2wasm(content.decode()))
    except UnicodeDecodeError:
        raise CannotCount(f"{path}: the file is neither a WebAssembly binary nor text") from None
    except wasmtime.WasmtimeError as problem:
        raise CannotCount(f"{path}: {_first_error(str(problem))}") from None


def _first_error(problem: str) -> str:
    """The message and the place of an error in the text format, in one line."""
    lines = [line.strip() for line in problem.splitlines() if line.strip()]
    place = next((line.removeprefix("--> <anon>:") for line in lines if line.startswith("--> <anon>:")), "")
    return f"line {place.replace(':', ', column ')}: {lines[0]}" if place else lines[0]


def count(
    raw_module: Blob,
    export: Text,
    limit: Instructions,
    profile: Profile,
    engines: list[str],
    occasion: Occasion = PLAIN,
) -> dict[str, Count]:
    """The counts by engine. Raises `CannotCount` with the reasons of the engines that refuse."""
    counts: dict[str, Count] = {}
    refusals: dict[str, str] = {}
    for engine in engines:
        try:
            counts[engine] = COUNTERS[engine](raw_module, export, limit, profile, occasion)
        except (specification.CannotCount, reference.CountError) as problem:
            refusals[engine] = str(problem)
    if len(refusals) == 1 and len(engines) > 1:
        engine, because = next(iter(refusals.items()))
        raise OnlyOneRefuses(f"only the engine {engine!r} refuses: {because}")
    if refusals:
        raise CannotCount(refusals.get(REFERENCE) or refusals[SPEC])
    return counts


def agree(counts: dict[str, Count]) -> bool:
    """All engines say the same."""
    return len({tuple(getattr(one, name) for name in COMPARED) for one in counts.values()}) <= 1


def _parser() -> VerbParser:
    parser = VerbParser(
        prog="icspec count",
        description="Runs an exported function of a module on the module's initial state (after its start function, "
        "and canister_init if --init is given), and tells what that is charged.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("module", type=Path, metavar="MODULE", help="a module: .wasm (gzip allowed) or .wat")
    parser.add_argument("--call", required=True, metavar="EXPORT", help='an export, like "canister_update go"')
    parser.add_argument("--init", metavar="(…)", help="run canister_init before, with these values in Candid's text")
    parser.add_argument("--arg", metavar="(…)", help="the argument, likewise; empty unless given")
    parser.add_argument(
        "--caller", type=_principal, default=ANONYMOUS, metavar="PRINCIPAL", help="who calls; anonymous unless given"
    )
    parser.add_argument("--cycles", type=_natural, default=0, metavar="N", help="cycles attached to the call")
    parser.add_argument(
        "--limit", type=_natural, metavar="N", help="instructions that may be used; 40 billion unless given"
    )
    parser.add_argument("--engine", choices=[SPEC, REFERENCE, BOTH], default=BOTH)
    parser.add_argument("--profile", default="production", help="whose limits and charges hold")
    parser.add_argument("--json", action="store_true", help="for machines")
    return parser


def _natural(text: str) -> int:
    digits = text.replace("_", "")
    if not digits.isdecimal() or not digits.isascii() or int(digits) >= 2**63:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a number below 2^63")
    return int(digits)


def _principal(text: str) -> Principal:
    try:
        return principal_from_text(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def occasion_of(raw_module: Blob, profile: Profile, given: argparse.Namespace) -> Occasion:
    """What the function is given, typed by the interface that the module tells. Raises `CannotCount`."""
    plain = Occasion(caller=given.caller, cycles=given.cycles)
    if given.init is None and given.arg is None:
        return plain
    module = module_or_defect(profile, raw_module)
    if isinstance(module, MalformedModule):
        raise CannotCount(module.because)
    try:
        told = told_interface(module)
        interface = None if told is None else told.interface
        method = None if interface is None else interface.methods.get(given.call.partition(" ")[2])
        before = None if interface is None else interface.parameters
        argument = before if given.call == "canister_init" else None if method is None else method.parameters
        return evolve(
            plain,
            argument=_message("--arg", given.arg, argument, interface) or b"",
            init_argument=_message("--init", given.init, before, interface),
        )
    except CandidTextError as problem:
        raise CannotCount(str(problem)) from None


def _message(
    option: str, text: str | None, types: tuple[CandidType, ...] | None, interface: Interface | None
) -> Blob | None:
    if text is None:
        return None
    try:
        return message_of(text, types, None if interface is None else interface.definitions)
    except CandidTextError as problem:
        raise CandidTextError(f"{option} {text}: {problem}") from None


def _print(counts: dict[str, Count]) -> None:
    for engine, one in counts.items():
        print(f"{engine}: {one.outcome}" + (f" ({one.why})" if one.why else ""))
        print(f"  instructions {one.instructions:>14,}")
        print(f"  page charge  {one.page_charge:>14,}")
        print(f"  accounted    {one.accounted:>14,}")


def main(arguments: list[str]) -> int:
    """Counts what one execution of an exported function of a module is charged, on both engines."""
    given = _parser().parse_args(arguments)
    engines = [SPEC, REFERENCE] if given.engine == BOTH else [given.engine]
    try:
        profile = load_profile(given.profile)
        limit = profile.limits.message_instructions if given.limit is None else given.limit
        raw_module = read_module(given.module)
        try:
            occasion = occasion_of(raw_module, profile, given)
            counts = count(raw_module, given.call, limit, profile, engines, occasion)
        except CannotCount as problem:
            raise type(problem)(f"{given.module}: {problem}") from None
    except (CannotCount, ProfileError) as problem:
        usage_error = complain("icspec count", problem)
        return problem.exit_code if isinstance(problem, CannotCount) else usage_error
    if given.json:
        print(json.dumps({engine: asdict(one) for engine, one in counts.items()}, indent=2))
    else:
        _print(counts)
    if not agree(counts):
        print("icspec count: the engines disagree", file=sys.stderr)
        return DIFFERENT
    outcome = next(iter(counts.values())).outcome
    if outcome == RETURNS:
        return AGREED
    print(f"icspec count: {given.call}: {outcome.replace('_', ' ')}: no count of a call that returns", file=sys.stderr)
    return TRAPPED
