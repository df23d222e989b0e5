"""Progress of long work: a bar on a terminal, plain lines elsewhere, nothing under --quiet or --json.

It goes to standard error, so that standard output holds the result alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PLAIN_STEP_PERCENT: Final = 10
"""Without a terminal one line appears for each of these steps, so that a log stays short."""

Advance = Callable[[int], None]
"""Reports that so many more units are done."""

_silent = False


def set_silent(silent: bool) -> None:
    """Called once by the command line, before the handler."""
    global _silent
    _silent = silent


def is_silent() -> bool:
    """Nothing but the result is wanted."""
    return _silent


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Advance]:
    """``with progress("import", rows) as advance: advance(1)``; ``total`` None: the end is not known."""
    if _silent:
        yield lambda count: None
    elif sys.stderr.isatty():
        with _bar(label, total) as advance:
            yield advance
    else:
        with _lines(label, total) as advance:
            yield advance


@contextmanager
def _bar(label: str, total: int | None) -> Iterator[Advance]:
    # rich takes longer to import than most commands take to run
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def _lines(label: str, total: int | None) -> Iterator[Advance]:
    done = 0
    shown_percent = 0

    def advance(count: int) -> None:
        nonlocal done, shown_percent
        done += count
        if not total:
            return
        percent = min(100, done * 100 // total) // PLAIN_STEP_PERCENT * PLAIN_STEP_PERCENT
        if percent > shown_percent:
            shown_percent = percent
            print(f"{label}: {percent} %", file=sys.stderr, flush=True)

    print(f"{label}: begins", file=sys.stderr, flush=True)
    yield advance
    if shown_percent < 100:
        print(f"{label}: done" if total else f"{label}: done ({done})", file=sys.stderr, flush=True)
