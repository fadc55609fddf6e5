"""`icspec coverage` joins what is there, and every id that this project names is in the checklist."""

import json

import pytest

import properties.coverage.join as coverage_join
from properties.commands.coverage import main
from properties.coverage.checklist import CHECKLIST, Row, read_checklist
from properties.coverage.join import (
    ExceptionsError,
    covering_names,
    evidence_names,
    join,
    read_exceptions,
    rules_by_section,
)


def row(id, list="rules", **more):
    return Row(id=id, list=list, title="Title", **{"section": "abstract-behavior.md#nowhere", **more})


def test_every_id_that_is_named_is_in_a_list_and_every_exception_is_needed():
    coverage = join(read_checklist(CHECKLIST), covering_names(), evidence_names(), read_exceptions())
    assert coverage.unresolved == ()
    assert coverage.needless == ()


def test_ids_that_are_in_no_list_are_told_with_the_place():
    coverage = join((row("a"),), {"b": ("spec/x.py::f",)}, {"a": ("t",), "c": ("scenario s",)}, {"d": "Because."})
    assert coverage.unresolved == (
        "b (spec/x.py::f)",
        "c (scenario s)",
        "d (docs/coverage-exceptions.toml)",
    )


def test_an_exception_for_a_row_that_is_shown_is_needless():
    coverage = join((row("a"), row("b")), {"a": ("f",), "b": ("f",)}, {"a": ("t",)}, {"a": "No.", "b": "Yes."})
    assert coverage.needless == ("a",)


def test_a_rule_states_the_only_transition_of_its_section():
    rows = (
        row("r", kind="spontaneous", transition="removal", section="abstract-behavior.md#call-context-removal"),
        row("d", kind="definition", section="abstract-behavior.md#call-context-removal"),
    )
    assert rules_by_section(rows) == {"r": ("rule call_context_removal",)}


def test_a_rule_of_a_section_with_several_transitions_has_to_say_which_it_is():
    rows = tuple(
        row(name, kind="spontaneous", transition=name, section="abstract-behavior.md#call-expiry") for name in "ab"
    )
    assert rules_by_section(rows) == {}


def test_functions_and_methods_are_found_by_name():
    rows = (row("a", "system_api", import_name="msg_reply"), row("m", "management", method="raw_rand"))
    coverage = join(rows, {}, {}, {})
    assert [one.covered_by for one in coverage.rows] == [("ic0.msg_reply",), ("rule raw_rand",)]
    assert all(one.is_missing for one in coverage.rows)


@pytest.fixture
def small_checklist(tmp_path, monkeypatch):
    monkeypatch.setattr("properties.commands.coverage.covering_names", lambda: {"r.one": ("f",), "r.two": ("g",)})
    monkeypatch.setattr("properties.commands.coverage.evidence_names", lambda: {"r.one": ("scenario s",)})
    monkeypatch.setattr("properties.commands.coverage.read_exceptions", lambda: {"i.one": "Nobody can see it."})
    path = tmp_path / "checklist.json"
    listed = {name: {"id": name, "title": name, "section": "x"} for name in ("r.one", "r.two", "i.one")}
    lists = {"rules": [listed["r.one"], listed["r.two"]], "invariants": [listed["i.one"]]}
    path.write_text(json.dumps({"meta": {}, **lists}))
    return path


def test_the_report_counts_rows_and_names_what_is_missing(small_checklist, capsys):
    assert main(["--checklist", str(small_checklist), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["lists"] == {
        "rules": {"rows": 2, "covered": 2, "evidenced": 1, "excepted": 0},
        "invariants": {"rows": 1, "covered": 0, "evidenced": 0, "excepted": 1},
    }
    assert report["missing"] == ["r.two", "i.one"]
    assert report["rows"][0] == {
        "id": "r.one",
        "list": "rules",
        "covered_by": ["f"],
        "evidenced_by": ["scenario s"],
        "exception": None,
    }


def test_the_table_tells_what_each_missing_row_lacks_and_why(small_checklist, capsys):
    assert main(["--checklist", str(small_checklist)]) == 0
    printed = capsys.readouterr().out
    assert "rules               2       2 (100 %)        1 (50 %)         0" in printed
    assert "  r.two has no evidence\n" in printed
    assert "  i.one has no definition and evidence: Nobody can see it.\n" in printed


def test_without_a_path_the_checklist_of_the_repository_is_joined(capsys):
    assert main(["--json"]) == 0
    lists = json.loads(capsys.readouterr().out)["lists"]
    assert sum(counts["rows"] for counts in lists.values()) == len(read_checklist(CHECKLIST)) > 700


def test_an_id_in_no_list_makes_the_command_fail(small_checklist, monkeypatch, capsys):
    monkeypatch.setattr("properties.commands.coverage.evidence_names", lambda: {"r.eleven": ("scenario s",)})
    assert main(["--checklist", str(small_checklist)]) == 1
    assert capsys.readouterr().err == "icspec coverage: in no list: r.eleven (scenario s)\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ("[]", "an object of lists is needed"),
        ('{"rules": 3}', "rules: a list of rows is needed"),
        ('{"rules": [3]}', "rules[0]: an object is needed"),
        ('{"rules": [{"id": "a", "title": "A"}]}', "rules[0].section: a text is needed"),
        (
            '{"rules": [{"id": "a", "title": "", "section": ""}, {"id": "a", "title": "", "section": ""}]}',
            "two rows have the id 'a'",
        ),
    ],
)
def test_a_bad_checklist_gives_one_clear_line(tmp_path, capsys, text, told):
    path = tmp_path / "checklist.json"
    path.write_text(text)
    assert main(["--checklist", str(path)]) == 2
    error = capsys.readouterr().err
    assert told in error and str(path) in error and error.count("\n") == 1


def test_a_missing_checklist_and_an_unknown_list_give_one_clear_line(small_checklist, tmp_path, capsys):
    assert main(["--checklist", str(tmp_path / "none.json")]) == 2
    assert main(["--checklist", str(small_checklist), "--list", "poems"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["icspec coverage"] * 2


@pytest.mark.parametrize("text", ["a = 3", 'a = "no sentence"', "a ="])
def test_bad_exceptions_are_told_with_the_file(tmp_path, text):
    path = tmp_path / "exceptions.toml"
    path.write_text(text)
    with pytest.raises(ExceptionsError, match="exceptions.toml"):
        read_exceptions(path)


def test_exceptions_are_checked_in():
    assert read_exceptions(coverage_join.EXCEPTIONS) is not None
