"""What `pip install .` gives works outside a checkout: every command, with the files that it reads."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("spec", "reference_impl", "conformance", "properties", "docs")

Run = Callable[..., str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this project."""
    built = tmp_path_factory.mktemp("wheel")
    words = ["pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(built)]
    subprocess.run([sys.executable, "-m", *words], check=True, capture_output=True)
    (found,) = built.glob("icspec-*.whl")
    return found


@pytest.fixture
def run(wheel: Path, tmp_path: Path) -> Run:
    """
    Runs Python in an empty folder, with what the wheel holds and the packages that it needs, and gives what it prints.

    Without `site`, so that nothing leads back to the checkout.
    """
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    zipfile.ZipFile(wheel).extractall(installed)
    empty.mkdir()
    places = [str(installed), sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}

    def run(*words: str) -> str:
        command = [sys.executable, "-S", *words]
        done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_wheel_has_every_file_of_its_folders(wheel: Path) -> None:
    """Profiles, modules of canisters, schemas, facts and pages among them."""
    listed = subprocess.run(["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    assert "spec/profiles/production.toml" in files
    assert files - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_every_verb_is_found_and_loaded(run: Run) -> None:
    printed = run("-c", "import spec; print(spec.__file__); from spec.tooling.command_line import main; main(['help'])")
    place, *lines = printed.splitlines()
    assert "installed" in place
    verbs = {line.split()[0] for line in lines if line.startswith("  ")}
    assert verbs >= {"conform", "consume", "count", "coverage", "explore", "fill", "prove", "run", "serve", "stdio"}


def test_it_judges_counts_and_runs_in_an_empty_folder(run: Run, tmp_path: Path) -> None:
    """With modules of one's own, too."""
    icspec = ("-m", "spec.tooling.command_line")
    judged = run(*icspec, "conform", "--only", "^requests/anonymous_calls$", "--workers", "1")
    assert "1 pass, 0 fail" in judged
    canisters = tmp_path / "installed" / "conformance" / "canisters"
    counted = run(*icspec, "count", str(canisters / "scripted.wasm"), "--call", "canister_query query")
    assert "reference: returns" in counted
    story = ("--call", "set(41)", "--call", "inc()", "--expect", "(42 : nat)")
    printed = run(*icspec, "run", str(canisters / "motoko" / "counter.wasm"), *story)
    assert "the implementation: pass" in printed
