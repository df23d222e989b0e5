"""The process that test_crash kills: it appends, commits and tells its parent what is acknowledged.

The content of a record follows from its seq alone, so that the parent knows what must be there without asking.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from tests.store.samples import open_journal, plain_records
from ztb.store.journal import Journal
from ztb.store.writer import JournalWriter

Acknowledge = Callable[[int], None]
"""Tells the parent a seq; a message that the kill cut in two is none."""


def run_journal(journal: Journal, chance: random.Random, acknowledge: Acknowledge) -> None:
    """Groups of random size, straight to the journal."""
    while True:
        journal.append_many(plain_records(chance.choice((1, 1, 5, 64, 130)), journal.head.seq + 1))
        acknowledge(journal.commit().seq)


async def run_writer(journal: Journal, chance: random.Random, acknowledge: Acknowledge) -> None:
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


def work(directory: Path, seed: int, way: str, parent: Connection) -> None:
    """Runs until it is killed; ``way`` is ``sync`` or ``writer``."""
    journal = open_journal(directory)
    chance = random.Random(seed)
    parent.send(journal.head.seq)
    if way == "writer":
        asyncio.run(run_writer(journal, chance, parent.send))
    else:
        run_journal(journal, chance, parent.send)
