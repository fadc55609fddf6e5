"""Stories on the command line: options in the order in which they are given."""

import argparse
import re
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from conformance.stories.story import (
    CONTROLLER,
    Act,
    Install,
    Invoke,
    LoadSnapshot,
    Step,
    Story,
    StoryError,
    TakeSnapshot,
    TopUp,
    number,
    waited,
)
from spec.values.identifiers import MethodName, Text

CALL: Final = re.compile(r'\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s("]+))\s*(?P<values>\(.*\))?\s*', re.DOTALL)
"""A method, in quotes if its name holds a blank or a bracket, and values in parentheses."""

OPTIONS: Final[dict[str, tuple[str | None, str]]] = {
    "--init": ("(…)", "the argument of the installation or upgrade before"),
    "--did": ("FILE", "the interface of the module before; unless given, what its section candid:service tells"),
    "--call": ("METHOD(…)", "an update call"),
    "--query": ("METHOD(…)", "a query call"),
    "--attach": ("CYCLES", "the call before bears cycles: another canister makes it for the sender"),
    "--expect": ("(…)|reject", "what the step before must give; if it does not, the exit code is 1"),
    "--as": ("NAME", "who does what follows: alice, who controls the canister, bob, any name, or a principal"),
    "--upgrade": ("MODULE", "another module takes the place of the code"),
    "--reinstall": ("MODULE", "another module takes its place, and nothing is left of what it kept"),
    "--wait": ("SECONDS", "time passes"),
    "--take-snapshot": (None, "the state of the canister is kept"),
    "--load-snapshot": (None, "the state that was kept last comes back"),
    "--top-up": ("CYCLES", "the canister gets cycles"),
}
"""By name: what stands after it, and what it means."""

Given = list[tuple[str, str | None]]
"""Options with what stands after them, in their order."""


class InOrder(argparse.Action):
    """Keeps the options of a story in the order in which they are given."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        given: Given = [*(getattr(namespace, self.dest) or ()), (option_string, values or None)]
        setattr(namespace, self.dest, given)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a story; what was given stands in `told`."""
    group = parser.add_argument_group("a module of one's own, in the order in which things are done")
    for name, (metavar, meaning) in OPTIONS.items():
        takes = {"nargs": 0} if metavar is None else {"metavar": metavar}
        group.add_argument(name, action=InOrder, dest="told", help=meaning, **takes)


def story_of_options(module: Path, given: Given) -> Story:
    """The story that options tell of a module. Raises `StoryError`."""
    steps = [Step(str(module), Install(module))]
    sender = CONTROLLER
    for name, value in given:
        place = name if value is None else f"{name} {value}"
        match name:
            case "--as":
                if not value:
                    raise StoryError("--as: a name is missing")
                sender = value
            case "--expect":
                steps[-1] = evolve(steps[-1], expected=value)
            case "--init" | "--did" | "--attach":
                steps[-1] = evolve(steps[-1], act=completed(steps[-1].act, name, value or "", place))
            case _:
                steps.append(Step(place, act_of(name, value or "", place), sender))
    return Story(str(module), tuple(steps))


def completed(act: Act, name: Text, value: Text, place: Text) -> Act:
    """A step about which more is said. Raises `StoryError`."""
    match act, name:
        case Install(argument=None), "--init":
            return evolve(act, argument=value)
        case Install(interface=None), "--did":
            return evolve(act, interface=Path(value))
        case Invoke(is_query=False, cycles=0), "--attach":
            return evolve(act, cycles=number(value, place))
    before = {"--attach": "an update call"}.get(name, "a module")
    raise StoryError(f"{place}: it must follow {before}, once")


def act_of(name: Text, value: Text, place: Text) -> Act:
    """The step that an option tells. Raises `StoryError`."""
    match name:
        case "--call" | "--query":
            method, argument = method_and_values(value, place)
            return Invoke(method, argument, is_query=name == "--query")
        case "--upgrade" | "--reinstall":
            return Install(Path(value), mode=name.removeprefix("--"))
        case "--wait":
            return waited(value, place)
        case "--top-up":
            return TopUp(number(value, place))
        case "--take-snapshot":
            return TakeSnapshot()
    return LoadSnapshot()


def method_and_values(text: Text, place: Text) -> tuple[MethodName, Text | None]:
    """The name of a method and the values that are given to it. Raises `StoryError`."""
    found = CALL.fullmatch(text)
    if found is None:
        raise StoryError(f"{place}: a call is written METHOD(VALUES), as in transfer(record {{ to = 1 }})")
    name = found["plain"] if found["quoted"] is None else found["quoted"]
    return MethodName(name), found["values"]
