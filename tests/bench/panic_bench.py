"""From the wish to be flat to the proof that it is so: ``python -m tests.bench.panic_bench``.

Real processes on the built-in exchange, in real time and within the venue's own rate limits: a trader that has bought
three times and has ten more orders working, the last of them a moment old, gets the panic file. Measured from the
file's appearance until the flatness report, with the venue's agreement in it, can be read from the journal; that
nothing of ours is at the exchange any more is looked up there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.service.flatten_scene import BUYER, WORKING, Scene, market
from tests.service.processes import PATIENCE_S, Trader, exchange
from tests.service.tapes import plug_in
from tests.soak.protocols import PROTOCOLS
from ztb.cli.flatten import newest_report

ROOT: Final = Path(__file__).resolve().parents[2]
VENUES: Final = ("zaif", "gmo", "gmo-leverage")
RUNS: Final = 3
PANIC_S_MAX: Final = 3.0
LOOK_S: Final = 0.005


@contextlib.contextmanager
def _scene(name: str, directory: Path) -> Iterator[Scene]:
    """As the tests have it, but the exchange counts calls and its time is ours."""
    tape = market(directory / "market.tape")
    package = plug_in(directory / "package", "buyer", BUYER)
    with exchange(directory / "exchange", tape=str(tape), venue=PROTOCOLS[name].venue, time_scale=1.0) as venue:
        yield Scene(name, venue, directory, package, rate_factor=1)


def _panic(flat: Scene, running: Trader) -> dict[str, Any]:
    state_dir = running.state_dir
    running.operator_file("panic", "bench")
    began = time.monotonic()
    report = None
    while report is None and time.monotonic() - began < PATIENCE_S:
        time.sleep(LOOK_S)
        report = newest_report(state_dir, after_asked_ns=0)
    took_s = time.monotonic() - began
    assert report is not None, running.text()[-2_000:]
    code = running.wait()
    assert report["is_flat"], report
    assert report["venue"]["agrees"], report
    assert code == 0, code
    assert flat.net_lots() == 0
    assert flat.venue.book()["orders"] == []
    assert report["orders_at_begin"] == WORKING
    return {"proven_s": round(took_s, 3), "orders_sent": report["sent_count"]}


def measure(*, runs: int, venues: tuple[str, ...]) -> dict[str, object]:
    """Seconds of each venue, and whether the slowest holds what was promised."""
    build = ROOT / "build" / "bench"
    build.mkdir(parents=True, exist_ok=True)
    figures: dict[str, object] = {"runs": runs, "working": WORKING, "positions": 3}
    slowest_s = 0.0
    for name in venues:
        took: list[float] = []
        for _ in range(runs):
            with (
                tempfile.TemporaryDirectory(dir=build) as folder,
                _scene(name, Path(folder)) as flat,
                flat.trader() as running,
            ):
                flat.laden(running)
                took.append(_panic(flat, running)["proven_s"])
        figures[f"{name}_s"] = {"least": min(took), "most": max(took)}
        slowest_s = max(slowest_s, *took)
    return figures | {"most_s": slowest_s, "holds": slowest_s <= PANIC_S_MAX}


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.panic_bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--venue", choices=VENUES, action="append", help="only this one (repeat for more)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if not 1 <= options.runs <= 1_000:
        parser.error("--runs from 1 to 1000")
    figures = measure(runs=options.runs, venues=tuple(options.venue or VENUES))
    print(json.dumps(figures) if options.json else json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
