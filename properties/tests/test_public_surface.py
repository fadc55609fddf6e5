"""What the packages offer in Python, and that the page about it is true."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "use-from-python.md"
PACKAGES = ("spec", "reference_impl", "properties", "conformance")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_no_other_is_promised(package):
    module = import_module(package)
    promised = {name for names in module._HOMES.values() for name in names}
    assert set(module.__all__) == promised == set(dir(module))
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="has no public name 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_loads_nothing_before_a_name_is_asked_for(package):
    program = f"import sys, {package}; print(*(name for name in sys.modules if name.split('.')[0] in {PACKAGES}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) <= {package, "spec", "spec.public_names"}


def test_the_programs_of_the_page_print_what_it_says():
    text = PAGE.read_text()
    programs = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    printed = "".join(re.findall(r"```text\n(.*?)```", text, re.DOTALL))
    ran = subprocess.run([sys.executable, "-c", programs], capture_output=True, text=True)
    assert (ran.stdout, ran.returncode) == (printed, 0), ran.stderr


def test_every_name_in_the_table_of_the_page_is_public():
    text = PAGE.read_text()
    named = 0
    for package, names in re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|$", text, re.MULTILINE):
        public = import_module(package).__all__
        methods = set(dir(getattr(import_module(package), "Engine", None)))
        for name in re.findall(r"`(\w+)`", names):
            assert name in public or name in methods, (package, name)
            named += 1
    assert named > 30
