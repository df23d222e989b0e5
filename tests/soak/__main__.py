"""``python -m tests.soak --venue zaif --orders 20000``: the hostile soak at its full length."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.hostile import soak
from tests.soak.protocols import PROTOCOLS


def main() -> int:
    """Exit code 0 when everything held on every venue."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--venue", choices=(*PROTOCOLS, "all"), default="all")
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--time-scale", type=float, default=100.0)
    parser.add_argument("--keep", type=Path, help="directory for journals and logs; else they are thrown away")
    args = parser.parse_args()
    faults = 0
    for venue in PROTOCOLS if args.venue == "all" else (args.venue,):
        with tempfile.TemporaryDirectory(prefix="ztb-soak-") as scratch:
            directory = (args.keep or Path(scratch)) / venue
            directory.mkdir(mode=0o700, parents=True)
            outcome = soak(venue, directory, orders=args.orders, seed=args.seed, time_scale=args.time_scale)
        print(outcome.text(), flush=True)
        faults += len(outcome.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
