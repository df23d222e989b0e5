"""Coinbase's orders and fills as JSON, to and from the types of the port.

The same rule as in ``codec``: exact, or ``undecodable``. Of orders that are not ours as much is told as can be; one
that somebody placed by its value is counted in lots as large as it can become.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final, Literal

import msgspec
from msgspec import Struct

from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY, Place
from ztb.core.error import VenueError
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.coinbase import codec, rules
from ztb.venues.coinbase.client_id import tag_of
from ztb.venues.coinbase.codec import SIDE_OF, SIDE_TEXT, Side, steps
from ztb.venues.decoding import undecodable
from ztb.venues.port import OpenOrder, OrderReport, OrderStatus, VenueFill

_UNSPECIFIED: Final = frozenset({"", "REJECT_REASON_UNSPECIFIED", "UNKNOWN_FAILURE_REASON"})


class ConfigurationRow(Struct):
    """The members of an order configuration that any kind may have."""

    base_size: str = ""
    quote_size: str = ""
    limit_price: str = ""


class OrderRow(Struct):
    """One order, in whichever state."""

    order_id: str
    client_order_id: str
    product_id: str
    side: Side
    status: str
    created_time: str
    filled_size: str
    order_configuration: dict[str, ConfigurationRow] | None
    reject_reason: str = ""
    reject_message: str = ""
    cancel_message: str = ""


class OrdersRow(Struct):
    """Answer of ``orders/historical/batch``."""

    orders: list[OrderRow]
    has_next: bool
    cursor: str = ""


class OneOrderRow(Struct):
    """Answer of ``orders/historical/ID``."""

    order: OrderRow


class SuccessRow(Struct):
    """Of an order that was taken."""

    order_id: str
    client_order_id: str
    product_id: str
    side: Side


class FailureRow(Struct):
    """Of an order that was not."""

    error: str = ""
    message: str = ""
    error_details: str = ""
    preview_failure_reason: str = ""
    new_order_failure_reason: str = ""


class PlacedRow(Struct):
    """Answer to an order; both outcomes come with HTTP 200, and only ``success`` tells which it is."""

    success: bool
    success_response: SuccessRow | None = None
    error_response: FailureRow | None = None
    failure_reason: str = ""


class CancelRow(Struct):
    """The answer for one order; the reason is there even where there is none."""

    success: bool
    order_id: str
    failure_reason: str


class CancelsRow(Struct):
    """Answer of ``orders/batch_cancel``."""

    results: list[CancelRow]


class FillRow(Struct):
    """One fill; ``size`` is in the quote currency where ``size_in_quote`` says so."""

    entry_id: str
    order_id: str
    trade_time: str
    trade_type: str
    price: str
    size: str
    commission: str
    product_id: str
    sequence_timestamp: str
    liquidity_indicator: Literal["MAKER", "TAKER", "UNKNOWN_LIQUIDITY_INDICATOR"]
    size_in_quote: bool
    side: Side


class FillsRow(Struct):
    """Answer of ``orders/historical/fills``."""

    fills: list[FillRow]
    cursor: str = ""


ORDERS: Final = msgspec.json.Decoder(OrdersRow)
ORDER: Final = msgspec.json.Decoder(OneOrderRow)
PLACED: Final = msgspec.json.Decoder(PlacedRow)
CANCELS: Final = msgspec.json.Decoder(CancelsRow)
FILLS: Final = msgspec.json.Decoder(FillsRow)


def order_body(order: Place, instrument: Instrument, wire_id: str) -> bytes:
    """The order as the venue wants it. There is no reduce-only on spot: that one is a plain order."""
    size, price = instrument.sizes.text(order.lots), instrument.prices.text(order.price)
    limit: dict[str, str | bool] = {"base_size": size, "limit_price": price}
    configurations: dict[str, dict[str, dict[str, str | bool]]] = {
        GTC: {"limit_limit_gtc": {**limit, "post_only": False}},
        POST_ONLY: {"limit_limit_gtc": {**limit, "post_only": True}},
        IOC: {"sor_limit_ioc": limit},
        FOK: {"limit_limit_fok": limit},
        MARKET: {"market_market_ioc": {"base_size": size}},
    }
    return msgspec.json.encode(
        {
            "client_order_id": wire_id,
            "product_id": instrument.symbol,
            "side": SIDE_TEXT[order.side],
            "order_configuration": configurations[order.time_in_force],
        }
    )


def venue_id_of(row: PlacedRow, *, instrument: Instrument, order: Place, wire_id: str) -> str:
    """The venue's id of an order that was taken; its refusal is raised, and so is an answer to another order."""
    if not row.success:
        raise _refusal(row)
    told = row.success_response
    if told is None or not told.order_id:
        raise undecodable("orders", "an order that was taken has no id")
    if (told.client_order_id, told.product_id, SIDE_OF[told.side]) != (wire_id, instrument.symbol, order.side):
        raise undecodable("orders", f"the answer is about order {told.client_order_id[:40]!r}")
    return told.order_id


def _refusal(row: PlacedRow) -> VenueError:
    """The first reason that says something; the venue fills the others with words for unknown."""
    told = row.error_response or FailureRow()
    reasons = (told.preview_failure_reason, told.new_order_failure_reason, told.error, row.failure_reason)
    spoken = [reason for reason in reasons if reason and not reason.startswith(rules.UNKNOWN_REASON)]
    there = [reason for reason in spoken if reason in rules.ORDER_IS_THERE]
    reason = next(iter(there + spoken), row.failure_reason or "UNKNOWN_FAILURE_REASON")
    return rules.order_refusal(reason, told.message or told.error_details)


def is_cancelled(row: CancelRow) -> bool:
    """Whether the cancel was taken; False: there is nothing to cancel any more. Another refusal is raised."""
    if row.success:
        return True
    if row.failure_reason in rules.ALREADY_ENDED:
        return False
    raise rules.cancel_refusal(row.failure_reason)


def open_orders_of(rows: Iterable[OrderRow], instrument: Instrument) -> list[OpenOrder]:
    """The working ones, oldest first, each once; a later row of the same order is the newer word."""
    what = "orders/historical/batch"
    newest = {row.order_id: row for row in rows}
    orders = [
        _open_order(row, instrument, what)
        for row in newest.values()
        if _status(row.status, what) is OrderStatus.WORKING and _same_product(row.product_id, instrument, what)
    ]
    return sorted((order for order in orders if order is not None), key=lambda order: order.created_ns)


def reports_of(rows: Iterable[OrderRow], instrument: Instrument) -> list[OrderReport]:
    """What the venue says of orders of ours."""
    what = "orders/historical"
    reports = []
    for row in rows:
        _same_product(row.product_id, instrument, what)
        configuration = _configuration(row)
        price = configuration.limit_price
        reports.append(
            OrderReport(
                venue_id=row.order_id,
                tag=tag_of(row.client_order_id),
                instrument=instrument.symbol,
                side=SIDE_OF[row.side],
                price=steps(instrument.prices, price, what, at_least=1) if price else 0,
                lots=steps(instrument.sizes, configuration.base_size, what, at_least=1),
                filled_lots=steps(instrument.sizes, row.filled_size, what),
                status=_status(row.status, what),
                created_ns=codec.time_ns(row.created_time, what),
                reason=reason_of(row.reject_reason, row.reject_message, row.cancel_message),
            )
        )
    return reports


def reason_of(*told: str) -> str:
    """The first of several reasons that says something."""
    return next((reason for reason in told if reason not in _UNSPECIFIED), "")[: limits.REMARK_LENGTH_MAX]


def fills_of(rows: Iterable[FillRow], instrument: Instrument) -> list[VenueFill]:
    """Fills, oldest first, each once. The fee is in the quote currency."""
    what = "orders/historical/fills"
    fills: dict[str, tuple[int, VenueFill]] = {}
    for row in rows:
        _same_product(row.product_id, instrument, what)
        if row.trade_type != "FILL":
            raise _needs_people(what, f"entry {row.entry_id[:40]} is a {row.trade_type[:40]}, no fill")
        price = steps(instrument.prices, row.price, what, at_least=1)
        fill = VenueFill(
            trade_id=row.entry_id,
            tag="",
            venue_order_id=row.order_id,
            instrument=instrument.symbol,
            side=SIDE_OF[row.side],
            price=price,
            lots=_fill_lots(row, price, instrument, what),
            fee=codec.number(row.commission, what, may_be_negative=True),
            maker=row.liquidity_indicator == "MAKER",
            venue_ns=codec.time_ns(row.trade_time, what),
            cursor=row.sequence_timestamp,
        )
        fills[row.entry_id] = (codec.time_ns(row.sequence_timestamp, what), fill)
    return [fill for _, fill in sorted(fills.values(), key=lambda one: (one[0], one[1].trade_id))]


def _fill_lots(row: FillRow, price: int, instrument: Instrument, what: str) -> int:
    if not row.size_in_quote:
        return steps(instrument.sizes, row.size, what, at_least=1)
    lots = Fraction(codec.number(row.size, what)) / _lot_value(price, instrument)
    if lots.denominator != 1 or lots < 1:
        raise _needs_people(what, f"fill {row.entry_id[:40]} is of {row.size[:40]} {instrument.quote}: no whole lots")
    return int(lots)


def _lot_value(price: int, instrument: Instrument) -> Fraction:
    """Of one lot at ``price`` ticks, in the quote currency."""
    return Fraction(instrument.prices.decimal(price)) * Fraction(instrument.lot_size)


def _open_order(row: OrderRow, instrument: Instrument, what: str) -> OpenOrder | None:
    """None: nothing of it is left to fill, or it is foreign and has no size in lots (by value, at any price)."""
    tag = tag_of(row.client_order_id)
    configuration = _configuration(row)
    price = steps(instrument.prices, configuration.limit_price, what, at_least=1) if configuration.limit_price else 0
    if configuration.base_size:
        lots = steps(instrument.sizes, configuration.base_size, what, at_least=1)
    elif tag:
        raise undecodable(what, f"order {tag} has no size")
    elif price and configuration.quote_size:
        value = Fraction(codec.number(configuration.quote_size, what))
        lots = -(-value // _lot_value(price, instrument))
    else:
        return None
    remaining = lots - steps(instrument.sizes, row.filled_size, what)
    if remaining < 0:
        raise undecodable(what, f"order {row.order_id[:40]} is filled with more than its size")
    if remaining == 0:
        return None
    return OpenOrder(
        venue_id=row.order_id,
        tag=tag,
        instrument=instrument.symbol,
        side=SIDE_OF[row.side],
        price=price,
        remaining_lots=remaining,
        created_ns=codec.time_ns(row.created_time, what),
        lots=lots,
    )


def _configuration(row: OrderRow) -> ConfigurationRow:
    rows: Mapping[str, ConfigurationRow] = row.order_configuration or {}
    return next(iter(rows.values())) if len(rows) == 1 else ConfigurationRow()


def _status(text: str, what: str) -> OrderStatus:
    status = rules.STATUS_OF.get(text)
    if status is None:
        raise undecodable(what, f"an order in state {text[:40]!r}")
    return status


def _same_product(product_id: str, instrument: Instrument, what: str) -> bool:
    if product_id != instrument.symbol:
        raise undecodable(what, f"asked for {instrument.symbol}, answered for {product_id[:40]!r}")
    return True


def _needs_people(what: str, reason: str) -> VenueError:
    return VenueError(
        f"{what}: {reason}",
        kind="exchange",
        code="needs_people",
        remedy="the ledger does not take it by itself; compare it with the venue's statement",
    )
