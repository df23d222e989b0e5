"""The watchdog is fed while loop and journal both move, and starves when either does not."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ztb.core.error import StoreError
from ztb.service import watchdog as watchdog_module
from ztb.service.watchdog import FEEDS_PER_PERIOD, Watchdog


@dataclass
class Journal:
    """What the watchdog sees of the writer."""

    appended_seq: int = 0
    committed_seq: int = 0
    failure: StoreError | None = None


@dataclass
class Systemd:
    """Counts what it is fed."""

    watchdog_us: int = 4_000_000
    fed_ns: list[int] = field(default_factory=list)

    def watchdog(self) -> None:
        self.fed_ns.append(Time.now_ns)


class Time:
    """Stands in for the clock of the wall."""

    now_ns = 0

    @staticmethod
    def monotonic_ns() -> int:
        return Time.now_ns


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    Time.now_ns = 10**12
    monkeypatch.setattr(watchdog_module, "time", Time)
    return Journal()


def beat(watchdog: Watchdog, seconds: int) -> None:
    for _ in range(seconds * 100):
        Time.now_ns += 10_000_000
        watchdog.beat()


def test_it_is_fed_a_few_times_within_its_period(journal: Journal) -> None:
    systemd = Systemd()
    beat(Watchdog(systemd, journal), 8)
    assert len(systemd.fed_ns) == 8 // 4 * FEEDS_PER_PERIOD


def test_a_loop_that_hangs_feeds_nothing(journal: Journal) -> None:
    systemd = Systemd()
    watchdog = Watchdog(systemd, journal)
    beat(watchdog, 2)
    fed = len(systemd.fed_ns)
    Time.now_ns += 60_000_000_000
    assert len(systemd.fed_ns) == fed


def test_a_journal_that_has_work_and_does_not_move_starves_it(journal: Journal) -> None:
    systemd = Systemd()
    watchdog = Watchdog(systemd, journal)
    beat(watchdog, 2)
    journal.appended_seq = 5
    fed = len(systemd.fed_ns)
    beat(watchdog, 10)
    assert len(systemd.fed_ns) <= fed
    journal.committed_seq = 3  # not all of it, but it moves
    beat(watchdog, 1)
    assert len(systemd.fed_ns) == fed + 1
    beat(watchdog, 10)
    assert len(systemd.fed_ns) == fed + 1
    journal.committed_seq = 5
    beat(watchdog, 10)
    assert len(systemd.fed_ns) > fed + 2


def test_a_journal_that_failed_starves_it(journal: Journal) -> None:
    systemd = Systemd()
    journal.failure = StoreError("disk full")
    beat(Watchdog(systemd, journal), 10)
    assert systemd.fed_ns == []


def test_without_a_watchdog_nothing_is_sent(journal: Journal) -> None:
    systemd = Systemd(watchdog_us=0)
    beat(Watchdog(systemd, journal), 10)
    assert systemd.fed_ns == []
