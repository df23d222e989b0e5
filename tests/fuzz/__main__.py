"""``python -m tests.fuzz --venue gmo --target market_stream --seconds 30``: search for inputs that nobody handles.

Begins with the samples and the kept corpus. What reaches new code joins the corpus, which stays small; an input that
is not handled is written there as well, printed, and the exit code is 1: from then on the tests fail until it is.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from tests.fuzz.corpus import corpus_path, read_corpus, write_corpus
from tests.fuzz.guided import fuzz, smallest
from tests.fuzz.targets import INSTRUMENTS, KINDS, TARGETS, Target

PREFIX: Final = str(Path(__file__).resolve().parents[2] / "ztb" / "venues")
CORPUS_INPUTS_MAX: Final = 150


def run(target: Target, *, seconds: float, runs_max: int, seed: int) -> bool:
    """Fuzz one target and keep what it found; whether every input was handled."""
    began = time.monotonic()
    seeds = [*target.seeds(), *read_corpus(target.name)]
    with target.runner() as take:
        outcome = fuzz(take, seeds, prefix=PREFIX, seed=seed, seconds=seconds, runs_max=runs_max)
    with target.runner() as take:
        kept = smallest(take, outcome.kept, prefix=PREFIX, count_max=CORPUS_INPUTS_MAX)
    write_corpus(target.name, [*kept, *(defect.data for defect in outcome.defects)])
    took = time.monotonic() - began
    print(
        f"{target.name}: {outcome.runs} inputs in {took:.0f} s, {outcome.features} features, "
        f"{len(kept)} kept in {corpus_path(target.name)}, {len(outcome.defects)} defects",
        flush=True,
    )
    for defect in outcome.defects:
        print(f"  {defect}", flush=True)
    return not outcome.defects


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 when an input was not handled, 2 for a target that is none."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--venue", choices=tuple(INSTRUMENTS), help="only this one")
    parser.add_argument("--target", choices=KINDS, help="only this one")
    parser.add_argument("--seconds", type=float, default=0.0, help="for each target")
    parser.add_argument("--runs", type=int, default=0, help="inputs for each target: the same ones for the same seed")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.seconds <= 0 and options.runs <= 0:
        parser.error("for how long? --seconds S or --runs N")
    wanted = [
        target for target in TARGETS if options.venue in (None, target.venue) and options.target in (None, target.kind)
    ]
    if not wanted:
        parser.error(f"{options.venue} has no {options.target}")
    handled = [run(target, seconds=options.seconds, runs_max=options.runs, seed=options.seed) for target in wanted]
    return 0 if all(handled) else 1


if __name__ == "__main__":
    sys.exit(main())
