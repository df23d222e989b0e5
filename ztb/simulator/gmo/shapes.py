"""GMO Coin's JSON shapes, made from the exchange's integers: amounts are texts, ids are numbers, times ISO-8601."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from ztb.core.instrument import BUY, SELL
from ztb.simulator.accounts import Account
from ztb.simulator.book_side import Order
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo.rules import CANCEL_TYPES, SIDE_NAMES, STATUSES, TIME_NAMES
from ztb.simulator.moods import Moods
from ztb.simulator.news import Fill, PositionNow
from ztb.simulator.prints import Print

_SECOND_NS: Final = 1_000_000_000
LOSSCUT_PPM: Final = 450_000
"""A position is shown with a loss-cut price so far from its entry; nothing is ever cut here."""


def plain(value: Decimal) -> str:
    """``13690000``, ``0.01``: without needless zeros and never with an exponent."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Shapes:
    """Builds the answers for one exchange. Spot and leverage are two symbols of one book."""

    def __init__(self, exchange: Exchange, moods: Moods) -> None:
        self._exchange = exchange
        self._moods = moods
        instrument, units = exchange.instrument, exchange.purse.units
        self._instrument = instrument
        self.spot: Final = units.base.upper()
        self.leverage: Final = f"{units.base}_{units.quote}".upper()
        self._last_second = -1
        self._last_text = ""

    @property
    def symbols(self) -> tuple[str, str]:
        return self.spot, self.leverage

    def iso(self, ts_ns: int) -> str:
        """``2023-11-14T22:13:20.123Z`` by the exchange's clock, which may be wrong."""
        shown_ns = ts_ns + self._moods.clock_error_ns()
        second = shown_ns // _SECOND_NS
        if second != self._last_second:
            self._last_second, self._last_text = second, f"{datetime.fromtimestamp(second, tz=UTC):%Y-%m-%dT%H:%M:%S}"
        return f"{self._last_text}.{shown_ns % _SECOND_NS // 1_000_000:03d}Z"

    def price(self, ticks: int) -> str:
        return plain(self._instrument.prices.decimal(ticks))

    def size(self, lots: int) -> str:
        return plain(self._instrument.sizes.decimal(lots))

    def money(self, units: int) -> str:
        return plain(self._instrument.money.decimal(units))

    def whole_money(self, units: int) -> str:
        """Rounded down to whole units of the currency, as the margin screen does it."""
        return str(units // 10**self._instrument.money_scale)

    def ticker(self, symbol: str) -> dict[str, str]:
        """Figures of the last 24 hours; what nobody traded yet is told by the book."""
        exchange = self._exchange
        day, last = exchange.prints.day(exchange.now_ns), exchange.prints.last
        bid, ask = exchange.book.best(BUY), exchange.book.best(SELL)
        price = last.price if last is not None else bid or ask
        return {
            "ask": self.price(ask or price),
            "bid": self.price(bid or price),
            "high": self.price(day.high if day else price),
            "last": self.price(price),
            "low": self.price(day.low if day else price),
            "symbol": symbol,
            "timestamp": self.iso(last.ts_ns if last is not None else exchange.now_ns),
            "volume": self.size(day.lots if day else 0),
        }

    def levels(self, side: int, count: int) -> list[dict[str, str]]:
        """The best first."""
        return [
            {"price": self.price(price), "size": self.size(lots)}
            for price, lots in self._exchange.book.levels(side, count)
        ]

    def trade(self, trade: Print) -> dict[str, str]:
        return {
            "price": self.price(trade.price),
            "side": SIDE_NAMES[trade.side],
            "size": self.size(trade.lots),
            "timestamp": self.iso(trade.ts_ns),
        }

    def rule(self, symbol: str, account: Account | None = None) -> dict[str, str]:
        """One row of ``symbols``."""
        instrument = self._instrument
        taker, maker = self.fees(symbol, account)
        return {
            "symbol": symbol,
            "minOrderSize": self.size(instrument.lots_min),
            "maxOrderSize": self.size(instrument.lots_max),
            "sizeStep": self.size(1),
            "tickSize": self.price(1),
            "takerFee": taker,
            "makerFee": maker,
        }

    def fees(self, symbol: str, account: Account | None) -> tuple[str, str]:
        """Taker and maker, as the account pays them; the first account's for everybody."""
        if symbol == self.leverage:
            return "0", "0"
        owner = account or next(iter(self._exchange.purse.accounts.values()))
        return plain(Decimal(owner.taker_fee_ppm).scaleb(-6)), plain(Decimal(owner.maker_fee_ppm).scaleb(-6))

    def order(self, order: Order) -> dict[str, Any]:
        """As ``orders`` and ``activeOrders`` show it."""
        status = "CANCELLING" if order.cancelling else STATUSES[order.end]
        ended = {"cancelType": CANCEL_TYPES[order.reason]} if order.reason else {}
        if order.cancelling:
            ended = {"cancelType": CANCEL_TYPES["user"]}
        return {
            "rootOrderId": order.order_id,
            "orderId": order.order_id,
            "symbol": order.symbol,
            "side": SIDE_NAMES[order.side],
            "orderType": "NORMAL",
            "executionType": "MARKET" if order.is_market else "LIMIT",
            "settleType": "CLOSE" if order.closes else "OPEN",
            "size": self.size(order.lots),
            "executedSize": self.size(order.filled_lots),
            "price": self.price(order.price),
            "losscutPrice": "0",
            "status": status,
            **ended,
            "timeInForce": TIME_NAMES[order.time_in_force],
            "timestamp": self.iso(order.created_ns),
        }

    def execution(self, fill: Fill) -> dict[str, Any]:
        order = fill.order
        assert order is not None
        return {
            "executionId": fill.trade_id,
            "orderId": fill.order_id,
            **({"positionId": fill.position_id} if fill.position_id else {}),
            "symbol": order.symbol,
            "side": SIDE_NAMES[order.side],
            "settleType": "CLOSE" if order.closes else "OPEN",
            "size": self.size(fill.lots),
            "price": self.price(fill.price),
            "lossGain": self.money(fill.gain),
            "fee": self.money(fill.fee),
            "timestamp": self.iso(fill.ts_ns),
        }

    def position(self, position: PositionNow) -> dict[str, Any]:
        """As ``openPositions`` shows it, ``orderdSize`` misspelt as on the wire."""
        cut = position.price * LOSSCUT_PPM // 1_000_000
        return {
            "positionId": position.position_id,
            "symbol": position.symbol,
            "side": SIDE_NAMES[position.side],
            "size": self.size(position.lots),
            "orderdSize": self.size(position.lots_ordered),
            "price": self.price(position.price),
            "lossGain": self.money(self._gain(position)),
            "leverage": str(self._exchange.purse.margin.leverage),
            "losscutPrice": self.price(position.price - position.side * cut),
            "timestamp": self.iso(position.opened_ns),
        }

    def summary(self, positions: Iterable[PositionNow], side: int) -> dict[str, Any] | None:
        """All positions of one side together; None where there are none."""
        rows = [position for position in positions if position.side == side]
        lots = sum(position.lots for position in rows)
        if not lots:
            return None
        value = sum(position.price * position.lots for position in rows)
        average = (Decimal(value) / lots * self._instrument.tick_size).quantize(Decimal("1e-4"))
        return {
            "averagePositionRate": plain(average),
            "positionLossGain": self.money(sum(self._gain(position) for position in rows)),
            "side": SIDE_NAMES[side],
            "sumOrderQuantity": self.size(sum(position.lots_ordered for position in rows)),
            "sumPositionQuantity": self.size(lots),
            "symbol": self.leverage,
        }

    def _gain(self, position: PositionNow) -> int:
        """What closing it now would bring; 0 where nobody offers."""
        mark = self._exchange.book.best(position.side)
        difference = (mark - position.price) * position.side if mark else 0
        return self._instrument.notional(difference, position.lots)
