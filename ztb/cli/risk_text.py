"""Limits as bars, shocks and trips as tables, in 80 columns; a state is a word, a glyph and a colour."""

from __future__ import annotations

import textwrap
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ztb.cli.colour import MARKS, speaks_unicode
from ztb.cli.reaction_text import WIDTH

BAR_WIDTH_MAX: Final = 17
NEAR_PPM: Final = 800_000
"""From here on a limit is nearly used up."""
FULL_PPM: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000
TRIPS_SHOWN_MAX: Final = 12
_MARK_OF: Final = {"abort": "CRIT", "degraded": "WARN", "unknown": "UNKNOWN"}


def limit_lines(limits: list[dict[str, Any]]) -> list[str]:
    """One line for each limit: its name, a bar, used and limit, its state."""
    names = [f"{use['name'].replace('_', ' ')} {use['instrument']}".rstrip() for use in limits]
    numbers = [f"{number(use['used'])} / {number(use['limit'])} {use['unit']}" for use in limits]
    name_width = max(map(len, names), default=0)
    number_width = max(map(len, numbers), default=0)
    mark_width = max((len(state(use["used_ppm"])) for use in limits), default=0)
    room = WIDTH - name_width - number_width - mark_width - 2 - 2 - 2 - 2
    bar_width = max(0, min(BAR_WIDTH_MAX, room))
    return [
        f"  {name:{name_width}}  {bar(use['used_ppm'], bar_width)}  {text:>{number_width}}  {state(use['used_ppm'])}"
        for name, text, use in zip(names, numbers, limits, strict=True)
    ]


def state(used_ppm: int | None) -> str:
    """OK, WARN when nearly all is used, CRIT above the limit; at the limit itself nothing is broken."""
    if used_ppm is None:
        return MARKS["UNKNOWN"]
    if used_ppm > FULL_PPM:
        return MARKS["CRIT"]
    return MARKS["WARN"] if used_ppm >= NEAR_PPM else MARKS["OK"]


def bar(used_ppm: int | None, width: int) -> str:
    """Full cells for what is used; anything used shows at least one, and only a full limit shows all."""
    full, empty = ("█", "░") if speaks_unicode() else ("#", ".")
    if used_ppm is None:
        return "?" * width
    cells = min(width, -(-used_ppm * width // FULL_PPM))
    if used_ppm < FULL_PPM:
        cells = min(cells, width - 1)
    return full * cells + empty * (width - cells)


def preview_lines(rows: list[dict[str, Any]]) -> list[str]:
    """One line for each shock, and below it what would trip."""
    lines = [f"  {'instrument':11} {'change':>7} {'equity':>15} {'drawdown':>9} {'day loss':>13} {'leverage':>9}"]
    for row in rows:
        lines.append(
            f"  {row['instrument']:11} {row['change_pct']:>+5} % {number(row['equity']):>15} "
            f"{_percent(row['drawdown_ppm']):>9} {number(row['day_loss']):>13} {_ratio(row['leverage_ppm']):>9}"
        )
        if row["trips"]:
            mark = MARKS[_MARK_OF.get(row["status"], "WARN")]
            lines.append(f"                 {mark} {', '.join(row['trips'])}")
        if row["exits"]:
            lines.append(f"                 {MARKS['HOLD']} position closed: {', '.join(row['exits'])}")
    if not any(row["trips"] for row in rows):
        lines += ["", "  no guard would trip"]
    return lines


def trip_lines(risk: dict[str, Any], since_start: list[dict[str, Any]], *, now_ns: int) -> list[str]:
    """What tripped within the last hour, newest last, and the counts since this start."""
    lines = [f"  trips        {risk['trips_last_hour']} in the last hour"]
    for trip in risk["trips"][-TRIPS_SHOWN_MAX:]:
        minutes = max(0, now_ns - trip["ts_ns"]) // SECOND_NS // 60
        where = f" ({trip['instrument']})" if trip["instrument"] else ""
        lines.append(f"    {minutes:>3} min ago  {trip['code']}{where}")
    if since_start:
        parts = [
            f"{entry['count']} {entry['category']} ({'' if entry['recoverable'] else 'not '}recoverable)"
            for entry in since_start
        ]
        lines.append(f"  since start  {', '.join(parts)}")
    return lines


def folded(line: str, *, indent: int) -> list[str]:
    """A line of free text as several that fit; what has no blank, as a path, stays whole."""
    hanging = " " * indent
    return textwrap.wrap(line, WIDTH, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False) or [
        line
    ]


def number(text: str | None) -> str:
    """With thousands and without the zeros at its end; what is no number stays as it is."""
    if text is None:
        return "unknown"
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    shown = f"{value:,f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _percent(ppm: int | None) -> str:
    return "unknown" if ppm is None else f"{ppm // 10_000}.{ppm % 10_000 // 100:02} %"


def _ratio(ppm: int | None) -> str:
    return "-" if ppm is None else f"{ppm // 1_000_000}.{ppm % 1_000_000 // 10_000:02}"
