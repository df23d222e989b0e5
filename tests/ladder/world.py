"""A run of the ladder as the tests set it up, and journals made of hand-written records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tests.cli.command import clean_environ
from ztb.core.command import Command
from ztb.core.event import Event
from ztb.core.instrument import Instrument
from ztb.host.build import build_id
from ztb.host.config import load_profile
from ztb.ladder.context import CanaryOptions, Context, Durations
from ztb.ladder.evidence import Criterion, Findings, Mark, RungEvidence, Verdict
from ztb.store.codec import encode
from ztb.store.database import JOURNAL_NAME
from ztb.store.journal import Journal
from ztb.store.tape import DEMO_TAPE

RUN_ID = "canary_20240305_120000_abc123"
FAST = 60.0
"""Time scale of the tests that run real processes."""
STEPS = Instrument("btc_jpy", "btc", "jpy", Decimal(5), Decimal("0.0001"), 4)


@contextmanager
def no_progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar that nobody sees."""
    yield lambda count: None


def context_in(out: Path, *, overrides: tuple[str, ...] = (), build: str = "", **options: object) -> Context:
    """A run of the demo profile into ``out``; ``options`` replace those of ``CanaryOptions``."""
    loaded = load_profile("demo", overrides=overrides, environ=clean_environ())
    plain: dict[str, Any] = {
        "policy": loaded.profile.policy.name,
        "tape": DEMO_TAPE,
        "run_id": RUN_ID,
        "durations": Durations(1, 1, 1),
        "time_scale": FAST,
    }
    out.mkdir(parents=True, exist_ok=True)
    made = CanaryOptions(loaded=loaded, out=out, overrides=overrides, **{**plain, **options})
    return Context(made, build=build or str(build_id()), progress=no_progress)


def failed(findings: Findings) -> dict[str, object]:
    """What did not pass, text to measured value."""
    return {c.text: c.measured for c in findings.criteria if c.verdict is Mark.FAIL}


def mark_of(findings: Findings, text: str) -> Mark:
    """Of the one criterion with this text."""
    (found,) = (criterion for criterion in findings.criteria if criterion.text == text)
    return found.verdict


def rung(name: str, verdict: Verdict = Verdict.GO, *, criteria: tuple[Criterion, ...] = ()) -> RungEvidence:
    """Evidence as a rung leaves it."""
    return RungEvidence(RUN_ID, name, 1, 2, "build", "c0", "d0", 1.0, verdict, criteria, ())


def session_body(build: str = "build") -> bytes:
    """A record of a session, with the members that the ladder reads."""
    steps = {"tick_size": STEPS.tick_size, "lot_size": STEPS.lot_size, "money_scale": STEPS.money_scale}
    return msgspec.json.encode(
        {"build": build, "tape": "session-1.tape", "engine": {"capital": 10_000_000_000, "instruments": [steps]}}
    )


def write_journal(state_dir: Path, records: Iterable[Event | Command | tuple[str, bytes]]) -> Path:
    """A journal of these, one record each; a pair is kind and body."""
    state_dir.mkdir(parents=True, exist_ok=True)
    path = state_dir / JOURNAL_NAME
    with closing(Journal.open(path, profile="demo", mode="simulator", now_ns=1)) as journal:
        for number, record in enumerate(records, 1):
            kind, body = record if isinstance(record, tuple) else encode(record)
            journal.append(number, kind, body)
        journal.commit()
    return path


def measurement(**counters: int) -> tuple[str, bytes]:
    """A record of a measurement."""
    zero = {"market_events": 0, "api_calls": 0, "api_errors": 0, "api_throttled": 0, "feed_losses": 0}
    return "measurement", json.dumps({**zero, **counters}).encode()
