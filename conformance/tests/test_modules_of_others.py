"""
Modules that others made are installed, called, queried and upgraded by `icspec run` alone, on both engines.

They are no part of the repository. Each story of the folder `others` says where its module is had; the tests take them
from the folder that the variable `ICSPEC_MODULES` names, and that of azle from the registry of npm.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

STORIES = sorted((Path(__file__).parent / "others").glob("*.toml"))
AZLE = "azle@0.33.0"
TEMPLATE = "package/dist/canister_templates/stable.wasm"


def files_of(story: Path) -> set[str]:
    """The modules and interfaces that a story names."""
    told = tomllib.loads(story.read_text())
    tables = [told, *told["step"]]
    return {table[name] for table in tables for name in ("module", "did", "upgrade") if name in table}


def kinds_of(story: Path) -> set[str]:
    """What its steps do."""
    return {name for step in tomllib.loads(story.read_text())["step"] for name in step}


def from_npm(target: Path) -> None:
    """Writes the template of azle into a file."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, and ICSPEC_MODULES names no folder with azle.wasm")
    packed = subprocess.run(["npm", "pack", AZLE], cwd=target.parent, capture_output=True, text=True, check=False)
    if packed.returncode != 0:
        pytest.skip(f"npm does not give {AZLE}: {packed.stderr.strip().splitlines()[-1:]}")
    with tarfile.open(next(target.parent.glob("*.tgz"))) as archive:
        member = archive.extractfile(TEMPLATE)
        assert member is not None
        target.write_bytes(member.read())


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.stem)
def test_a_story_installs_calls_and_upgrades(story: Path) -> None:
    """And its first line says where the module is had."""
    assert {"call", "upgrade"} <= kinds_of(story)
    first = story.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert "dfinity/" in first or "npm" in first


def test_more_than_ten_stories_query_as_well() -> None:
    """One module has no method that can be queried."""
    assert sum("query" in kinds_of(story) for story in STORIES) > 10


@pytest.mark.deep
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.stem)
def test_the_module_does_what_its_story_expects(story: Path, tmp_path: Path) -> None:
    """On the specification, and on the reference implementation, which the specification judges."""
    folder = Path(os.environ.get("ICSPEC_MODULES", tmp_path / "none"))
    for name in files_of(story):
        if (folder / name).is_file():
            shutil.copy(folder / name, tmp_path / name)
        elif name == "azle.wasm":
            from_npm(tmp_path / name)
        else:
            pytest.skip(f"{name} is not in the folder that ICSPEC_MODULES names")
    shutil.copy(story, tmp_path / story.name)
    command = [sys.executable, "-m", "spec.tooling.command_line", "run", str(tmp_path / story.name)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3_000:] + ended.stderr
    assert "the specification: pass" in ended.stdout
    assert "the implementation: pass" in ended.stdout
