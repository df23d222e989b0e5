"""The flatness report and the progress of a flatten, for people."""

from __future__ import annotations

from typing import Any, Final

SENT_SHOWN_MAX: Final = 20
OUTCOMES: Final = {
    "flat": "FLAT", "flat_dust": "FLAT + DUST", "orders_off": "ALL ORDERS OFF", "not_flat": "NOT FLAT",
}  # fmt: skip


def report_text(report: dict[str, Any]) -> str:
    """All of it: what was open, what was sent, what the venue says, what is left."""
    outcome = OUTCOMES.get(report["outcome"], report["outcome"])
    opened = ", ".join(f"{size} {symbol}" for symbol, size in report["opened"].items()) or "nothing"
    lines = [
        f"{outcome} after {report['took_ms'] / 1000:.1f} s" + (", late" if report["was_late"] else ""),
        _line("asked by", " ".join(filter(None, (report["source"], report["by"]))) + f": {report['reason']}"),
        _line("mode", f"{report['mode']}, at most {report['max_slippage_ppm'] / 10_000:g} % of slippage"),
        _line("was open", f"{opened}; {report['orders_at_begin']} orders worked"),
        _line("sent", f"{report['sent_count']} orders"),
    ]
    sent = report["sent"]
    lines += [f"    {_sent_text(one)}" for one in sent[:SENT_SHOWN_MAX]]
    if len(sent) > SENT_SHOWN_MAX:
        lines.append(f"    ... and {len(sent) - SENT_SHOWN_MAX} more; the journal has them all")
    return "\n".join([*lines, *_venue_lines(report["venue"]), _line("left", report["says"])])


def progress_words(progress: dict[str, Any]) -> str:
    """One line."""
    if not progress["active"]:
        outcome = OUTCOMES.get(progress["outcome"], progress["outcome"])
        return f"{outcome} after {progress['took_ms'] / 1000:.1f} s, {progress['sent']} orders sent; {progress['says']}"
    due = "LATE" if progress["late"] else f"{progress['left_ms'] / 1000:.0f} s left"
    return f"{progress['mode']}, {due}, {progress['sent']} orders sent; {progress['says']}"


def _venue_lines(venue: dict[str, Any]) -> list[str]:
    if venue["problem"]:
        return [_line("venue", f"could not be asked: {venue['problem']}")]
    held = ", ".join(f"{amount} {name}" for name, amount in (venue["held"] or {}).items()) or "nothing"
    agrees = (
        "agrees with the books" if venue["agrees"] else f"does not agree yet: {venue['compared'] or 'not compared'}"
    )
    return [
        _line("venue", f"{agrees}; {venue['open_orders']} of our orders are open there"),
        _line("account", f"{held} (the owner's own included)"),
    ]


def _sent_text(one: dict[str, Any]) -> str:
    text = (
        f"{one['side']} {one['size']} {one['instrument']} limit {one['limit']} {one['time_in_force']}: {one['state']}"
    )
    if one["average"] is None:
        return f"{text}, nothing filled"
    slippage = "" if one["slippage_ppm"] is None else f", slippage {one['slippage_ppm'] / 10_000:+.3f} %"
    return f"{text}, {one['filled']} at {one['average']}{slippage}, fee {one['fee']}"


def _line(name: str, text: str) -> str:
    return f"  {name:9} {text}"
