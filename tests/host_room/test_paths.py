"""Where state and runtime files live."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from ztb.core.error import ConfigError
from ztb.host import paths
from ztb.host.paths import make_private, runtime_directory, state_directory

NOWHERE = Path("/nonexistent/ztb")


def test_the_order_of_the_rules(tmp_path: Path) -> None:
    system = tmp_path / "system"
    environ = {"HOME": "/home/op"}
    assert state_directory("demo", environ=environ, system=NOWHERE) == Path("/home/op/.local/state/ztb/demo")
    environ["XDG_STATE_HOME"] = "/home/op/state"
    assert state_directory("demo", environ=environ, system=NOWHERE) == Path("/home/op/state/ztb/demo")
    environ["STATE_DIRECTORY"] = "/var/lib/ztb"
    assert state_directory("demo", environ=environ, system=system) == Path("/var/lib/ztb/demo")
    assert state_directory("demo", configured="/srv/z", environ=environ) == Path("/srv/z")
    option = tmp_path / "option"
    assert state_directory("demo", option=option, configured="/srv/z", environ=environ) == option


def test_a_relative_option_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert state_directory("demo", option=Path("here"), environ={}) == tmp_path / "here"


def test_an_installed_host_is_for_root_and_ztb_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"HOME": "/home/op"}
    user = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(paths, "SERVICE_USERS", (user,))
    assert state_directory("demo", environ=environ, system=tmp_path) == tmp_path / "demo"
    monkeypatch.setattr(paths, "SERVICE_USERS", ("somebody-else",))
    assert state_directory("demo", environ=environ, system=tmp_path) == Path("/home/op/.local/state/ztb/demo")


def test_the_units_directory_is_not_given_the_profile_twice() -> None:
    for text in ("/var/lib/ztb/canary", "/var/lib/ztb/canary:/var/lib/other"):
        assert state_directory("canary", environ={"STATE_DIRECTORY": text}) == Path("/var/lib/ztb/canary")


def test_a_relative_xdg_path_counts_for_nothing() -> None:
    environ = {"HOME": "/home/op", "XDG_STATE_HOME": "relative"}
    assert state_directory("demo", environ=environ, system=NOWHERE) == Path("/home/op/.local/state/ztb/demo")


def test_runtime_files(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert runtime_directory("demo", state=state, environ={}, system=NOWHERE) == state / "run"
    environ = {"XDG_RUNTIME_DIR": "/run/user/1000"}
    assert runtime_directory("demo", state=state, environ=environ, system=NOWHERE) == Path("/run/user/1000/ztb/demo")
    environ["RUNTIME_DIRECTORY"] = "/run/ztb"
    assert runtime_directory("demo", state=state, environ=environ, system=NOWHERE) == Path("/run/ztb/demo")


def test_the_directory_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = make_private(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert make_private(made) == made


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_directory_that_others_can_enter_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}") as caught:
        make_private(directory)
    assert caught.value.remedy == f"name another directory, or, if it is ztb's alone, chmod 700 {directory}"


def test_a_group_that_may_read_is_accepted(tmp_path: Path) -> None:
    directory = tmp_path / "view"
    directory.mkdir()
    directory.chmod(0o750)
    assert make_private(directory) == directory


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    directory = make_private(tmp_path / "other")
    os.chown(directory, 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to user 12345"):
        make_private(directory)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file"):
        make_private(tmp_path / "file")
    with pytest.raises(ConfigError, match="Not a directory"):
        make_private(tmp_path / "file" / "below")


def test_runtime_files_of_an_installed_host_and_of_a_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit's own directory before the system's, the system's before the user's, and that for its users only."""
    environ = {"XDG_RUNTIME_DIR": "/run/user/1000"}
    monkeypatch.setattr(paths, "SERVICE_USERS", (pwd.getpwuid(os.geteuid()).pw_name,))

    def runtime() -> Path:
        return runtime_directory("demo", state=Path("/s"), environ=environ, system=tmp_path)

    assert runtime() == tmp_path / "demo"
    environ["RUNTIME_DIRECTORY"] = "/run/ztb/demo"
    assert runtime() == Path("/run/ztb/demo")
    environ["RUNTIME_DIRECTORY"] = "/run/ztb"
    assert runtime() == Path("/run/ztb/demo")
    del environ["RUNTIME_DIRECTORY"]
    monkeypatch.setattr(paths, "SERVICE_USERS", ("somebody-else",))
    assert runtime() == Path("/run/user/1000/ztb/demo")


def test_a_user_that_the_host_does_not_know_is_no_service_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2**31 - 2)
    environ = {"HOME": "/home/op"}
    assert state_directory("demo", environ=environ, system=tmp_path) == Path("/home/op/.local/state/ztb/demo")
