"""Ruff, the formatter, the type checker and the shell's own parser are tests like any other.

A tool that is missing is a failure in continuous integration (``CI`` set) and a named skip elsewhere.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

TIMEOUT_SECONDS = 300
SHELL_SCRIPTS = {
    ".ci/run": "set -euo pipefail",
    "packaging/bootstrap": "set -euo pipefail",
    "packaging/lock": "set -euo pipefail",
    "packaging/make-demo-tape": "set -eu",
}
"""Every script, and the line that makes it stop at its first error (plain sh knows no pipefail)."""


def _need(tool: str) -> None:
    if importlib.util.find_spec(tool) is None:
        assert not os.environ.get("CI"), f"{tool} is missing, and this is CI"
        pytest.skip(f"{tool} is not installed: make lint")


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"


def test_ruff_finds_nothing() -> None:
    _need("ruff")
    _run(sys.executable, "-m", "ruff", "check", ".")


def test_ruff_would_format_nothing() -> None:
    _need("ruff")
    _run(sys.executable, "-m", "ruff", "format", "--check", ".")


@pytest.mark.long
@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_mypy_strict_finds_nothing() -> None:
    _need("mypy")
    _run(sys.executable, "-m", "mypy")


def test_the_type_checker_is_strict_and_sees_our_types(tmp_path: Path) -> None:
    # Planted errors, so that a setting which blinds the checker is seen.
    _need("mypy")
    planted = tmp_path / "planted.py"
    planted.write_text("import ztb.core.money\ndef f(x):\n    return x\nztb.core.money.ceil_div('1', 2)\n")
    command = [sys.executable, "-m", "mypy", str(planted)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert done.returncode == 1
    assert "no-untyped-def" in done.stdout
    assert "arg-type" in done.stdout


@pytest.mark.parametrize("script", SHELL_SCRIPTS)
def test_shell_scripts_parse_and_stop_at_the_first_error(script: str) -> None:
    _run("bash", "-n", script)
    path = ROOT / script
    assert os.access(path, os.X_OK), f"{script} is not executable"
    assert SHELL_SCRIPTS[script] in path.read_text(encoding="utf-8").splitlines()


def test_every_shell_script_is_on_the_list() -> None:
    found = sorted(
        str(path.relative_to(ROOT))
        for folder in (".ci", "packaging")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.read_bytes().startswith((b"#!/usr/bin/env bash", b"#!/bin/bash", b"#!/bin/sh"))
    )
    assert found == sorted(SHELL_SCRIPTS)
