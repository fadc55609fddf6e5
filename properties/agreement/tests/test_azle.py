"""The canister template of azle, 3 MB of Rust and QuickJS compiled to WebAssembly, on both sides.

It is not part of the repository. The tests take it from the file named by `AZLE_TEMPLATE`, or by npm from the registry.
"""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from properties.agreement.stage import NO_VALUES, Stage
from reference_impl.wasm.running.module import load_module
from spec.canister.module import MalformedModule
from spec.profile import load_profile
from spec.system_api.module import parse_module

pytestmark = pytest.mark.deep
PACKAGE = "azle@0.33.0"
TEMPLATE = "package/dist/canister_templates/stable.wasm"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The module."""
    if given := os.environ.get("AZLE_TEMPLATE"):
        return Path(given).read_bytes()
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, and AZLE_TEMPLATE names no file")
    folder = tmp_path_factory.mktemp("azle")
    packed = subprocess.run(["npm", "pack", PACKAGE], cwd=folder, capture_output=True, text=True, check=False)
    if packed.returncode != 0:
        pytest.skip(f"npm does not give {PACKAGE}: {packed.stderr.strip().splitlines()[-1:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        member = archive.extractfile(TEMPLATE)
        assert member is not None
        return member.read()


def test_both_sides_take_the_template_and_charge_the_same_for_compiling_it(template: bytes) -> None:
    profile = load_profile()

    specified, loaded = parse_module(template, profile), load_module(template, profile)

    assert not isinstance(specified, MalformedModule)
    assert not isinstance(loaded, MalformedModule)
    assert specified.instructions_to_compile == loaded.instructions_to_compile == 8_896_436_000
    assert specified.update_methods == loaded.update_methods
    assert specified.query_methods == loaded.query_methods


def test_the_template_is_installed_on_both_sides(template: bytes) -> None:
    stage = Stage()

    canister = stage.installed(template, NO_VALUES)

    assert stage.canister(canister).code is not None
    assert stage.wasm_state(canister).wasm_memory.wasm_pages > 0
