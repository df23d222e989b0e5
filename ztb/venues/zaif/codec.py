"""Zaif's JSON, decoded into exact types and nothing else.

Numbers go from the digits on the wire to Decimal and on to integer ticks and lots; none passes through float. Members
that we do not know are ignored; one that is missing, of another type or off the instrument's grid is a ``VenueError``
with code ``undecodable``, never another exception. The form of a refusal is recognised here as well.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from ztb.core.error import AmountError, VenueError
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.money import Grid
from ztb.venues import limits
from ztb.venues.decoding import decoded, undecodable
from ztb.venues.port import Balance, OpenOrder, VenueFill
from ztb.venues.zaif import rules

T = TypeVar("T")
Action = Literal["bid", "ask"]
Levels = list[tuple[Raw, Raw]]
"""Price and amount as their text: a book repeats itself, and a text that was seen needs no number made of it."""

SIDE_OF: Final = {"bid": BUY, "ask": SELL, "both": 0}
ACTION_OF: Final = {BUY: "bid", SELL: "ask"}
_NS: Final = 1_000_000_000
_JAPAN_EPOCH: Final = datetime(1970, 1, 1, 9)
_MICROSECOND: Final = timedelta(microseconds=1)


class PairRow(Struct):
    """One row of ``currency_pairs``."""

    currency_pair: str
    item_unit_min: Decimal
    item_unit_step: Decimal
    aux_unit_step: Decimal
    is_token: bool


class TickerRow(Struct):
    """24 hours of a pair; each member is null for a dead pair."""

    last: Decimal | None
    high: Decimal | None
    low: Decimal | None
    vwap: Decimal | None
    volume: Decimal | None
    bid: Decimal | None
    ask: Decimal | None


class LastPriceRow(Struct):
    """The price of the last trade."""

    last_price: Decimal


class CurrencyRow(Struct):
    """One row of ``currencies``."""

    name: str
    is_token: bool


class TradeRow(Struct):
    """One public trade; ``trade_type`` is the taker's side, ``date`` in seconds."""

    date: int
    price: Decimal
    amount: Decimal
    tid: int
    trade_type: Action


class DepthRow(Struct):
    """The book, best level first."""

    asks: Levels
    bids: Levels


class FrameRow(Struct, gc=False):
    """One frame of the stream: a whole book and the latest trades, checked to be JSON and not yet taken apart.

    Most of a frame stood in the frame before it, so its reader decodes only what is new.
    """

    asks: Raw
    bids: Raw
    trades: Raw
    timestamp: str
    currency_pair: str


class FrameTradeRow(Struct, gc=False):
    """One trade of a frame; price and amount as their text, like those of a book."""

    date: int
    price: Raw
    amount: Raw
    tid: int
    trade_type: Action


class InfoRow(Struct):
    """Answer of ``get_info`` and ``get_info2``."""

    funds: dict[str, Decimal]
    deposit: dict[str, Decimal]
    rights: dict[str, int]
    open_orders: int
    server_time: int
    trade_count: int | None = None


class OrderRow(Struct):
    """One row of ``active_orders``; ``amount`` is what remains."""

    currency_pair: str
    action: Action
    amount: Decimal
    price: Decimal
    timestamp: int | str
    comment: str = ""


class PlacedRow(Struct):
    """Answer of ``trade``; ``order_id`` is 0 when everything filled at once."""

    received: Decimal
    remains: Decimal
    order_id: int


class CancelledRow(Struct):
    """Answer of ``cancel_order``."""

    order_id: int


class FillRow(Struct):
    """One row of ``trade_history``; ``action`` is the taker's side, ``your_action`` ours."""

    currency_pair: str
    action: Action
    amount: Decimal
    price: Decimal
    fee_amount: Decimal
    your_action: Literal["bid", "ask", "both"]
    timestamp: int | str
    comment: str | None = ""
    bonus: Decimal | None = None


class _Envelope(Struct):
    success: int
    answer: Raw = field(name="return", default_factory=Raw)
    error: str | None = None


class _PublicError(Struct):
    error: str


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_PUBLIC_ERROR: Final = msgspec.json.Decoder(_PublicError)
_TEXT: Final = msgspec.json.Decoder(str)
_NUMBER: Final = msgspec.json.Decoder(Decimal)

PAIRS: Final = msgspec.json.Decoder(list[PairRow])
CURRENCIES: Final = msgspec.json.Decoder(list[CurrencyRow])
TICKER: Final = msgspec.json.Decoder(TickerRow)
LAST_PRICE: Final = msgspec.json.Decoder(LastPriceRow)
TRADES: Final = msgspec.json.Decoder(list[TradeRow])
DEPTH: Final = msgspec.json.Decoder(DepthRow)
FRAME: Final = msgspec.json.Decoder(FrameRow)
FRAME_LEVELS: Final = msgspec.json.Decoder(Levels)
FRAME_TRADES: Final = msgspec.json.Decoder(list[FrameTradeRow])
INFO: Final = msgspec.json.Decoder(InfoRow)
ORDERS: Final = msgspec.json.Decoder(dict[str, OrderRow])
PLACED: Final = msgspec.json.Decoder(PlacedRow)
CANCELLED: Final = msgspec.json.Decoder(CancelledRow)
FILLS: Final = msgspec.json.Decoder(dict[str, FillRow])


def public_answer(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    """A public answer; the venue's refusal (HTTP 200 with ``error``) is raised as the rules class it."""
    try:
        return decoded(decoder, body, what)
    except VenueError as error:
        try:
            refusal = decoded(_PUBLIC_ERROR, body, what)
        except VenueError:
            raise error from None
        raise rules.error_of(what, refusal.error) from None


def private_answer(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    """The ``return`` of a private answer; ``success`` 0 is raised as the rules class it."""
    envelope = decoded(_ENVELOPE, body, what)
    if envelope.success == 1:
        return decoded(decoder, envelope.answer, what)
    if envelope.success != 0:
        raise undecodable(what, f"success is {envelope.success}")
    # The documentation puts the text in ``return``, every real client reads ``error``.
    text = envelope.error if envelope.error is not None else decoded(_TEXT, envelope.answer, what)
    raise rules.error_of(what, text)


def amount(value: Decimal, what: str) -> Decimal:
    """A finite, not negative number of a size that costs nothing to compute with."""
    if not value.is_finite() or value < 0 or abs(value.adjusted()) > limits.DIGITS_MAX:
        raise undecodable(what, "not an amount")
    if value != +value:
        # The decimal context holds 28 digits; unary plus rounds to it.
        raise undecodable(what, "an amount of too many digits")
    return value


def number(text: bytes, what: str) -> Decimal:
    """The amount that stands as ``text`` in JSON."""
    return amount(decoded(_NUMBER, text, what), what)


def steps(grid: Grid, value: Decimal, what: str, *, at_least: int = 0) -> int:
    """Whole steps in ``value``; off the grid or too small is undecodable: a private amount is never rounded."""
    try:
        whole = grid.exact(amount(value, what))
    except AmountError as error:
        raise undecodable(what, error) from None
    if whole < at_least:
        raise undecodable(what, f"{value} is below {at_least} step")
    return whole


def instrument_of(row: PairRow) -> Instrument:
    """The pair as an instrument; money is counted as finely as tick times lot needs."""
    what = f"currency_pairs {row.currency_pair[:40]}"
    for value in (row.item_unit_min, row.item_unit_step, row.aux_unit_step):
        if not amount(value, what):
            raise undecodable(what, "a step of zero")
    base, separator, quote = row.currency_pair.partition("_")
    if not (base and separator and quote):
        raise undecodable(what, "a pair without two currencies")
    tick, lot = _plain(row.aux_unit_step), _plain(row.item_unit_step)
    exponent = (tick * lot).normalize().as_tuple().exponent
    assert isinstance(exponent, int), "finite by the check above"
    try:
        return Instrument(
            symbol=row.currency_pair,
            base=base,
            quote=quote,
            tick_size=tick,
            lot_size=lot,
            money_scale=max(0, -exponent),
            lots_min=max(1, Grid(lot).rounded(row.item_unit_min, "ceiling")),
            maker_fee_ppm=rules.MAKER_FEE_PPM,
            taker_fee_ppm=rules.taker_fee_ppm(row.currency_pair),
        )
    except AmountError as error:
        raise undecodable(what, error) from None


def open_orders_of(rows: dict[str, OrderRow], instrument: Instrument) -> list[OpenOrder]:
    """Working orders, oldest id first."""
    what = "active_orders"
    orders = [
        OpenOrder(
            venue_id=str(_identity(order_id, what)),
            tag=row.comment,
            instrument=_same_pair(row.currency_pair, instrument, what),
            side=SIDE_OF[row.action],
            price=steps(instrument.prices, row.price, what, at_least=1),
            remaining_lots=steps(instrument.sizes, row.amount, what, at_least=1),
            created_ns=_seconds(row.timestamp, what) * _NS,
        )
        for order_id, row in rows.items()
    ]
    return sorted(orders, key=lambda order: int(order.venue_id))


def fills_of(rows: dict[str, FillRow], instrument: Instrument, *, fee_in_base: bool = False) -> list[VenueFill]:
    """Fills, oldest trade id first. Side 0: a trade of the account with itself. The fee is put into the quote."""
    what = "trade_history"
    fills = []
    for trade_id, row in rows.items():
        fee = amount(row.fee_amount, what)
        price = amount(row.price, what)
        fills.append(
            VenueFill(
                trade_id=str(_identity(trade_id, what)),
                tag=row.comment or "",
                venue_order_id="",
                instrument=_same_pair(row.currency_pair, instrument, what),
                side=SIDE_OF[row.your_action],
                price=steps(instrument.prices, price, what, at_least=1),
                lots=steps(instrument.sizes, row.amount, what, at_least=1),
                fee=fee * price if fee_in_base else fee,
                maker=row.your_action not in (row.action, "both"),
                venue_ns=_seconds(row.timestamp, what) * _NS,
            )
        )
    return sorted(fills, key=lambda fill: int(fill.trade_id))


def balances_of(row: InfoRow) -> dict[str, Balance]:
    """Every currency that the account shows."""
    what = "get_info2"
    return {
        currency: Balance(currency, amount(row.funds.get(currency, Decimal(0)), what), amount(total, what))
        for currency, total in row.deposit.items()
    }


def japan_time_ns(text: str, what: str) -> int:
    """Unix nanoseconds of ``2023-11-15 07:13:31.123456``, which is Japan's time without saying so."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment - _JAPAN_EPOCH) // _MICROSECOND * 1000
    except (ValueError, TypeError, OverflowError) as error:
        raise undecodable(what, error) from None


def _plain(value: Decimal) -> Decimal:
    """5 for 5.0, so that amounts are written without empty decimals."""
    return Decimal(f"{value.normalize():f}")


def _identity(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= limits.DIGITS_MAX):
        raise undecodable(what, f"an id that is no number: {text[:40]!r}")
    return int(text)


def _seconds(value: int | str, what: str) -> int:
    """Unix seconds; documented as a number, sent as a text of digits."""
    whole = _identity(value, what) if isinstance(value, str) else value
    if not 0 <= whole < 1 << 33:
        raise undecodable(what, f"not a time: {str(whole)[:40]}")
    return whole


def _same_pair(pair: str, instrument: Instrument, what: str) -> str:
    if pair != instrument.symbol:
        raise undecodable(what, f"asked for {instrument.symbol}, answered for {pair[:40]!r}")
    return pair
