"""SIGKILL at random moments under load: whatever was acknowledged is there, and the chain verifies."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.store.samples import content, open_journal, plain_records
from ztb.store.checkpoint import CheckpointStore
from ztb.store.verify import verify

KILLS_PER_JOURNAL = 10
ROOT = Path(__file__).resolve().parents[2]
LINE = 16
ACKNOWLEDGED_MAX = 150
DELAY_S_MAX = 0.003


def run_and_kill(directory: Path, seed: int, chance: random.Random) -> list[int]:
    """Start a writer, kill it at a random moment of its work; the seqs that it acknowledged."""
    way = chance.choice(("sync", "writer"))
    command = [sys.executable, "-m", "tests.store.crashing", str(directory), str(seed), way]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = process.stdout.read(LINE * chance.randrange(1, ACKNOWLEDGED_MAX))
        # The child now goes on with its next group; where in it the kill falls is left to the delay and the scheduler.
        time.sleep(chance.uniform(0, DELAY_S_MAX))
        process.kill()
        told += process.stdout.read()
        errors = process.stderr.read().decode()
        assert process.wait() == -signal.SIGKILL, errors
    return [int(line) for line in told.decode().splitlines(keepends=True) if len(line) == LINE]


@pytest.mark.parametrize("batch", range(10))
def test_a_hundred_kills_lose_nothing(tmp_path: Path, batch: int) -> None:
    """Ten journals, ten kills each; every restart goes on where the killed process ended."""
    chance = random.Random(batch)
    open_journal(tmp_path).close()
    worked = 0
    at_least = 0
    for kill in range(KILLS_PER_JOURNAL):
        acknowledged = run_and_kill(tmp_path, batch * 100 + kill, chance)
        assert acknowledged == sorted(acknowledged)
        assert acknowledged[0] >= at_least  # the child found what the one before had acknowledged
        worked += len(acknowledged) - 1
        if chance.random() < 0.5:
            assert verify(tmp_path / "journal.db").ok  # a reader alone, before any writer cleans up
        journal = open_journal(tmp_path, check_records=None)
        at_least = journal.head.seq
        assert at_least >= acknowledged[-1]
        assert content(list(journal.read())) == plain_records(at_least)
        checkpoints = CheckpointStore(journal.database)
        newest = checkpoints.latest()
        assert checkpoints.skipped == ()
        assert newest is None or newest.snapshot == {"seq": newest.seq}
        journal.close()
    assert worked > KILLS_PER_JOURNAL  # the kills hit processes that were at work
