"""A canary run as its reports take it: checked once at the door, so that a page is never half written.

The rule: what is missing is an error that says where, and a value that was not measured stays None to the end.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

import msgspec

from ztb.core.error import UsageError
from ztb.reports.amounts import NO_DATA, duration_text, time_text
from ztb.reports.svg import printable

PASSED: Final = frozenset({"GO", "PASS", "PASSED", "OK"})
FAILED: Final = frozenset({"NO-GO", "FAIL", "FAILED", "ERROR"})
LIMITED: Final = frozenset({"CONDITIONAL", "WARN", "WARNING"})
"""Every other verdict (skipped, not run) is shown as neither passed nor failed."""

VALUE_LENGTH_MAX: Final = 400


class Criterion(msgspec.Struct, frozen=True):
    """One success criterion, for example A-15, with what was measured and what is allowed."""

    id: str
    text: str
    measured: Any
    threshold: Any
    verdict: str


class Rung(msgspec.Struct, frozen=True):
    """One step of the ladder. Times are Unix nanoseconds, or text to be shown as it is."""

    name: str
    verdict: str
    started: int | str | None
    ended: int | str | None
    criteria: tuple[Criterion, ...]
    notes: tuple[str, ...] = ()


class Chart(msgspec.Struct, frozen=True):
    """A picture made by ``ztb.reports.chart``."""

    title: str
    svg: str


class ManifestEntry(msgspec.Struct, frozen=True):
    """One file of the bundle."""

    path: str
    size: int
    sha256: str


class CanaryRun(msgspec.Struct, frozen=True):
    """The whole run. ``scaled``: time was compressed, so the evidence is not that of a full run."""

    run_id: str
    started: int | str | None
    ended: int | str | None
    build: str
    profile: str
    verdict: str
    scaled: bool | int | float | str | None
    rungs: tuple[Rung, ...]
    charts: tuple[Chart, ...] = ()
    manifest: tuple[ManifestEntry, ...] = ()

    def not_passed(self) -> list[tuple[Rung, Criterion]]:
        """What stands between this run and a clean GO."""
        return [
            (rung, criterion)
            for rung in self.rungs
            for criterion in rung.criteria
            if kind(criterion.verdict) != "passed"
        ]

    def summary(self) -> str:
        """How many rungs and criteria passed, in a sentence."""
        criteria = [criterion for rung in self.rungs for criterion in rung.criteria]
        rungs_passed = sum(kind(rung.verdict) == "passed" for rung in self.rungs)
        passed = sum(kind(criterion.verdict) == "passed" for criterion in criteria)
        return f"{rungs_passed} of {len(self.rungs)} rungs and {passed} of {len(criteria)} criteria passed."

    def facts(self) -> list[tuple[str, str]]:
        """What was run, when and with which build, as label and value."""
        facts = [
            ("Profile", printable(self.profile)),
            ("Build", printable(self.build)),
            ("Started", moment_text(self.started)),
            ("Ended", moment_text(self.ended)),
            ("Duration", took_text(self.started, self.ended)),
        ]
        if self.scaled:
            told = "" if isinstance(self.scaled, bool) else f" {value_text(self.scaled)} times"
            facts.append(("Time", f"compressed{told}: this evidence is not that of a run in real time"))
        return facts


def canary_run(run: dict[str, Any]) -> CanaryRun:
    """``run`` checked; UsageError naming the place when something is missing or of the wrong kind."""
    try:
        return msgspec.convert(run, CanaryRun)
    except msgspec.ValidationError as error:
        raise UsageError(f"this is no canary run: {error}", remedy="give the run.json of a bundle") from None


def kind(verdict: str) -> str:
    """``passed``, ``failed``, ``limited`` or ``open``."""
    told = verdict.strip().upper().replace("_", "-")
    if told in PASSED:
        return "passed"
    if told in FAILED:
        return "failed"
    return "limited" if told in LIMITED else "open"


def value_text(value: object) -> str:
    """A measured value or threshold on one line; None is "no data"."""
    match value:
        case None:
            return NO_DATA
        case bool():
            return "yes" if value else "no"
        case str():
            told = value
        case Decimal():
            told = f"{value:f}"
        case int() | float():
            told = str(value)
        case _:
            told = json.dumps(value, ensure_ascii=False, default=str)
    told = printable(told)
    return told if len(told) <= VALUE_LENGTH_MAX else told[:VALUE_LENGTH_MAX] + " ..."


def moment_text(moment: int | str | None) -> str:
    """A time of a run."""
    return time_text(moment) if isinstance(moment, int) else value_text(moment)


def took_text(started: int | str | None, ended: int | str | None) -> str:
    """From start to end, where both are known as nanoseconds."""
    if isinstance(started, int) and isinstance(ended, int) and ended >= started:
        return duration_text(ended - started)
    return NO_DATA
