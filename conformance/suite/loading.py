"""Where scenarios are found: those of the suite, and those of a file of one's own."""

import importlib.util
import pkgutil
import re
import sys
from importlib import import_module
from pathlib import Path

from conformance.suite import scenarios as bundled_scenarios
from conformance.suite.scenario import Scenario, registered
from spec.values.identifiers import Text


class ScenarioFileError(Exception):
    """A file with scenarios cannot be used. The message names the file and says why."""


def all_scenarios() -> list[Scenario]:
    """The scenarios of the suite, group by group."""
    for found in sorted(pkgutil.iter_modules(bundled_scenarios.__path__), key=lambda each: each.name):
        import_module(f"{bundled_scenarios.__name__}.{found.name}")
    return list(registered(bundled_scenarios.__name__))


def scenarios_of_file(path: Path) -> list[Scenario]:
    """The scenarios that a Python file registers. Raises `ScenarioFileError` if it cannot be used."""
    if path.suffix != ".py":
        raise ScenarioFileError(f"{path}: a scenario file is a Python file (.py)")
    if not path.is_file():
        raise ScenarioFileError(f"{path}: there is no such file")
    bundled = [each for each in all_scenarios() if _file_of(each) == path.resolve()]
    if bundled:
        return bundled
    name = f"scenario_files.{path.stem}"
    loader_spec = importlib.util.spec_from_file_location(name, path)
    assert loader_spec is not None
    assert loader_spec.loader is not None
    module = importlib.util.module_from_spec(loader_spec)
    try:
        loader_spec.loader.exec_module(module)
    except (Exception, SystemExit) as problem:
        line = getattr(problem, "lineno", None)
        place = f"{path}:{line}" if line else f"{path}"
        raise ScenarioFileError(f"{place}: {type(problem).__name__}: {problem}") from None
    found = registered(name)
    if not found:
        raise ScenarioFileError(f"{path}: no function in it is marked with @scenario")
    return list(found)


def _file_of(scenario: Scenario) -> Path:
    """The file of the group that a scenario belongs to."""
    return Path(str(sys.modules[scenario.script.__module__].__file__))


def selected(scenarios: list[Scenario], pattern: Text | None) -> list[Scenario]:
    """Those whose id or title matches a regular expression."""
    if pattern is None:
        return scenarios
    wanted = re.compile(pattern)
    return [each for each in scenarios if wanted.search(each.id) or wanted.search(each.title)]
