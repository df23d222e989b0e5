"""The trader's journal against the exchange's own book: the proof that nothing was sent that was not decided,
nothing twice, and that the ledger holds what the exchange says was filled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ztb.core.instrument import BUY, SELL, SIDE_NAMES
from ztb.ladder.evidence import Findings
from ztb.ladder.journal_facts import ORDER_PREFIX, FillFact, JournalFacts

SIDES: Final = {"buy": BUY, "sell": SELL}
SHOWN_MAX: Final = 3


@dataclass(frozen=True)
class Books:
    """Both sides, reduced to what must agree."""

    received: Counter[str]
    """How often the exchange received an order with this tag, whatever became of it."""
    foreign: int
    """Fills of the account that carry no tag of ours."""
    working: int
    """Orders that still work at the exchange."""
    theirs: dict[str, FillFact]
    """By trade id, fills with our tag as the exchange tells them."""
    ours: dict[str, FillFact]

    @property
    def position(self) -> Decimal:
        """What the exchange says that our orders bought and did not sell again."""
        return sum((fill.side * fill.amount for fill in self.theirs.values()), Decimal(0))

    @property
    def fees(self) -> Decimal:
        """What the exchange says that they cost."""
        return sum((fill.fee for fill in self.theirs.values()), Decimal(0))


def read_books(facts: JournalFacts, calls: list[dict[str, Any]], account: dict[str, Any]) -> Books:
    """From the journal, the exchange's record of calls and its account."""
    tagged = [fill for fill in account["fills"] if fill["comment"].startswith(ORDER_PREFIX)]
    return Books(
        received=Counter(call["params"].get("comment", "") for call in calls if call["method"] == "trade"),
        foreign=len(account["fills"]) - len(tagged),
        working=len(account["orders"]),
        theirs={str(fill["trade_id"]): _fact(fill) for fill in tagged},
        ours=facts.fill_facts(),
    )


def _fact(fill: dict[str, Any]) -> FillFact:
    amount, price, fee = Decimal(fill["amount"]), Decimal(fill["price"]), Decimal(fill["fee"])
    return FillFact(fill["comment"], SIDES[fill["side"]], amount, price, fee)


def judge_orders(findings: Findings, facts: JournalFacts, books: Books, status: dict[str, Any] | None) -> None:
    """Order integrity, from the exchange's side (F-01, F-13, F-27)."""
    unknown = sorted(tag for tag in books.received if tag not in facts.places)
    findings.at_least("A-24", "orders that the exchange received", books.received.total(), 1, "orders")
    findings.holds("F-01", "every order had its intent in the journal", not unknown, _shown(unknown) or "all")
    twice = sorted(tag for tag, count in books.received.items() if count > 1)
    findings.holds("F-01", "no order was sent twice", not twice, _shown(twice) or "none")
    findings.at_least("F-13", "fills at the exchange", len(books.theirs), 1, "fills")
    findings.equal("F-13", "fills of our account without our tag", books.foreign, 0)
    _judge_fills(findings, books)
    sides = {SIDE_NAMES[place.side].lower() for place in facts.places.values()}
    findings.holds("A-06", "it bought and sold", sides == {"buy", "sell"}, ", ".join(sorted(sides)) or "neither")
    _judge_ledger(findings, books, status)


def _judge_fills(findings: Findings, books: Books) -> None:
    """Alike in order, side, size, price and fee; one that was told twice counts once, as it does in the ledger."""
    differ = sorted({trade for trade, _ in set(books.ours.items()) ^ set(books.theirs.items())})
    told = f"{len(books.theirs)} fills, {len(differ)} differ" + (f": trade {_shown(differ)}" if differ else "")
    findings.holds("F-13", "the journal has the exchange's fills, alike in all", not differ, told)


def _judge_ledger(findings: Findings, books: Books, status: dict[str, Any] | None) -> None:
    if status is None:
        findings.fail("F-16", "the ledger holds what the exchange says", "the trader left no status")
        return
    (desk,) = status["instruments"].values()
    findings.equal("F-16", "position, ledger against exchange", _text(desk["position"]), _text(books.position))
    findings.equal("F-16", "fees, ledger against exchange", _text(desk["fees"]), _text(books.fees))
    findings.equal("F-02", "orders of unknown fate at the end", status["orders"]["unknown"], 0)
    findings.equal("F-02", "orders working at the end", status["orders"]["working"], books.working)


def _text(amount: str | Decimal) -> str:
    return f"{Decimal(amount).normalize() + 0:f}"


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return ", ".join(names[:SHOWN_MAX]) + more
