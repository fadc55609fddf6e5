"""A state directory that somebody else has prepared does not lead elsewhere."""

import pytest

from reference_impl.durability.directory import StateDirectory
from reference_impl.durability.faults import StateDirectoryFault
from reference_impl.durability.files import new_file, read_file
from reference_impl.durability.tests.working import BEGINNING


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path):
    victim, state = tmp_path / "victim", tmp_path / "state"
    victim.write_text("mine")
    state.mkdir()
    (state / "lock").symlink_to(victim)
    with pytest.raises(StateDirectoryFault, match="lock: "):
        StateDirectory.opened(state, BEGINNING)
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("name", ["file", "file.new"])
def test_a_file_is_not_written_through_a_link(tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / name).symlink_to(victim)
    with new_file(tmp_path / "file") as file:
        file.write(b"new")
    assert victim.read_text() == "mine"
    assert (tmp_path / "file").read_bytes() == b"new"
    assert not (tmp_path / "file").is_symlink()


def test_a_file_is_read_up_to_a_size_and_through_no_link(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(file)
    assert read_file(file, 5) == b"12345"
    for place, most in ((file, 4), (tmp_path / "link", 5), (tmp_path, 5)):
        with pytest.raises(OSError):
            read_file(place, most)
