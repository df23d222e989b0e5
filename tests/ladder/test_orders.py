"""The journal against the exchange's book: each planted difference is found, by the criterion that names it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.ladder.world import failed, session_body
from ztb.core.command import Place
from ztb.core.event import OrderFilled
from ztb.core.instrument import BUY, SELL
from ztb.ladder.evidence import Findings, Verdict
from ztb.ladder.journal_facts import JournalFacts
from ztb.ladder.orders import judge_orders, read_books
from ztb.store.chain import Record
from ztb.store.codec import encode

INTENT = "every order had its intent in the journal"
TWICE = "no order was sent twice"
FILLS = "the journal has the exchange's fills, alike in all"
BOTH_SIDES = "it bought and sold"
POSITION = "position, ledger against exchange"
FEES = "fees, ledger against exchange"
UNKNOWN = "orders of unknown fate at the end"
WORKING = "orders working at the end"
FOREIGN = "fills of our account without our tag"
RECEIVED = "orders that the exchange received"
FILLED = "fills at the exchange"


class World:
    """A bot bought 0.02 in two orders and sold 0.01; both sides agree until a test plants something."""

    def __init__(self) -> None:
        sides = {"ztb-a": BUY, "ztb-b": BUY, "ztb-c": SELL}
        self.calls: list[dict[str, Any]] = [{"method": "trade", "params": {"comment": tag}} for tag in sides]
        self.calls.append({"method": "cancel_order", "params": {"order_id": "1"}})
        self.account: dict[str, Any] = {
            "orders": [],
            "fills": [
                {"trade_id": number, "comment": tag, "side": "buy" if side == BUY else "sell", "amount": "0.0100",
                 "price": "9000000", "fee": "90"}
                for number, (tag, side) in enumerate(sides.items(), 1)
            ],
        }  # fmt: skip
        self.status: dict[str, Any] | None = {
            "instruments": {"btc_jpy": {"position": "0.0100", "fees": "270.0000"}},
            "orders": {"unknown": 0, "working": 0},
        }
        self.places = {
            tag: Place(1, tag, "btc_jpy", side, 100, 1_800_000, False, 1, "r") for tag, side in sides.items()
        }
        self.fills = [
            OrderFilled(2, tag, str(number), 100, 1_800_000, 900_000) for number, tag in enumerate(sides, 1)
        ]  # fmt: skip

    def judge(self) -> Findings:
        facts = JournalFacts()
        orders, fills = map(encode, self.places.values()), map(encode, self.fills)
        bodies = [("session", session_body()), *orders, *fills]
        for number, (kind, body) in enumerate(bodies, 1):
            facts.take(Record(number, number, kind, body, b"\0" * 32))
        findings = Findings()
        judge_orders(findings, facts, read_books(facts, self.calls, self.account), self.status)
        return findings


def test_books_that_agree_pass() -> None:
    findings = World().judge()
    assert failed(findings) == {}
    assert findings.verdict() is Verdict.GO


def test_a_fill_told_twice_to_the_journal_is_no_difference() -> None:
    world = World()
    world.fills.append(world.fills[0])
    assert failed(world.judge()) == {}


def test_an_order_that_nobody_decided() -> None:
    world = World()
    world.calls.append({"method": "trade", "params": {"comment": "ztb-unheard"}})
    assert failed(world.judge()) == {INTENT: "ztb-unheard"}


def test_an_order_without_a_tag() -> None:
    world = World()
    world.calls.append({"method": "trade", "params": {}})
    assert list(failed(world.judge())) == [INTENT]


def test_an_order_that_was_sent_twice() -> None:
    world = World()
    world.calls.append(world.calls[1])
    assert failed(world.judge()) == {TWICE: "ztb-b"}


@pytest.mark.parametrize(
    ("member", "value"), [("price", "9000005"), ("fee", "90.0001"), ("amount", "0.0101"), ("comment", "ztb-c")]
)
def test_a_fill_that_differs(member: str, value: str) -> None:
    world = World()
    world.account["fills"][0][member] = value
    found = failed(world.judge())
    assert found[FILLS] == "3 fills, 1 differ: trade 1"


def test_a_fill_on_the_other_side() -> None:
    world = World()
    world.account["fills"][0]["side"] = "sell"
    assert set(failed(world.judge())) == {FILLS, POSITION}


def test_a_fill_that_the_journal_lacks() -> None:
    world = World()
    del world.fills[2]
    assert failed(world.judge()) == {FILLS: "3 fills, 1 differ: trade 3"}


def test_a_fill_that_the_exchange_lacks() -> None:
    world = World()
    del world.account["fills"][2]
    assert set(failed(world.judge())) == {FILLS, POSITION, FEES}


def test_a_fill_that_is_not_ours() -> None:
    world = World()
    world.account["fills"].append({**world.account["fills"][0], "trade_id": 9, "comment": ""})
    assert failed(world.judge()) == {FOREIGN: 1}


@pytest.mark.parametrize(
    ("member", "value", "text"), [("position", "0.0200", POSITION), ("fees", "269.9999", FEES), ("fees", "0", FEES)]
)
def test_a_ledger_that_is_wrong(member: str, value: str, text: str) -> None:
    world = World()
    assert world.status is not None
    world.status["instruments"]["btc_jpy"][member] = value
    assert list(failed(world.judge())) == [text]


@pytest.mark.parametrize(("member", "text"), [("unknown", UNKNOWN), ("working", WORKING)])
def test_orders_left_over(member: str, text: str) -> None:
    world = World()
    assert world.status is not None
    world.status["orders"][member] = 1
    assert failed(world.judge()) == {text: 1}


def test_an_order_that_works_at_the_exchange_alone() -> None:
    world = World()
    world.account["orders"] = [{"order_id": 5}]
    assert failed(world.judge()) == {WORKING: 0}


def test_a_trader_that_left_no_status() -> None:
    world = World()
    world.status = None
    assert list(failed(world.judge())) == ["the ledger holds what the exchange says"]


def test_a_bot_that_only_bought() -> None:
    world = World()
    world.places["ztb-c"] = Place(1, "ztb-c", "btc_jpy", BUY, 100, 1_800_000, False, 1, "r")
    assert failed(world.judge())[BOTH_SIDES] == "buy"


def test_nothing_at_all_is_no_proof() -> None:
    world = World()
    world.calls, world.places, world.fills = [], {}, []
    world.account["fills"] = []
    assert {RECEIVED, FILLED, BOTH_SIDES} <= set(failed(world.judge()))


def test_the_sums_are_exact() -> None:
    world = World()
    books = read_books(JournalFacts(), world.calls, world.account)
    assert (books.position, books.fees) == (Decimal("0.0100"), Decimal(270))
    assert books.received.total() == 3
