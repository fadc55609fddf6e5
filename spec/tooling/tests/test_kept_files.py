"""What is kept in the user's cache is found again as it was, and only there."""

from spec.tooling import kept_files


def test_what_is_written_is_read(tmp_path):
    for content in (b"", b"one", bytes(100_000)):
        kept_files.write(tmp_path / "file", content, most_files=1)
        assert kept_files.read(tmp_path / "file") == content
        assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_is_not_kept(tmp_path):
    """Nobody hears of it, and nothing is left of the attempt."""
    kept_files.write(tmp_path / "missing" / "file", b"one", most_files=1)
    (tmp_path / "taken").mkdir()
    kept_files.write(tmp_path / "taken", b"one", most_files=1)
    assert [one.name for one in tmp_path.iterdir()] == ["taken"]


def test_a_folder_that_is_not_named_from_the_root_is_none(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "relative")
    assert kept_files.folder("icspec") is None
