"""The paper account's own news: every fill and every change of an order, in the order in which they happened."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from ztb.venues.paper.rules import NEWS_MAX
from ztb.venues.port import AccountNews, StreamState


class PaperAccountFeed:
    """``port.AccountFeed``. A reader that falls behind loses the oldest news, and is told so by a lost stream."""

    def __init__(self) -> None:
        self._waiting: deque[AccountNews] = deque()
        self._has_lost = False
        self._has_news = asyncio.Event()

    def tell(self, news: AccountNews) -> None:
        """Never waits."""
        if len(self._waiting) >= NEWS_MAX:
            self._waiting.clear()
            self._has_lost = True
        self._waiting.append(news)
        self._has_news.set()

    async def events(self) -> AsyncGenerator[AccountNews, None]:
        """Endless."""
        yield StreamState(True)
        while True:
            await self._has_news.wait()
            if self._has_lost:
                self._has_lost = False
                yield StreamState(False, f"more than {NEWS_MAX} news were not read")
                yield StreamState(True)
            while self._waiting:
                yield self._waiting.popleft()
            self._has_news.clear()
