"""What the engine of a running trader answers to an operator: its notices, as they reach the journal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ztb.cli.sighting import Sighting
from ztb.core.command import Notify
from ztb.core.error import ZtbError
from ztb.store.codec import decode
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader

STATUS_AFTER_NS: Final = 1_000_000_000
"""So long the journal is waited for before the status file is believed: that tells what holds, not who asked for it."""


@contextmanager
def answers(seen: Sighting, codes: Collection[str]) -> Iterator[Callable[[], list[Notify]]]:
    """A function that gives the notices with one of ``codes`` since now; none where the journal is another user's."""
    try:
        reader = JournalReader(Path(seen.status.state_dir) / JOURNAL_NAME)
    except ZtbError:
        yield list
        return
    with closing(reader):
        after_seq = reader.head.seq

        def found() -> list[Notify]:
            notices = (decode(record.kind, record.body) for record in reader.read(after_seq, {"notify"}))
            return [notice for notice in notices if isinstance(notice, Notify) and notice.code in codes]

        yield found
