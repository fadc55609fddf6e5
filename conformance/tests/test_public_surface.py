"""What `import conformance` offers, and that the page about it is true."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import conformance

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-scenario.md"


def programs() -> list[str]:
    """The Python programs of the page."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_every_public_name_is_there_and_no_other_is_promised() -> None:
    """And it is what stands where it comes from."""
    promised = {name for names in conformance._HOMES.values() for name in names}
    assert set(conformance.__all__) == promised == set(dir(conformance))
    for name in conformance.__all__:
        assert getattr(conformance, name) is not None
    with pytest.raises(AttributeError, match="no public name 'nothing'"):
        conformance.nothing  # noqa: B018


def test_the_scripted_canister_is_imported_without_the_judge() -> None:
    """So that whoever serves an implementation does not load what judges it."""
    program = "import sys, conformance.canisters.scripted; sys.exit('conformance.judging' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_the_page_plays_and_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worked example is run as it stands, with the command of this environment."""
    written, judging = programs()
    (tmp_path / "relay.py").write_text(written)
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "spec.tooling.command_line", "stdio"]
    changed = judging.replace('["icspec", "stdio"]', repr(command))
    assert changed != judging
    names: dict[str, Any] = {}
    exec(compile(changed, str(PAGE), "exec"), names)
    assert "the system answers update: reject CANISTER_REJECT (4)" in capsys.readouterr().out
    assert names["case"].judged_by == "search"
