"""Reads ``order_configuration``: what an order wants, on the exchange's grid, or the reason why it may not be.

The rule: amounts are texts. Anything else is a broken request (400), a text that is off the grid or out of range is a
refused order (``success: false``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, final

from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY
from ztb.core.error import AmountError
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.money import PPM, decimal_from_text
from ztb.simulator.accounts import Account
from ztb.simulator.coinbase import errors
from ztb.simulator.coinbase.rules import BOOK_LEVELS_MAX
from ztb.simulator.coinbase.shapes import Shapes
from ztb.simulator.coinbase.texts import ns_of

_SIDES: Final = {"BUY": BUY, "SELL": SELL}
_KINDS: Final[Mapping[str, str]] = {
    "market_market_ioc": MARKET,
    "sor_limit_ioc": IOC,
    "limit_limit_gtc": GTC,
    "limit_limit_gtd": GTC,
    "limit_limit_fok": FOK,
}
"""Those that can be traded here. The stop orders are read as unsupported, as others found them on spot products."""
UNSUPPORTED: Final = "UNSUPPORTED_ORDER_CONFIGURATION"


@final
@dataclass(frozen=True, slots=True)
class Terms:
    """``price`` 0: a market order; ``end_ns`` 0: no end time."""

    side: int
    price: int
    lots: int
    time_in_force: str
    in_quote: bool = False
    end_ns: int = 0


class TermsReader:
    """Reads orders for one exchange."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._exchange = shapes.exchange

    def read(self, account: Account, *, product_id: str, side: str, configuration: Mapping[str, Any]) -> Terms:
        """OrderRefusal with the venue's reason, Refusal when the request itself makes no sense."""
        if product_id not in self._shapes.product_ids:
            raise errors.OrderRefusal("INVALID_PRODUCT_ID")
        if side not in _SIDES:
            raise errors.OrderRefusal("INVALID_SIDE")
        if len(configuration) != 1:
            raise errors.invalid("order_configuration needs exactly one member")
        kind, members = next(iter(configuration.items()))
        if kind not in _KINDS:
            raise errors.OrderRefusal(UNSUPPORTED)
        if not isinstance(members, dict):
            raise errors.invalid(f"order_configuration.{kind} is no object")
        terms = self._terms(account, _SIDES[side], kind, members)
        self._check_size(terms)
        self._check_liquidity(terms)
        return terms

    def _terms(self, account: Account, side: int, kind: str, members: dict[str, Any]) -> Terms:
        time_in_force = _KINDS[kind]
        if time_in_force == MARKET:
            if "quote_size" in members:
                return self._for_quote(account, side, members)
            return Terms(side, 0, self._lots(members), MARKET)
        price, lots = self._price(members), self._lots(members)
        end_ns = self._end_ns(members) if kind == "limit_limit_gtd" else 0
        post_only = members.get("post_only", False)
        if not isinstance(post_only, bool):
            raise errors.invalid("post_only is neither true nor false")
        if post_only and time_in_force == GTC:
            self._refuse_taker(side, price)
            time_in_force = POST_ONLY
        return Terms(side, price, lots, time_in_force, end_ns=end_ns)

    def _for_quote(self, account: Account, side: int, members: dict[str, Any]) -> Terms:
        """As many lots as the money buys now, fee included."""
        if side != BUY or "base_size" in members:
            raise errors.OrderRefusal(UNSUPPORTED)
        instrument = self._exchange.instrument
        try:
            money = instrument.money.exact(_amount(members, "quote_size"))
        except AmountError:
            raise errors.OrderRefusal("INVALID_SIZE_PRECISION") from None
        if money < self._shapes.notional_min:
            raise errors.OrderRefusal("PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL")
        left, lots = money * PPM // (PPM + max(0, account.taker_fee_ppm)), 0
        for price, offered in self._exchange.book.levels(SELL, BOOK_LEVELS_MAX):
            bought = min(offered, left // instrument.notional(price, 1))
            lots += bought
            left -= instrument.notional(price, bought)
            if bought < offered:
                break
        if not lots:
            raise errors.OrderRefusal("INVALID_NO_LIQUIDITY")
        return Terms(BUY, 0, lots, MARKET, in_quote=True)

    def _price(self, members: dict[str, Any]) -> int:
        price = _amount(members, "limit_price")
        if price <= 0:
            raise errors.OrderRefusal("INVALID_LIMIT_PRICE")
        try:
            return self._exchange.instrument.prices.exact(price)
        except AmountError:
            raise errors.OrderRefusal("INVALID_PRICE_PRECISION") from None

    def _lots(self, members: dict[str, Any]) -> int:
        size = _amount(members, "base_size")
        try:
            return self._exchange.instrument.sizes.exact(size)
        except AmountError:
            raise errors.OrderRefusal("INVALID_SIZE_PRECISION") from None

    def _end_ns(self, members: dict[str, Any]) -> int:
        try:
            end_ns = ns_of(str(members.get("end_time")))
        except (ValueError, OverflowError):
            raise errors.invalid("end_time is no RFC 3339 time") from None
        if end_ns <= self._exchange.now_ns:
            raise errors.OrderRefusal("PREVIEW_INVALID_END_TIME")
        return end_ns

    def _check_size(self, terms: Terms) -> None:
        instrument = self._exchange.instrument
        if terms.lots < instrument.lots_min:
            raise errors.OrderRefusal("PREVIEW_INVALID_BASE_SIZE_TOO_SMALL")
        if terms.lots > instrument.lots_max:
            raise errors.OrderRefusal("PREVIEW_INVALID_BASE_SIZE_TOO_LARGE")
        if terms.price and instrument.notional(terms.price, terms.lots) < self._shapes.notional_min:
            raise errors.OrderRefusal("PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL")

    def _check_liquidity(self, terms: Terms) -> None:
        if terms.time_in_force == MARKET and not self._exchange.book.best(-terms.side):
            raise errors.OrderRefusal("INVALID_NO_LIQUIDITY")

    def _refuse_taker(self, side: int, price: int) -> None:
        if would_take(self._exchange.book.best(-side), side, price):
            raise errors.OrderRefusal("INVALID_LIMIT_PRICE_POST_ONLY")


def would_take(best: int, side: int, price: int) -> bool:
    """Whether an order at this price meets the best one of the other side; 0: there is none."""
    return bool(best) and side * (price - best) >= 0


def steps_of(instrument: Instrument, *, price: str, size: str) -> tuple[int, int]:
    """Ticks and lots of an edit. OrderRefusal when they are off the grid."""
    try:
        return instrument.prices.exact(_decimal(price, "price")), instrument.sizes.exact(_decimal(size, "size"))
    except AmountError:
        raise errors.OrderRefusal("INVALID_EDITED_SIZE") from None


def _amount(members: dict[str, Any], name: str) -> Decimal:
    text = members.get(name)
    if not isinstance(text, str):
        raise errors.invalid(f"{name} is missing or no text")
    return _decimal(text, name)


def _decimal(text: str, name: str) -> Decimal:
    try:
        amount = decimal_from_text(text)
    except AmountError:
        raise errors.invalid(f"{name} is no number") from None
    if amount < 0:
        raise errors.invalid(f"{name} is below zero")
    return amount
