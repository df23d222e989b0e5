"""Fixtures of every case: a journal's writer that can be watched, and a process that goes on after a session."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.guards.daemon import WatchedWriter
from ztb.service import session


@pytest.fixture(autouse=True)
def watched_writer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Virtual time must not pass while the thread is at work; and what a session froze may be collected again."""
    monkeypatch.setattr(session, "JournalWriter", WatchedWriter)
    yield
    WatchedWriter.newest = None
    gc.unfreeze()
