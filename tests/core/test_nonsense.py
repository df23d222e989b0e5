"""Nonsense from the market and from policies: it moves nothing, it is told, and the engine goes on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import SPOT, T0, Desk, notices, places
from ztb.core.event import Depth, Event, Quote, Trade
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import HOLD, INPUTS_MAX, REASON_LENGTH_MAX, Decision, flaw_of, plain_text
from ztb.store.codec import decode_decisions, encode, encode_decisions

NAN, INF = float("nan"), float("inf")
BAD_AMOUNTS: list[Any] = [0, -1, NAN, INF, -INF, 1 << 60, 10**30]


def bad_market() -> list[Event]:
    """Everything that a broken feed could pass on; floats are planted although the types forbid them."""
    events: list[Event] = []
    for bad in BAD_AMOUNTS:
        events += [Trade(T0, SPOT.symbol, bad, 1, BUY), Trade(T0, SPOT.symbol, 1_000, bad, BUY)]
        if bad != 0:  # a side without orders has price 0
            events += [Quote(T0, SPOT.symbol, bad, 1, 1_001, 1), Quote(T0, SPOT.symbol, 999, 1, bad, 1)]
            events += [Depth(T0, SPOT.symbol, ((bad, 1),), (), True), Depth(T0, SPOT.symbol, (), ((bad, 1),), True)]
    events += [
        Trade(T0, "eth_jpy", 1_000, 1, BUY),
        Quote(T0, "", 999, 1, 1_001, 1),
        Depth(T0, "btc_jpy ", ((999, 1),), ((1_001, 1),), True),
    ]
    return events


@pytest.mark.parametrize("event", bad_market(), ids=repr)
def test_nonsense_from_the_market_moves_nothing(event: Event) -> None:
    desk = Desk()
    desk.market(1_000)
    desk.step(Quote(T0, SPOT.symbol, 999, 1, 1_001, 1))
    before = desk.engine.state.snapshot()
    desk.policy.answer = Decision(BUY, "buy on anything", ())
    calls = desk.policy.calls
    assert notices(desk.step(event)) == [("error", "nonsense_market_data")]
    assert desk.policy.calls == calls, "the policy was shown nonsense"
    after = desk.engine.state.snapshot()
    assert after.pop("refused_market_events") == 1
    assert before.pop("refused_market_events") == 0
    assert after == before


def test_nonsense_is_told_once_and_counted_always() -> None:
    desk = Desk()
    told = [desk.step(event) for event in bad_market()]
    assert [len(commands) for commands in told] == [1] + [0] * (len(told) - 1)
    assert desk.engine.state.refused_market_events == len(told)
    assert desk.order(BUY), "good data is still good"


def test_no_price_is_seen_through_nonsense() -> None:
    desk = Desk()
    for event in bad_market():
        desk.step(event)
    desk.policy.answer = Decision(BUY, "wanted", ())
    desk.step(Quote(T0, SPOT.symbol, 999, 1, 1_001, 1))
    assert desk.outcome() == "no_market_data"


class Unprintable(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Unshowable:
    """Cannot be shown, compared or counted."""

    def __repr__(self) -> str:
        raise RuntimeError("no picture")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __hash__(self) -> int:
        raise RuntimeError("no hash")


RAISED = [
    ValueError("bad"), ZeroDivisionError(), Unprintable(), RecursionError("deep"), KeyError("\ud800 lone surrogate"),
    AssertionError(), MemoryError(), OverflowError("x" * 10_000),
]  # fmt: skip

RETURNED: list[Any] = [
    1, -1, 0, True, "BUY", (1, "x", ()), object(), Unshowable(), [], NAN, Decision, Exception("returned"),
    Decision(2, "x", ()), Decision(-2, "x", ()), Decision(True, "x", ()), Decision(1.0, "x", ()),  # type: ignore[arg-type]
    Decision(NAN, "x", ()), Decision(None, "x", ()), Decision("BUY", "x", ()), Decision(Unshowable(), "x", ()),  # type: ignore[arg-type]
    Decision(1, None, ()), Decision(1, 5, ()), Decision(0, "\ud800", ()), Decision(0, "é", ()),  # type: ignore[arg-type]
    Decision(0, "x" * (REASON_LENGTH_MAX + 1), ()), Decision(0, Unshowable(), ()),  # type: ignore[arg-type]
    Decision(1, "x", None), Decision(1, "x", [1]), Decision(0, "x", 5), Decision(0, "x", {"a": 1}),  # type: ignore[arg-type]
    Decision(0, "x", (1.5,)), Decision(0, "x", (NAN,)), Decision(0, "x", (True,)), Decision(0, "x", (None,)),  # type: ignore[arg-type]
    Decision(0, "x", ("1",)), Decision(0, "x", (Decimal(1),)), Decision(0, "x", (1, 10**40)),  # type: ignore[arg-type]
    Decision(0, "x", (-(10**40),)), Decision(0, "x", (1 << 62,)), Decision(0, "x", (0,) * (INPUTS_MAX + 1)),
    Decision(0, "x", (Unshowable(),)),  # type: ignore[arg-type]
]  # fmt: skip


def suspended(answer: object, *, on_quote: bool) -> Desk:
    """A desk whose policy gives ``answer`` (or raises it), and which must have survived that."""
    desk = Desk()
    place = desk.working(BUY)
    desk.policy.answer = answer
    event: Event = Quote(T0, SPOT.symbol, 999, 1, 1_001, 1) if on_quote else Trade(T0, SPOT.symbol, 1_000, 1, BUY)
    commands = list(desk.engine.step(event))
    assert notices(commands) == [("error", "policy_suspended")]
    assert not places(commands)
    encode(commands[0])  # what is told can be journalled
    calls = desk.policy.calls
    desk.policy.answer = Decision(BUY, "again", ())
    desk.engine.step(event)
    assert desk.policy.calls == calls, "a suspended policy was asked"
    assert desk.engine.state.policy_suspended
    # Everything else goes on: fills are booked, marks move.
    desk.fill(place)
    desk.market(1_100)
    assert desk.engine.state.ledger.equity == desk.config.capital + 10 * 100
    return desk


@pytest.mark.parametrize("on_quote", [False, True])
@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_a_policy_that_raises_is_suspended(error: Exception, on_quote: bool) -> None:
    desk = suspended(error, on_quote=on_quote)
    text = desk.engine.state.policy_suspended
    assert text.startswith(type(error).__name__)
    assert len(text) <= 300
    assert text.isascii()


@pytest.mark.parametrize("on_quote", [False, True])
@pytest.mark.parametrize("number", range(len(RETURNED)))
def test_a_policy_that_returns_nonsense_is_suspended(number: int, on_quote: bool) -> None:
    desk = Desk()
    answer = RETURNED[number]
    # The scene raises an exception that it is told to answer; here it is what is returned.
    desk.policy.answer = answer
    desk.policy._say = lambda event, held_lots: desk.policy.answer  # type: ignore[assignment, method-assign, return-value]
    event: Event = Quote(T0, SPOT.symbol, 999, 1, 1_001, 1) if on_quote else Trade(T0, SPOT.symbol, 1_000, 1, BUY)
    commands = list(desk.engine.step(event))
    assert notices(commands) == [("error", "policy_suspended")]
    assert desk.engine.take_decisions() == []
    encode(commands[0])
    assert flaw_of(answer)


def test_a_policy_that_is_suspended_stays_so_beside_working_orders() -> None:
    suspended(ValueError("bad"), on_quote=False)


def test_a_policy_cannot_end_the_process_unnoticed() -> None:
    desk = Desk()
    desk.policy.answer = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        desk.engine.step(Trade(T0, SPOT.symbol, 1_000, 1, BUY))


ANSWERS = st.builds(
    Decision,
    st.sampled_from([BUY, SELL, HOLD]),
    st.text(st.characters(max_codepoint=127), max_size=REASON_LENGTH_MAX),
    st.lists(st.integers(-(1 << 62) + 1, (1 << 62) - 1), max_size=INPUTS_MAX).map(tuple),
)


@given(ANSWERS)
def test_what_is_accepted_as_a_decision_can_be_recorded_and_read_back(decision: Decision) -> None:
    assert flaw_of(decision) == ""
    desk = Desk()
    desk.policy.answer = decision
    desk.step(Trade(T0, SPOT.symbol, 1_000, 1, BUY))
    rows = desk.engine.take_decisions()
    assert decode_decisions(encode_decisions(rows)) == rows
    assert rows[0][2:5] == (decision.action, decision.reason, decision.inputs)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.builds(Decision, inner, inner, inner),
        max_leaves=6,
    )
)
def test_whatever_a_policy_returns_the_engine_survives(answer: object) -> None:
    desk = Desk()
    desk.policy.answer = answer
    desk.step(Trade(T0, SPOT.symbol, 1_000, 1, BUY))
    rows = desk.engine.take_decisions()
    assert decode_decisions(encode_decisions(rows)) == rows
    assert bool(desk.engine.state.policy_suspended) is (answer is not None and not rows)


def test_no_answer_is_no_flaw() -> None:
    assert flaw_of(None) == ""


def test_the_text_of_an_exception_is_plain_and_short() -> None:
    assert plain_text(ValueError("bad")) == "ValueError: bad"
    assert plain_text(Unprintable()) == "Unprintable: its text cannot be had"
    assert plain_text(ValueError("\ud800é")) == r"ValueError: \ud800\xe9"
    assert len(plain_text(ValueError("x" * 1_000))) == 300
