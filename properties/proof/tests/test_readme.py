"""The example in the README prints what the README says; its words are those of the code."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_prints_what_the_readme_says(tmp_path):
    example = tmp_path / "example.py"
    example.write_text(block("python"))
    ran = subprocess.run([sys.executable, example], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == (block("text"), "")


def test_every_module_is_in_the_reading_order():
    text = README.read_text()
    modules = [file for file in README.parent.glob("*/*.py") if file.stem != "__init__" and file.parent.name != "tests"]
    assert [file.stem for file in modules if f"`{file.stem}`" not in text] == []
