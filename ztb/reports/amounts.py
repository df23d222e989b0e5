"""How reports write amounts, times and ratios: exact, grouped, and never a number where there is none.

The rule: what was not measured is written as "no data". A zero in a report is a measured zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from ztb.core.instrument import Instrument

NO_DATA: Final = "no data"

_SECOND_NS: Final = 1_000_000_000


def money_text(instrument: Instrument, amount: int | None, *, signed: bool = False) -> str:
    """Money units as exact grouped decimal, for example ``-1,234.5600``; nothing has no sign."""
    if amount is None:
        return NO_DATA
    return f"{instrument.money.decimal(amount):{'+' if signed and amount else ''},f}"


def ratio(numerator: int, denominator: int, *, scale: int, places: int) -> Decimal | None:
    """``numerator * scale / denominator`` to ``places`` decimals; None when there is nothing to divide by."""
    if denominator == 0:
        return None
    step = Decimal(1).scaleb(-places)
    return (Decimal(numerator * scale) / Decimal(denominator)).quantize(step, rounding=ROUND_HALF_EVEN)


def decimal_text(value: Decimal | None, unit: str, *, signed: bool = False) -> str:
    """A ratio with its unit, grouped."""
    return NO_DATA if value is None else f"{value:{'+' if signed and value else ''},f} {unit}"


def count_text(value: int | None) -> str:
    """A count, grouped."""
    return NO_DATA if value is None else f"{value:,}"


def time_text(ts_ns: int | None) -> str:
    """UTC to the millisecond, for example ``2024-03-05 14:00:00.250Z``."""
    if ts_ns is None:
        return NO_DATA
    whole = datetime.fromtimestamp(ts_ns // _SECOND_NS, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{whole}.{ts_ns % _SECOND_NS // 1_000_000:03d}Z"


def duration_text(span_ns: int | None) -> str:
    """A duration in days, hours, minutes and seconds, without leading zero parts."""
    if span_ns is None:
        return NO_DATA
    seconds, rest_ns = divmod(span_ns, _SECOND_NS)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{value} {unit}" for value, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if value]
    return " ".join([*parts, f"{seconds}.{rest_ns // 1_000_000:03d} s"])


def aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Label and value in two columns."""
    width = max((len(label) for label, _ in rows), default=0)
    return [f"  {label:<{width}}  {value}".rstrip() for label, value in rows]
