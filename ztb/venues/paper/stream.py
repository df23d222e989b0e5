"""The market of the other venue on its way to the trader: the paper books see each event first."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from ztb.venues.port import MarketFeed, MarketNews


class PaperFeed:
    """``port.MarketFeed``: the other venue's, with a listener in front."""

    def __init__(self, feed: MarketFeed, listener: Callable[[MarketNews], None]) -> None:
        self._feed = feed
        self._listener = listener

    async def events(self) -> AsyncGenerator[MarketNews, None]:
        """The other venue's events, unchanged."""
        source = self._feed.events()
        try:
            async for event in source:
                self._listener(event)
                yield event
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()
