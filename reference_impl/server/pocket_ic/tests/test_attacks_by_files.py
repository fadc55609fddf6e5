"""Directories that somebody has prepared: nothing outside of them is written, and nothing is read through links."""

import json
import os
import stat

import pytest

from reference_impl.server.pocket_ic.tests.in_process import SPEC, configuration, text
from reference_impl.server.pocket_ic.tests.test_snapshots import DOWNLOAD, UPLOAD, counted, named
from reference_impl.server.pocket_ic.tests.test_state_directories import ended, kept_at

__all__ = ["counted"]
PARTS = ["metadata.json", "wasm_module.bin", "wasm_memory.bin", "stable_memory.bin"]


@pytest.fixture
def victim(tmp_path):
    """A directory of somebody else, with a file, which all attacks are after."""
    directory = tmp_path / "victim"
    directory.mkdir(mode=0o755)
    (directory / "mine").write_text("mine")
    yield directory
    assert [one.name for one in directory.iterdir()] == ["mine"], "something was written outside"
    assert (directory / "mine").read_text() == "mine"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755


@pytest.fixture
def downloaded(instance, counted, tmp_path):
    """A directory with a snapshot."""
    counter, snapshot_id = counted
    directory = tmp_path / "snapshot"
    instance.post(DOWNLOAD, named(counter, directory, snapshot_id=text(snapshot_id)))
    return directory


# State directories


def test_a_link_in_the_place_of_a_subnets_directory_is_not_followed(client, tmp_path, victim):
    kept = kept_at(client, tmp_path / "state", application=1)
    (directory,) = (one for one in (tmp_path / "state").iterdir() if one.is_dir())
    directory.rename(tmp_path / "away")
    directory.symlink_to(victim)
    answered = client.request("DELETE", f"/instances/{kept.number}")
    assert (answered.status, "cannot be written" in answered.message) == (400, True)


@pytest.mark.parametrize("name", ["topology.json", "under_way.cbor", "topology.json.new", "under_way.cbor.new"])
def test_a_link_in_the_place_of_a_file_of_a_state_directory_is_not_written_through(client, tmp_path, victim, name):
    kept = kept_at(client, tmp_path / "state", application=1)
    place = tmp_path / "state" / name
    place.unlink(missing_ok=True)
    place.symlink_to(victim / "mine")
    ended(kept)
    assert not place.is_symlink()


@pytest.mark.parametrize("name", ["topology.json", "under_way.cbor", "canisters.cbor"])
@pytest.mark.parametrize("made", ["link", "pipe", "directory"])
def test_a_state_is_read_from_files_alone(client, tmp_path, victim, name, made):
    ended(kept_at(client, tmp_path / "state", application=1))
    (place,) = (tmp_path / "state").rglob(name)
    content = place.read_bytes()
    place.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(content)
    {"link": lambda: place.symlink_to(elsewhere), "pipe": lambda: os.mkfifo(place), "directory": place.mkdir}[made]()
    refused = client.refusal({"subnet_config_set": {}, "state_dir": str(tmp_path / "state")})
    assert "state" in refused and "directory" in refused


def test_a_subnet_that_begins_with_a_state_leaves_that_as_it_was_and_writes_to_its_own_place(client, tmp_path):
    ended(kept_at(client, tmp_path / "first", application=1))
    (directory,) = (one for one in (tmp_path / "first").iterdir() if one.is_dir())
    before = {one: (one.read_bytes(), one.stat().st_mtime_ns) for one in directory.iterdir()}
    spec = {**SPEC, "state_config": {"FromPath": f"{directory}/../{directory.name}/."}}
    body = {"subnet_config_set": {"application": [spec]}, "state_dir": str(tmp_path / "second")}
    ended(client.create_of(body))
    assert {one: (one.read_bytes(), one.stat().st_mtime_ns) for one in directory.iterdir()} == before
    assert (tmp_path / "second" / directory.name).is_dir()


@pytest.mark.parametrize("path", ["/dev/zero", "/dev", "/proc/self", "/etc/passwd", "../../../etc", "\0", ""])
def test_places_that_hold_no_subnet_are_refused(client, path):
    spec = {**SPEC, "state_config": {"FromPath": path}}
    answered = client.request("POST", "/instances", {"subnet_config_set": {"application": [spec]}})
    assert answered.status in (400, 422)


# Snapshots


@pytest.mark.parametrize("path", ["../away", "a/../../b", "/", "/etc", "/proc/self/fd", "\0"])
def test_a_snapshot_is_not_written_to_such_a_place(instance, counted, path):
    counter, snapshot_id = counted
    answered = instance.client.request(
        "POST", f"/instances/{instance.number}/{DOWNLOAD}", named(counter, path, snapshot_id=text(snapshot_id))
    )
    assert answered.status in (400, 422)


def test_a_snapshot_is_not_written_over_a_link_nor_below_a_file(instance, counted, tmp_path, victim):
    counter, snapshot_id = counted
    directory = tmp_path / "snapshot"
    directory.mkdir()
    (directory / "wasm_memory.bin").symlink_to(victim / "mine")
    for place in (directory, victim, victim / "mine" / "below"):
        refused = instance.fails(DOWNLOAD, named(counter, place, snapshot_id=text(snapshot_id)))
        assert refused.startswith("InvalidCanisterSnapshotDirectory(")


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("made", ["link", "pipe", "directory"])
def test_a_snapshot_is_read_from_files_alone(instance, counted, downloaded, tmp_path, name, made):
    place, elsewhere = downloaded / name, tmp_path / "elsewhere"
    place.rename(elsewhere)
    {"link": lambda: place.symlink_to(elsewhere), "pipe": lambda: os.mkfifo(place), "directory": place.mkdir}[made]()
    assert instance.fails(UPLOAD, named(counted[0], downloaded)).startswith("InvalidCanisterSnapshotDirectory(")


def test_chunks_are_not_read_through_links(instance, counted, downloaded, tmp_path):
    chunks, elsewhere = downloaded / "wasm_chunk_store", tmp_path / "elsewhere"
    chunks.rename(elsewhere)
    chunks.symlink_to(elsewhere)
    assert "Not a directory" in instance.fails(UPLOAD, named(counted[0], downloaded))
    chunks.unlink()
    chunks.mkdir()
    (chunks / "a.bin").symlink_to(tmp_path / "snapshot" / "metadata.json")
    assert instance.fails(UPLOAD, named(counted[0], downloaded)).startswith("InvalidCanisterSnapshotDirectory(")


def test_sizes_that_no_file_can_have_are_not_believed(instance, counted, downloaded):
    told = json.loads((downloaded / "metadata.json").read_text())
    for size in (-1, 1 << 62, "1e9", None):
        (downloaded / "metadata.json").write_text(json.dumps({**told, "wasm_memory_size": size}))
        assert instance.fails(UPLOAD, named(counted[0], downloaded)).startswith("InvalidCanisterSnapshotDirectory(")
    os.truncate(downloaded / "wasm_memory.bin", 1 << 40)
    (downloaded / "metadata.json").write_text(json.dumps(told))
    assert "has not the size" in instance.fails(UPLOAD, named(counted[0], downloaded))


def test_an_instance_is_left_alone_by_what_was_refused(client, tmp_path, victim):
    first = client.create_of(configuration(application=1))
    spec = {**SPEC, "state_config": {"FromPath": str(victim)}}
    client.refusal({"subnet_config_set": {"application": [spec]}, "state_dir": str(tmp_path / "new")})
    assert not (tmp_path / "new").exists()
    assert client.get("/instances") == ["Available"]
    assert first.get("read/get_time")["nanos_since_epoch"] > 0
