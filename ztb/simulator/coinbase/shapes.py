"""Coinbase's shapes of the public market, made from the exchange's integers: amounts are texts."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from ztb.core.instrument import BUY, SELL
from ztb.simulator.coinbase.rules import GRANULARITIES_S, SNAPSHOT_CANDLES, CoinbaseRules
from ztb.simulator.coinbase.texts import plain, quotient, rfc3339
from ztb.simulator.exchange import Exchange
from ztb.simulator.prints import Minute, Print

SIDES: Final = {BUY: "BUY", SELL: "SELL"}
BOOK_SIDES: Final = {BUY: "bid", SELL: "offer"}
_NAMES: Final = {"BTC": "Bitcoin", "ETH": "Ethereum", "USD": "US Dollar", "JPY": "Japanese Yen", "EUR": "Euro"}
_WHOLE_UNITS: Final = frozenset({"USD", "USDC", "EUR", "GBP", "JPY"})
_FIVE_MINUTES_S: Final = GRANULARITIES_S["FIVE_MINUTE"]
_FLAGS: Final = ("cancel_only", "limit_only", "post_only", "trading_disabled", "auction_mode")


class Shapes:
    """Builds the answers about the market of one exchange."""

    def __init__(self, exchange: Exchange, rules: CoinbaseRules) -> None:
        self.exchange: Final = exchange
        instrument, units = exchange.instrument, exchange.purse.units
        self.base, self.quote = units.base.upper(), units.quote.upper()
        self.product_id: Final = f"{self.base}-{self.quote}"
        self.alias_id: Final = f"{self.base}-{rules.alias_quote}" if rules.alias_quote else ""
        smallest = 10**instrument.money_scale if self.quote in _WHOLE_UNITS else 1
        self.notional_min: Final = instrument.notional_min or smallest
        """In money units; where the tape says nothing, an order is worth at least one dollar, euro or yen."""

    @property
    def product_ids(self) -> tuple[str, ...]:
        """The product, and its other name."""
        return (self.product_id, self.alias_id) if self.alias_id else (self.product_id,)

    def price(self, ticks: int) -> str:
        return self.exchange.instrument.prices.text(ticks)

    def size(self, lots: int) -> str:
        """With all decimals of the lot, as the streams write it."""
        return self.exchange.instrument.sizes.text(lots)

    def size_plain(self, lots: int) -> str:
        return plain(self.exchange.instrument.sizes.decimal(lots))

    def money(self, units: int) -> str:
        return plain(self.exchange.instrument.money.decimal(units))

    def average(self, notional: int, lots: int) -> str:
        """The average price of what was filled: ``0`` when nothing was."""
        instrument = self.exchange.instrument
        return plain(quotient(instrument.money.decimal(notional), instrument.sizes.decimal(lots)))

    def last_ticks(self) -> int:
        last = self.exchange.prints.last
        return last.price if last is not None else self.exchange.book.best(BUY) or self.exchange.book.best(SELL)

    def product(self, product_id: str) -> dict[str, Any]:
        """One product; an alias has its own id and names the real one."""
        instrument = self.exchange.instrument
        lots, value, change = self._day()
        is_alias = product_id != self.product_id
        quote = product_id.partition("-")[2]
        notional_max = instrument.notional(max(1, self.last_ticks()), instrument.lots_max)
        return {
            "product_id": product_id,
            "price": self.price(self.last_ticks()),
            "price_percentage_change_24h": change,
            "volume_24h": self.size_plain(lots),
            "volume_percentage_change_24h": "0",
            "base_increment": plain(instrument.lot_size),
            "quote_increment": plain(instrument.tick_size),
            "quote_min_size": self.money(self.notional_min),
            "quote_max_size": self.money(notional_max),
            "base_min_size": self.size_plain(instrument.lots_min),
            "base_max_size": self.size_plain(instrument.lots_max),
            "base_name": _NAMES.get(self.base, self.base),
            "quote_name": _NAMES.get(quote, quote),
            "watched": False,
            "is_disabled": False,
            "new": False,
            "status": "online",
            **dict.fromkeys(_FLAGS, False),
            "product_type": "SPOT",
            "quote_currency_id": quote,
            "base_currency_id": self.base,
            "fcm_trading_session_details": None,
            "mid_market_price": "",
            "alias": self.product_id if is_alias else "",
            "alias_to": [self.alias_id] if self.alias_id and not is_alias else [],
            "base_display_symbol": self.base,
            "quote_display_symbol": quote,
            "view_only": False,
            "price_increment": plain(instrument.tick_size),
            "display_name": product_id,
            "product_venue": "CBE",
            "approximate_quote_24h_volume": self.money(value),
            "new_at": "2023-01-01T00:00:00Z",
        }

    def pricebook(self, product_id: str, count: int) -> dict[str, Any]:
        book = self.exchange.book
        bids, asks = (
            [{"price": self.price(price), "size": self.size_plain(lots)} for price, lots in book.levels(side, count)]
            for side in (BUY, SELL)
        )
        return {"product_id": product_id, "bids": bids, "asks": asks, "time": rfc3339(self.exchange.now_ns)}

    def spread(self) -> dict[str, str]:
        """What stands beside a pricebook; zeros when a side is empty."""
        prices, book = self.exchange.instrument.prices, self.exchange.book
        bid, ask = prices.decimal(book.best(BUY)), prices.decimal(book.best(SELL))
        both = bid > 0 and ask > 0
        middle = (bid + ask) / 2 if both else Decimal(0)
        spread = ask - bid if both else Decimal(0)
        return {
            "last": self.price(self.last_ticks()),
            "mid_market": plain(middle),
            "spread_bps": plain(quotient(spread * 10_000, middle).quantize(Decimal("1e-12"))),
            "spread_absolute": plain(spread),
        }

    def trade_row(self, trade: Print, product_id: str) -> dict[str, Any]:
        """A public trade in the REST answer."""
        return {
            "trade_id": str(trade.trade_id),
            "product_id": product_id,
            "price": self.price(trade.price),
            "size": self.size_plain(trade.lots),
            "time": rfc3339(trade.ts_ns),
            "side": SIDES[trade.side],
            "bid": "",
            "ask": "",
            "exchange": "coinbase",
        }

    def trade_event(self, trade: Print) -> dict[str, Any]:
        """A public trade in the stream, which knows canonical ids only."""
        return {
            "trade_id": str(trade.trade_id),
            "product_id": self.product_id,
            "price": self.price(trade.price),
            "size": self.size(trade.lots),
            "side": SIDES[trade.side],
            "time": rfc3339(trade.ts_ns),
        }

    def ticker(self, *, with_touch: bool) -> dict[str, Any]:
        book, day = self.exchange.book, self.exchange.prints.day(self.exchange.now_ns)
        low, high = (day.low, day.high) if day else (self.last_ticks(), self.last_ticks())
        lots, _, change = self._day()
        ticker = {
            "type": "ticker",
            "product_id": self.product_id,
            "price": self.price(self.last_ticks()),
            "volume_24_h": self.size(lots),
            "low_24_h": self.price(low),
            "high_24_h": self.price(high),
            "low_52_w": self.price(low),
            "high_52_w": self.price(high),
            "price_percent_chg_24_h": change,
        }
        if with_touch:
            for side, name in ((BUY, "best_bid"), (SELL, "best_ask")):
                price, best_lots = next(iter(book.levels(side, 1)), (0, 0))
                ticker |= {name: self.price(price), f"{name}_quantity": self.size(best_lots)}
        return ticker

    def candles(self, *, seconds: int, start_s: int, end_s: int, count: int) -> list[dict[str, str]]:
        """Newest first; those in which nobody traded are missing."""
        grouped: dict[int, list[Minute]] = {}
        for minute in self.exchange.prints.minutes:
            begins_s = minute.minute * 60 // seconds * seconds
            if start_s <= begins_s <= end_s:
                grouped.setdefault(begins_s, []).append(minute)
        newest = sorted(grouped, reverse=True)[:count]
        return [{"start": str(begins_s), **self._candle(grouped[begins_s])} for begins_s in newest]

    def candle_events(self, count: int = SNAPSHOT_CANDLES) -> list[dict[str, str]]:
        """The five-minute candles of the stream, newest first."""
        rows = self.candles(seconds=_FIVE_MINUTES_S, start_s=0, end_s=1 << 62, count=count)
        return [{**row, "product_id": self.product_id} for row in rows]

    def status(self) -> dict[str, str]:
        """The product as the ``status`` channel tells it."""
        product = self.product(self.product_id)
        return {
            "product_type": "SPOT",
            "id": self.product_id,
            "base_currency": self.base,
            "quote_currency": self.quote,
            "base_increment": product["base_increment"],
            "quote_increment": product["quote_increment"],
            "display_name": f"{self.base}/{self.quote}",
            "status": "online",
            "status_message": "",
            "min_market_funds": product["quote_min_size"],
        }

    def _candle(self, minutes: Iterable[Minute]) -> dict[str, str]:
        parts = list(minutes)
        return {
            "low": self.price(min(part.low for part in parts)),
            "high": self.price(max(part.high for part in parts)),
            "open": self.price(parts[0].open),
            "close": self.price(parts[-1].close),
            "volume": self.size_plain(sum(part.lots for part in parts)),
        }

    def _day(self) -> tuple[int, int, str]:
        """Lots and value (money units) of the last 24 hours, and by how many per cent the price moved."""
        prints = self.exchange.prints
        prints.day(self.exchange.now_ns)  # forgets older minutes
        minutes = list(prints.minutes)
        if not minutes:
            return 0, 0, "0"
        change = quotient((minutes[-1].close - minutes[0].open) * 100, minutes[0].open)
        value = sum(minute.value for minute in minutes) * self.exchange.instrument.money_per_tick_lot
        return sum(minute.lots for minute in minutes), value, plain(change.quantize(Decimal("1e-4")))
