"""The trader's journal against the exchange's own book: the proof that nothing was sent that was not decided,
nothing twice, and that the ledger holds what the exchange says was filled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ztb.core.instrument import SIDE_NAMES
from ztb.ladder.evidence import Findings
from ztb.ladder.journal_facts import JournalFacts

TAG: Final = "ztb-"


@dataclass(frozen=True)
class Books:
    """Both sides, reduced to what must agree."""

    received: Counter[str]
    """How often the exchange received an order with this tag, whatever became of it."""
    venue_fills: dict[str, tuple[str, str, Decimal]]
    """Trade id to tag, side and size, of fills with our tag."""
    venue_fees: Decimal
    our_fills: dict[str, str]
    """Trade id to tag."""

    @property
    def position(self) -> Decimal:
        """What the exchange says that our orders bought and did not sell again."""
        return sum((size if side == "buy" else -size for _, side, size in self.venue_fills.values()), Decimal(0))


def read_books(facts: JournalFacts, calls: list[dict[str, Any]], account: dict[str, Any]) -> Books:
    """From the journal, the exchange's record of calls and its account."""
    fills = [fill for fill in account["fills"] if fill["comment"].startswith(TAG)]
    return Books(
        received=Counter(call["params"].get("comment", "") for call in calls if call["method"] == "trade"),
        venue_fills={str(fill["trade_id"]): (fill["comment"], fill["side"], Decimal(fill["amount"])) for fill in fills},
        venue_fees=sum((Decimal(fill["fee"]) for fill in fills), Decimal(0)),
        our_fills={fill.trade_id: fill.client_id for fill in facts.fills},
    )


def judge_orders(findings: Findings, facts: JournalFacts, books: Books, status: dict[str, Any] | None) -> None:
    """Order integrity, from the exchange's side (F-01, F-13, F-27)."""
    unknown = sorted(tag for tag in books.received if tag not in facts.places)
    findings.at_least("A-24", "orders that the exchange received", books.received.total(), 1, "orders")
    findings.holds("F-01", "every order had its intent in the journal", not unknown, ", ".join(unknown[:3]) or "all")
    twice = sorted(tag for tag, count in books.received.items() if count > 1)
    findings.holds("F-01", "no order was sent twice", not twice, ", ".join(twice[:3]) or "none")
    ours, theirs = books.our_fills, {trade: tag for trade, (tag, _, _) in books.venue_fills.items()}
    missing = sorted(set(ours.items()) ^ set(theirs.items()))
    findings.holds("F-13", "the journal has the exchange's fills, each once", not missing, f"{len(theirs)} fills, "
                   f"{len(missing)} differ")  # fmt: skip
    sides = {SIDE_NAMES[place.side].lower() for place in facts.places.values()}
    findings.holds("A-06", "it bought and sold", sides == {"buy", "sell"}, ", ".join(sorted(sides)) or "neither")
    _judge_ledger(findings, books, status)


def _judge_ledger(findings: Findings, books: Books, status: dict[str, Any] | None) -> None:
    if status is None:
        findings.fail("F-16", "the ledger holds what the exchange says", "the trader left no status")
        return
    (desk,) = status["instruments"].values()
    findings.equal("F-16", "position, ledger against exchange", _text(desk["position"]), _text(books.position))
    findings.equal("F-16", "fees, ledger against exchange", _text(desk["fees"]), _text(books.venue_fees))
    findings.equal("F-02", "orders of unknown fate at the end", status["orders"]["unknown"], 0)


def _text(amount: str | Decimal) -> str:
    return f"{Decimal(amount).normalize() + 0:f}"
