"""The tables of docs/venues.md, made from what the adapters declare: ``python -m tests.venues.venues_page``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from ztb.core.command import TIMES_IN_FORCE
from ztb.venues.coinbase import rules as coinbase
from ztb.venues.gmo import rules as gmo
from ztb.venues.limiter import RateRule
from ztb.venues.paper import rules as paper
from ztb.venues.port import Capabilities
from ztb.venues.zaif import rules as zaif

PAGE = Path(__file__).resolve().parents[2] / "docs" / "venues.md"
VENUES: Mapping[str, Capabilities] = {
    "zaif": zaif.CAPABILITIES,
    "gmo": gmo.CAPABILITIES,
    "coinbase": coinbase.CAPABILITIES,
    "paper": paper.capabilities(),
}
RATES: Mapping[str, Mapping[str, RateRule]] = {
    "zaif": zaif.RATE_RULES, "gmo": gmo.RATE_RULES, "coinbase": coinbase.RATE_RULES,
}  # fmt: skip


def capabilities() -> str:
    """One row for each capability."""
    rows = [["capability", *VENUES], ["---"] * (len(VENUES) + 1)]
    rows += [
        [f"`{one.name}`", *(_text(getattr(able, one.name)) for able in VENUES.values())] for one in fields(Capabilities)
    ]
    return _table(rows)


def rates() -> str:
    """One row for each of our limits."""
    rows = [["venue", "limit", "class", "calls", "in", "kept for urgent calls", "a call waits"], ["---"] * 7]
    for venue, rules in RATES.items():
        for name, rule in rules.items():
            rows.append(
                [
                    venue, f"`{name}`", rule.limit_class, f"{rule.calls:,}", f"{rule.period_s:g} s",
                    str(rule.reserve), f"{rule.wait_s_max:g} s",
                ]
            )  # fmt: skip
    return _table(rows)


def written(text: str) -> str:
    """The page with both tables as they are now."""
    for name, table in (("capabilities", capabilities()), ("rates", rates())):
        mark = f"<!-- {name} -->\n"
        before, _, after = text.split(mark)
        text = f"{before}{mark}{table}{mark}{after}"
    return text


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, frozenset):
        return "all" if value == frozenset(TIMES_IN_FORCE) else ", ".join(sorted(value))
    return str(value)


def _table(rows: list[list[str]]) -> str:
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
