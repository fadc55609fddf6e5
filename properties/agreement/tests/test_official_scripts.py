"""The official scripts of WebAssembly on the code that the reference implementation makes of modules."""

import os
import tarfile
from pathlib import Path

import pytest
import wasmtime

from properties.agreement.official_scripts import RewrittenScript
from spec.profile import load_profile
from spec.tooling.wast.script import Report, run_script

OFFICIAL = Path(os.environ.get("WASM_TESTSUITE") or Path(__file__).parents[4] / "shared" / "wasm-testsuite.tar.gz")
"""The scripts of WebAssembly/testsuite, as an archive."""

QUICK = (
    "i32.wast",
    "f64.wast",
    "call_indirect.wast",
    "memory.wast",
    "simd_i8x16_arith.wast",
    "linking.wast",
    "imports.wast",
    "elem.wast",
    "global.wast",
    "data.wast",
)
"""Those that are run always."""


def compile_text(text: str) -> bytes:
    """The binary of the text of a module."""
    return bytes(wasmtime.wat2wasm(text))


def passed(names: tuple[str, ...] | None) -> Report:
    """What becomes of some scripts, or of all."""
    report, limits = Report(), load_profile("production").limits
    with tarfile.open(OFFICIAL) as archive:
        for member in archive.getmembers():
            path = Path(member.name)
            if path.suffix == ".wast" and (names is None or path.name in names):
                content = archive.extractfile(member)
                assert content is not None
                text = content.read().decode("utf-8", "surrogateescape")

                run_script(member.name, text, compile_text, report, RewrittenScript(limits))
    assert report.failures == []
    return report


@pytest.mark.skipif(not OFFICIAL.is_file(), reason="WASM_TESTSUITE names no archive")
def test_some_official_scripts_pass_on_rewritten_modules() -> None:
    """Numbers, calls, memories, vectors, and modules that import from each other."""
    assert passed(QUICK).passed > 1_500


@pytest.mark.deep
@pytest.mark.skipif(not OFFICIAL.is_file(), reason="WASM_TESTSUITE names no archive")
def test_the_official_scripts_pass_on_rewritten_modules() -> None:
    """All that the specification's interpreter passes."""
    assert passed(None).passed == 62_431
