"""Whoever owns the file did it, whatever the file says."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from ztb.service.who import who, who_laid


def test_the_owner_by_name_and_number(tmp_path: Path) -> None:
    path = tmp_path / "kill"
    path.write_text("operator somebody-else (uid 4711)")
    uid = os.geteuid()
    assert who_laid(path) == f"operator {pwd.getpwuid(uid).pw_name} (uid {uid})"


def test_a_link_is_its_makers_and_not_its_targets(tmp_path: Path) -> None:
    path = tmp_path / "kill"
    path.symlink_to("/nowhere")
    assert f"(uid {os.geteuid()})" in who_laid(path)


def test_a_user_that_this_host_does_not_know() -> None:
    assert who(4_000_000_001) == "operator (uid 4000000001)"


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    assert who_laid(tmp_path / "kill") == "operator"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user(tmp_path: Path) -> None:
    path = tmp_path / "kill"
    path.touch()
    os.chown(path, 65_534, -1)
    assert who_laid(path) == f"operator {pwd.getpwuid(65_534).pw_name} (uid 65534)"
