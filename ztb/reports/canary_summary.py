"""A canary run on half a screen: one line for each rung, what did not pass, where to read on.

The rule: whatever stands between this run and a clean GO is on it; what passed is only counted.
"""

from __future__ import annotations

from typing import Any

from ztb.reports.canary_run import Rung, canary_run, kind, took_text, value_text
from ztb.reports.svg import printable


def render_canary_summary(run: dict[str, Any], places: list[tuple[str, str]]) -> str:
    """``places``: what is where. The last line is the decision. UsageError when ``run`` lacks something."""
    told = canary_run(run)
    lines = [f"Canary run {printable(told.run_id)}, profile {printable(told.profile)}, build {printable(told.build)}"]
    if told.scaled:
        lines.append(f"time x{value_text(told.scaled)}: this evidence is not that of a run in real time")
    lines += ["", *(_rung_line(rung) for rung in told.rungs), ""]
    missed = told.not_passed()
    if missed:
        lines.append("not passed")
    for rung, criterion in missed:
        lines.append(f"  {printable(criterion.verdict)}  {printable(rung.name)}  {printable(criterion.id)}  "
                     f"{printable(criterion.text)}")  # fmt: skip
        lines.append(f"        measured {value_text(criterion.measured)}; required {value_text(criterion.threshold)}")
    troubled = [rung for rung in told.rungs if rung.criteria and kind(rung.verdict) != "passed"]
    notes = [(rung, note) for rung in troubled for note in rung.notes]
    lines += [f"  note  {printable(rung.name)}  {printable(note)}" for rung, note in notes]
    lines += [""] if missed or notes else []
    width = max((len(name) for name, _ in places), default=0)
    lines += [f"{name:<{width}}  {printable(place)}" for name, place in places]
    return "\n".join([*lines, f"[canary] DECISION: {printable(told.verdict)}"])


def _rung_line(rung: Rung) -> str:
    passed = sum(kind(criterion.verdict) == "passed" for criterion in rung.criteria)
    line = f"  {printable(rung.name):<12} {printable(rung.verdict):<11}"
    if not rung.criteria:
        return f"{line} {'; '.join(printable(note) for note in rung.notes)}".rstrip()
    return f"{line} {passed:>3} of {len(rung.criteria):>2} criteria  {took_text(rung.started, rung.ended)}"
