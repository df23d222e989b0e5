"""Files of a command: all of them whole, or the old ones as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ztb.cli.files import output_directory, write_files
from ztb.core.error import StoreError, UsageError

OLD = {"a.json": "old a", "b.txt": "old b"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Of a report that went well."""
    out = tmp_path / "out"
    out.mkdir()
    write_files(out, OLD)
    assert content(out) == OLD
    return out


def content(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir() if path.is_file()}


def test_new_files_replace_the_old_ones(directory: Path) -> None:
    (directory / "mine.txt").write_text("not of the report")
    write_files(directory, {"a.json": "new a", "c.svg": "日本"})
    assert content(directory) == {"a.json": "new a", "b.txt": "old b", "c.svg": "日本", "mine.txt": "not of the report"}


def test_text_that_has_no_encoding_leaves_the_old_files(directory: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_files(directory, {"a.json": "new a", "b.txt": "\udcff"})
    assert content(directory) == OLD


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_leaves_the_old_files(directory: Path) -> None:
    # The partial file of the second one already stands there, and is the device that is always full.
    (directory / f".b.txt.{os.getpid()}.partial").symlink_to("/dev/full")
    with pytest.raises(StoreError, match=r"out/b\.txt: No space left on device") as told:
        write_files(directory, {"a.json": "new a", "b.txt": "new b"})
    assert told.value.remedy == "free some space and try again"
    assert content(directory) == OLD


def test_a_directory_in_the_place_of_a_file_is_told(directory: Path) -> None:
    (directory / "c.svg").mkdir()
    with pytest.raises(UsageError, match=r"out/c\.svg: Is a directory"):
        write_files(directory, {"a.json": "new a", "c.svg": "new"})
    assert content(directory) == OLD


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_told(directory: Path) -> None:
    directory.chmod(0o500)
    with pytest.raises(UsageError, match=r"out/a\.json: Permission denied"):
        write_files(directory, {"a.json": "new a"})
    directory.chmod(0o700)
    assert content(directory) == OLD


def test_a_directory_is_made_with_all_above_it(tmp_path: Path) -> None:
    out = tmp_path / "x" / "y"
    assert output_directory(out) == out
    assert out.is_dir()
    assert output_directory(out) == out


def test_a_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, reason in ((tmp_path / "file", "File exists"), (tmp_path / "file" / "below", "Not a directory")):
        with pytest.raises(UsageError, match=reason) as told:
            output_directory(path)
        assert str(path) in told.value.message
        assert told.value.remedy
