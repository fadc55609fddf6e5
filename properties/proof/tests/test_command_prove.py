"""`icspec prove` tells people and machines what is proved."""

import json

from properties.commands.prove import main
from spec.transition import RULES


def test_a_report_counts_what_it_lists(tmp_path, capsys):
    report = tmp_path / "proofs.json"
    rules = ["--rule", "system_time_progress", "--rule", "request_done"]
    assert main([*rules, "--json", str(report), "--smtlib", str(tmp_path / "obligations")]) == 0
    found = json.loads(report.read_text())
    assert found["rules"] == 2
    assert found["proved"] == found["obligations"] == sum(row["obligations"] for row in found["rows"])
    assert found["failed"] == found["unknown"] == 0
    assert len(list((tmp_path / "obligations").iterdir())) == found["obligations"] - found["rules"]
    assert "2 rules" in capsys.readouterr().out


def test_an_unknown_rule_is_told_in_one_line(capsys):
    assert main(["--rule", "no_such_rule"]) == 2
    assert capsys.readouterr().err == "icspec prove: there is no rule 'no_such_rule'\n"


def test_an_unknown_invariant_is_told_in_one_line(capsys):
    assert main(["--invariant", "no_such_invariant"]) == 2
    assert capsys.readouterr().err == "icspec prove: there is no invariant 'no_such_invariant'\n"


def test_one_invariant_can_be_proved_alone(capsys):
    assert main(["--rule", "request_done", "--invariant", "snapshots_are_few"]) == 0
    assert ", 2 obligations: 2 proved" in capsys.readouterr().out


def test_a_report_into_a_missing_directory_is_refused(tmp_path, capsys):
    assert main(["--json", str(tmp_path / "missing" / "proofs.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_report_and_obligations_under_one_name_are_refused(tmp_path, capsys):
    both = str(tmp_path / "proofs")
    assert main(["--rule", "request_done", "--json", both, "--smtlib", both]) == 2
    assert capsys.readouterr().err == f"icspec prove: --json and --smtlib both name {both}\n"
    assert not (tmp_path / "proofs").exists()


def test_the_list_names_every_rule(capsys):
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in RULES if f"  {name}: " not in printed] == []
