"""The state directory of a trader, opened: lock, journal, recovered state, and the tape of this session.

The order is the rule: nobody else may hold the directory, the journal must verify, and only then is it believed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ztb.core.error import StoreCorrupt, ZtbError
from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import Instrument
from ztb.core.state import State
from ztb.host.log import get_log
from ztb.host.paths import make_private
from ztb.service.recovery import recover
from ztb.store.checkpoint import CheckpointStore
from ztb.store.database import JOURNAL_NAME
from ztb.store.journal import Journal
from ztb.store.lock import StateLock
from ztb.store.tape import TapeMeta, TapeWriter

CURSOR: Final = "cursor"
"""Kind of a record that says from which trade id on the venue's fills are new."""
TAPES_DIRECTORY: Final = "tapes"

log = get_log("store")


@dataclass(frozen=True)
class Recovered:
    """What the journal gave back."""

    checkpoint_seq: int
    records_folded: int
    skipped: tuple[str, ...]
    """Checkpoints that were damaged and passed over, in words."""
    cursor: str | None
    """None: this directory never traded."""


class OpenedStore:
    """One state directory in the hands of this process."""

    def __init__(self, directory: Path, *, profile: str, mode: str, now_ns: int, lock: StateLock | None = None) -> None:
        """``lock``: of whoever took the directory over; it belongs to this object from here on."""
        self.directory = directory
        self._lock = lock or StateLock(directory)
        try:
            self.journal = Journal.open(directory / JOURNAL_NAME, profile=profile, mode=mode, now_ns=now_ns)
        except BaseException:
            self._lock.close()
            raise

    def recover(self, state: State) -> Recovered:
        """Bring ``state`` to where the last session left it."""
        checkpoints = CheckpointStore(self.journal.database)
        found = checkpoints.latest()
        after_seq = found.seq if found is not None else 0
        plain: dict[str, Any] = found.snapshot if found is not None else {}
        snapshot: dict[str, Any] | None = plain.get("engine")
        cursor: str | None = plain.get("cursor")
        if found is not None and not (isinstance(snapshot, dict) and isinstance(cursor, str)):
            raise StoreCorrupt(f"{self.directory / JOURNAL_NAME}: checkpoint {found.id} is not one of a trader")
        for record in self.journal.read(after_seq, {CURSOR}):
            cursor = self._cursor_of(record.body)
        folded = recover(state, snapshot, self.journal.read(after_seq))
        return Recovered(after_seq, folded, checkpoints.skipped, cursor)

    def _cursor_of(self, body: bytes) -> str:
        document = json.loads(body)
        if not isinstance(document, dict) or not isinstance(document.get("trade_id"), str):
            raise StoreCorrupt(f"{self.directory / JOURNAL_NAME}: a cursor record is not readable: {body[:100]!r}")
        trade_id: str = document["trade_id"]
        return trade_id

    def tape(self, instrument: Instrument, *, started_ns: int, source: str) -> SessionTape:
        """A new tape for the market of this session."""
        directory = make_private(self.directory / TAPES_DIRECTORY)
        return SessionTape(directory / f"session-{started_ns}.tape", TapeMeta(instrument, source=source))

    def is_taken_over(self) -> bool:
        """Another process took the directory away from this one."""
        return not self._lock.is_ours()

    def close(self) -> None:
        """Let go of the journal and of the directory."""
        self.journal.close()
        self._lock.close()


class SessionTape:
    """Records the market of a session. A tape that cannot be written ends the recording, not the trading."""

    def __init__(self, path: Path, meta: TapeMeta) -> None:
        self.name = path.name
        self._writer: TapeWriter | None = None
        try:
            self._writer = TapeWriter(path, meta, live=True, level=1)
        except ZtbError as error:
            self._give_up(error)

    def add(self, event: Trade | Quote | Depth) -> None:
        """Take one market event."""
        if self._writer is not None:
            try:
                self._writer.add(event)
            except ZtbError as error:
                self._give_up(error)

    def flush(self) -> None:
        """Hand it to the operating system."""
        if self._writer is not None:
            try:
                self._writer.flush()
            except ZtbError as error:
                self._give_up(error)

    def close(self) -> None:
        """Write the end of the tape."""
        if self._writer is not None:
            try:
                self._writer.close()
            except ZtbError as error:
                self._give_up(error)
        self._writer = None

    def _give_up(self, error: ZtbError) -> None:
        self._writer = None
        log.error("tape_failed", f"the market of this session is not recorded any more: {error}")
