"""Every verb tells bad input in one line that names what is wrong, and ends with code 2."""

from pathlib import Path

import pytest

from spec.tooling.command_line import main, verbs

FILES = {
    "noise.wasm": b"\xff\xfe\x00\x01noise",
    "noise.wat": b"\xff\xfe\x00\x01noise",
    "broken.wat": b"(module (func (export",
    "empty.wasm": b"",
    "cut.wasm": b"\0asm\1\0\0\0\1\xff",
    "cut.gz.wasm": b"\x1f\x8b\x08\0\0",
    "good.wat": b'(module (func (export "canister_update go")))',
    "noise.wast": b"\xff\xfe\x00",
    "broken.wast": b"(module",
    "noise.py": b"\xff\xfe\x00",
    "broken.py": b"def broken(:\n",
    "failing.py": b"raise ValueError('one\\ntwo \\x1b[31m')\n",
    "importing.py": b"import no_such_module\n",
    "leaving.py": b"raise SystemExit(0)\n",
    "empty.py": b"",
    "notes.txt": b"notes",
    "noise.json": b"\xff\xfe\x00",
    "broken.json": b"{",
    "list.json": b"[1, 2]",
    "deep.json": b"[" * 100_000,
    "long.json": b"[" + b"9" * 5000 + b"]",
    "noise.toml": b"\xff\xfe\x00",
    "broken.toml": b"[limits",
    "empty.toml": b"",
    "deep.toml": b"a = " + b"[" * 100_000,
    "wrong.toml": b"[limits]\nmessage_instructions = 'many'\n",
    "strange\x1b[31m\nname.json": b"{",
}
"""Files of a folder, in which each verb is called."""

LONG = "9" * 5_000

CASES: dict[str, list[tuple[list[str], str]]] = {
    "conform": [
        (["--no-such-option"], "--no-such-option"),
        (["extra"], "extra"),
        (["--implementation"], "--implementation"),
        (["--implementation", ""], "empty"),
        (["--implementation", '"'], "is not a command"),
        (["--implementation", "no-such-command-here"], "cannot start no-such-command-here: No such file"),
        (["--implementation", "./notes.txt"], "cannot start ./notes.txt: Permission denied"),
        (["--implementation", "."], "cannot start .: Permission denied"),
        (["--implementation", "'a\nb\x1b'"], "cannot start"),
        (["--implementation", "false"], "false: describe: the process ended with code 1"),
        (["--implementation", "true"], "true: describe: the process ended with code 0"),
        (["--implementation", "sh -c 'echo no >&2; exit 3'"], "the process ended with code 3: no"),
        (["--only", "("], "'(' is not a regular expression"),
        (["--only", "nothing is called that"], "no scenario matches 'nothing is called that'"),
        (["--workers", "0"], "--workers"),
        (["--workers", "-1"], "--workers"),
        (["--workers", "many"], "--workers"),
        (["--workers", LONG], "--workers"),
        (["--workers", "१"], "--workers"),
        (["--environment", "stormy"], "stormy"),
        (["--environment", "loaded(-1)"], "loaded(-1)"),
        (["--environment", f"loaded({LONG})"], "loaded(9999"),
        (["--environment", "loaded(१)"], "is no environment"),
        (["--profile", "none"], "none"),
        (["--profile", "broken.toml"], "broken.toml"),
        (["--profile", "noise.toml"], "noise.toml"),
        (["--profile", "empty.toml"], "empty.toml"),
        (["--profile", "wrong.toml"], "wrong.toml"),
        (["--profile", "deep.toml"], "deep.toml"),
        (["--profile", "."], "."),
        (["--time-limit", "0"], "--time-limit"),
        (["--time-limit", "soon"], "--time-limit"),
        (["--time-limit", LONG], "--time-limit"),
        (["--expected-failures", "missing.toml"], "missing.toml"),
        (["--expected-failures", "broken.toml"], "broken.toml"),
        (["--expected-failures", "noise.toml"], "noise.toml"),
        (["--expected-failures", "deep.toml"], "deep.toml"),
        (["--expected-failures", "."], "."),
        (["--json", "no/such/report.json"], "no/such/report.json"),
        (["--json", "."], "."),
        (["--json", "one", "--junit", "one"], "one"),
    ],
    "run": [
        ([], "FILE"),
        (["missing.py"], "missing.py: there is no such file"),
        (["notes.txt"], "notes.txt"),
        (["."], "."),
        (["empty.py"], "empty.py: no function in it is marked"),
        (["broken.py"], "broken.py:1: SyntaxError"),
        (["noise.py"], "noise.py"),
        (["failing.py"], "failing.py: ValueError: one\\ntwo \\x1b[31m"),
        (["importing.py"], "importing.py: ModuleNotFoundError"),
        (["leaving.py"], "leaving.py: SystemExit"),
        (["a.py", "--only", "("], "'(' is not a regular expression"),
        (["a.py", "--implementation", '"'], "is not a command"),
        (["a.py", "--profile", "none"], "none"),
        (["{suite}/calls.py", "--only", "no such scenario"], "no scenario matches 'no such scenario'"),
        (["{suite}/calls.py", "--implementation", "no-such-command-here"], "cannot start no-such-command-here"),
        (["{suite}/calls.py", "--implementation", "false"], "the process ended with code 1"),
    ],
    "serve": [
        (["--no-such-option"], "--no-such-option"),
        (["extra"], "extra"),
        (["--port"], "--port"),
        (["--port", "-1"], "--port"),
        (["--port", "65536"], "'65536' is not a port"),
        (["--port", LONG], "--port"),
        (["--port", "१"], "is not a port"),
        (["--nodes", "0"], "is not a number of nodes"),
        (["--nodes", "101"], "is not a number of nodes"),
        (["--nodes", LONG], "--nodes"),
        (["--host", "no such host"], "no such host"),
        (["--port-file", "."], "."),
        (["--port-file", "no/such/folder"], "no/such/folder"),
        (["--profile", "none"], "none"),
        (["--profile", "broken.toml"], "broken.toml"),
        (["--profile", "noise.toml"], "noise.toml"),
        (["--profile", "wrong.toml"], "wrong.toml"),
        (["--profile", "."], "."),
    ],
    "stdio": [
        (["--no-such-option"], "--no-such-option"),
        (["extra"], "extra"),
        (["--profile"], "--profile"),
        (["--profile", "none"], "none"),
        (["--profile", "broken.toml"], "broken.toml"),
        (["--profile", "deep.toml"], "deep.toml"),
        (["--profile", "a\x1b[31m\nb"], "a\\x1b[31m\\nb"),
        (["--spec", "--no-such-option"], "--no-such-option"),
        (["--spec", "extra"], "extra"),
        (["--spec", "--profile"], "--profile"),
        (["--spec", "--profile", "none"], "none"),
        (["--spec", "--profile", "broken.toml"], "broken.toml"),
    ],
    "count": [
        ([], "MODULE"),
        (["good.wat"], "--call"),
        (["missing.wat", "--call", "x"], "missing.wat: No such file"),
        ([".", "--call", "x"], ".: Is a directory"),
        (["noise.wasm", "--call", "x"], "noise.wasm"),
        (["noise.wat", "--call", "x"], "noise.wat"),
        (["empty.wasm", "--call", "x"], "empty.wasm"),
        (["cut.wasm", "--call", "x"], "cut.wasm"),
        (["cut.gz.wasm", "--call", "x"], "cut.gz.wasm"),
        (["broken.wat", "--call", "x"], "broken.wat"),
        (["good.wat", "--call", "no such export"], "good.wat"),
        (["good.wat", "--call", "\x1b[31m"], "good.wat"),
        (["good.wat", "--call", "x", "--limit", "-1"], "--limit"),
        (["good.wat", "--call", "x", "--limit", "many"], "--limit"),
        (["good.wat", "--call", "x", "--limit", LONG], "--limit"),
        (["good.wat", "--call", "x", "--engine", "steam"], "--engine"),
        (["good.wat", "--call", "x", "--profile", "none"], "none"),
        (["good.wat", "--call", "x", "--profile", "wrong.toml"], "wrong.toml"),
    ],
    "coverage": [
        (["--no-such-option"], "--no-such-option"),
        (["--checklist", "missing.json"], "missing.json"),
        (["--checklist", "."], "."),
        (["--checklist", "noise.json"], "noise.json"),
        (["--checklist", "broken.json"], "broken.json"),
        (["--checklist", "list.json"], "list.json"),
        (["--checklist", "deep.json"], "deep.json"),
        (["--checklist", "long.json"], "long.json"),
        (["--checklist", "strange\x1b[31m\nname.json"], "strange\\x1b[31m\\nname.json"),
        (["--list", "none"], "none"),
    ],
    "explore": [
        (["--no-such-option"], "--no-such-option"),
        (["--world", "none"], "no world is named 'none'"),
        (["--world", "two-callers", "--depth", "-1"], "--depth"),
        (["--world", "two-callers", "--depth", "deep"], "--depth"),
        (["--world", "two-callers", "--depth", LONG], "--depth"),
        (["--world", "two-callers", "--most-states", "0"], "--most-states"),
        (["--world", "two-callers", "--profile", "none"], "none"),
    ],
    "mutate": [
        (["--no-such-option"], "--no-such-option"),
        (["--area", "none"], "--area"),
        (["--count", "0"], "--count"),
        (["--count", LONG], "--count"),
        (["--workers", "many"], "--workers"),
        (["--mutant", "none"], "no mutant drawn is 'none'"),
        (["--resume", "noise.wast"], "noise.wast"),
        (["--resume", "."], "."),
        (["--json", "no/such/report.json"], "no/such/report.json"),
    ],
    "prove": [
        (["--rule", "no_such_rule"], "there is no rule 'no_such_rule'"),
        (["--rule", "\x1b[31m"], "there is no rule"),
        (["--invariant", "no_such_invariant"], "there is no invariant 'no_such_invariant'"),
        (["--rule", "deposit_cycles", "--workers", "0"], "--workers"),
        (["--rule", "deposit_cycles", "--workers", "many"], "--workers"),
        (["--rule", "deposit_cycles", "--workers", LONG], "--workers"),
        (["--rule", "deposit_cycles", "--json", "no/such/report.json"], "no/such/report.json"),
        (["--rule", "deposit_cycles", "--json", "."], "."),
        (["--rule", "deposit_cycles", "--smtlib", "notes.txt"], "notes.txt"),
        (["--rule", "deposit_cycles", "--smtlib", "notes.txt/inside"], "notes.txt"),
    ],
    "fill": [
        ([], "DIR"),
        (["."], "."),
        (["notes.txt"], "notes.txt"),
        (["notes.txt/inside", "--only", "requests/together"], "notes.txt"),
        (["filled", "--only", "("], "'(' is not a regular expression"),
        (["filled", "--only", "nothing is called that"], "no scenario matches 'nothing is called that'"),
        (["filled", "--workers", "0"], "--workers"),
        (["filled", "--release", "newest"], "newest"),
    ],
    "consume": [
        ([], "DIR"),
        (["missing"], "missing"),
        (["notes.txt"], "notes.txt"),
        (["."], "."),
        ([".", "--format", "other/1"], "--format"),
        ([".", "--implementation", ""], "empty"),
        ([".", "--only", "("], "'(' is not a regular expression"),
    ],
    "fuzz": [
        (["extra"], "extra"),
        (["--time", "soon"], "soon"),
        (["--count", "0"], "--count"),
        (["--workers", "0"], "--workers"),
        (["--count", "1", "--corpus", "notes.txt"], "notes.txt"),
        (["--count", "1", "--corpus", "no/such/corpus"], "no/such/corpus"),
        (["--implementation", ""], "empty"),
    ],
    "validate": [
        ([], "TRACE"),
        (["missing.ndjson"], "missing.ndjson"),
        (["notes.txt"], "notes.txt"),
        (["."], "."),
        (["notes.txt", "--environment", "stormy"], "stormy"),
        (["notes.txt", "--seconds", "0"], "--seconds"),
    ],
    "wast": [
        ([], "FILE"),
        (["missing.wast"], "missing.wast"),
        (["noise.wast"], "noise.wast"),
        (["broken.wast"], "broken.wast"),
        (["no_such_folder/"], "no_such_folder"),
        (["{folder}"], "there are no files *.wast"),
        (["broken.wast", "--json", "no/such/report.json"], "report.json"),
    ],
}
"""For each verb: arguments, and what the complaint says."""


def test_every_verb_has_cases() -> None:
    """None is forgotten."""
    assert CASES.keys() == verbs().keys()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files, in the folder in which a verb is called."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


SUITE = Path(__file__).parents[2] / "conformance" / "suite" / "scenarios"

EACH = [(verb, arguments, complaint) for verb, cases in CASES.items() for arguments, complaint in cases]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("verb", "arguments", "complaint"),
    EACH,
    ids=[ascii(" ".join([verb, *arguments]))[1:-1][:70] for verb, arguments, _ in EACH],
)
def test_bad_input_is_told_in_one_line(
    verb: str, arguments: list[str], complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is printable and begins with the verb; nothing is printed besides."""
    given = [each.replace("{suite}", str(SUITE)).replace("{folder}", "folder") for each in arguments]
    try:
        code = main([verb, *given])
    except SystemExit as left:
        code = left.code  # type: ignore[assignment]
    printed = capfd.readouterr()
    assert code == 2, (printed.err, printed.out)
    assert printed.out == ""
    assert printed.err.endswith("\n")
    line = printed.err.removesuffix("\n")
    assert line.isprintable(), line
    assert line.startswith(f"icspec {verb}"), line
    assert complaint in line
    assert len(line) < 1_500
