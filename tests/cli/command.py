"""Runs the real command ``ztb`` as an operator does: another process, its exit code, its two streams."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str


def clean_environ(**more: str) -> dict[str, str]:
    """The environment without anything that ztb itself reads."""
    own = ("ZTB_", "RISK_", "XDG_")
    names = ("EXCHANGE", "DRY_RUN", "TEST_MODE", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(own) and name not in names}
    return {**kept, **more}


def ztb(*words: str | Path, environ: dict[str, str] | None = None, cwd: Path | None = None) -> Outcome:
    """Runs ``ztb`` with ``words`` to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "ztb", *map(str, words)],
        env=clean_environ() if environ is None else environ,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
