"""GMO Coin's limits and words as tables. What its documentation leaves open is a setting here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY
from ztb.core.instrument import BUY, SELL, Instrument

MAKER_FEE_PPM: Final = -100
TAKER_FEE_PPM: Final = 500
"""Of spot. Leverage costs nothing per trade."""

SIDES: Final[Mapping[str, int]] = {"BUY": BUY, "SELL": SELL}
SIDE_NAMES: Final[Mapping[int, str]] = {BUY: "BUY", SELL: "SELL"}
LIMIT_TIMES: Final[Mapping[str, str]] = {"FAS": GTC, "FAK": IOC, "FOK": FOK, "SOK": POST_ONLY}
TIME_NAMES: Final[Mapping[str, str]] = {GTC: "FAS", IOC: "FAK", FOK: "FOK", POST_ONLY: "SOK", MARKET: "FAK"}
CANCEL_TYPES: Final[Mapping[str, str]] = {
    "user": "USER",
    IOC: "EXPIRED_FAK",
    MARKET: "EXPIRED_FAK",
    FOK: "EXPIRED_FOK",
    POST_ONLY: "EXPIRED_SOK",
    "self_trade": "EXPIRED_SELFTRADE",
    "balance": "INSUFFICIENT_BALANCE",
}
STATUSES: Final[Mapping[str, str]] = {
    "": "ORDERED",
    "filled": "EXECUTED",
    "cancelled": "CANCELED",
    "expired": "EXPIRED",
}

IDS_MAX: Final = 10
"""In one call: orders looked up or cancelled, executions looked up."""
COUNT_MAX: Final = 100
COUNT_DEFAULT: Final = 100
STREAM_LEVELS: Final = 30
REST_LEVELS: Final = 500
DAY_NS: Final = 24 * 3600 * 1_000_000_000
PERIODIC_NS: Final = 5 * 1_000_000_000
CHANGES_MAX: Final = 100
"""Of one order's price; the real number is not published."""


def fees_ppm(_instrument: Instrument) -> tuple[int, int]:
    """Maker and taker of spot: GMO Coin's own, whatever market the tape was recorded on."""
    return MAKER_FEE_PPM, TAKER_FEE_PPM


def fee_unit(instrument: Instrument) -> int:
    """Fees are whole yen, in money units; other currencies are not rounded."""
    return int(10**instrument.money_scale) if instrument.quote.lower() == "jpy" else 1


@final
@dataclass(frozen=True, slots=True)
class GmoRules:
    """Settings where the real exchange's behaviour is uncertain, changes, or gets in the way of a test."""

    public_per_second: int = 10
    """Not published. 0: no limit."""
    public_refusal_status: int = 403
    private_limits: bool = True
    private_per_second: int = 20
    """Of GET, and again of POST, for one account (tier 1)."""
    order_too_new_ns: int = 0
    """A cancel that comes sooner than this after its order is refused."""
    timestamp_window_ns: int = 30 * 1_000_000_000
    """Not documented; at least a second on the old side, because official samples send whole seconds."""
    token_ns: int = 3600 * 1_000_000_000
    tokens_max: int = 5
    subscribe_interval_ns: int = 1_000_000_000
    """Between two commands from one address, on all its sockets together. 0: no limit."""
    stream_interval_ns: int = 500_000_000
    """Between two books, or two tickers, of one subscription."""
    ping_s: float = 60.0
    unsubscribed_s_max: float = 60.0
    """Of the wall, like the pings: a socket that never subscribed is closed after it."""
    price_band_pct: int = 50
    """A limit order so far on the wrong side of the market is refused. 0: no limit."""
