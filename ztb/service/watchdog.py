"""Feeds systemd's watchdog, only while both halves of the trader move: the engine's loop, and the journal.

Called by the engine's loop and by nobody else, so that a hung loop starves it. A journal that has work and does not
commit starves it as well: a trader that cannot write is as dead as one that cannot think.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

from ztb.core.error import StoreError

FEEDS_PER_PERIOD: Final = 4
NS_PER_US: Final = 1_000


class Progress(Protocol):
    """What is asked of the journal's writer."""

    @property
    def appended_seq(self) -> int: ...
    @property
    def committed_seq(self) -> int: ...
    @property
    def failure(self) -> StoreError | None: ...


class Notifier(Protocol):
    """What is asked of ``ztb.host.systemd.Systemd``."""

    watchdog_us: int

    def watchdog(self) -> None: ...


class Watchdog:
    """``beat`` once for each turn of the loop; the notification goes out a few times within its period."""

    def __init__(self, systemd: Notifier, journal: Progress) -> None:
        self._systemd = systemd
        self._journal = journal
        self._period_ns = systemd.watchdog_us * NS_PER_US // FEEDS_PER_PERIOD
        self._fed_ns = 0
        self._fed_seq = -1

    def beat(self) -> None:
        """The loop has handled events."""
        if not self._period_ns:
            return
        now_ns = time.monotonic_ns()
        if now_ns - self._fed_ns < self._period_ns or not self._journal_moves():
            return
        self._fed_ns = now_ns
        self._fed_seq = self._journal.committed_seq
        self._systemd.watchdog()

    def _journal_moves(self) -> bool:
        journal = self._journal
        if journal.failure is not None:
            return False
        return journal.committed_seq == journal.appended_seq or journal.committed_seq != self._fed_seq
