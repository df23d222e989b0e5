"""The shapes of GMO Coin's JSON: the members that we read, by the venue's names.

Members that are not here are ignored; one that is missing, of another type or of an unknown value refuses the answer.
"""

from __future__ import annotations

from typing import Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct, field

T = TypeVar("T")
Side = Literal["BUY", "SELL"]
ExecutionType = Literal["MARKET", "LIMIT", "STOP"]
ExchangeState = Literal["OPEN", "PREOPEN", "MAINTENANCE"]
RestStatus = Literal["WAITING", "ORDERED", "MODIFYING", "CANCELLING", "CANCELED", "EXECUTED", "EXPIRED"]


class StateRow(Struct):
    """Answer of ``status``."""

    status: ExchangeState


class SymbolRow(Struct, rename="camel"):
    """One row of ``symbols``; fees are ratios, a negative one is a rebate."""

    symbol: str
    min_order_size: str
    max_order_size: str
    size_step: str
    tick_size: str
    taker_fee: str
    maker_fee: str


class TickerRow(Struct):
    """24 hours of a symbol."""

    ask: str
    bid: str
    high: str
    last: str
    low: str
    symbol: str
    timestamp: str
    volume: str


class LevelRow(Struct, gc=False):
    """One level of a book."""

    price: str
    size: str


class BookRow(Struct):
    """The book, best level first."""

    asks: list[LevelRow]
    bids: list[LevelRow]
    symbol: str


class TradeRow(Struct):
    """One public trade; ``side`` is the taker's. The venue numbers none."""

    price: str
    side: Side
    size: str
    timestamp: str


class AssetRow(Struct):
    """One row of ``account/assets``; ``available`` is ``amount`` without what orders lock."""

    amount: str
    available: str
    symbol: str


class MarginRow(Struct, rename="camel"):
    """Answer of ``account/margin``: what a new leveraged position may use."""

    available_amount: str


class OrderRow(Struct, rename="camel"):
    """One row of ``orders`` and ``activeOrders``."""

    order_id: int
    symbol: str
    side: Side
    execution_type: ExecutionType
    size: str
    executed_size: str
    price: str
    status: RestStatus
    timestamp: str
    cancel_type: str = ""


class FillRow(Struct, rename="camel"):
    """One row of ``latestExecutions`` and ``executions``; a positive ``fee`` was paid, a negative one received."""

    execution_id: int
    order_id: int
    symbol: str
    side: Side
    size: str
    price: str
    fee: str
    timestamp: str


class PositionRow(Struct, rename="camel"):
    """One row of ``positionSummary``: all entries of one symbol and side."""

    average_position_rate: str
    side: Side
    sum_position_quantity: str
    symbol: str


class RefusalRow(Struct):
    """One message of an error."""

    message_code: str
    message_string: str = ""


class CancelManyRow(Struct):
    """Answer of ``cancelOrders``: of which ids the venue said yes."""

    success: list[int]


class Pagination(Struct):
    """Beside a list. Its numbers are not read: that a page is the last is told by its length."""


class Page(Struct, Generic[T]):
    """A list in an object; ``{}`` is how the venue writes an empty one."""

    rows: list[T] | None = field(name="list", default=None)
    pagination: Pagination | None = None


class Envelope(Struct):
    """Around every answer; ``status`` 0 is a yes. ``responsetime`` can be missing in maintenance."""

    status: int
    data: Raw = field(default_factory=Raw)
    messages: list[RefusalRow] = []
    responsetime: str = ""


ENVELOPE: Final = msgspec.json.Decoder(Envelope)
STATE: Final = msgspec.json.Decoder(StateRow)
SYMBOLS: Final = msgspec.json.Decoder(list[SymbolRow])
TICKERS: Final = msgspec.json.Decoder(list[TickerRow])
BOOK: Final = msgspec.json.Decoder(BookRow)
TRADES: Final = msgspec.json.Decoder(Page[TradeRow])
ASSETS: Final = msgspec.json.Decoder(list[AssetRow])
MARGIN: Final = msgspec.json.Decoder(MarginRow)
ORDERS: Final = msgspec.json.Decoder(Page[OrderRow])
FILLS: Final = msgspec.json.Decoder(Page[FillRow])
POSITIONS: Final = msgspec.json.Decoder(Page[PositionRow])
CANCELLED_MANY: Final = msgspec.json.Decoder(CancelManyRow)
TEXT: Final = msgspec.json.Decoder(str)
