"""``ztb risk``: how much of each limit is used, what the limits are and where they come from, what a shock would do."""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ztb.cli import risk_profile
from ztb.cli.health import member
from ztb.cli.operate import Place, add_place_options, place_from
from ztb.cli.options import add_profile_options, add_verbs, profile_from
from ztb.cli.reaction_text import WIDTH, reaction_lines, reaction_rows
from ztb.cli.result import Result, printable
from ztb.cli.risk_text import folded, limit_lines, preview_lines, trip_lines
from ztb.cli.sighting import NotRunning, Sighting, sight
from ztb.host import schema
from ztb.service.sentence import MS_NS, duration, reason_in_words

EXIT_STALE: Final = 1
OFF: Final = "; 0: not "
"""In the description of a key: with 0 it does nothing."""
SECTIONS: Final = ("sizing.", "limits.", "risk.", "health.", "mode.")

EPILOG: Final = """\
examples:
  ztb risk status                    how much of each limit is used, pauses, what tripped in the last hour
  ztb risk limits --profile live     every limit with its source, and what each trip does; needs no trader
  ztb risk preview                   equity and guards if prices jumped by 2, 5 and 10 %
  ztb risk profile configured --reason TEXT    end the conservative limits that a kill left behind

exit codes of status and preview: 0 a trader runs and reports; 1 its report is older than 2 s; 69 no trader runs.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb risk status|limits|preview|profile``."""
    parser.description = "Limits and what is used of them, what each trip does, and what a jump of the prices would do."
    parser.epilog = EPILOG
    verbs = add_verbs(parser)
    status = verbs.add_parser("status", help="how much of each limit is used, pauses, trips")
    limits = verbs.add_parser("limits", help="the effective limits with their source, and the reaction table")
    preview = verbs.add_parser("preview", help="what prices 2, 5 and 10 %% away would do")
    risk_profile.register(verbs.add_parser("profile", help="which limits hold after a kill"))
    for verb in (status, preview):
        add_place_options(verb)
    add_profile_options(limits)
    status.set_defaults(handler=show_status)
    limits.set_defaults(handler=show_limits)
    preview.set_defaults(handler=show_preview)


def show_status(args: argparse.Namespace) -> Result:
    """Of the trader that runs."""
    place, seen = _seen(args)
    risk = member(seen, "risk")
    status = seen.status
    lines = [
        f"risk of profile {place.profile}: guards {risk['status']}, level {status.level} ({_age(seen)})",
        *folded(f"  {status.says}", indent=2),
        "",
        *limit_lines(risk["limits"]),
        "",
        *(line for held in _held_lines(seen, risk) for line in folded(held, indent=15)),
        "",
        *trip_lines(risk, status.meter.get("trips", []), now_ns=int(seen.document["updated_ns"])),
    ]
    data = {
        "profile": place.profile, "pid": status.pid, "stale": seen.is_stale, "level": status.level,
        "kill": seen.document["kill"], "risk": risk, "trips_since_start": status.meter.get("trips", []),
    }  # fmt: skip
    return _result(seen, place, data, lines)


def show_preview(args: argparse.Namespace) -> Result:
    """Of the trader that runs, as it saw its positions last."""
    place, seen = _seen(args)
    rows = member(seen, "preview")
    held = [
        f"  holds {desk.position} {symbol} at {desk.last_price or 'no price'}"
        for symbol, desk in seen.status.instruments.items()
    ]
    lines = [f"shock preview of profile {place.profile} ({_age(seen)})", *held, "", *preview_lines(rows)]
    data = {"profile": place.profile, "pid": seen.status.pid, "stale": seen.is_stale, "preview": rows}
    return _result(seen, place, data, lines)


def show_limits(args: argparse.Namespace) -> Result:
    """Of the profile, as a trader would start with now; no trader is asked."""
    loaded = profile_from(args)
    values = {key: value for key, value in loaded.effective().items() if key.startswith(SECTIONS)}
    width = max(map(len, values))
    lines = [f"limits of profile {loaded.name}, as the next start takes them", ""]
    switched_off = {schema.dotted(key) for key, field in schema.fields().items() if OFF in (field.description or "")}
    for key, value in values.items():
        text = "off" if key in switched_off and value in (0, "0") else _value_text(value)
        source = loaded.sources[key]
        line = f"  {key:{width}}  {text:>12}  {source}"
        lines.append(line if len(line) <= WIDTH else f"  {key:{width}}  {text:>12}  {_short(source)}")
    data = {
        "profile": loaded.name,
        "digest": loaded.digest,
        "limits": {key: {"value": value, "source": loaded.sources[key]} for key, value in values.items()},
        "reactions": reaction_rows(),
    }
    return Result(data, "\n".join([*lines, "", *reaction_lines()]), warnings=loaded.warnings)


def _seen(args: argparse.Namespace) -> tuple[Place, Sighting]:
    place = place_from(args)
    seen = sight(place.runtime)
    if seen is None or not seen.is_alive:
        raise NotRunning(
            f"no trader of profile {place.profile} runs (looked in {place.runtime})",
            remedy=f"start one with `ztb run --profile {place.profile}`; `ztb risk limits` needs none",
        )
    return place, seen


def _result(seen: Sighting, place: Place, data: dict[str, Any], lines: list[str]) -> Result:
    if seen.is_stale:
        lines = [f"STALE ◌: it has not reported for {seen.age_s:.1f} s; do not trust these numbers", *lines]
    return Result(data, printable("\n".join(lines)), EXIT_STALE if seen.is_stale else 0, place.warnings)


def _age(seen: Sighting) -> str:
    return f"reported {seen.age_s:.1f} s ago"


def _held_lines(seen: Sighting, risk: dict[str, Any]) -> list[str]:
    """The emergency controls that are on, each with what ends it."""
    status = seen.status
    lines = []
    if status.kill.on:
        why = reason_in_words(status.kill.reason)
        lines.append(f"  kill         CRIT ✖ by {status.kill.source}: {why}; `ztb resume` lifts it")
    for pause in risk["pauses"]:
        left = duration(pause["remaining_ms"] * MS_NS)
        what = pause["instrument"] or "everything"
        how = "" if pause["allows_reducing"] else ", nothing is closed either"
        lines.append(f"  pause        HOLD ◐ {what}, {left} left: {reason_in_words(pause['reason'])}{how}")
    lines += [f"  reduce-only  HOLD ◐ {reason_in_words(reason)}" for reason in risk["reduce_only"]]
    if status.reduce_only == "profile":
        lines.append("  reduce-only  OK ● asked for by the profile")
    if risk["conservative"]:
        lines.append("  profile      HOLD ◐ the conservative limits hold, until `ztb risk profile configured`")
    lines += [f"  guard        {guard['code']}: {guard['action']}" for guard in risk["guards"]]
    return lines or ["  controls     OK ● none is on"]


def _value_text(value: int | str | bool | Decimal) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def _short(source: str) -> str:
    """The file without its directory, where the whole does not fit."""
    path, colon, line = source.rpartition(":")
    return f"{Path(path).name}{colon}{line}" if colon else source
