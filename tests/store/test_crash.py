"""SIGKILL at random moments under load: whatever was acknowledged is there, and the chain verifies."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import pytest

from tests.store.crashing import work
from tests.store.samples import content, open_journal, plain_records
from ztb.store.checkpoint import CheckpointStore
from ztb.store.verify import verify

KILLS_PER_JOURNAL: Final = 10
ACKNOWLEDGED_MAX: Final = 60
DELAY_S_MAX: Final = 0.003
WAIT_S: Final = 60.0
"""Only ends a test that hangs."""

# A process that has everything imported and nothing open makes the writers: each of them begins at once.
PROCESSES: Final = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.store.crashing"])


def run_and_kill(directory: Path, seed: int, chance: random.Random) -> list[int]:
    """Start a writer, kill it at a random moment of its work; the seqs that it acknowledged."""
    way = chance.choice(("sync", "writer"))
    ours, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=work, args=(directory, seed, way, theirs))
    process.start()
    theirs.close()
    told = received(ours, chance.randrange(1, ACKNOWLEDGED_MAX))
    # The child now goes on with its next group; where in it the kill falls is left to the delay and the scheduler.
    time.sleep(chance.uniform(0, DELAY_S_MAX))
    process.kill()
    told += received(ours, None)
    process.join(WAIT_S)
    assert process.exitcode == -signal.SIGKILL
    ours.close()
    return told


def received(child: Connection, count: int | None) -> list[int]:
    """The next ``count`` seqs; None: all up to the end of the child, whose last message may be cut in two."""
    told: list[int] = []
    while count is None or len(told) < count:
        assert child.poll(WAIT_S), "the writer hangs"
        try:
            told.append(child.recv())
        except (EOFError, OSError):
            assert count is None, "the writer ended by itself"
            break
    return told


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
