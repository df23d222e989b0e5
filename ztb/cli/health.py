"""``ztb health``: whether the trader is well, by three checks and five signals, and what is wrong if it is not."""

from __future__ import annotations

import argparse
from typing import Any, Final

from ztb.cli.operate import Place, add_place_options, place_from
from ztb.cli.result import Result, printable
from ztb.cli.risk_text import folded
from ztb.cli.sighting import NotRunning, Sighting, sight
from ztb.core.error import StoreCorrupt
from ztb.service.health import WORDS, Health

EXIT_OF_STATE: Final = {health.name.lower(): words.exit_code for health, words in WORDS.items()}

EPILOG: Final = """\
examples:
  ztb health
  ztb health --profile demo --json        the document that /health will serve, under data.health

exit codes: 0 healthy or degraded; 1 unhealthy, or it lives and has not reported for 2 s; 3 starting, too early to tell;
69 no trader runs. UNKNOWN means that nothing was measured within the window: it is not good news. docs/risk.md tells
what each finding means and what to do.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb health``."""
    parser.description = "Whether the trader of a profile is well: its checks and signals, with their thresholds."
    parser.epilog = EPILOG
    add_place_options(parser)
    parser.set_defaults(handler=show_health)


def show_health(args: argparse.Namespace) -> Result:
    """NotRunning without a trader; the health of one that does not report is not believed."""
    place = place_from(args)
    seen = sight(place.runtime)
    if seen is None or not seen.is_alive:
        raise NotRunning(
            f"no trader of profile {place.profile} runs (looked in {place.runtime})",
            remedy=f"start one with `ztb run --profile {place.profile}`, or name its --runtime-dir",
        )
    health = member(seen, "health")
    if seen.is_stale:
        health = {**health, **_words(Health.UNHEALTHY), "reasons": [f"it has not reported for {seen.age_s:.1f} s"]}
    data = {"profile": place.profile, "pid": seen.status.pid, "stale": seen.is_stale, "health": health}
    code = EXIT_OF_STATE.get(str(health.get("state")), WORDS[Health.UNHEALTHY].exit_code)
    return Result(data, printable("\n".join(_lines(place, seen, health))), code, place.warnings)


def member(seen: Sighting, name: str) -> Any:  # noqa: ANN401 - a part of a document of JSON
    """A part of the status file. NotRunning where there is no engine, StoreCorrupt where another ztb wrote the file."""
    found = seen.document.get(name)
    if name in seen.document and found is None:
        raise NotRunning(f"no engine runs in PID {seen.status.pid}: {seen.status.says}", remedy="see `ztb status`")
    if not isinstance(found, dict | list):
        raise StoreCorrupt(
            f"the status of PID {seen.status.pid} has no {name}: build {seen.status.build} wrote it",
            remedy="restart the trader with the ztb that is installed now",
        )
    return found


def _words(health: Health) -> dict[str, str]:
    words = WORDS[health]
    return {
        "status": words.status, "state": health.name.lower(), "monitor_status": words.monitor_status, "go": words.go
    }  # fmt: skip


def _lines(place: Place, seen: Sighting, health: dict[str, Any]) -> list[str]:
    broker, socket, degradation = (health["checks"][name] for name in ("broker", "websocket", "degradation"))
    took = "" if broker["latency_ms"] is None else f", last answer after {broker['latency_ms']} ms"
    connected = "connected" if socket["connected"] else "not connected"
    paused = "paused" if degradation["global_paused"] else "not paused"
    reduce_only = "on" if degradation["reduce_only_mode"] else "off"
    lines = [
        f"{health['status']}: {health['go']}, monitor {health['monitor_status']}",
        f"  profile {place.profile}, PID {seen.status.pid}, reported {seen.age_s:.1f} s ago",
        *(line for reason in health["reasons"] for line in folded(f"  ! {reason}", indent=4)),
        _line("broker", f"{broker['status']}{took}"),
        _line("websocket", f"{connected}, {'STALE' if socket['stale'] else 'fresh'}"),
        _line("degradation", f"{paused}, reduce-only {reduce_only}"),
        *folded(_line("signals", health["signals"]["message"]), indent=15),
    ]
    return [*lines, *(_signal_line(signal) for signal in health["signals"]["items"])]


def _signal_line(signal: dict[str, Any]) -> str:
    unit = signal["unit"]
    value = "-" if signal["value"] is None else _in_units(signal["value"], unit)
    bounds = f"warn {_in_units(signal['warn'], unit)}, crit {_in_units(signal['crit'], unit)}"
    return f"    {signal['name']:19} {signal['status']:8} {value:>8}  {bounds}"


def _in_units(value: int, unit: str) -> str:
    match unit:
        case "ppm":
            return f"{value // 10_000}.{value % 10_000 // 1_000} %"
        case "ms":
            return f"{value} ms"
    return str(value)


def _line(name: str, text: str) -> str:
    return f"  {name:12} {text}"
