"""Whatever is wrong with what a command is given, it says so in one line of standard error, and ends with 2."""

import os
from collections import Counter
from pathlib import Path

import pytest

from spec.tooling.command_line import main, verbs

START = '{"event": "start", "format": "observed/1", "system_time": 1}\n'

FILES = {
    "text": b"a text\n",
    "text.py": b"a text\n",
    "raises.py": b"raise ValueError('no')\n",
    "nothing.py": b"",
    "leaves.py": b"import sys; sys.exit(3)\n",
    "text.toml": b"a text\n",
    "unknown.toml": b"module = 'm.wasm'\ncolour = 'red'\n",
    "without.toml": b"cycles = 5\n",
    "steps.toml": b"module = 'm.wasm'\nstep = 5\n",
    "many.toml": b"module = 'm.wasm'\ncycles = 'many'\n",
    "broken.wasm": b"\x00asm\x01\x00\x00\x00\xff",
    "m.wasm": b"\x00asm\x01\x00\x00\x00",
    "text.wat": b"a text",
    "empty.wat": b"(module)",
    "text.wast": b"(module",
    "bytes": b"\xff\xfe\x00",
    "list.json": b"[]",
    "empty.ndjson": b"",
    "later.ndjson": b'{"event": "rest"}\n',
    "twice.ndjson": START.encode() * 2,
    "field.ndjson": START.encode() + b'{"event": "rest", "why": 1}\n',
    "profile.ndjson": START.replace('"system_time"', '"profile": "none", "system_time"').encode(),
}
"""Files in the folder in which the commands are given; `folder/` and `empty/` are there too."""

CASES = """
no-such-verb
fuzz --time soon
fuzz --time 0
fuzz --count 0
fuzz --count many
fuzz --workers 0
fuzz --count 1 --time 1s
fuzz --workers 1 --cluster tcp://127.0.0.1:1
fuzz --count 1 --corpus text
fuzz --count 1 --corpus no/such/folder/corpus
fuzz --count 1 --corpus folder
fuzz --implementation no-such-command
fuzz --implementation '
fuzz --count 1 --cluster nowhere
fuzz --count 1 --json no/such/folder/report
fuzz one
validate later.ndjson --json no/such/folder/report
validate
validate no-such-file
validate folder
validate bytes
validate text
validate empty.ndjson
validate later.ndjson
validate twice.ndjson
validate field.ndjson
validate profile.ndjson
validate list.json
validate later.ndjson --environment stormy
validate later.ndjson --seconds 0
conform --only (
conform --only no-such-scenario
conform --workers 0
conform --environment stormy
conform --environment loaded(0)
conform --interface 0.1.0
conform --profile no-such-profile
conform --profile text.toml
conform --look often
conform --time-limit none
conform --implementation no-such-command
conform --implementation text --pocketic text
conform --pocketic no-such-server
conform --expected-failures no-such-file
conform --expected-failures text.toml
conform --json no/such/folder/report
conform --json folder
conform --colour red
conform --workers 1 --workers 2
run
run no-such-file.py
run text
run text.py
run raises.py
run nothing.py
run leaves.py
run folder
run broken.wasm
run m.wasm --call no-parentheses
run m.wasm --call f(
run m.wasm --init ("
run m.wasm --upgrade no-such-file.wasm
run m.wasm --did no-such-file.did
run m.wasm --wait soon
run text.toml
run unknown.toml
run without.toml
run steps.toml
run many.toml
run m.wasm text.py
run text.py --call f()
run nothing.py --look often
stdio --profile no-such-profile
stdio --colour red
count no-such-file --call f
count text --call f
count broken.wasm --call f
count text.wat --call f
count empty.wat --call canister_update_f
count empty.wat --call f --limit 0
count empty.wat --call f --limit many
count empty.wat --call f --engine slow
count empty.wat --call f --caller nobody
count empty.wat --call f --cycles -1
count empty.wat --call f --profile none
count empty.wat
coverage --checklist no-such-file
coverage --checklist text
coverage --checklist list.json
coverage --list no-such-list
explore --world no-such-world
explore --depth many
explore --profile none
prove --rule no_such_rule
prove --invariant no_such_invariant
prove --workers 0
mutate --count none
mutate --area nowhere
mutate --only (
wast
wast no-such-file.wast
wast text.wast
wast bytes
wast empty --engine fast
fill
fill text
fill new --only (
fill new --only no-such-scenario
fill new --workers 0
fill new --release first
consume no-such-folder
consume empty
consume text
consume empty --format scenario/2
consume empty --implementation no-such-command
serve --port many
serve --port 70000
serve --nodes 0
serve --threads 0
serve --profile none
serve --state-dir text
serve --host no.such.host.invalid
"""

BAD = [line.split(" ") for line in CASES.strip().splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the files, in which the command is given."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    for name in ("folder", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / "file").write_text("something")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_are_many_cases_for_every_verb() -> None:
    """At least 85, and at least one of each verb that is registered."""
    count = Counter(words[0] for words in BAD)
    assert len({tuple(words) for words in BAD}) == len(BAD) >= 85
    assert set(verbs()) <= set(count)


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_bad_input_is_told_in_one_line(words: list[str], folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The line begins with the command; nothing is printed beside it, and no file is left behind."""
    try:
        code = main(words)
    except SystemExit as ended:
        code = int(str(ended.code))
    told = capfd.readouterr()
    lines = told.err.splitlines()
    assert (code, len(lines), told.out) == (2, 1, ""), told
    verb = f"icspec {words[0]}" if words[0] in verbs() else "icspec"
    assert lines[0].startswith(f"{verb}: ")
    assert len(lines[0]) > len(verb) + 5
    assert "Traceback" not in lines[0]
    assert not (folder / "new").exists()
    assert os.listdir(folder / "empty") == []
