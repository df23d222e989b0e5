"""Candles made from what was traded within the last 24 hours; the exchange's day turns at 06:00 in Japan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo import errors
from ztb.simulator.gmo.shapes import Shapes

_OF_A_DAY: Final[Mapping[str, int]] = {
    "1min": 1,
    "5min": 5,
    "10min": 10,
    "15min": 15,
    "30min": 30,
    "1hour": 60,
}
_OF_A_YEAR: Final[Mapping[str, int]] = {
    "4hour": 240,
    "8hour": 480,
    "12hour": 720,
    "1day": 1_440,
    "1week": 10_080,
    "1month": 43_200,
}
"""Minutes of each candle. A month is one of thirty days: the tape is never that long."""
_TURN: Final = timedelta(hours=-3)
"""06:00 in Japan is 21:00 UTC of the day before."""
_MINUTE_MS: Final = 60_000


def klines(exchange: Exchange, shapes: Shapes, *, interval: str, date: str) -> list[dict[str, str]]:
    """Oldest first; minutes without a trade have no candle. ERR-5207 for an interval or date that does not exist."""
    minutes = (_OF_A_DAY if len(date) == 8 else _OF_A_YEAR).get(interval)
    if minutes is None:
        raise errors.not_found()
    first, end = _span(date)
    turn = int(_TURN.total_seconds()) // 60
    candles: dict[int, tuple[int, int, int, int, int]] = {}
    for bucket in exchange.prints.minutes:
        if not first <= bucket.minute < end:
            continue
        start = (bucket.minute - turn) // minutes * minutes + turn
        opened, high, low, _, lots = candles.get(start, (bucket.open, bucket.high, bucket.low, 0, 0))
        candles[start] = (opened, max(high, bucket.high), min(low, bucket.low), bucket.close, lots + bucket.lots)
    return [
        {
            "openTime": str(start * _MINUTE_MS),
            "open": shapes.price(opened),
            "high": shapes.price(high),
            "low": shapes.price(low),
            "close": shapes.price(close),
            "volume": shapes.size(lots),
        }
        for start, (opened, high, low, close, lots) in candles.items()
    ]


def _span(date: str) -> tuple[int, int]:
    """First minute since 1970 of a day or year, and of the next one."""
    try:
        begin = datetime.strptime(date, "%Y%m%d" if len(date) == 8 else "%Y").replace(tzinfo=UTC)
        end = begin + timedelta(days=1) if len(date) == 8 else begin.replace(year=begin.year + 1)
    except (ValueError, OverflowError):
        raise errors.not_found() from None
    return int((begin + _TURN).timestamp()) // 60, int((end + _TURN).timestamp()) // 60
