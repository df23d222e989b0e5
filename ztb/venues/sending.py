"""What every adapter does around an order: it looks at it before, lets it wait for its turn, and judges its answer.

Where calls go one after another, an order waits for those before it, but not for long: the one before may hang for as
long as an answer is waited for, and by then this one would be an order at an old price. One that did not get its turn
has not left, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from ztb.core.command import Place
from ztb.core.error import InvariantBroken, Rejected, Throttled, UnknownFate, VenueError
from ztb.core.instrument import SIDE_NAMES
from ztb.venues.limiter import OWN_LIMIT
from ztb.venues.port import AtWire
from ztb.venues.transport import LastWord

TURN_S_MAX: Final = 2.0
"""By the wall: an ordinary answer takes a fraction of it."""
UNSUPPORTED: Final = "unsupported"


def check_order(order: Place, times_in_force: Collection[str], *, where: str) -> None:
    """Returns for an order that may be sent ``where``; nothing has left yet when it raises."""
    if order.price <= 0 or order.lots <= 0 or order.side not in SIDE_NAMES:
        raise InvariantBroken(f"order {order.client_id} has price {order.price}, lots {order.lots}")
    if order.time_in_force not in times_in_force:
        raise Rejected(f"{where} knows no {order.time_in_force} orders", kind="exchange", code=UNSUPPORTED)


def last_word(at_wire: AtWire | None, order: Place) -> LastWord | None:
    """Of ``order``, for its request; None where nobody has a word."""
    return None if at_wire is None else LastWord(partial(at_wire.durable, order), partial(at_wire.check, order))


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


def with_fate(error: VenueError) -> VenueError:
    """For a call that changes something: what is not a clear no leaves the fate unknown."""
    if type(error) is not VenueError:
        return error
    return UnknownFate(error.message, kind=error.kind, code=error.code, remedy="it is looked up, never sent again")
