"""GMO Coin's JSON, decoded into exact types and nothing else.

Prices, sizes and money are texts on the wire and go to Decimal and on to integer ticks and lots; none passes through
float. Members that we do not know are ignored; one that is missing, of another type, of an unknown value or off the
instrument's grid is a ``VenueError`` with code ``undecodable``, never another exception. The answer's own ``status``
decides before the one of HTTP.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from ztb.core.error import AmountError, VenueError
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.money import PPM, Grid, decimal_from_text
from ztb.venues import limits
from ztb.venues.decoding import decoded, undecodable
from ztb.venues.gmo import rules
from ztb.venues.gmo.rows import (
    ENVELOPE,
    TEXT,
    AssetRow,
    ExecutionType,
    FillRow,
    MarginRow,
    OrderRow,
    Page,
    PositionRow,
    SymbolRow,
)
from ztb.venues.port import Balance, OpenOrder, OrderReport, OrderStatus, VenueFill, VenuePosition

T = TypeVar("T")

SIDE_OF: Final = {"BUY": BUY, "SELL": SELL}
QUOTE: Final = "jpy"
STATUS_OF: Final = {
    "WAITING": OrderStatus.WORKING,
    "ORDERED": OrderStatus.WORKING,
    "MODIFYING": OrderStatus.WORKING,
    "CANCELLING": OrderStatus.WORKING,
    "CANCELED": OrderStatus.CANCELLED,
    "EXECUTED": OrderStatus.FILLED,
    "EXPIRED": OrderStatus.EXPIRED,
}
"""A cancel that was accepted is not a cancelled order: it can still be filled, so it counts as working."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ID_MAX: Final = 1 << 63


def data_of(body: bytes, what: str, *, http_status: int = 200) -> Raw:
    """The ``data`` of an answer, as it stands there; empty for calls that return none.

    A refusal is raised as the rules class it, whatever HTTP said; an answer that is no envelope, as HTTP's failure.
    """
    try:
        envelope = decoded(ENVELOPE, body, what)
    except VenueError:
        if http_status == 200:
            raise
        raise VenueError(f"{what}: HTTP {http_status}", kind="network", code=str(http_status), retryable=True) from None
    if envelope.status == 0:
        if envelope.messages or http_status != 200:
            raise undecodable(what, f"status 0 with HTTP {http_status} and {len(envelope.messages)} messages")
        return envelope.data
    if not envelope.messages:
        raise undecodable(what, f"status {envelope.status} without a message")
    first = envelope.messages[0]
    raise rules.error_of(what, first.message_code, first.message_string)


def answer(decoder: msgspec.json.Decoder[T], body: bytes, what: str, *, http_status: int = 200) -> T:
    """The typed ``data`` of an answer; errors as in ``data_of``."""
    return decoded(decoder, data_of(body, what, http_status=http_status), what)


def answered_ns(body: bytes, what: str) -> int:
    """The venue's time of an answer; undecodable when it did not tell."""
    return time_ns(decoded(ENVELOPE, body, what).responsetime, what)


def rows_of(page: Page[T], what: str) -> list[T]:
    """The rows of a page; only ``{}`` may be without."""
    if page.rows is not None:
        return page.rows
    if page.pagination is not None:
        raise undecodable(what, "a page without a list")
    return []


def amount(text: str, what: str, *, signed: bool = False) -> Decimal:
    """The number written as ``text``; not below zero unless ``signed``."""
    try:
        value = decimal_from_text(text)
    except AmountError as error:
        raise undecodable(what, error) from None
    if value < 0 and not signed:
        raise undecodable(what, f"{text} is below zero")
    if value != +value:
        # The decimal context holds 28 digits; unary plus rounds to it.
        raise undecodable(what, "an amount of too many digits")
    return value


def steps(grid: Grid, text: str, what: str, *, at_least: int = 0) -> int:
    """Whole steps in ``text``; off the grid or too small is undecodable: a private amount is never rounded."""
    try:
        whole = grid.parse(text)
    except AmountError as error:
        raise undecodable(what, error) from None
    if whole < at_least:
        raise undecodable(what, f"{text} is below {at_least} step")
    return whole


def time_ns(text: str, what: str) -> int:
    """Unix nanoseconds of ``2023-11-14T22:13:20.123Z``."""
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND * 1000
    except (ValueError, TypeError, OverflowError) as error:
        raise undecodable(what, error) from None


def identity(number: int, what: str) -> str:
    """An id as a text; in JSON it is a number."""
    if not 0 < number < _ID_MAX:
        raise undecodable(what, "an id that cannot be")
    return str(number)


def placed_id(text: str, what: str) -> str:
    """The id of a new order: there alone the venue writes it as a text."""
    if not (text.isascii() and text.isdigit() and len(text) <= limits.DIGITS_MAX):
        raise undecodable(what, f"an id that is no number: {text[:40]!r}")
    return identity(int(text), what)


def token_of(data: Raw) -> str:
    """The token of a private socket."""
    token = decoded(TEXT, data, "ws-auth")
    if not token:
        raise undecodable("ws-auth", "a token of no characters")
    return token


def instrument_of(row: SymbolRow) -> Instrument:
    """The symbol as an instrument: ``BTC`` is spot, ``BTC_JPY`` leverage; both are quoted in yen."""
    what = f"symbols {row.symbol[:40]}"
    base, separator, quote = row.symbol.partition("_")
    if not base or (separator and quote.lower() != QUOTE):
        raise undecodable(what, "neither a coin nor a coin in yen")
    tick, lot = _step(row.tick_size, what), _step(row.size_step, what)
    exponent = (tick * lot).normalize().as_tuple().exponent
    assert isinstance(exponent, int), "a step is finite"
    sizes = Grid(lot)
    try:
        return Instrument(
            symbol=row.symbol,
            base=base.lower(),
            quote=QUOTE,
            tick_size=tick,
            lot_size=lot,
            money_scale=max(rules.MONEY_SCALE_MIN, -exponent),
            leveraged=bool(separator),
            lots_min=max(1, sizes.rounded(amount(row.min_order_size, what), "ceiling")),
            lots_max=sizes.rounded(amount(row.max_order_size, what), "floor"),
            maker_fee_ppm=_ppm(row.maker_fee, what),
            taker_fee_ppm=_ppm(row.taker_fee, what),
            nets=not separator,
        )
    except AmountError as error:
        raise undecodable(what, error) from None


def open_order_of(row: OrderRow, instrument: Instrument) -> OpenOrder:
    """A working order; one that is being cancelled still works."""
    report = report_of(row, instrument, "activeOrders")
    if report.status is not OrderStatus.WORKING:
        raise undecodable("activeOrders", f"an order that is {row.status}")
    return OpenOrder(
        venue_id=report.venue_id,
        tag="",
        instrument=report.instrument,
        side=report.side,
        price=report.price,
        remaining_lots=report.lots - report.filled_lots,
        created_ns=report.created_ns,
        lots=report.lots,
    )


def report_of(row: OrderRow, instrument: Instrument, what: str) -> OrderReport:
    """The venue's word on one order."""
    lots = steps(instrument.sizes, row.size, what, at_least=1)
    filled_lots = steps(instrument.sizes, row.executed_size, what)
    status = STATUS_OF[row.status]
    if filled_lots > lots or (status is OrderStatus.FILLED and filled_lots < lots):
        raise undecodable(what, f"{row.status} with {filled_lots} of {lots} lots")
    return OrderReport(
        venue_id=identity(row.order_id, what),
        tag="",
        instrument=same_symbol(row.symbol, instrument, what),
        side=SIDE_OF[row.side],
        price=order_price(row.price, row.execution_type, instrument, what),
        lots=lots,
        filled_lots=filled_lots,
        status=status,
        created_ns=time_ns(row.timestamp, what),
        reason=row.cancel_type[: limits.REMARK_LENGTH_MAX],
    )


def order_price(text: str, execution_type: ExecutionType, instrument: Instrument, what: str) -> int:
    """Ticks; 0 for a market order, which the venue shows without a price. Of a STOP order it is the trigger."""
    if execution_type == "MARKET":
        return 0
    return steps(instrument.prices, text, what, at_least=1)


def fill_of(row: FillRow, instrument: Instrument) -> VenueFill:
    """One fill of the history. It has no tag: it is known by the venue's order id."""
    what = "latestExecutions"
    fee = amount(row.fee, what, signed=True)
    return VenueFill(
        trade_id=identity(row.execution_id, what),
        tag="",
        venue_order_id=identity(row.order_id, what),
        instrument=same_symbol(row.symbol, instrument, what),
        side=SIDE_OF[row.side],
        price=steps(instrument.prices, row.price, what, at_least=1),
        lots=steps(instrument.sizes, row.size, what, at_least=1),
        fee=fee,
        maker=is_maker(fee, instrument),
        venue_ns=time_ns(row.timestamp, what),
    )


def is_maker(fee: Decimal, instrument: Instrument) -> bool:
    """The venue does not say; a fee received tells a maker, where only makers receive. Else the dearer is assumed."""
    return fee < 0 and instrument.maker_fee_ppm < 0 <= instrument.taker_fee_ppm


def balances_of(rows: list[AssetRow], margin: MarginRow | None, *, leveraged_only: bool) -> dict[str, Balance]:
    """By currency, in lower case.

    With ``margin`` the yen that may be used are what it leaves for new positions; where spot is traded as well, no
    more than spot leaves. Below zero it is nothing.
    """
    what = "assets"
    balances = {
        row.symbol.lower(): Balance(row.symbol.lower(), amount(row.available, what), amount(row.amount, what))
        for row in rows
    }
    if margin is None:
        return balances
    usable = max(Decimal(0), amount(margin.available_amount, "margin", signed=True))
    yen = balances.get(QUOTE, Balance(QUOTE, Decimal(0), Decimal(0)))
    available = usable if leveraged_only else min(usable, yen.available)
    return balances | {QUOTE: Balance(QUOTE, available, yen.total)}


def positions_of(rows: list[PositionRow], instrument: Instrument) -> list[VenuePosition]:
    """At most one for each side; a side without lots is none."""
    what = "positionSummary"
    positions: dict[int, VenuePosition] = {}
    for row in rows:
        side, lots = SIDE_OF[row.side], steps(instrument.sizes, row.sum_position_quantity, what)
        symbol = same_symbol(row.symbol, instrument, what)
        if side in positions:
            raise undecodable(what, f"two rows of {symbol} {row.side}")
        positions[side] = VenuePosition(symbol, side, lots, amount(row.average_position_rate, what))
    return [position for position in positions.values() if position.lots]


def same_symbol(symbol: str, instrument: Instrument, what: str) -> str:
    """The symbol, if it is the one that was asked for."""
    if symbol != instrument.symbol:
        raise undecodable(what, f"asked for {instrument.symbol}, answered for {symbol[:40]!r}")
    return symbol


def _step(text: str, what: str) -> Decimal:
    """A positive step; 5 for 5.0, so that amounts are written without empty decimals."""
    value = amount(text, what)
    if not value:
        raise undecodable(what, "a step of zero")
    return Decimal(f"{value.normalize():f}")


def _ppm(text: str, what: str) -> int:
    """A ratio in parts per million, rounded up: against us."""
    return Grid(Decimal(1) / PPM).rounded(amount(text, what, signed=True), "ceiling")
