"""A module of one's own is installed, called and upgraded from the command line, with Candid in text."""

from pathlib import Path

import pytest
import wasmtime

from conformance.commands.run import main

MOTOKO = Path(__file__).parents[1] / "canisters" / "motoko"
COUNTER, REGISTRY = str(MOTOKO / "counter.wasm"), str(MOTOKO / "registry.wasm")
SCRIPTED = str(MOTOKO.parent / "scripted.wasm")

STORY = """
module = "registry.wasm"
cycles = 20_000_000_000_000

[[step]]
call = 'put("a", blob "x\\00y")'
expect = "(null)"

[[step]]
snapshot = "take"

[[step]]
as = "bob"
call = 'put("b", blob "")'
attach = 1_000

[[step]]
query = "size()"
expect = "(2)"

[[step]]
snapshot = "load"

[[step]]
upgrade = "registry.wasm"

[[step]]
as = "bob"
upgrade = "registry.wasm"
expect = "reject"

[[step]]
wait = 60

[[step]]
top_up = 5

[[step]]
query = 'get("b")'
expect = "(null)"
"""


def test_a_story_in_a_file_is_played(tmp_path, capsys):
    (tmp_path / "registry.wasm").symlink_to(REGISTRY)
    (tmp_path / "story.toml").write_text(STORY)
    assert main([str(tmp_path / "story.toml"), "--spec-only"]) == 0
    told = capsys.readouterr().out
    assert 'alice calls the canister.put("a", blob "x\\00y")' in told
    assert "answers get: reply (null)" in told or "reply (null)" in told
    assert "calls the purse" in told
    assert "instructions" in told
    assert "respond_to_user" not in told


def test_a_module_is_played_on_both_engines_and_what_is_expected_is_checked(capsys):
    calls = ["--call", "inc()", "--expect", "(1)", "--as", "bob", "--query", "read()", "--expect", "(1 : nat)"]
    assert main([COUNTER, *calls]) == 0
    told = capsys.readouterr().out
    assert "the specification: pass" in told
    assert "the implementation: pass" in told
    assert "bob queries the canister.read()" in told


def test_another_answer_than_is_expected_gives_the_exit_code_1(capsys):
    assert main([COUNTER, "--call", "inc()", "--expect", "(2)", "--spec-only", "--trace"]) == 1
    told = capsys.readouterr().out
    assert "the answer is reply (1)" in told
    assert "allowed: an answer that is a reply of (2)" in told
    assert "respond_to_user" in told


def test_a_module_without_an_interface_takes_bytes_as_values_show_them(capsys):
    assert main([SCRIPTED, "--call", "update", "--spec-only"]) == 0
    assert "alice calls the canister.update" in capsys.readouterr().out


REPLIES_BYTES = """(module (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (memory 1) (data (i32.const 0) "hi")
  (func (export "canister_query greet") (call $append (i32.const 0) (i32.const 2)) (call $reply)))"""


@pytest.mark.parametrize(("expected", "code"), [('(blob "hi")', 0), ('(blob "ho")', 1), ("(5)", 1)])
def test_a_reply_that_is_no_message_is_the_blob_alone(expected, code, tmp_path, capsys):
    module = tmp_path / "greeter.wasm"
    module.write_bytes(wasmtime.wat2wasm(REPLIES_BYTES))
    assert main([str(module), "--query", "greet", "--expect", expected, "--spec-only"]) == code
    assert f"the specification: {'fail' if code else 'pass'}" in capsys.readouterr().out


def test_another_interface_can_be_given(tmp_path, capsys):
    did = tmp_path / "counter.did"
    did.write_text("service : { inc : () -> (nat64) }")
    assert main([COUNTER, "--did", str(did), "--call", "inc()", "--expect", "(1)", "--spec-only"]) == 0
    assert main([COUNTER, "--did", str(did), "--call", "inc(1)", "--spec-only"]) == 2
    assert capsys.readouterr().err == "icspec run: --call inc(1): there are 1 values, not 0\n"


@pytest.mark.parametrize(
    ("arguments", "because"),
    [
        (["nothing.wasm"], "nothing.wasm: No such file or directory"),
        ([str(MOTOKO / "nothing.toml")], f"{MOTOKO / 'nothing.toml'}: No such file or directory"),
        (["FILE.wasm"], "FILE.wasm: "),
        ([COUNTER, COUNTER], f"{COUNTER}: one module or story at a time"),
        ([COUNTER, "--only", "x"], f"{COUNTER}: --only chooses scenarios of a Python file"),
        ([COUNTER, "--init", "(5)"], f"{COUNTER}: init (5): there are 1 values, not 0"),
        ([COUNTER, "--did", "nothing.did"], "nothing.did: No such file or directory"),
        (
            [COUNTER, "--call", "out()"],
            "--call out(): no method 'out' can be called (there are: inc, read, read_forgotten, set)",
        ),
        (
            [COUNTER, "--query", "set(1)"],
            "--query set(1): no method 'set' can be queried (there are: read, read_forgotten)",
        ),
        ([COUNTER, "--call", "set"], "--call set: the value 0 is missing"),
        ([COUNTER, "--call", "set(-1)"], "--call set(-1): -1 is no nat"),
        (
            [COUNTER, "--call", "set(1"],
            "--call set(1: a call is written METHOD(VALUES), as in transfer(record { to = 1 })",
        ),
        (
            [COUNTER, "--call", "inc", "--expect", "(true)"],
            "--call inc: a value of the kind 'true' stands where nat is expected",
        ),
        ([COUNTER, "--attach", "5"], "--attach 5: it must follow an update call, once"),
        ([COUNTER, "--call", "inc", "--init", "()"], "--init (): it must follow a module, once"),
        ([COUNTER, "--wait", "long"], "--wait long: 'long' is no number"),
        ([COUNTER, "--load-snapshot"], "--load-snapshot: no snapshot was taken before"),
        ([COUNTER, "--as", "aaa-bbb", "--call", "inc"], "--call inc: 'aaa-bbb' is not a principal: "),
        ([COUNTER, "--upgrade", "nothing.wasm"], "nothing.wasm: No such file or directory"),
        ([__file__, "--call", "inc"], f"{__file__}: --call is for a module (.wasm, .wasm.gz)"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line_before_anything_is_done(
    arguments, because, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("FILE.wasm").write_bytes(b"no module")
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"icspec run: {because}")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("module = 5", "story.toml: module is a text"),
        ("modul = 'counter.wasm'", "story.toml: modul is not known here (known: cycles, did, init, module, step)"),
        ("", "story.toml: module is missing"),
        ("module =", "story.toml: Invalid value"),
        ("module = 'counter.wasm'\nstep = 5", "story.toml: steps are tables, each under [[step]]"),
        ("module = 'counter.wasm'\n[[step]]", "story.toml: step 1: it has one of call, query, "),
        (
            "module = 'counter.wasm'\n[[step]]\ncall = 'inc'\nquery = 'read'",
            "story.toml: step 1: it has one of call, query, ",
        ),
        ("module = 'counter.wasm'\n[[step]]\nwait = true", "story.toml: step 1: wait: True is no number"),
        ("module = 'counter.wasm'\n[[step]]\nsnapshot = 'lose'", "story.toml: step 1: snapshot is one of take, load"),
        (
            "module = 'counter.wasm'\n[[step]]\nquery = 'read'\nattach = 5",
            "story.toml: step 1: attach is not known here",
        ),
        (
            "module = 'counter.wasm'\n[[step]]\ncall = 'set(true)'",
            "story.toml: step 1: a value of the kind 'true' stands where nat is",
        ),
    ],
)
def test_what_makes_no_sense_in_a_story_is_told_with_its_place(text, because, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("counter.wasm").symlink_to(COUNTER)
    Path("story.toml").write_text(text)
    assert main(["story.toml"]) == 2
    assert capsys.readouterr().err.startswith(f"icspec run: {because}")


def test_a_file_that_tells_a_story_takes_no_options_of_one(tmp_path, capsys):
    story = tmp_path / "story.toml"
    story.write_text(f"module = {COUNTER!r}")
    assert main([str(story), "--call", "inc"]) == 2
    assert capsys.readouterr().err == f"icspec run: {story}: the file tells the story, so --call has no meaning\n"
