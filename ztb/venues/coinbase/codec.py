"""Coinbase's JSON, decoded into exact types and nothing else.

Every amount is a text on the wire and goes through Decimal to integer ticks and lots; none passes through float.
Members that we do not know are ignored; one that is missing, of another type, of an unknown value or off the
instrument's grid is a ``VenueError`` with code ``undecodable``, never another exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from ztb.core.error import AmountError, VenueError
from ztb.core.instrument import BUY, MONEY_SCALE_MAX, SELL, Instrument
from ztb.core.money import Grid, decimal_from_text
from ztb.venues.coinbase import rules
from ztb.venues.decoding import decoded, undecodable
from ztb.venues.port import Balance

T = TypeVar("T")
Side = Literal["BUY", "SELL"]

SIDE_OF: Final = {"BUY": BUY, "SELL": SELL}
SIDE_TEXT: Final = {BUY: "BUY", SELL: "SELL"}
_NS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)", re.ASCII)
_NS_DIGITS: Final = 9
_PART_NS: Final[tuple[int, ...]] = tuple(10 ** (_NS_DIGITS - digits) for digits in range(_NS_DIGITS + 1))
"""What a fraction of a second of so many digits counts in."""
_SECONDS_NS: Final[dict[str, int]] = {}
"""Seconds that were read: frames come many in one, and each trade tells its own time."""
_SECONDS_MAX: Final = 256
_WALLETS: Final = frozenset({"ACCOUNT_TYPE_CRYPTO", "ACCOUNT_TYPE_FIAT", "CRYPTO", "FIAT"})
_OTHER_WALLETS: Final = frozenset(
    {"ACCOUNT_TYPE_UNSPECIFIED", "ACCOUNT_TYPE_VAULT", "ACCOUNT_TYPE_PERP_FUTURES", "VAULT", "PERP_FUTURES"}
)
"""Money that no spot order can use."""


class TimeRow(Struct):
    """Answer of ``time``."""

    epochMillis: str


class ProductRow(Struct):
    """One product; only what an order has to keep to."""

    product_id: str
    base_currency_id: str
    quote_currency_id: str
    product_type: str
    status: str
    base_increment: str
    price_increment: str
    base_min_size: str
    base_max_size: str
    quote_min_size: str
    trading_disabled: bool
    is_disabled: bool
    cancel_only: bool
    view_only: bool
    auction_mode: bool
    alias: str = ""

    @property
    def is_tradable(self) -> bool:
        """A spot product that takes orders now."""
        is_shut = self.trading_disabled or self.is_disabled or self.cancel_only or self.view_only or self.auction_mode
        return self.product_type == "SPOT" and self.status == "online" and not is_shut


class ProductsRow(Struct):
    """A page of ``market/products``: each product as it came, so that one which cannot be read hides no other."""

    products: list[Raw]
    num_products: int = 0
    """Of all pages."""


class LevelRow(Struct):
    """One level of a book over REST."""

    price: str
    size: str


class PriceBookRow(Struct):
    """A book over REST, best level first."""

    product_id: str
    bids: list[LevelRow]
    asks: list[LevelRow]
    time: str


class BookRow(Struct):
    """Answer of ``market/product_book``."""

    pricebook: PriceBookRow


class TradeRow(Struct, gc=False):
    """One public trade, over REST or on the stream; ``side`` is read as the taker's."""

    trade_id: str
    product_id: str
    price: str
    size: str
    time: str
    side: Side


class TickerRow(Struct):
    """Answer of ``market/products/ID/ticker``: the latest trades, newest first."""

    trades: list[TradeRow]


class MoneyRow(Struct):
    """An amount of a currency."""

    value: str
    currency: str


class WalletRow(Struct):
    """One wallet; there is ``available_balance`` + ``hold`` of its currency."""

    currency: str
    available_balance: MoneyRow
    hold: MoneyRow
    type: str
    deleted_at: str | None = None


class WalletsRow(Struct):
    """Answer of ``accounts``."""

    accounts: list[WalletRow]
    has_next: bool
    cursor: str = ""


class PermissionsRow(Struct):
    """Answer of ``key_permissions``."""

    can_view: bool
    can_trade: bool
    can_transfer: bool


class _ErrorRow(Struct):
    error: str
    message: str = ""
    error_details: str = ""


class _GatewayErrorRow(Struct):
    id: str
    message: str = ""


class _GatewayErrorsRow(Struct):
    errors: list[_GatewayErrorRow]


TIME: Final = msgspec.json.Decoder(TimeRow)
PRODUCTS: Final = msgspec.json.Decoder(ProductsRow)
PRODUCT: Final = msgspec.json.Decoder(ProductRow)
BOOK: Final = msgspec.json.Decoder(BookRow)
TICKER: Final = msgspec.json.Decoder(TickerRow)
WALLETS: Final = msgspec.json.Decoder(WalletsRow)
PERMISSIONS: Final = msgspec.json.Decoder(PermissionsRow)
_ERROR: Final = msgspec.json.Decoder(_ErrorRow)
_GATEWAY_ERRORS: Final = msgspec.json.Decoder(_GatewayErrorsRow)


def attempted(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T | None:
    """The typed value of ``body``, or None where it is something else."""
    try:
        return decoded(decoder, body, what)
    except VenueError:
        return None


def answer(decoder: msgspec.json.Decoder[T], status: int, body: bytes, what: str) -> T:
    """The value of an answer; a refusal, whichever its status and envelope, is raised as the rules class it."""
    if status == 200:
        try:
            return decoded(decoder, body, what)
        except VenueError as error:
            refusal = _refusal(status, body, what)
            raise (refusal or error) from None
    refusal = _refusal(status, body, what)
    raise refusal or rules.wordless(what, status) or undecodable(what, f"HTTP {status} without words that can be read")


def _refusal(status: int, body: bytes, what: str) -> VenueError | None:
    """The venue's error in one of its two envelopes; None when the body is neither."""
    row = attempted(_ERROR, body, what)
    if row is not None:
        return rules.error_of(what, status=status, code=row.error, text=row.message or row.error_details)
    rows = attempted(_GATEWAY_ERRORS, body, what)
    if rows is None or not rows.errors:
        return None
    return rules.error_of(what, status=status, code=rows.errors[0].id, text=rows.errors[0].message)


def number(text: str, what: str, *, may_be_negative: bool = False) -> Decimal:
    """The finite number that is written as ``text``, not below zero unless that is allowed."""
    try:
        value = decimal_from_text(text)
    except AmountError as error:
        raise undecodable(what, error) from None
    if value < 0 and not may_be_negative:
        raise undecodable(what, f"{value} is below zero")
    return value


def steps(grid: Grid, text: str, what: str, *, at_least: int = 0) -> int:
    """Whole steps in ``text``; off the grid or too small is undecodable: an amount is never rounded here."""
    try:
        whole = grid.exact(number(text, what))
    except AmountError as error:
        raise undecodable(what, error) from None
    if whole < at_least:
        raise undecodable(what, f"{text[:40]} is below {at_least} step")
    return whole


def rounded(grid: Grid, text: str, what: str, direction: str) -> int:
    """Steps in ``text``, for sizes that the venue may count more finely than its orders."""
    try:
        return grid.rounded(number(text, what), direction)
    except AmountError as error:
        raise undecodable(what, error) from None


def instrument_of(row: ProductRow) -> Instrument | None:
    """The product as an instrument; money is counted as finely as tick times lot needs.

    None where that would be finer than ztb can count.
    """
    what = f"products {row.product_id[:40]}"
    tick, lot = _step(row.price_increment, what), _step(row.base_increment, what)
    exponent = (tick * lot).normalize().as_tuple().exponent
    assert isinstance(exponent, int), "finite by the check above"
    money_scale = max(0, -exponent)
    if money_scale > MONEY_SCALE_MAX:
        return None
    lots = Grid(lot)
    try:
        return Instrument(
            symbol=row.product_id,
            base=row.base_currency_id,
            quote=row.quote_currency_id,
            tick_size=tick,
            lot_size=lot,
            money_scale=money_scale,
            lots_min=max(1, rounded(lots, row.base_min_size, what, "ceiling")),
            lots_max=rounded(lots, row.base_max_size, what, "floor"),
            maker_fee_ppm=rules.MAKER_FEE_PPM,
            taker_fee_ppm=rules.TAKER_FEE_PPM,
            notional_min=rounded(Grid(Decimal(1).scaleb(-money_scale)), row.quote_min_size, what, "ceiling"),
        )
    except AmountError as error:
        raise undecodable(what, error) from None


def balances_of(rows: Iterable[WalletRow]) -> dict[str, Balance]:
    """By currency in lower case; wallets of one currency together, vaults and the like left out."""
    what = "accounts"
    balances: dict[str, Balance] = {}
    for row in rows:
        if row.type not in _WALLETS:
            if row.type not in _OTHER_WALLETS:
                raise undecodable(what, f"a wallet of type {row.type[:40]!r}")
            continue
        if row.available_balance.currency != row.currency or row.hold.currency != row.currency:
            raise undecodable(what, f"a wallet of {row.currency[:40]!r} with another currency in it")
        if row.deleted_at is not None:
            continue
        name = row.currency.lower()
        available = number(row.available_balance.value, what)
        total = available + number(row.hold.value, what)
        other = balances.get(name, Balance(name, Decimal(0), Decimal(0)))
        balances[name] = Balance(name, other.available + available, other.total + total)
    return balances


def time_ns(text: str, what: str) -> int:
    """Unix nanoseconds of ``2024-01-15T10:30:00.123456789Z``."""
    begins_ns = _SECONDS_NS.get(text[:19])
    if begins_ns is not None and text[19:20] == "." and text[-1] == "Z":
        # The usual way of writing, in a second that was read before; everything else goes the long way.
        part = text[20:-1]
        if part.isdigit() and part.isascii() and len(part) <= _NS_DIGITS:
            return begins_ns + int(part) * _PART_NS[len(part)]
    found = _TIME.fullmatch(text)
    if found is None:
        raise undecodable(what, f"not a time: {text[:40]!r}")
    whole, part = found.groups()
    begins_ns = _second(whole, what) * _NS
    if len(_SECONDS_NS) >= _SECONDS_MAX:
        _SECONDS_NS.clear()
    _SECONDS_NS[whole] = begins_ns
    return begins_ns + (int(part.ljust(9, "0")) if part else 0)


def time_text(at_ns: int) -> str:
    """The moment as the venue writes it, cut to microseconds."""
    moment = _EPOCH + timedelta(microseconds=at_ns // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _second(text: str, what: str) -> int:
    """Unix seconds."""
    try:
        return (datetime.fromisoformat(f"{text}+00:00") - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError) as error:
        raise undecodable(what, error) from None


def _step(text: str, what: str) -> Decimal:
    """0.1 for 0.10, so that amounts are written without empty decimals."""
    value = number(text, what)
    if not value:
        raise undecodable(what, "a step of zero")
    return Decimal(f"{value.normalize():f}")
