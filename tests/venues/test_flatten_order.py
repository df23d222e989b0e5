"""The order of a flatten leaves where an ordinary one is held back: our own limits must not lock us in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.venues.coinbase import desk as coinbase
from tests.venues.gmo import desk as gmo
from tests.venues.loopback import Loopback, reply
from tests.venues.zaif import test_rest as zaif
from ztb.core.command import FLATTEN, Place
from ztb.core.error import Throttled, Unreachable, VenueError
from ztb.venues.limiter import BREAKER_OPEN, OWN_LIMIT, Limiter
from ztb.venues.port import Account

ANSWER = reply("{}")
"""Says nothing: it is enough that the order came."""
Opened = tuple[Account, Limiter, Loopback]


@asynccontextmanager
async def _opened(made: AbstractAsyncContextManager[Any]) -> AsyncIterator[Opened]:
    async with made as one:
        yield one.account, one.limiter, one.server


VENUES: dict[str, tuple[str, Place, Callable[[Path], AbstractAsyncContextManager[Opened]]]] = {
    "zaif": ("trade", zaif.ORDER, lambda folder: _opened(zaif.desk(folder, ANSWER))),
    "gmo": ("post", gmo.order(), lambda folder: _opened(gmo.desk(ANSWER))),
    "coinbase": ("order", coinbase.order(), lambda folder: _opened(coinbase.desk(ANSWER))),
}


async def use_up(limiter: Limiter, method: str) -> None:
    """As many calls as an ordinary order may find taken."""
    while limiter.head_room(method):
        async with limiter.slot(method):
            pass


async def fail_in_a_row(limiter: Limiter, method: str) -> None:
    """The venue cannot be reached, until the breaker opens."""
    for _ in range(5):
        with suppress(Unreachable):
            async with limiter.slot(method):
                raise Unreachable("nobody is there", kind="network")


@pytest.mark.parametrize(("hold", "code"), [(use_up, OWN_LIMIT), (fail_in_a_row, BREAKER_OPEN)])
@pytest.mark.parametrize("venue", VENUES)
def test_it_may_use_the_reserve_and_passes_an_open_breaker(venue: str, hold: Any, code: str, tmp_path: Path) -> None:  # noqa: ANN401
    method, order, opened = VENUES[venue]

    async def run() -> None:
        async with opened(tmp_path) as (account, limiter, server):
            await hold(limiter, method)
            with pytest.raises(Throttled) as held:
                await account.place(order)
            assert held.value.code == code
            assert server.requests == []
            with suppress(VenueError):
                await account.place(msgspec.structs.replace(order, purpose=FLATTEN))
            assert [request.method for request in server.requests] == ["POST"]

    asyncio.run(run())
