"""Which build runs: against real git repositories and a package's record."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ztb import __version__
from ztb.host.build import Build, read_build

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(directory: Path, *words: str) -> str:
    """What git answers in ``directory``."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(directory), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@needs_git
def test_a_checkout_names_its_commit_and_whether_it_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert read_build(tmp_path / "none", tmp_path) == Build(__version__, commit, False, "checkout")
    (tmp_path / "file").write_text("two")
    changed = read_build(tmp_path / "none", tmp_path)
    assert changed == Build(__version__, commit, True, "checkout")
    assert str(changed) == f"{__version__} ({commit[:12]}+dirty)"


def test_a_package_carries_its_record(tmp_path: Path) -> None:
    record = tmp_path / "build.json"
    record.write_text(json.dumps({"version": "9.8.7", "commit": "a" * 40, "dirty": False}))
    assert read_build(record, tmp_path) == Build("9.8.7", "a" * 40, False, "package")


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"version": "1"}', "\x00"])
def test_a_record_that_says_nothing_is_unknown(tmp_path: Path, content: str) -> None:
    record = tmp_path / "build.json"
    record.write_text(content)
    build = read_build(record, tmp_path)
    assert build == Build(__version__, "unknown", None, "unknown")
    assert "unchecked" in str(build)


def test_a_directory_that_only_looks_like_a_checkout(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert read_build(tmp_path / "none", tmp_path).commit == "unknown"
