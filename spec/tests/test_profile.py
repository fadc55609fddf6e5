"""Profiles are complete, and what is wrong with one is told in one line."""

import json
from pathlib import Path

import pytest
from attrs import asdict
from jsonschema import Draft202012Validator

from spec.profile import PROFILES, SCHEMA, ProfileError, bundled_profiles, known_profiles, load_profile

NEWER = "production-2026-08"
PRODUCTION = (PROFILES / "production.toml").read_text()


def problem_with(path: Path, content: str) -> str:
    """What is said of a file with this content."""
    path.write_text(content)
    with pytest.raises(ProfileError) as raised:
        load_profile(str(path))
    text = str(raised.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def test_the_schema_beside_the_profiles_is_current() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads((PROFILES / "schema.json").read_text()) == SCHEMA


def test_the_bundled_profiles_can_be_read() -> None:
    assert bundled_profiles() == ("production", "production-2026-08", "small-world")
    assert {name: profile.name for name, profile in known_profiles().items()} == {
        name: name for name in bundled_profiles()
    }


def test_the_small_world_has_the_prices_of_production_and_no_larger_limits() -> None:
    small, production = load_profile("small-world"), load_profile()
    assert (small.fees, small.defaults) == (production.fees, production.defaults)
    limits, larger = asdict(small.limits), asdict(production.limits)
    assert {name for name in limits if limits[name] > larger[name]} == set()
    assert limits["message_instructions"] < larger["message_instructions"]


def test_newer_production_differs_in_figures_that_are_marked_with_their_source() -> None:
    older, newer = (asdict(load_profile(name)) for name in ("production", NEWER))
    changed = {
        key
        for table in ("fees", "limits", "defaults", "rounds", "capacities")
        for key, value in newer[table].items()
        if value != older[table][key]
    }
    assert changed == {"base_per_second", "environment_variables", "charge_rounds", "canisters"}
    lines = (PROFILES / f"{NEWER}.toml").read_text().splitlines()
    marked = {line.split(" = ")[0]: line.split("# ")[1].split()[0] for line in lines if "SURE. Pull request " in line}
    assert marked.keys() == changed
    assert {key for key, mark in marked.items() if mark == "UNSURE."} == {"charge_rounds", "canisters"}


def test_a_file_is_a_profile_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(PRODUCTION.replace("snapshots = 10", "snapshots = 3"))
    mine = known_profiles([str(path)])["mine"]
    assert (mine.name, mine.limits.snapshots) == ("mine", 3)
    assert load_profile(str(PROFILES / "production.toml")) == load_profile()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("snapshots = 10\n", "", "limits.snapshots: missing"),
        ("snapshots = 10", "snapshots = 10\nsnap = 1", "limits.snap: unknown key"),
        ("snapshots = 10", "snapshots = -1", "limits.snapshots: -1 is less than 0"),
        ("snapshots = 10", "snapshots = 1.0", "limits.snapshots: 1.0 is not an integer"),
        ("snapshots = 10", "snapshots = true", "limits.snapshots: True is not an integer"),
        ("snapshots = 10", 'snapshots = "10"', "limits.snapshots: '10' is not an integer"),
        ("cleanup_reserve = 5", "cleanup_reserve = 101", "limits.cleanup_reserve: 101 is more than 100"),
        ("reference_subnet_size = 13", "reference_subnet_size = 0", "fees.reference_subnet_size: 0 is less than 1"),
        ("[rounds]", "[circles]", "circles: unknown key"),
        ("[fees]", "limits = 3\n[fees]", "Cannot overwrite a value (at line"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_file_and_key(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert PRODUCTION.count(old) == 1
    assert problem_with(tmp_path / "mine.toml", PRODUCTION.replace(old, new)).startswith(expected)


def test_a_number_is_no_table(tmp_path: Path) -> None:
    before, _, _ = PRODUCTION.partition("[capacities]")
    assert problem_with(tmp_path / "mine.toml", "capacities = 3\n" + before) == "capacities: a table is needed"


def test_text_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ProfileError, match=f"^{path}: .*utf-8"):
        load_profile(str(path))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            "nowhere",
            "nowhere: no such profile; there are production, production-2026-08, small-world, and files NAME.toml",
        ),
        ("nowhere.toml", "nowhere.toml: there is no such file"),
        ("../profiles/nowhere", "../profiles/nowhere: no such profile"),
    ],
)
def test_a_profile_that_is_not_there_is_told(given: str, expected: str) -> None:
    with pytest.raises(ProfileError) as raised:
        load_profile(given)
    assert str(raised.value).startswith(expected)


def test_a_file_cannot_take_the_name_of_a_bundled_profile(tmp_path: Path) -> None:
    path = tmp_path / "production.toml"
    assert problem_with(path, PRODUCTION) == "the name 'production' is that of a bundled profile"


@pytest.mark.parametrize("name", bundled_profiles())
def test_a_round_has_room_for_every_slice_and_installations_end_before_the_next_checkpoint(name: str) -> None:
    profile = load_profile(name)
    rounds = profile.rounds
    assert rounds.round_instructions >= max(rounds.slice_instructions, rounds.install_slice_instructions)
    longest = profile.limits.install_code_instructions // rounds.install_slice_instructions + 1
    assert longest < rounds.checkpoint_interval
