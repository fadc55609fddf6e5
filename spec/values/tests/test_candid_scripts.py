"""Candid: scripts of assertions, our own and those of Candid's public test suite."""

import os
from pathlib import Path

import pytest

from spec.values.tests.candid_script import ScriptError, read_script

OWN = Path(__file__).parent / "candid_assertions"
PUBLIC = Path(os.environ.get("CANDID_TESTS") or Path(__file__).parents[4] / "shared" / "candid")
"""A copy of the public repository of Candid, dfinity/candid, or of its folder `test`."""

OWN_SCRIPTS = sorted(OWN.glob("*.test.did"))
PUBLIC_SCRIPTS = sorted(PUBLIC.rglob("*.test.did"))


def faults(path: Path) -> list[str]:
    """What does not hold of a script."""
    assertions = read_script(path)
    assert assertions, f"{path} asserts nothing"
    failed = ((assertion, assertion.fault()) for assertion in assertions)
    return [f"{one.place} {one.title}: {fault}" for one, fault in failed if fault is not None]


@pytest.mark.checklist("unspec.fn.candid-decoding")
@pytest.mark.parametrize("path", OWN_SCRIPTS, ids=lambda path: path.stem)
def test_every_assertion_of_our_own_holds(path):
    assert faults(path) == []


def test_our_own_scripts_are_found():
    """A file that is not found would show nothing."""
    assert len(OWN_SCRIPTS) == 7
    assert sum(len(read_script(path)) for path in OWN_SCRIPTS) >= 775


@pytest.mark.checklist("unspec.fn.candid-decoding")
def test_every_assertion_of_the_public_suite_holds():
    if not PUBLIC_SCRIPTS:
        pytest.skip(f"Candid's public tests are not in {PUBLIC}; CANDID_TESTS may name another folder")
    assert {path.name: faults(path) for path in PUBLIC_SCRIPTS} == {path.name: [] for path in PUBLIC_SCRIPTS}


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ('assert blob "DIDL\\00\\00" !: ();', "it was read as ()"),
        ('assert blob "DIDL\\00\\01\\7e\\02" : (bool);', "a bool is 2, not 0 or 1"),
        ('assert blob "DIDL\\00\\01\\7e\\01" == "(false)" : (bool);', "does not hold"),
        ('assert blob "DIDL\\00\\01\\7e\\01" != "(true)" : (bool);', "does not hold"),
        ('assert blob "DIDL\\00\\01\\7e\\01" == "(7)" : (bool);', "the other side was not read"),
    ],
)
def test_an_assertion_that_is_wrong_is_told(tmp_path, script, fault):
    path = tmp_path / "wrong.test.did"
    path.write_text(script, encoding="utf-8")

    (told,) = faults(path)

    assert told.startswith("wrong.test.did:1 ")
    assert fault in told


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("assert", ":1: the text ends too early"),
        ('\nassert blob "" ? ()', "line 2: '?' does not begin anything"),
        ('assert blob "" = ();', "= is not a relation"),
        ('assert blob "" : (42);', "42 does not begin a type"),
        ('assert blob "\\q" : ();', "the escape '\\\\q' is not known"),
        ('assert blob "" : () "one" "two";', '; is expected, not "two"'),
    ],
)
def test_a_script_in_another_format_is_refused_with_its_place(tmp_path, script, fault):
    path = tmp_path / "odd.test.did"
    path.write_text(script, encoding="utf-8")

    with pytest.raises(ScriptError) as refusal:
        read_script(path)

    assert str(path) in str(refusal.value)
    assert fault in str(refusal.value)
