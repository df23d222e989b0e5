"""An order's turn: where calls go one after another, an order waits for those before it, but not for long.

The one before it may hang for as long as an answer is waited for, and by then this one would be an order at an old
price. The rule: an order that did not get its turn in time has not left, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from ztb.core.error import Throttled
from ztb.venues.limiter import OWN_LIMIT

TURN_S_MAX: Final = 2.0
"""By the wall: an ordinary answer takes a fraction of it."""


@asynccontextmanager
async def turn(lock: asyncio.Lock, what: str, *, wall_s_max: float | None) -> AsyncIterator[None]:
    """Hold ``lock``; Throttled when it is not free within ``wall_s_max`` (None: wait for it). ``what`` it waits for."""
    try:
        async with asyncio.timeout(wall_s_max):
            await lock.acquire()
    except TimeoutError:
        raise Throttled(
            f"{what} is under way for more than {wall_s_max:g} s", kind="rate_limit", code=OWN_LIMIT, retryable=True
        ) from None
    try:
        yield
    finally:
        lock.release()
