"""The process that test_crash kills: it appends, commits and says on its standard output what is acknowledged.

``python -m tests.store.crashing DIRECTORY SEED sync|writer``. The content of a record follows from its seq alone, so
that the parent knows what must be there without asking the child.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from tests.store.samples import open_journal, plain_records
from ztb.store.journal import Journal
from ztb.store.writer import JournalWriter


def acknowledge(seq: int) -> None:
    """One fixed-length line for each acknowledged seq; a cut line is recognised by its length."""
    os.write(1, b"%015d\n" % seq)


def run_journal(journal: Journal, chance: random.Random) -> None:
    """Groups of random size, straight to the journal."""
    while True:
        journal.append_many(plain_records(chance.choice((1, 1, 5, 64, 130)), journal.head.seq + 1))
        acknowledge(journal.commit().seq)


async def run_writer(journal: Journal, chance: random.Random) -> None:
    """The same through the writer thread, with checkpoints now and then."""
    writer = JournalWriter(journal, on_failure=lambda error: os._exit(3))
    while True:
        for record in plain_records(chance.choice((1, 1, 5, 64, 130)), writer.appended_seq + 1):
            writer.append(*record)
        if chance.random() < 0.1:
            writer.checkpoint(1, {"seq": writer.appended_seq})
        seq = writer.appended_seq
        await writer.durable()
        acknowledge(seq)


def main() -> None:
    """Runs until it is killed."""
    directory, seed, way = sys.argv[1:]
    journal = open_journal(Path(directory))
    chance = random.Random(int(seed))
    acknowledge(journal.head.seq)
    if way == "writer":
        asyncio.run(run_writer(journal, chance))
    else:
        run_journal(journal, chance)


if __name__ == "__main__":
    main()
