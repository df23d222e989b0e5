"""Setting up fails with a sentence, never half way: the script runs for real, with planted commands around it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.source import ROOT


class Host:
    """A host of our own making: a copy of the script, and a PATH that holds only what we put there."""

    def __init__(self, path: Path) -> None:
        self.root = path / "repo"
        (self.root / "packaging").mkdir(parents=True)
        shutil.copy(ROOT / "packaging" / "bootstrap", self.root / "packaging")
        self.bin = path / "bin"
        self.bin.mkdir()
        self.log = path / "calls"
        self.log.touch()
        for command in ("dirname", "flock"):
            self.has(command, f'exec {shutil.which(command)} "$@"')

    def has(self, command: str, body: str) -> None:
        script = self.bin / command
        script.write_text(f'#!/bin/bash\necho "{command} $*" >>{self.log}\n{body}\n')
        script.chmod(0o755)

    def bootstrap(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", str(self.root / "packaging" / "bootstrap"), *arguments],
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def calls(self, command: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.startswith(f"{command} ")]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("arguments", [(), ("prod",)])
def test_an_unknown_environment_is_refused(host: Host, arguments: tuple[str, ...]) -> None:
    done = host.bootstrap(*arguments)
    assert done.returncode == 1
    assert "remedy: packaging/bootstrap run|dev" in done.stderr


def test_without_python_a_user_is_told_what_to_install(host: Host) -> None:
    host.has("id", "echo 1000")
    host.has("apt-get", "exit 0")
    done = host.bootstrap("run")
    assert done.returncode == 1
    assert done.stderr == (
        "bootstrap: Python >= 3.11 with venv is needed and was not found\n"
        "  remedy: as root: apt-get install python3 python3-venv\n"
    )
    assert host.calls("apt-get") == []


def test_a_python_that_is_too_old_is_passed_over(host: Host) -> None:
    host.has("id", "echo 1000")
    host.has("python3", "exit 1")  # What `sys.exit(sys.version_info < (3, 11))` gives on an old one.
    assert "Python >= 3.11" in host.bootstrap("run").stderr
    assert len(host.calls("python3")) == 1


def test_a_python_without_venv_counts_as_missing(host: Host) -> None:
    host.has("id", "echo 1000")
    host.has("python3.11", '[[ "$2" != *ensurepip* ]]')
    done = host.bootstrap("run")
    assert done.returncode == 1
    assert "python3-venv" in done.stderr


def test_root_gets_the_packages_installed_and_a_failure_of_that_ends_it(host: Host) -> None:
    host.has("id", "echo 0")
    host.has("apt-get", '[ "$1" != install ] || exit 100')
    done = host.bootstrap("run")
    assert done.returncode == 100
    assert [call.split()[1] for call in host.calls("apt-get")] == ["update", "install"]
    assert host.calls("apt-get")[1].endswith(" python3 python3-venv")
    assert not (host.root / ".venv").exists()


def test_what_this_very_environment_was_made_from_is_not_installed_again() -> None:
    if not (ROOT / ".venv" / "ztb-dev.digest").exists():
        pytest.skip("this environment was not made by packaging/bootstrap dev")
    before = (ROOT / ".venv" / "ztb-dev.digest").stat().st_mtime_ns
    done = subprocess.run(
        [ROOT / "packaging" / "bootstrap", "run"],
        env={"PATH": os.environ["PATH"], "PYTHON": os.environ.get("PYTHON", "")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == ""
    assert (ROOT / ".venv" / "ztb-dev.digest").stat().st_mtime_ns == before
