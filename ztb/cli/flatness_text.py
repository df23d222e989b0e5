"""The flatness report and the progress of a flatten, for people: what it was, what came of it, and what is left."""

from __future__ import annotations

from typing import Any, Final

from ztb.cli.risk_text import folded

SENT_SHOWN_MAX: Final = 20
OUTCOMES: Final = {
    "flat": "FLAT", "flat_dust": "FLAT + DUST", "orders_off": "ALL ORDERS OFF", "not_flat": "NOT FLAT",
}  # fmt: skip
MODES: Final = {
    "limit": "limit, never worse than {} % from the market",
    "market": "market, at any price",
    "cancel_only": "cancel-only, what is held stays",
}
_NAME_WIDTH: Final = 9
_HANGING: Final = _NAME_WIDTH + 3
_SENT_HANGING: Final = 6
_PPM_PER_PERCENT: Final = 10_000


def report_text(report: dict[str, Any]) -> str:
    """All of it: what was open, what was sent, what the venue says, what is left."""
    outcome = OUTCOMES.get(report["outcome"], report["outcome"])
    opened = ", ".join(f"{size} {symbol}" for symbol, size in report["opened"].items()) or "nothing"
    mode = MODES.get(report["mode"], report["mode"]).format(f"{report['max_slippage_ppm'] / _PPM_PER_PERCENT:g}")
    lines = [
        f"{outcome} after {seconds(report['took_ms'])}" + (", late" if report["was_late"] else ""),
        *_line("asked by", f"{report['by'] or 'nobody known'}, through the {report['source']}: {report['reason']}"),
        *_line("mode", mode),
        *_line("was open", f"{opened}; {counted(report['orders_at_begin'])} worked"),
        *_line("sent", counted(report["sent_count"])),
    ]
    sent = report["sent"]
    for one in sent[:SENT_SHOWN_MAX]:
        lines += folded(f"    {_sent_text(one)}", indent=_SENT_HANGING)
    if len(sent) > SENT_SHOWN_MAX:
        lines.append(f"    ... and {len(sent) - SENT_SHOWN_MAX} more; the journal has them all")
    return "\n".join([*lines, *_venue_lines(report["venue"]), *_line("left", report["says"])])


def progress_words(progress: dict[str, Any]) -> str:
    """One line."""
    sent = f"{counted(progress['sent'])} sent"
    if not progress["active"]:
        outcome = OUTCOMES.get(progress["outcome"], progress["outcome"])
        return f"{outcome} after {seconds(progress['took_ms'])}, {sent}; {progress['says']}"
    due = "LATE" if progress["late"] else f"{progress['left_ms'] / 1000:.0f} s left"
    return f"{progress['mode'].replace('_', '-')}, {due}, {sent}; {progress['says']}"


def seconds(took_ms: int) -> str:
    """As exactly as it matters."""
    return f"{took_ms / 1000:.2f} s" if took_ms < 10_000 else f"{took_ms / 1000:.0f} s"


def counted(orders: int) -> str:
    """So many orders."""
    return f"{orders} order" + ("" if orders == 1 else "s")


def _venue_lines(venue: dict[str, Any]) -> list[str]:
    if venue["problem"]:
        return _line("venue", f"could not be asked: {venue['problem']}; look there")
    held = ", ".join(f"{amount} {name}" for name, amount in (venue["held"] or {}).items()) or "nothing"
    agrees = "agrees with the books"
    if not venue["agrees"]:
        before = f"; what it said before: {venue['compared']}" if venue["compared"] else ""
        agrees = f"has not confirmed it since the last change{before}"
    return [
        *_line("venue", f"{agrees}; {counted(venue['open_orders'])} of ours open there"),
        *_line("account", f"holds {held}, the owner's own included"),
    ]


def _sent_text(one: dict[str, Any]) -> str:
    text = (
        f"{one['side']} {one['size']} {one['instrument']} limit {one['limit']} {one['time_in_force']}: {one['state']}"
    )
    if one["average"] is None:
        refusal = f" ({one['refusal']})" if one.get("refusal") else ""
        return f"{text}{refusal}, nothing filled"
    ppm = one["slippage_ppm"]
    slippage = ""
    if ppm is not None:
        slippage = f", {abs(ppm) / _PPM_PER_PERCENT:.3f} % {'worse' if ppm > 0 else 'better'} than {one['reference']}"
    return f"{text}, {one['filled']} at {one['average']}{slippage}, fee {one['fee']}"


def _line(name: str, text: str) -> list[str]:
    return folded(f"  {name:{_NAME_WIDTH}} {text}", indent=_HANGING)
