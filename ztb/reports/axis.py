"""Where the ticks of an axis stand: round numbers, and few enough to read.

The rule: a label is exact. Tick values are Decimals and whole nanoseconds; only their place on the paper is a float.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

_SECOND_NS: Final = 1_000_000_000

_TIME_STEPS_NS: Final = tuple(
    [10**power * digit for power in range(6, 9) for digit in (1, 2, 5)]
    + [seconds * _SECOND_NS for seconds in (1, 2, 5, 10, 15, 30)]
    + [minutes * 60 * _SECOND_NS for minutes in (1, 2, 5, 10, 15, 30)]
    + [hours * 3_600 * _SECOND_NS for hours in (1, 2, 3, 6, 12)]
    + [days * 86_400 * _SECOND_NS for days in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)]
)
"""A millisecond to a thousand days: every step divides the next unit or is the usual one."""


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """From ``low`` to ``high`` in the unit of the label, with ticks at round values inside."""

    low: Decimal
    high: Decimal
    ticks: tuple[Decimal, ...]
    places: int

    def label(self, value: Decimal) -> str:
        """Grouped, with as many decimals as the ticks need."""
        return f"{value:,.{self.places}f}"

    def part(self, value: Decimal) -> float:
        """0 at ``low``, 1 at ``high``."""
        return float((value - self.low) / (self.high - self.low))


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """From ``begin_ns`` to ``end_ns``, with ticks at round UTC times inside."""

    begin_ns: int
    end_ns: int
    ticks_ns: tuple[int, ...]
    step_ns: int

    def label(self, ts_ns: int) -> str:
        """The date at midnight, else the time of day as exactly as the step needs it."""
        at = datetime.fromtimestamp(ts_ns // _SECOND_NS, tz=UTC)
        if ts_ns % (86_400 * _SECOND_NS) == 0:
            return at.strftime("%Y-%m-%d")
        if self.step_ns >= 60 * _SECOND_NS:
            return at.strftime("%H:%M")
        if self.step_ns >= _SECOND_NS:
            return at.strftime("%H:%M:%S")
        return at.strftime("%H:%M:%S") + f".{ts_ns % _SECOND_NS // 1_000_000:03d}"

    def part(self, ts_ns: int) -> float:
        """0 at the beginning, 1 at the end."""
        return (ts_ns - self.begin_ns) / (self.end_ns - self.begin_ns)


def value_axis(low: Decimal, high: Decimal, *, grid: Decimal, ticks_max: int) -> ValueAxis:
    """An axis that shows ``low`` to ``high`` with a small margin; ``grid`` is the least difference that exists."""
    if high <= low:
        low, high = low - grid, high + grid
    margin = (high - low) / 20
    low, high = low - margin, high + margin
    step = _round_step(low, high, ticks_max)
    first, last = _tick_numbers(low, high, step)
    ticks = tuple(step * number for number in range(first, last + 1))
    return ValueAxis(low, high, ticks, max(0, -step.adjusted()))


def time_axis(begin_ns: int, end_ns: int, *, ticks_max: int) -> TimeAxis:
    """An axis from the first to the last sample; a single moment gets a second around it."""
    if end_ns <= begin_ns:
        begin_ns, end_ns = begin_ns - _SECOND_NS // 2, begin_ns + _SECOND_NS // 2
    fitting = (step for step in _TIME_STEPS_NS if (end_ns - begin_ns) // step < ticks_max)
    step_ns = next(fitting, _TIME_STEPS_NS[-1])
    first = -(-begin_ns // step_ns)
    ticks_ns = tuple(tick * step_ns for tick in range(first, end_ns // step_ns + 1))[: ticks_max + 1]
    return TimeAxis(begin_ns, end_ns, ticks_ns, step_ns)


def _round_step(low: Decimal, high: Decimal, ticks_max: int) -> Decimal:
    """The smallest of 1, 2 and 5 times a power of ten that makes at most ``ticks_max`` ticks."""
    power = Decimal(1).scaleb(((high - low) / ticks_max).adjusted())
    for digit in (1, 2, 5, 10):
        first, last = _tick_numbers(low, high, power * digit)
        if last - first < ticks_max:
            return power * digit
    # More than twice the range over ``ticks_max``, so at most half as many ticks and one.
    return power * 20


def _tick_numbers(low: Decimal, high: Decimal, step: Decimal) -> tuple[int, int]:
    """The first and the last multiple of ``step`` from ``low`` to ``high``."""
    first = (low / step).to_integral_value(rounding=ROUND_CEILING)
    last = (high / step).to_integral_value(rounding=ROUND_FLOOR)
    return int(first), int(last)
