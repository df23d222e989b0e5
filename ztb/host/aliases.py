"""The environment variables of the systems that ztb replaces, and what they mean here (A-42, B-04, E-23–26, E-42–46).

An alias whose text has no meaning is an error: a risk limit that somebody set must never be ignored in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ztb.core.error import AmountError
from ztb.core.money import decimal_from_text
from ztb.host.toml_places import Key

Settings = dict[Key, object]
Convert = Callable[[str, Decimal], Settings]
"""From the variable's text and the capital to settings. ValueError, with what is allowed, if it has no meaning."""

LEVERAGE_MAX: Final = 1
"""The value of a position is never above the capital, on leverage as on spot."""

_NO_PLAY: Final[Settings] = {("venue", "simulator"): False, ("venue", "paper"): False}

VENUES: Final[dict[str, Settings]] = {
    **{name: {("venue", "name"): name, **_NO_PLAY} for name in ("zaif", "gmo", "coinbase")},
    "simulator": {**_NO_PLAY, ("venue", "simulator"): True},
    "paper": {**_NO_PLAY, ("venue", "paper"): True},
}
"""What EXCHANGE names: an exchange, or play money at the one of the profile."""


@dataclass(frozen=True)
class Alias:
    """One variable; ``meaning`` is for the documentation."""

    convert: Convert
    meaning: str


def _exchange(text: str, capital: Decimal) -> Settings:
    if text not in VENUES:
        raise ValueError(f"one of {', '.join(VENUES)}")
    return dict(VENUES[text])


def _switch(key: Key, when_1: object, when_0: object) -> Convert:
    def convert(text: str, capital: Decimal) -> Settings:
        if text not in ("0", "1"):
            raise ValueError("0 or 1")
        return {key: when_1 if text == "1" else when_0}

    return convert


def _test_mode(text: str, capital: Decimal) -> Settings:
    if text not in ("0", "1"):
        raise ValueError("0 or 1")
    return {("mode", "live_http_enabled"): False} if text == "1" else {}


def _positive(text: str) -> Decimal:
    try:
        value = decimal_from_text(text)
    except AmountError:
        value = Decimal(0)
    if value <= 0:
        raise ValueError("a number above 0")
    return value


def _amount(key: Key) -> Convert:
    return lambda text, capital: {key: _positive(text)}


def _fraction_of_capital(key: Key) -> Convert:
    def convert(text: str, capital: Decimal) -> Settings:
        fraction = _positive(text)
        if fraction > 1:
            raise ValueError("a fraction: above 0 and at most 1 (0.01 is one per cent)")
        return {key: fraction * capital}

    return convert


def _percent(name: str) -> Convert:
    def convert(text: str, capital: Decimal) -> Settings:
        fraction = _positive(text)
        if fraction > 1:
            raise ValueError("a fraction: above 0 and at most 1 (0.05 is five per cent)")
        return {("health", name): fraction * 100}

    return convert


def _whole(name: str) -> Convert:
    """Older systems write these as 30.0 as well."""

    def convert(text: str, capital: Decimal) -> Settings:
        value = _positive(text)
        if value != int(value):
            raise ValueError("a whole number above 0")
        return {("health", name): int(value)}

    return convert


def _leverage(text: str, capital: Decimal) -> Settings:
    leverage = _positive(text)
    if leverage > LEVERAGE_MAX:
        raise ValueError(f"at most {LEVERAGE_MAX}: no position is worth more than the capital")
    return {("limits", "leverage_max"): leverage}


ALIASES: Final[dict[str, Alias]] = {
    "EXCHANGE": Alias(
        _exchange,
        "`zaif`, `gmo`, `coinbase`: venue.name, with venue.simulator and venue.paper = false; `paper`, `simulator`: "
        "that one = true, the other = false",
    ),
    "DRY_RUN": Alias(
        _switch(("mode", "execute_orders"), False, True),
        "1: mode.execute_orders = false; 0: true (mode.live_http_enabled stays as the profile says)",
    ),
    "TEST_MODE": Alias(
        _test_mode, "1: mode.live_http_enabled = false: no real exchange gets an order; 0: sets nothing"
    ),
    "RISK_DAILY_LOSS_LIMIT": Alias(_amount(("limits", "daily_loss_max")), "limits.daily_loss_max"),
    "RISK_DAILY_LOSS_LIMIT_PCT": Alias(
        _fraction_of_capital(("limits", "daily_loss_max")), "limits.daily_loss_max as a fraction of sizing.capital"
    ),
    "RISK_MAX_POSITION_PCT_PER_SYMBOL": Alias(
        _fraction_of_capital(("limits", "position_notional_max")),
        "limits.position_notional_max as a fraction of sizing.capital",
    ),
    "RISK_REDUCE_ONLY_MODE": Alias(
        _switch(("mode", "trading"), "reduce_only", "normal"), "mode.trading: 1 is reduce_only, 0 is normal"
    ),
    "RISK_MAX_LEVERAGE": Alias(
        _leverage, "limits.leverage_max; above 1 is refused: no position is worth more than the capital"
    ),
    **{
        f"HEALTH_{variable}_{stage.upper()}": Alias(
            convert(name.format(stage)), f"health.{name.format(stage)}{' as a fraction' if convert is _percent else ''}"
        )
        for variable, convert, name in (
            ("ORDER_ERROR_RATE", _percent, "order_error_{}_pct"),
            ("ORDER_RETRY_RATE", _percent, "order_retry_{}_pct"),
            ("BROKER_LATENCY_MS", _whole, "broker_latency_{}_ms"),
            ("GUARD_TRIP_COUNT", _whole, "guard_trips_{}"),
            ("WS_STALENESS_SECONDS", _whole, "stream_stale_{}_seconds"),
        )
        for stage in ("warn", "crit")
    },
}
"""Every alias; other variables that begin as one of ``REFUSED`` in ``ztb.host.layers`` are refused."""
