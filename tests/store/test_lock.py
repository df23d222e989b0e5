"""The state lock: one owner, named to the second one, and a directory that others cannot enter."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ztb.core.error import ConfigError, StoreError, StoreLocked
from ztb.store.lock import LOCK_NAME, StateLock, owner_of

OWNER = """
import sys, time
from pathlib import Path
from ztb.store.lock import StateLock
lock = StateLock(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def start_owner(directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OWNER, str(directory), "--marker=first-owner"]
    owner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "locked\n"
    return owner


def test_the_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    with start_owner(tmp_path) as owner:
        with pytest.raises(StoreLocked) as caught:
            StateLock(tmp_path)
        assert str(tmp_path) in caught.value.message
        assert f"process {owner.pid} " in caught.value.message
        assert "--marker=first-owner" in caught.value.message
        assert "stop that process" in caught.value.remedy
        assert caught.value.exit_code == 75
        owner.communicate("")
    StateLock(tmp_path).close()


def test_a_killed_owner_leaves_no_lock(tmp_path: Path) -> None:
    with start_owner(tmp_path) as owner:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        with StateLock(tmp_path):
            text = (tmp_path / LOCK_NAME).read_text()
        assert f'"pid": {os.getpid()}' in text
        assert "first-owner" not in text


def test_two_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    with StateLock(tmp_path), pytest.raises(StoreLocked, match=f"process {os.getpid()} "):
        StateLock(tmp_path)
    with StateLock(tmp_path):
        pass


def test_a_failed_attempt_does_not_disturb_the_owner(tmp_path: Path) -> None:
    with StateLock(tmp_path):
        before = (tmp_path / LOCK_NAME).read_bytes()
        for _ in range(2):
            with pytest.raises(StoreLocked):
                StateLock(tmp_path)
        assert (tmp_path / LOCK_NAME).read_bytes() == before


@pytest.mark.parametrize("text", [b"", b"half {", b"[]", b'{"pid": "x"}', b"\xff" * 9_000, b'{"pid": 1}'])
def test_an_owner_that_says_nothing_useful_still_owns(tmp_path: Path, text: bytes) -> None:
    with StateLock(tmp_path):
        (tmp_path / LOCK_NAME).write_bytes(text)
        with pytest.raises(StoreLocked, match="another process"):
            StateLock(tmp_path)


def test_the_lock_is_not_inherited_by_programs_that_we_start(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        lock.close()
        StateLock(tmp_path).close()
        child.communicate(b"")


def test_a_missing_directory_is_made_private(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    old = os.umask(0)
    try:
        StateLock(directory).close()
    finally:
        os.umask(old)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / LOCK_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o500])
def test_a_private_directory_is_taken(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "state"
    StateLock(directory).close()
    directory.chmod(mode)
    StateLock(directory).close()


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o770, 0o701, 0o704, 0o702, 0o720])
def test_a_directory_that_others_can_enter_is_refused(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(ConfigError, match=f"{mode:04o}") as caught:
        StateLock(directory)
    assert f"if it is ztb's alone, chmod 700 {directory}" in caught.value.remedy
    assert not (directory / LOCK_NAME).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    os.chown(directory, 12_345, 12_345)
    with pytest.raises(ConfigError, match="belongs to uid 12345"):
        StateLock(directory)


def test_a_file_in_the_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(StoreError, match="cannot be used for state"):
        StateLock(tmp_path / "state")


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    (directory / LOCK_NAME).symlink_to(target)
    with pytest.raises(StoreError):
        StateLock(directory)
    assert target.read_text() == "precious"


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    lock.close()
    lock.close()


def test_a_lock_that_was_taken_over_is_not_ours_any_more(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    frozen = StateLock(directory)
    assert frozen.is_ours()
    assert owner_of(directory) == os.getpid()
    taker = StateLock.taken_over(directory)
    assert (frozen.is_ours(), taker.is_ours()) == (False, True)
    with pytest.raises(StoreLocked):
        StateLock(directory)
    frozen.close()
    assert taker.is_ours(), "the old owner lets go of its own file only"
    with pytest.raises(StoreLocked):
        StateLock(directory)
    taker.close()
    assert not taker.is_ours()
    with StateLock(directory) as heir:
        assert heir.is_ours()


def test_a_lock_file_that_is_gone_is_nobodys(tmp_path: Path) -> None:
    with StateLock(tmp_path / "state") as lock:
        (tmp_path / "state" / LOCK_NAME).unlink()
        assert not lock.is_ours()
        assert owner_of(tmp_path / "state") is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": "x"}', '{"pid": 1}', '{"pid": 999999999}'])
def test_an_owner_is_believed_only_where_it_holds_the_file(text: str, tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text(text)
    assert owner_of(tmp_path) is None
