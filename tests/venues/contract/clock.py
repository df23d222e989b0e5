"""Time for one case: it moves when the case waits, and for everybody else when it has moved.

Nothing here takes as long as it says, and nothing depends on how fast the machine is. Where the case waits for an
answer that itself waits for time to pass (an exchange that is slow, a rate limit in the background), time creeps on by
itself, so that nothing hangs.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from types import TracebackType

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
STEP_NS = SECOND_NS // 2
CREEP_WALL_S = 0.03
CREEP_STEP_NS_MAX = 5 * SECOND_NS
BREATHS = 4


class CaseClock:
    """The clock of a case, its adapter and its exchange alike; the task that enters it is the one that moves it."""

    scale = 1.0

    def __init__(self) -> None:
        self._now_ns = START_NS
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._driver: asyncio.Task[object] | None = None
        self._creeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> CaseClock:
        self._driver = asyncio.current_task()
        self._creeper = asyncio.create_task(self._creep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._creeper is not None
        self._creeper.cancel()
        await asyncio.gather(self._creeper, return_exceptions=True)

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._now_ns

    async def sleep(self, seconds: float) -> None:
        """For the case's own task time passes; any other waits until it has."""
        if seconds <= 0:
            await asyncio.sleep(0)
        elif asyncio.current_task() is self._driver:
            await self.advance(seconds)
        else:
            future = asyncio.get_running_loop().create_future()
            due_ns = self._now_ns + round(seconds * SECOND_NS)
            heapq.heappush(self._waiting, (due_ns, next(self._numbers), future))
            await future

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, in steps in which everybody else has a turn."""
        end_ns = self._now_ns + round(seconds * SECOND_NS)
        while self._now_ns < end_ns:
            self._step(min(end_ns, self._now_ns + STEP_NS))
            for _ in range(BREATHS):
                await asyncio.sleep(0)

    async def to(self, second: float) -> None:
        """Until so many seconds after the beginning."""
        await self.advance(max(0.0, (START_NS - self._now_ns) / SECOND_NS + second))

    def _step(self, now_ns: int) -> None:
        self._now_ns = now_ns
        while self._waiting and self._waiting[0][0] <= now_ns:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)

    async def _creep(self) -> None:
        """Where nothing has moved for a moment time goes on, faster and faster, until something does."""
        seen_ns, step_ns = -1, SECOND_NS // 10
        while True:
            await asyncio.sleep(CREEP_WALL_S)
            if seen_ns == self._now_ns:
                self._step(self._now_ns + step_ns)
                step_ns = min(2 * step_ns, CREEP_STEP_NS_MAX)
            else:
                step_ns = SECOND_NS // 10
            seen_ns = self._now_ns
