"""The frames of both streams, encoded: what the market shows (once for all who watch), and what an account is told."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ztb.core.instrument import BUY, SELL
from ztb.simulator import news
from ztb.simulator.accounts import Account
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo.rules import CANCEL_TYPES, SIDE_NAMES, STATUSES, STREAM_LEVELS, TIME_NAMES
from ztb.simulator.gmo.shapes import Shapes
from ztb.simulator.news import AccountEvent, PositionNow
from ztb.simulator.prints import Print

_POSITION_TYPES: Final = {
    news.POSITION_OPENED: "OPR",
    news.POSITION_CHANGED: "UPR",
    news.POSITION_CLOSED: "CPR",
}
_ENDED_TYPES: Final = {"cancelled": "COR", "expired": "ER", "rejected": "ER"}


class MarketFrames:
    """``ticker`` and ``orderbooks`` are whole every time; each is encoded once for each state of the book."""

    def __init__(self, exchange: Exchange, shapes: Shapes) -> None:
        self._exchange = exchange
        self._shapes = shapes
        self._encoded: dict[tuple[str, str], tuple[int, bytes]] = {}

    @property
    def version(self) -> int:
        return self._exchange.book.version

    def now(self, channel: str, symbol: str) -> bytes:
        """The present frame of ``ticker`` or ``orderbooks``."""
        known = self._encoded.get((channel, symbol))
        if known is not None and known[0] == self.version:
            return known[1]
        frame = msgspec.json.encode(self._ticker(symbol) if channel == "ticker" else self._book(symbol))
        self._encoded[channel, symbol] = (self.version, frame)
        return frame

    def trade(self, trade: Print, symbol: str, *, taker_only: bool) -> list[bytes]:
        """One row of the taker; without the option the maker's row comes too."""
        row = {"channel": "trades", **self._shapes.trade(trade), "symbol": symbol}
        taker = msgspec.json.encode(row)
        if taker_only:
            return [taker]
        return [msgspec.json.encode({**row, "side": SIDE_NAMES[-trade.side]}), taker]

    def _ticker(self, symbol: str) -> dict[str, str]:
        return {"channel": "ticker", **self._shapes.ticker(symbol)}

    def _book(self, symbol: str) -> dict[str, Any]:
        return {
            "channel": "orderbooks",
            "asks": self._shapes.levels(SELL, STREAM_LEVELS),
            "bids": self._shapes.levels(BUY, STREAM_LEVELS),
            "symbol": symbol,
            "timestamp": self._shapes.iso(self._exchange.now_ns),
            "grouping": self._shapes.price(1),
        }


class AccountFrames:
    """One frame for each event that the channel tells; a full fill has no frame of its own on ``orderEvents``."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes

    def of(self, event: AccountEvent, account: Account) -> list[tuple[str, bytes]]:
        """Channel and frame of everything that an event is to the private stream."""
        if event.position is not None:
            return [
                ("positionEvents", self._position(event, event.position)),
                ("positionSummaryEvents", self.summary(account, event.position.side, event.ts_ns, "UPDATE")),
            ]
        if event.fill is not None:
            return [("executionEvents", self._execution(event))]
        if event.kind == news.CANCELLING or event.end == "filled":
            return []
        return [("orderEvents", self._order(event))]

    def summary(self, account: Account, side: int, ts_ns: int, kind: str) -> bytes:
        """All positions of one side as they are now."""
        shapes = self._shapes
        row = shapes.summary([position.now() for position in account.positions.values()], side) or {
            "averagePositionRate": "0",
            "positionLossGain": "0",
            "side": SIDE_NAMES[side],
            "sumOrderQuantity": "0",
            "sumPositionQuantity": "0",
            "symbol": shapes.leverage,
        }
        frame = {"channel": "positionSummaryEvents", **row, "timestamp": shapes.iso(ts_ns), "msgType": kind}
        return msgspec.json.encode(frame)

    def _order(self, event: AccountEvent) -> bytes:
        order, shapes = event.order, self._shapes
        assert order is not None
        ended = {"cancelType": CANCEL_TYPES.get(event.reason, "USER")} if event.end else {}
        changed = "ROR" if event.kind == news.CHANGED else "NOR"
        frame = {
            "channel": "orderEvents",
            "orderId": order.order_id,
            "symbol": order.symbol,
            "settleType": "CLOSE" if order.closes else "OPEN",
            "executionType": "MARKET" if order.is_market else "LIMIT",
            "side": SIDE_NAMES[order.side],
            "orderStatus": STATUSES[event.end],
            **ended,
            "orderTimestamp": shapes.iso(order.created_ns),
            "orderPrice": shapes.price(event.price),
            "orderSize": shapes.size(order.lots),
            "orderExecutedSize": shapes.size(event.filled_lots),
            "losscutPrice": "0",
            "timeInForce": TIME_NAMES[order.time_in_force],
            "msgType": _ENDED_TYPES[event.end] if event.end else changed,
        }
        return msgspec.json.encode(frame)

    def _execution(self, event: AccountEvent) -> bytes:
        order, fill, shapes = event.order, event.fill, self._shapes
        assert order is not None
        assert fill is not None
        frame = {
            "channel": "executionEvents",
            "orderId": order.order_id,
            "executionId": fill.trade_id,
            "symbol": order.symbol,
            "settleType": "CLOSE" if order.closes else "OPEN",
            "executionType": "MARKET" if order.is_market else "LIMIT",
            "side": SIDE_NAMES[order.side],
            "executionPrice": shapes.price(fill.price),
            "executionSize": shapes.size(fill.lots),
            **({"positionId": fill.position_id} if fill.position_id else {}),
            "orderTimestamp": shapes.iso(order.created_ns),
            "executionTimestamp": shapes.iso(fill.ts_ns),
            "lossGain": shapes.money(fill.gain),
            "fee": shapes.money(fill.fee),
            "orderPrice": shapes.price(event.price),
            "orderSize": shapes.size(order.lots),
            "orderExecutedSize": shapes.size(event.filled_lots),
            "timeInForce": TIME_NAMES[order.time_in_force],
            "msgType": "ER",
        }
        return msgspec.json.encode(frame)

    def _position(self, event: AccountEvent, position: PositionNow) -> bytes:
        frame = {
            "channel": "positionEvents",
            **self._shapes.position(position),
            "timestamp": self._shapes.iso(event.ts_ns),
            "msgType": _POSITION_TYPES[event.kind],
        }
        return msgspec.json.encode(frame)
