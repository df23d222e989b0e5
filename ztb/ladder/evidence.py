"""What a rung found, as evidence: criteria with measured value, threshold and verdict.

The rule: a criterion without a measured value has failed, and a rung without criteria has failed. Nothing is a pass
because nobody looked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

Measured = int | float | str | bool | None

DIGITS_SHOWN: Final = 16
"""Of a SHA-256 in hex: enough to tell two apart, short enough for a table."""

NAMES: Final = ("preflight", "replay", "live-lite", "kill-resume", "bundle")
"""The rungs that a run must have climbed, in order."""


class Verdict(StrEnum):
    """Of a rung and of a run."""

    GO = "GO"
    CONDITIONAL = "CONDITIONAL"
    NO_GO = "NO-GO"


EXIT_CODES = {Verdict.GO: 0, Verdict.NO_GO: 1, Verdict.CONDITIONAL: 3}


class Mark(StrEnum):
    """Of one criterion. WARN needs a person's decision; SKIPPED was left out on request."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the judgement; ``id`` is a requirement's row where there is one."""

    id: str
    text: str
    measured: Measured
    threshold: str
    verdict: Mark


@dataclass(slots=True)
class Findings:
    """Collects the criteria of one rung."""

    criteria: list[Criterion] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def at_most(self, row: str, text: str, measured: float | None, limit: float, unit: str) -> None:
        """Passes when something was measured and it is not above ``limit``."""
        self._add(
            row, text, _shown(measured, unit), f"<= {_limit(limit, unit)}", measured is not None and measured <= limit
        )

    def below(self, row: str, text: str, measured: float | None, limit: float, unit: str) -> None:
        """Passes when something was measured and it is below ``limit``."""
        self._add(
            row, text, _shown(measured, unit), f"< {_limit(limit, unit)}", measured is not None and measured < limit
        )

    def at_least(self, row: str, text: str, measured: float | None, limit: float, unit: str) -> None:
        """Passes when something was measured and it is not below ``limit``."""
        self._add(
            row, text, _shown(measured, unit), f">= {_limit(limit, unit)}", measured is not None and measured >= limit
        )

    def equal(self, row: str, text: str, measured: Measured, expected: Measured) -> None:
        """Passes when the measured value is the expected one."""
        told = {True: "yes", False: "no"}[expected] if isinstance(expected, bool) else expected
        same = measured is not None and measured == expected and type(measured) is type(expected)
        self._add(row, text, measured, f"= {told}", same)

    def same_digest(self, row: str, text: str, measured: str | None, expected: str) -> None:
        """Passes when both are the same SHA-256 (hex); shows the beginning of each."""
        shown = measured[:DIGITS_SHOWN] if measured is not None else None
        self._add(row, text, shown, f"= {expected[:DIGITS_SHOWN]}", bool(expected) and measured == expected)

    def holds(self, row: str, text: str, is_true: bool, measured: str) -> None:
        """Passes when ``is_true``; ``measured`` says what was seen."""
        self._add(row, text, measured, "holds", is_true)

    def warn(self, row: str, text: str, measured: Measured, threshold: str) -> None:
        """Neither pass nor fail: a person has to decide."""
        self.criteria.append(Criterion(row, text, measured, threshold, Mark.WARN))

    def skip(self, row: str, text: str, why: str) -> None:
        """Left out on request; counts as a warning."""
        self.criteria.append(Criterion(row, text, why, "not skipped", Mark.SKIPPED))

    def fail(self, row: str, text: str, measured: Measured) -> None:
        """Failed, with what was seen instead."""
        self.criteria.append(Criterion(row, text, measured, "holds", Mark.FAIL))

    def _add(self, row: str, text: str, measured: Measured, threshold: str, passed: bool) -> None:
        self.criteria.append(Criterion(row, text, measured, threshold, Mark.PASS if passed else Mark.FAIL))

    def verdict(self) -> Verdict:
        """NO-GO for any failure or for no criteria at all, CONDITIONAL for any warning."""
        marks = {criterion.verdict for criterion in self.criteria}
        if not marks or Mark.FAIL in marks:
            return Verdict.NO_GO
        if marks & {Mark.WARN, Mark.SKIPPED}:
            return Verdict.CONDITIONAL
        return Verdict.GO


@dataclass(frozen=True, slots=True)
class RungEvidence:
    """A rung, done. Times are Unix ns of the wall."""

    run_id: str
    rung: str
    started_ns: int
    ended_ns: int
    build: str
    config_sha256: str
    data_sha256: str
    time_scale: float
    verdict: Verdict
    criteria: tuple[Criterion, ...]
    notes: tuple[str, ...]


def overall(rungs: list[RungEvidence]) -> Verdict:
    """The verdict of the run: every rung must be there; the worst one decides."""
    return overall_of({rung.rung: rung.verdict for rung in rungs}, NAMES)


def overall_of(found: Mapping[str, Verdict], expected: tuple[str, ...]) -> Verdict:
    """The same from names and verdicts."""
    if any(name not in found for name in expected) or Verdict.NO_GO in found.values():
        return Verdict.NO_GO
    if Verdict.CONDITIONAL in found.values():
        return Verdict.CONDITIONAL
    return Verdict.GO


def _shown(measured: float | None, unit: str) -> str | None:
    if measured is None:
        return None
    return f"{measured:,.3f} {unit}" if isinstance(measured, float) else f"{measured:,} {_counted(measured, unit)}"


def _limit(limit: float, unit: str) -> str:
    return f"{limit:g} {_counted(limit, unit)}"


def _counted(number: float, unit: str) -> str:
    """``1 order``, ``2 orders``; short units (s, ms) stay as they are."""
    return unit[:-1] if number == 1 and len(unit) > 2 and unit.endswith("s") else unit
