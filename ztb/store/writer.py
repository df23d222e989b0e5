"""The one thread that writes the journal, and how the event loop waits for it.

The rule: what is queued goes to disk in one transaction (group commit), ``durable`` returns only after the fsync, and
a queue that is full or a disk that refuses ends all writing: a history with a hole in it is no history.
Nothing polls: the thread sleeps on a condition, the loop is called from the thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ztb.core.error import StoreError
from ztb.store import limits
from ztb.store.checkpoint import CheckpointStore, encode_snapshot
from ztb.store.database import store_error
from ztb.store.journal import Journal
from ztb.store.limits import BODY_BYTES_MAX, CLOSE_SECONDS_MAX, QUEUE_BYTES_MAX, QUEUE_RECORDS_MAX, WAITERS_MAX


class JournalWriter:
    """Wraps ``journal``, which nobody else may touch until ``close`` returned. Make it inside the running loop."""

    def __init__(
        self,
        journal: Journal,
        *,
        on_failure: Callable[[StoreError], None],
        queue_records_max: int = QUEUE_RECORDS_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
    ) -> None:
        """``on_failure`` is called once, in the loop, after the first write that fails or does not fit."""
        self._journal = journal
        self._checkpoints = CheckpointStore(journal.database)
        self._on_failure = on_failure
        self._records_max = queue_records_max
        self._bytes_max = queue_bytes_max
        self._loop = asyncio.get_running_loop()
        self._finished = self._loop.create_future()
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._failure: StoreError | None = journal.failure
        self._announced = False
        self._is_wake_planned = False
        self._is_under_way = asyncio.Event()
        journal.at_disk = self._at_disk
        self._appended_seq = self._committed_seq = journal.head.seq
        # Shared with the thread, only under the condition's lock:
        self._condition = threading.Condition()
        self._queue: list[tuple[int, str, bytes]] = []
        self._queue_bytes = 0
        self._checkpoint: tuple[int, int, bytes] | None = None
        self._closing = False
        self._is_due = False
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    @property
    def appended_seq(self) -> int:
        """Seq of the newest record that was taken."""
        return self._appended_seq

    @property
    def committed_seq(self) -> int:
        """Seq of the newest durable record; for the watchdog together with ``appended_seq``."""
        return self._committed_seq

    @property
    def failure(self) -> StoreError | None:
        """Why nothing is written any more; None while it works."""
        return self._failure

    def append(self, ts_ns: int, kind: str, body: bytes) -> int:
        """Queue a record and give the seq that it will have. StoreError: not taken, and nothing is ever taken again."""
        self._check()
        size = len(body)
        with self._condition:
            full = len(self._queue) >= self._records_max or self._queue_bytes + size > self._bytes_max
            if not full and size <= BODY_BYTES_MAX:
                self._queue.append((ts_ns, kind, body))
                self._queue_bytes += size
                self._appended_seq += 1
                if not self._is_wake_planned:
                    self._is_wake_planned = True
                    self._loop.call_later(limits.GATHER_S, self._gathered)
                if len(self._queue) == limits.GATHER_RECORDS_MAX:
                    self._wake()
                return self._appended_seq
            waiting = len(self._queue)
        if size > BODY_BYTES_MAX:
            raise self._fail(StoreError(f"a {kind} record of {size} bytes is over the {BODY_BYTES_MAX} allowed"))
        text = f"the journal's queue is full: {waiting} records wait for the disk"
        raise self._fail(StoreError(text, remedy="the disk is too slow or hangs; nothing is sent any more"))

    def durable(self) -> asyncio.Future[None]:
        """Done when everything appended before this call is fsynced; StoreError if that will not happen.

        The thread goes to work now, whether or not the future is awaited.
        """
        waiter: asyncio.Future[None] = self._loop.create_future()
        target = self._appended_seq
        try:
            self._check()
            if self._committed_seq >= target:
                waiter.set_result(None)
                return waiter
            self._is_under_way.clear()
            self._wake()
            if len(self._waiters) >= WAITERS_MAX:
                raise self._fail(StoreError(f"{len(self._waiters)} calls wait for the journal, more are not allowed"))
            self._waiters.append((target, waiter))
        except StoreError as error:
            waiter.set_exception(error)
        return waiter

    async def under_way(self) -> None:
        """Return when what ``durable`` was asked for is with the disk, or done, or failed.

        What the loop does from here on overlaps the fsync. Before, it would only hold it up: the thread gives up the
        interpreter's lock at every statement, and a busy loop takes up to 5 ms to hand it back.
        """
        if self._waiters:
            await self._is_under_way.wait()

    def checkpoint(self, ts_ns: int, snapshot: dict[str, Any]) -> int:
        """Have the state after the newest appended record kept; the seq of that record.

        Written after the records; a request that still waits gives way to a newer one.
        """
        self._check()
        body = encode_snapshot(snapshot)
        with self._condition:
            self._checkpoint = (self._appended_seq, ts_ns, body)
            self._condition.notify()
        return self._appended_seq

    async def close(self) -> None:
        """Write what is queued and end the thread. StoreError if anything was not written. The journal stays open."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        try:
            await asyncio.wait_for(asyncio.shield(self._finished), CLOSE_SECONDS_MAX)
        except TimeoutError:
            raise self._fail(StoreError(f"the disk did not answer for {CLOSE_SECONDS_MAX:g} s")) from None
        self._thread.join()
        if self._failure is not None:
            raise StoreError(self._failure.message, remedy=self._failure.remedy)

    def _check(self) -> None:
        if self._failure is not None:
            raise StoreError(f"the journal failed before: {self._failure.message}", remedy=self._failure.remedy)
        if self._closing:
            raise StoreError("the journal is closed")

    # In the loop:

    def _gathered(self) -> None:
        self._is_wake_planned = False
        self._wake()

    def _wake(self) -> None:
        """Let the thread take what is queued. Somebody waits for it, or it has gathered for long enough.

        Woken at each record the thread would begin with the first, and the order that follows would wait for a
        second fsync; woken for what follows the order, it would take turns with the request that is being made.
        """
        with self._condition:
            self._is_due = True
            self._condition.notify()

    def _fail(self, error: StoreError) -> StoreError:
        if self._failure is None:
            self._failure = error
        self._loop.call_soon(self._announce_failure)
        return error

    def _announce_failure(self) -> None:
        assert self._failure is not None
        self._is_under_way.set()
        self._release(StoreError(self._failure.message, remedy=self._failure.remedy))
        if not self._announced:
            self._announced = True
            self._on_failure(self._failure)

    def _announce_commit(self) -> None:
        self._is_under_way.set()
        while self._waiters and self._waiters[0][0] <= self._committed_seq:
            waiter = self._waiters.popleft()[1]
            if not waiter.done():  # its task may have been cancelled
                waiter.set_result(None)

    def _announce_end(self) -> None:
        if not self._finished.done():
            self._finished.set_result(None)

    def _release(self, error: StoreError) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()[1]
            if not waiter.done():
                waiter.set_exception(error)

    # In the thread:

    def _run(self) -> None:
        try:
            while self._write_group():
                pass
        except BaseException as error:  # also what nobody expected must reach the loop, or orders would wait for ever
            if self._failure is None:
                self._failure = store_error(self._journal.database.path, error)
            self._call_loop(self._announce_failure)
        self._call_loop(self._announce_end)

    def _write_group(self) -> bool:
        """Sleep until there is work, do all of it; False when closing and done."""
        with self._condition:
            while not (self._queue and self._is_due) and self._checkpoint is None and not self._closing:
                self._condition.wait()
            self._is_due = False
            group, self._queue, self._queue_bytes = self._queue, [], 0
            checkpoint, self._checkpoint = self._checkpoint, None
        if not group and checkpoint is None:
            return False
        if group:
            self._journal.append_many(group)
            self._committed_seq = self._journal.commit().seq
            self._call_loop(self._announce_commit)
        if checkpoint is not None:
            self._checkpoints.save(*checkpoint)
        return True

    def _at_disk(self) -> None:
        if self._waiters:  # else nobody asks
            self._call_loop(self._is_under_way.set)

    def _call_loop(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(callback)
