"""The paper venue: the live market of another venue, and orders that never leave this process.

Honest where it matters: orders meet the displayed depth after a latency, wait in a queue, and pay the venue's fees.
It has no code path to a private call: it is given the public side of a venue, and keys are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from ztb.core.error import InvariantBroken
from ztb.core.event import Feed, Trade
from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.paper import rules
from ztb.venues.paper.account import PaperAccount
from ztb.venues.paper.account_stream import PaperAccountFeed
from ztb.venues.paper.book import PaperBook
from ztb.venues.paper.exchange import PaperExchange
from ztb.venues.paper.fills_file import FillsFile
from ztb.venues.paper.stream import PaperFeed
from ztb.venues.paper.wallet import Wallet
from ztb.venues.port import ApiKeys, AtWire, Capabilities, HeadRoom, Market, MarketNews, PublicSide

NO_KEYS: Final = ApiKeys("", "")
"""What a paper account is made with."""


class PaperVenue:
    """``port.Venue``."""

    name: Final = "paper"

    def __init__(
        self,
        public: PublicSide,
        *,
        clock: Clock,
        balances: Mapping[str, Decimal],
        latency_s: float = 0.05,
        leverage: int = 1,
    ) -> None:
        """``balances`` by currency, of a new account; ``latency_s`` one way."""
        assert latency_s >= 0
        self._public = public
        self._clock = clock
        self._balances = balances
        self._latency_s = latency_s
        self._leverage = leverage
        self._books: dict[str, PaperBook] = {}
        self._exchange: PaperExchange | None = None
        self._account: PaperAccount | None = None
        self._file: FillsFile | None = None
        self._account_news: PaperAccountFeed | None = None
        self.capabilities: Final[Capabilities] = replace(
            rules.capabilities(public.capabilities.times_in_force), positions=public.capabilities.positions
        )

    @property
    def market(self) -> Market:
        """The other venue's."""
        return self._public.market

    def market_feed(self, instrument: Instrument) -> PaperFeed:
        """The other venue's stream; what it shows is what orders meet."""
        book = self._book(instrument.symbol)

        def heard(event: MarketNews) -> None:
            if isinstance(event, Feed):
                if not event.connected:
                    book.lost()
            elif isinstance(event, Trade):
                if self._exchange is not None:
                    self._exchange.traded(event)
            else:
                book.show(event)

        return PaperFeed(self._public.market_feed(instrument), heard)

    def account(
        self, keys: ApiKeys, instruments: Mapping[str, Instrument], *, directory: Path, at_wire: AtWire | None
    ) -> PaperAccount:
        """``keys`` must be ``NO_KEYS``; the account's fills are kept in ``directory``."""
        if keys.key or keys.secret:
            raise InvariantBroken("a paper account was given the keys of a real one")
        assert self._account is None, "one account for each venue object"
        self._file = FillsFile(directory, venue=self._public.name)
        self._account_news = PaperAccountFeed()
        books = {symbol: self._book(symbol) for symbol in instruments}
        exchange = PaperExchange(
            dict(instruments),
            books,
            Wallet(self._balances, leverage=self._leverage),
            self._file,
            session_ns=self._clock.now_ns(),
            tell=self._account_news.tell,
        )
        self._exchange = exchange
        self._account = PaperAccount(
            exchange,
            self._public.market,
            books,
            instruments=dict(instruments),
            capabilities=self.capabilities,
            clock=self._clock,
            latency_s=self._latency_s,
            at_wire=at_wire,
        )
        return self._account

    def account_feed(self, instruments: Mapping[str, Instrument]) -> PaperAccountFeed | None:
        """Of the account made before."""
        return self._account_news

    def head_room(self) -> tuple[HeadRoom, ...]:
        """Of the other venue's public calls."""
        return self._public.head_room()

    async def close(self) -> None:
        """Orders that work are gone with it."""
        if self._account is not None:
            await self._account.close()
        if self._file is not None:
            self._file.close()
        await self._public.close()

    def _book(self, symbol: str) -> PaperBook:
        return self._books.setdefault(symbol, PaperBook())
