"""Scenarios of campaigns as Python files, which `icspec run` plays."""

import textwrap
from typing import Final

from conformance.fuzzing.acts import ACTS
from conformance.fuzzing.corpus import Failure
from conformance.fuzzing.expressions import CONSTANTS, as_python, names_in
from conformance.protocol.quoting import escaped
from spec.values.identifiers import Text

WRITTEN: Final = {name: f"players.{name}" for name in (*ACTS, "canister", "argument_of")}
"""How functions are called that need a stage."""

WIDTH: Final = 110


def file_name(failure: Failure) -> Text:
    """The name of the file of a failure."""
    return f"failure_{failure.number}.py"


def scenario_file(failure: Failure, command: Text) -> Text:
    """A failure as a scenario file; the command plays it on the implementation."""
    course, number = failure.drawn.course, failure.number
    told = [escaped(line) for line in (failure.why, *(f"allowed: {each}" for each in failure.allowed))]
    wrapped = [line for each in told for line in textwrap.wrap(each.replace('"""', "'''").replace("\\", "\\\\"), WIDTH)]
    lines = ['"""', f"Number {number} of a campaign of icspec fuzz, made smaller. It fails:", "", *wrapped, ""]
    lines += [f"    {command}".replace("\\", "\\\\"), '"""', ""]
    lines += [*_imports(failure), "", ""]
    profile = "" if failure.drawn.profile is None else f", profile={failure.drawn.profile!r}"
    lines.append(f'@scenario("Drawn by chance, number {number}", covers=(){profile})'.replace("'", '"'))
    lines += [
        f"def number_{number}(stage: Stage) -> None:",
        '    """What was drawn."""',
        "    players = Players(stage)",
    ]
    lines += [f"    {as_python(act, WRITTEN, 4)}" for act in course]
    lines.append("    stage.settle()")
    return "\n".join(lines) + "\n"


def _imports(failure: Failure) -> list[Text]:
    used = {name for name in names_in(failure.drawn.course) if name not in WRITTEN}
    system_api = any(name.startswith("ic0.") for name in used)
    scripted = sorted(name for name in used - {"MANAGEMENT_CANISTER"} if not name.startswith("ic0."))
    assert all(name in CONSTANTS or name.isidentifier() for name in scripted)
    lines = [f"from conformance import Stage, {'ic0, ' if system_api else ''}scenario"]
    if scripted:
        lines.append(f"from conformance.canisters.scripted import {', '.join(scripted)}")
    lines.append("from conformance.fuzzing.acts import Players")
    if "MANAGEMENT_CANISTER" in used:
        lines.append("from spec.values.identifiers import MANAGEMENT_CANISTER")
    return lines
