"""Zaif's JSON shapes, made from the exchange's integers. Members as in the real answers, numbers as JSON numbers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Final

import msgspec

from ztb.core.instrument import BUY, SELL
from ztb.simulator.accounts import Account
from ztb.simulator.book_side import Order
from ztb.simulator.exchange import Exchange
from ztb.simulator.news import Fill
from ztb.simulator.number_text import Numbers
from ztb.simulator.prints import Print
from ztb.simulator.zaif.rules import CURRENCIES, NOT_TOKEN, STREAM_LEVELS, STREAM_TRADES

ACTIONS: Final = {BUY: "bid", SELL: "ask", 0: "both"}
SIDES: Final = {"bid": BUY, "ask": SELL}
_JAPAN: Final = timezone(timedelta(hours=9))
_SECOND_NS: Final = 1_000_000_000
_JAPANESE: Final = {"jpy": "日本円", "btc": "ビットコイン", "eth": "イーサリアム", "xem": "ネム", "mona": "モナコイン"}


class Shapes:
    """Builds the answers for one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._plain = Numbers(exchange.instrument)
        self._exponent = Numbers(exchange.instrument, small_with_exponent=True)
        self.with_exponent = False
        """Write small numbers as ``1.5e-03`` (a hostile mood)."""

    @property
    def numbers(self) -> Numbers:
        return self._exponent if self.with_exponent else self._plain

    @property
    def is_token(self) -> bool:
        """Whether the pair is one of those that some calls leave out by default."""
        return self._exchange.pair not in NOT_TOKEN

    def currency(self, name: str) -> dict[str, Any]:
        return {"name": name, "is_token": False}

    def currency_pair(self) -> dict[str, Any]:
        """Steps and minimums; ``aux`` is the price, ``item`` the amount."""
        instrument, units = self._exchange.instrument, self._exchange.purse.units
        base, quote = units.base.upper(), units.quote.upper()
        exponent = instrument.tick_size.normalize().as_tuple().exponent
        assert isinstance(exponent, int)
        return {
            "name": f"{base}/{quote}",
            "title": f"{base}/{quote}",
            "currency_pair": self._exchange.pair,
            "description": f"{base} against {quote}",
            "is_token": self.is_token,
            "event_number": 0,
            "item_unit_min": self.numbers.size(instrument.lots_min),
            "item_unit_step": self.numbers.size(1),
            "aux_unit_min": self.numbers.price(1),
            "aux_unit_step": self.numbers.price(1),
            "seq": 0,
            "id": 1,
            "aux_japanese": _JAPANESE.get(units.quote, quote),
            "item_japanese": _JAPANESE.get(units.base, base),
            "aux_unit_point": max(0, -exponent),
        }

    def last_price(self) -> msgspec.Raw:
        last = self._exchange.prints.last
        price = last.price if last is not None else self._exchange.book.best(BUY) or self._exchange.book.best(SELL)
        return self.numbers.price(price)

    def ticker(self) -> dict[str, Any]:
        """Figures of the last 24 hours; null where nothing was traded or the book is empty."""
        exchange, numbers = self._exchange, self.numbers
        day = exchange.prints.day(exchange.now_ns)
        bid, ask = exchange.book.best(BUY), exchange.book.best(SELL)
        return {
            "last": self.last_price(),
            "high": numbers.price(day.high) if day else None,
            "low": numbers.price(day.low) if day else None,
            "vwap": numbers.amount(day.vwap * exchange.instrument.tick_size) if day else None,
            "volume": numbers.size(day.lots) if day else numbers.size(0),
            "bid": numbers.price(bid) if bid else None,
            "ask": numbers.price(ask) if ask else None,
        }

    def depth(self, count: int) -> dict[str, list[tuple[msgspec.Raw, msgspec.Raw]]]:
        book, numbers = self._exchange.book, self.numbers
        price, size = numbers.price, numbers.size
        return {
            "asks": [(price(ticks), size(lots)) for ticks, lots in book.levels(SELL, count)],
            "bids": [(price(ticks), size(lots)) for ticks, lots in book.levels(BUY, count)],
        }

    def trades(self, count: int) -> list[dict[str, Any]]:
        """Newest first."""
        recent = self._exchange.prints.recent
        newest = [recent[-n] for n in range(1, min(count, len(recent)) + 1)]
        return [self._trade(trade) for trade in newest]

    def frame(self) -> dict[str, Any]:
        """One message of the stream: the whole of what it shows, every time."""
        now_ns = self._exchange.now_ns
        last = self._exchange.prints.last
        when = datetime.fromtimestamp(now_ns // _SECOND_NS, tz=_JAPAN)
        return {
            **self.depth(STREAM_LEVELS),
            "trades": [{"currenty_pair": self._exchange.pair, **trade} for trade in self.trades(STREAM_TRADES)],
            "timestamp": f"{when:%Y-%m-%d %H:%M:%S}.{now_ns % _SECOND_NS // 1000:06d}",
            "last_price": {"action": ACTIONS[last.side if last is not None else BUY], "price": self.last_price()},
            "currency_pair": self._exchange.pair,
            "target_users": [],
            "itayose_data": [{}],
        }

    def funds(self, account: Account, *, available: bool) -> dict[str, msgspec.Raw]:
        """By currency; without what working orders hold when ``available``."""
        units = self._exchange.purse.units
        names = dict.fromkeys((units.quote, units.base, *CURRENCIES, *account.balances))
        amounts = {
            name: account.available(name) if available else account.balances.get(name, 0) for name in names
        }  # fmt: skip
        return {name: self.numbers.amount(units.grid(name).decimal(amount)) for name, amount in amounts.items()}

    def active_order(self, order: Order) -> dict[str, Any]:
        return {
            "currency_pair": self._exchange.pair,
            "action": ACTIONS[order.side],
            "amount": self.numbers.size(order.remaining),
            "price": self.numbers.price(order.price),
            "timestamp": str(order.created_ns // _SECOND_NS),
            "comment": order.comment,
        }

    def fill(self, fill: Fill) -> dict[str, Any]:
        fee = self.numbers.money(fill.fee)
        return {
            "currency_pair": self._exchange.pair,
            "action": ACTIONS[fill.taker_side],
            "amount": self.numbers.size(fill.lots),
            "price": self.numbers.price(fill.price),
            "fee": fee,
            "fee_amount": fee,
            "your_action": ACTIONS[fill.side],
            "bonus": None,
            "timestamp": str(fill.ts_ns // _SECOND_NS),
            "comment": fill.comment,
        }

    def _trade(self, trade: Print) -> dict[str, Any]:
        return {
            "date": trade.ts_ns // _SECOND_NS,
            "price": self.numbers.price(trade.price),
            "amount": self.numbers.size(trade.lots),
            "tid": trade.trade_id,
            "currency_pair": self._exchange.pair,
            "trade_type": ACTIONS[trade.side],
        }
