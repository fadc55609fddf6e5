"""Checkpoints: what they hold is what was written, in few files, at a cost that goes by what changed."""

import random

import pytest

from reference_impl.durability.checkpoints import Checkpoints
from reference_impl.durability.faults import StateDirectoryFault

IDENTITY = b"the same"


def found(directory):
    checkpoints = Checkpoints(directory, IDENTITY)
    checkpoints.find()
    return checkpoints


@pytest.mark.parametrize("seed", range(3))
def test_what_is_read_is_what_was_written_last(tmp_path, seed):
    chosen, entries = random.Random(seed), {}
    for number in range(60):
        keys = [bytes([chosen.randrange(40)]) for _ in range(chosen.randrange(9))]
        changes = {key: chosen.choice([None, b"", chosen.randbytes(chosen.randrange(300))]) for key in keys}
        found(tmp_path).write(changes)
        entries = {key: value for key, value in {**entries, **changes}.items() if value is not None}
        assert found(tmp_path).read() == entries
        assert found(tmp_path).last == number + 1


def test_files_are_few_and_an_entry_is_written_again_seldom(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    for number in range(300):
        checkpoints.write({number.to_bytes(2, "big"): bytes(1000)})
        # Each is more than twice as large as those after it together.
        assert len(list(tmp_path.iterdir())) < 8
    assert checkpoints.bytes_written < 300 * 1000 * 8


def test_a_large_entry_that_stays_is_not_written_again_for_small_ones(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.write({b"large": bytes(1 << 20)})
    before = checkpoints.bytes_written
    for number in range(100):
        checkpoints.write({b"small": number.to_bytes(2, "big")})
    assert checkpoints.bytes_written - before < 100 * 1000
    assert found(tmp_path).read() == {b"large": bytes(1 << 20), b"small": bytes([0, 99])}


def test_what_is_there_no_longer_takes_no_room_once_all_is_written_anew(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.write({bytes([number]): bytes(100) for number in range(100)})
    checkpoints.write({b"large": bytes(10_000), **{bytes([number]): None for number in range(100)}})
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size < 10_200


def test_a_checkpoint_that_is_missing_in_between_is_named(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    for size in (10_000, 1_000, 100):
        checkpoints.write({b"key": bytes(size)})
    (tmp_path / "checkpoint-0000000002-0000000002").unlink()
    with pytest.raises(StateDirectoryFault, match=r": checkpoint 2 is missing"):
        found(tmp_path)
