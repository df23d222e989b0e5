"""Files that a command leaves: all of them whole, or the old ones as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from ztb.cli.files import output_directory, write_files
from ztb.core.error import UsageError


def test_new_files_replace_the_old_ones_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "other").write_text("other")
    write_files(tmp_path, {"a": "new", "b": "円"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a": b"new",
        "b": b"\xe5\x86\x86",
        "other": b"other",
    }


def test_a_file_that_cannot_be_encoded_leaves_all_old_ones(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_files(tmp_path, {"a": "new", "b": "\ud800"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_a_directory_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(UsageError) as caught:
        write_files(tmp_path, {"b": "new"})
    assert str(tmp_path / "b") in caught.value.message
    assert caught.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_an_output_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    assert output_directory(tmp_path / "x" / "y").is_dir()
    assert output_directory(tmp_path / "x" / "y").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file"):
        output_directory(tmp_path / "file")
