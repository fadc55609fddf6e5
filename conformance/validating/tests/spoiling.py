"""Traces of the reference implementation: with fields left out, or with one event changed."""

import io
import json
import random
from collections.abc import Sequence
from functools import cache
from typing import Any

from conformance.commands.arguments import bundled_implementation
from conformance.protocol.interface import Capability
from conformance.protocol.stdio import StdioImplementation
from conformance.running.case import Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.suite.looking import Looking
from conformance.suite.scenario import Scenario
from conformance.validating.recording import Recording

Line = dict[str, Any]


def told_by_events() -> list[Scenario]:
    """The scenarios in which nobody tells the system what to do of its own accord, which no event tells."""
    chosen = Capability.SCHEDULE, Capability.ATTEMPT
    return [each for each in all_scenarios() if each.needs.capabilities.isdisjoint(chosen) and not is_protocol(each)]


def is_protocol(scenario: Scenario) -> bool:
    """It is about the lines of the protocol."""
    return scenario.group in ("protocol", "impossible")


def recorded_of(scenarios: Sequence[Scenario]) -> dict[str, list[Line]]:
    """The traces of scenarios, by their ids; those alone that hold something after the start."""
    traces: dict[str, list[Line]] = {}
    implementation = StdioImplementation(bundled_implementation())
    try:
        for scenario in scenarios:
            file = io.StringIO()
            recording = Recording(implementation, file)
            description = recording.describe()
            case = run_scenario(scenario, recording, description, Manner(looking=Looking.NEVER))
            lines = [json.loads(line) for line in file.getvalue().splitlines()]
            if case.verdict.name == "pass" and len(lines) > 2:
                traces[scenario.id] = lines
    finally:
        implementation.close()
    return traces


@cache
def recorded(step: int) -> dict[str, list[Line]]:
    """The traces of every so many scenarios."""
    return recorded_of(told_by_events()[::step])


def with_fields_left_out(lines: list[Line], seed: int) -> list[Line]:
    """The trace without some fields of its events; the start is what it was."""
    chance = random.Random(seed)
    share = chance.choice((0.02, 0.1, 0.3))
    return [
        lines[0],
        *(
            {name: value for name, value in line.items() if name == "event" or chance.random() >= share}
            for line in lines[1:]
        ),
    ]


def with_one_event_changed(lines: list[Line], seed: int) -> tuple[list[Line], str]:
    """The trace with another value in one event, or without one execution or with one twice; and what was changed."""
    chance = random.Random(seed)
    place = chance.randrange(1, len(lines))
    line = dict(lines[place])
    kind = line["event"]
    if kind == "execution" and chance.random() < 0.3:
        if chance.random() < 0.5:
            return [*lines[:place], *lines[place + 1 :]], "an execution is left out"
        return [*lines[:place], line, *lines[place:]], "an execution is told twice"
    fields = [name for name in line if name != "event"]
    if not fields:
        return with_one_event_changed(lines, seed + 1_000_003)
    name = chance.choice(fields)
    line[name] = other_value(line[name], name, chance)
    return [*lines[:place], line, *lines[place + 1 :]], f"{kind}.{name}"


def other_value(value: Any, name: str, chance: random.Random) -> Any:
    """Another value of the same kind."""
    if name in ("status", "reason", "failure", "endpoint"):
        others = {
            "status": ("processing", "replied", "rejected"),
            "endpoint": ("canister", "subnet"),
        }.get(name, ("CANISTER_TRAPPED", "CANISTER_HAS_NO_CODE"))
        return chance.choice([each for each in others if each != value])
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str() if value.isdecimal():
            return str(int(value) + 1)
        case str() if value.startswith("0x") and len(value) > 2:
            place = chance.randrange(2, len(value))
            return value[:place] + ("0" if value[place] != "0" else "1") + value[place + 1 :]
        case "0x":
            return "0x00"
        case str():
            return value + "x"
        case list() if value:
            return value[:-1]
        case _:
            return ["0x01"]
