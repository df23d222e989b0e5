"""Price and equity over time as one self-contained SVG, readable on a screen, in print and to the colour-blind.

The rule: nothing is told by colour alone. A buy is a triangle that points up below its price, a sell points down above
it; the drawdown is the shaded area between the equity and its peak before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Final

from ztb.core.instrument import BUY, Instrument
from ztb.reports.axis import TimeAxis, ValueAxis, time_axis, value_axis
from ztb.reports.curve import CurvePoint, FillMark
from ztb.reports.svg import element, label, path, text_escaped

# Blue and vermillion of the palette of Okabe and Ito, which all common kinds of colour blindness tell apart.
BUY_COLOUR: Final = "#0072b2"
SELL_COLOUR: Final = "#d55e00"
_LINE: Final = "#222222"
_TEXT: Final = "#222222"
_MUTED: Final = "#666666"
_GRID: Final = "#e4e4e4"
_SHADE: Final = "#f3d9c6"

WIDTH: Final = 1000
HEIGHT: Final = 620
_LEFT: Final = 104
_RIGHT: Final = 888
_LAST_VALUE_LENGTH_MAX: Final = 13
_FONT: Final = "Inter, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class _Panel:
    """A rectangle between two heights with its own value axis, above a time axis that both panels share."""

    top: float
    bottom: float
    axis: ValueAxis
    time: TimeAxis

    def x(self, ts_ns: int) -> float:
        return _LEFT + (_RIGHT - _LEFT) * self.time.part(ts_ns)

    def y(self, value: Decimal) -> float:
        return self.bottom - (self.bottom - self.top) * self.axis.part(value)


def price_equity_chart(
    *, title: str, subtitle: str, instrument: Instrument, points: Sequence[CurvePoint], fills: Sequence[FillMark]
) -> str:
    """The picture as SVG text. ``points`` and ``fills`` in the order of time; without points it says "no data"."""
    head = [
        element("title", {}, [text_escaped(f"{title}: {subtitle}")]),
        element("rect", {"width": WIDTH, "height": HEIGHT, "fill": "#ffffff"}),
        label(_LEFT, 30, title, font_size=18, font_weight="bold", fill=_TEXT),
        label(_LEFT, 50, subtitle, font_size=12, fill=_MUTED),
    ]
    if not points:
        body = [label(WIDTH / 2, HEIGHT / 2, "no data", font_size=18, fill=_MUTED, text_anchor="middle")]
    else:
        body = _panels(instrument, points, fills)
    frame: dict[str, str | float] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 {WIDTH} {HEIGHT}",
        "width": WIDTH,
        "height": HEIGHT,
        "role": "img",
        "font-family": _FONT,
    }
    return element("svg", frame, [*head, *body]) + "\n"


def _panels(instrument: Instrument, points: Sequence[CurvePoint], fills: Sequence[FillMark]) -> list[str]:
    time = time_axis(points[0].ts_ns, points[-1].ts_ns, ticks_max=10)
    shown = [fill for fill in fills if time.begin_ns <= fill.ts_ns <= time.end_ns]
    prices = [instrument.prices.decimal(price) for price in (*(p.price for p in points), *(f.price for f in shown))]
    equities = [instrument.money.decimal(point.equity) for point in points]
    base, quote = instrument.base.upper(), instrument.quote.upper()
    upper = _Panel(96, 360, value_axis(min(prices), max(prices), grid=instrument.tick_size, ticks_max=6), time)
    low, high = min(equities), max(equities)
    lower = _Panel(408, 572, value_axis(low, high, grid=instrument.money.decimal(1), ticks_max=6), time)
    return [
        *_axes(upper, f"Price ({quote} per {base})"),
        *_axes(lower, f"Equity ({quote})"),
        *_time_labels(lower),
        *_legend(),
        _line(upper, [(p.ts_ns, instrument.prices.decimal(p.price)) for p in points]),
        *(_mark(upper, instrument, fill) for fill in shown),
        _last_value(upper, instrument.prices.decimal(points[-1].price)),
        _drawdown(lower, points, equities),
        _line(lower, [(p.ts_ns, equity) for p, equity in zip(points, equities, strict=True)]),
        _last_value(lower, equities[-1]),
    ]


def _axes(panel: _Panel, heading: str) -> list[str]:
    drawn = [label(_LEFT, panel.top - 8, heading, font_size=12, font_weight="bold", fill=_TEXT)]
    for tick in panel.axis.ticks:
        y = panel.y(tick)
        drawn.append(element("line", {"x1": _LEFT, "x2": _RIGHT, "y1": y, "y2": y, "stroke": _GRID}))
        drawn.append(label(_LEFT - 8, y + 4, panel.axis.label(tick), font_size=11, fill=_MUTED, text_anchor="end"))
    for tick_ns in panel.time.ticks_ns:
        x = panel.x(tick_ns)
        drawn.append(element("line", {"x1": x, "x2": x, "y1": panel.top, "y2": panel.bottom, "stroke": _GRID}))
    frame: dict[str, str | float] = {"x1": _LEFT, "x2": _RIGHT, "y1": panel.bottom, "y2": panel.bottom}
    drawn.append(element("line", {**frame, "stroke": _MUTED}))
    return drawn


def _time_labels(panel: _Panel) -> list[str]:
    y = panel.bottom + 18
    drawn = [
        label(panel.x(tick_ns), y, panel.time.label(tick_ns), font_size=11, fill=_MUTED, text_anchor="middle")
        for tick_ns in panel.time.ticks_ns
    ]
    drawn.append(label((_LEFT + _RIGHT) / 2, y + 20, "Time (UTC)", font_size=11, fill=_MUTED, text_anchor="middle"))
    return drawn


def _legend() -> list[str]:
    y = 84
    return [
        element("path", {"d": _triangle(_RIGHT - 246, y, up=True), "fill": BUY_COLOUR}),
        label(_RIGHT - 236, y + 4, "BUY fill", font_size=11, fill=_TEXT),
        element("path", {"d": _triangle(_RIGHT - 172, y, up=False), "fill": SELL_COLOUR}),
        label(_RIGHT - 162, y + 4, "SELL fill", font_size=11, fill=_TEXT),
        element("rect", {"x": _RIGHT - 100, "y": y - 5, "width": 16, "height": 10, "fill": _SHADE}),
        label(_RIGHT - 78, y + 4, "drawdown", font_size=11, fill=_TEXT),
    ]


def _line(panel: _Panel, samples: Sequence[tuple[int, Decimal]]) -> str:
    places = [(panel.x(ts_ns), panel.y(value)) for ts_ns, value in samples]
    return element(
        "path",
        {"d": path(places), "fill": "none", "stroke": _LINE, "stroke-width": 1.3, "stroke-linejoin": "round"},
    )


def _drawdown(panel: _Panel, points: Sequence[CurvePoint], equities: Sequence[Decimal]) -> str:
    """Between the equity and the highest equity before; the curve holds every peak, so the area is exact."""
    xs = [panel.x(point.ts_ns) for point in points]
    peaks = [(x, panel.y(peak)) for x, peak in zip(xs, accumulate(equities, max), strict=True)]
    lows = [(x, panel.y(equity)) for x, equity in zip(xs, equities, strict=True)]
    return element("path", {"d": path([*peaks, *reversed(lows)]) + "Z", "fill": _SHADE, "stroke": "none"})


def _mark(panel: _Panel, instrument: Instrument, fill: FillMark) -> str:
    up = fill.side == BUY
    x, y = panel.x(fill.ts_ns), panel.y(instrument.prices.decimal(fill.price))
    told = f"{'BUY' if up else 'SELL'} {instrument.sizes.text(fill.lots)} at {instrument.prices.text(fill.price)}"
    looks: dict[str, str | float] = {
        "d": _triangle(x, y + (8 if up else -8), up=up),
        "fill": BUY_COLOUR if up else SELL_COLOUR,
        "stroke": "#ffffff",
        "stroke-width": 0.8,
    }
    return element("path", looks, [element("title", {}, [text_escaped(told)])])


def _triangle(x: float, y: float, *, up: bool) -> str:
    reach = -5 if up else 5
    return f"M{x - 5:.1f} {y - reach:.1f}L{x + 5:.1f} {y - reach:.1f}L{x:.1f} {y + reach:.1f}Z"


def _last_value(panel: _Panel, value: Decimal) -> str:
    """Exact where there is room for it, else as exact as the axis."""
    exact = f"{value:,f}"
    told = exact if len(exact) <= _LAST_VALUE_LENGTH_MAX else panel.axis.label(value)
    return label(_RIGHT + 8, panel.y(value) + 4, told, font_size=11, font_weight="bold", fill=_TEXT)
