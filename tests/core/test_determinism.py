"""The same events give the same bytes, in another process and whatever PYTHONHASHSEED is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.core.recital import recite

ROOT = Path(__file__).resolve().parents[2]
SEED, LENGTH = 20_250_127, 4_000


def recited(hash_seed: str, *, seed: int = SEED) -> bytes:
    """The session as another process prints it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.recital", str(seed), str(LENGTH)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    return done.stdout


def test_commands_decisions_and_state_are_the_same_bytes_whatever_the_hash_seed() -> None:
    first = recited("0")
    for hash_seed in ("1", "random", "random"):
        assert recited(hash_seed) == first
    # The session is one in which a good deal happens, and another seed tells another story.
    for kind in (b"\nplace ", b"\ncancel ", b"\nlook_up ", b"\nnotify "):
        assert first.count(kind) > 5, kind
    assert len(first.splitlines()) > 1_000
    assert recited("0", seed=SEED + 1) != first


def test_two_sessions_in_one_process_do_not_touch_each_other() -> None:
    alone = recite(7, 300)
    recite(8, 300)
    assert recite(7, 300) == alone
