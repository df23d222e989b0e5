"""The tasks of one session, and the two ways in which it ends: somebody asks, or a task ends by itself.

No task of a session ever ends on its own accord, so the first that does, with an error or without, is a failure of the
whole; what failed first is what the process ends with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ztb.core.error import InvariantBroken, ZtbError
from ztb.host.log import get_log

T = TypeVar("T")
log = get_log("session")


class Supervisor:
    """``on_failure`` is called at once with the first failure, before anything else in the process may go on."""

    def __init__(self, on_failure: Callable[[ZtbError], None]) -> None:
        self._on_failure = on_failure
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._ended = asyncio.Event()
        self.failure: ZtbError | None = None
        self.explain: Callable[[ZtbError], ZtbError] = lambda error: error
        """What lies behind a failure, where somebody knows better than the task that saw it."""
        self.is_hurried = False
        """Asked to stop more than once: nothing is waited for any more."""

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` until ``end``."""
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = name
        task.add_done_callback(self._task_ended)

    def ask_to_stop(self) -> None:
        """What SIGTERM does; the second time it means: now."""
        self.is_hurried = self._ended.is_set()
        self._ended.set()

    def fail(self, error: BaseException, *, name: str = "the session") -> None:
        """End the session with ``error``; only the first one counts."""
        if self.failure is not None:
            return
        self.failure = self.explain(error if isinstance(error, ZtbError) else _defect(name, error))
        self._on_failure(self.failure)
        log.error("session_failed", str(self.failure))
        self._ended.set()

    async def until_ended(self) -> None:
        """Returns when somebody asked to stop, or something failed."""
        await self._ended.wait()

    async def unless_ended(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of ``work``, or None when the session is to end before there is one; raises what it raises."""
        working = asyncio.create_task(work)
        waiting = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
                return None
            return working.result()
        finally:
            waiting.cancel()

    async def end(self, *, but: str = "") -> None:
        """Cancel every task, or every one but that named ``but``, and wait until they are gone."""
        going = [task for task, name in self._tasks.items() if name != but]
        for task in going:
            del self._tasks[task]
            task.remove_done_callback(self._task_ended)
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        name = self._tasks.pop(task)
        error = None if task.cancelled() else task.exception()
        self.fail(error or InvariantBroken(f"the task {name} ended by itself"), name=f"the task {name}")


def _defect(name: str, error: BaseException) -> InvariantBroken:
    """An exception that nobody expected, as an error of ours; its cause shows where it happened (ZTB_DEBUG=1)."""
    broken = InvariantBroken(f"{name} failed: {error!r:.500}", remedy="this is a defect of ztb; keep the journal")
    broken.__cause__ = error
    return broken
