"""All cases together, and the page of the manual that is made from them: ``python -m tests.venues.contract.table``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.venues.contract import cases_fate, cases_money, cases_orders, cases_stream
from tests.venues.contract.case import CASES, Case
from tests.venues.contract.kits import KITS

MODULES: Final = (cases_orders, cases_money, cases_fate, cases_stream)
PAGE: Final = Path(__file__).parents[3] / "docs" / "venue-contract.md"

_HEAD: Final = """\
# The contract of a venue

Every venue is held to the same numbered cases, over real sockets, against its built-in exchange; paper accounts follow
the public side of one. What a venue cannot do, it does in its own way, and that way is part of the contract: the suite
asserts the words below, and after each case that our ledger is the exchange's own book, order by order, fill by fill
and in balances to the last unit. `pytest tests/venues/contract` runs it, `-k C19` one case, `-k coinbase` one venue.

A paper venue takes what the venue that it follows takes: `paper` follows Zaif, `paper gmo`, `paper leverage` and
`paper coinbase` the others. Its orders meet the displayed depth after a latency; what it took of a level stays taken
until the level changes; a resting order is filled by trades through its price, or at its price once the displayed lots
ahead of it have traded. Its fills are kept in `paper-fills.jsonl` of the state directory: balances and positions
outlive a restart, the book of orders does not. Orders of the last session are then told as cancelled.

This page is made by `python -m tests.venues.contract.table`; a test holds it against the suite.

| case | what happens | and what the venue does |
|---|---|---|
"""


def outcomes(case: Case) -> dict[str, list[str]]:
    """What is done, and by whom."""
    found: dict[str, list[str]] = {}
    for kit in KITS:
        found.setdefault(case.expected(kit), []).append(kit)
    return found


def page() -> str:
    """The text of ``docs/venue-contract.md``."""
    rows = []
    for number, case in sorted(CASES.items()):
        # Whatever most venues do is said last, and their names need not be.
        *few, most = sorted(outcomes(case).items(), key=lambda item: len(item[1]))
        parts = [f"{_names(kits)}: {outcome}" for outcome, kits in few]
        parts.append(f"the others: {most[0]}" if few else most[0])
        rows.append(f"| {number} | {case.title} | {' <br> '.join(parts)} |\n")
    return _HEAD + "".join(rows)


def _names(kits: list[str]) -> str:
    papers = [kit.name for kit in KITS.values() if kit.is_paper]
    if set(papers) <= set(kits):
        kits = [kit for kit in kits if kit not in papers] + ["every paper account"]
    return f"**{', '.join(kits)}**"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
