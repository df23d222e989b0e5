"""The life of an order: the table against one written by hand, and what holds whatever order the events arrive in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.core.order import TERMINAL, TRANSITIONS, Order, OrderState, Trigger

# Written from the description of the life cycle, not from the code:
# created -> intent durable -> sent -> acknowledged -> partially filled -> filled, cancelled, rejected, expired, and
# unknown; terminal is terminal. News of a later stage may overtake that of an earlier one, so it moves every live
# order forward; news of an earlier stage never moves one back. Unknown is left only by evidence from the venue, and
# a partial fill is no evidence of what became of the rest. What was partly filled and is then rejected has ended as
# cancelled. "." is: no change.
EXPECTED = """
            durable  sent  accept    accept_after_fill  fill_part  fill_last  cancel     reject     expire   lose     not_placed
created     durable  sent  accepted  partial            partial    filled     cancelled  rejected   expired  unknown  .
durable     .        sent  accepted  partial            partial    filled     cancelled  rejected   expired  unknown  .
sent        .        .     accepted  partial            partial    filled     cancelled  rejected   expired  unknown  .
accepted    .        .     accepted  partial            partial    filled     cancelled  rejected   expired  unknown  .
partial     .        .     accepted  partial            partial    filled     cancelled  cancelled  expired  unknown  .
unknown     .        .     accepted  partial            unknown    filled     cancelled  rejected   expired  unknown  rejected
filled      .        .     .         .                  .          .          .          .          .        .        .
cancelled   .        .     .         .                  .          .          .          .          .        .        .
rejected    .        .     .         .                  .          .          .          .          .        .        .
expired     .        .     .         .                  .          .          .          .          .        .        .
"""  # noqa: E501 - a table is read across


def expected() -> dict[tuple[str, str], str]:
    """(state, trigger) -> state, for every pair."""
    header, *rows = [line.split() for line in EXPECTED.strip().splitlines()]
    return {
        (row[0], trigger): row[0] if target == "." else target
        for row in rows
        for trigger, target in zip(header, row[1:], strict=True)
    }


def made(state: OrderState = OrderState.CREATED, *, lots: int = 10) -> Order:
    """An order in ``state``."""
    return Order("ztb-1", "btc_jpy", 1, lots, 1_000, False, 5, 1, state=state)


def test_the_hand_written_table_names_every_state_and_every_trigger() -> None:
    assert set(expected()) == {(state.value, trigger.value) for state in OrderState for trigger in Trigger}
    assert set(TRANSITIONS) == set(OrderState)


@pytest.mark.parametrize(("state", "trigger"), [(s, t) for s in OrderState for t in Trigger])
def test_each_state_and_trigger_leads_where_the_hand_written_table_says(state: OrderState, trigger: Trigger) -> None:
    order = made(state)
    target = expected()[state.value, trigger.value]
    has_entry = trigger in TRANSITIONS[state]
    assert order.apply(trigger) is has_entry
    assert order.state.value == target
    if not has_entry:
        assert target == state.value


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_terminal_is_terminal(state: OrderState) -> None:
    assert state.value in {"filled", "cancelled", "rejected", "expired"}
    for trigger in Trigger:
        order = made(state)
        assert not order.apply(trigger)
        assert order.state is state
        assert order.is_terminal
        assert order.remaining_lots == 0


def test_the_four_ends_are_all_there_are() -> None:
    assert {state.value for state in TERMINAL} == {"filled", "cancelled", "rejected", "expired"}
    assert all(not TRANSITIONS[state] for state in TERMINAL)
    assert all(TRANSITIONS[state] for state in OrderState if state not in TERMINAL)


def test_every_state_can_be_reached_from_created_and_every_live_one_can_end() -> None:
    reached = {OrderState.CREATED}
    for _ in OrderState:
        reached |= {target for state in reached for target in TRANSITIONS[state].values()}
    assert reached == set(OrderState)
    for state in set(OrderState) - TERMINAL:
        assert set(TRANSITIONS[state].values()) >= TERMINAL - {OrderState.REJECTED}


@given(st.lists(st.sampled_from(Trigger), max_size=30))
def test_no_sequence_of_triggers_leads_out_of_an_end_or_back_to_the_beginning(triggers: list[Trigger]) -> None:
    order = made()
    ended: OrderState | None = None
    has_moved = False
    for trigger in triggers:
        order.apply(trigger)
        if ended is not None:
            assert order.state is ended
        elif order.is_terminal:
            ended = order.state
        has_moved = has_moved or order.state is not OrderState.CREATED
        assert not has_moved or order.state is not OrderState.CREATED


FILLS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 4)), min_size=1, max_size=12, unique_by=lambda fill: fill[0]
)


@given(FILLS, st.data())
def test_filled_lots_are_the_sum_over_distinct_trades_in_whatever_order(
    fills: list[tuple[str, int]], data: st.DataObject
) -> None:
    repeated = data.draw(st.permutations(fills + data.draw(st.lists(st.sampled_from(fills), max_size=10))))
    order = made(lots=20)
    counted = [order.fill(trade_id, lots) for trade_id, lots in repeated]
    assert sum(counted) == len(fills)
    assert order.filled_lots == sum(lots for _, lots in fills)
    assert order.fills == dict(fills)
    assert order.state is (OrderState.FILLED if order.filled_lots >= 20 else OrderState.PARTIAL)
    assert order.remaining_lots == max(0, 20 - order.filled_lots)


STORY = ("durable", "sent", "accepted", "fill 4", "fill 6", "cancel")


def tell(order: Order, news: str) -> None:
    """One line of a story."""
    match news.split():
        case ["accepted"]:
            order.accept("v1")
        case ["fill", lots]:
            order.fill(f"trade {lots}", int(lots))
        case [trigger]:
            order.apply(Trigger(trigger))


@given(st.permutations(STORY))
def test_news_in_any_order_ends_with_the_same_lots_and_an_end(story: list[str]) -> None:
    order = made()
    states = [order.state]
    for news in story:
        tell(order, news)
        states.append(order.state)
    assert order.filled_lots == 10
    assert order.venue_id == "v1"
    # Whichever of the two ends came first stays.
    cancelled_first = story.index("cancel") < max(story.index("fill 4"), story.index("fill 6"))
    assert order.state is (OrderState.CANCELLED if cancelled_first else OrderState.FILLED)
    ends = [state for state in states if state in TERMINAL]
    assert len(set(ends)) == 1


@given(st.permutations(("durable", "sent", "accepted", "fill 4")))
def test_a_live_order_ends_up_partly_filled_whatever_came_first(story: list[str]) -> None:
    order = made()
    for news in story:
        tell(order, news)
    assert order.state is OrderState.PARTIAL
    assert order.remaining_lots == 6


def test_a_fill_after_the_end_is_counted_and_does_not_revive_the_order() -> None:
    order = made(OrderState.CANCELLED)
    assert order.fill("late", 3)
    assert order.state is OrderState.CANCELLED
    assert order.filled_lots == 3
    assert order.remaining_lots == 0


def test_an_acceptance_without_an_id_keeps_the_one_that_is_known() -> None:
    order = made(OrderState.SENT)
    order.accept("v7")
    order.accept("")
    assert order.venue_id == "v7"


def test_an_unknown_order_still_counts_with_all_that_it_may_fill() -> None:
    order = made(OrderState.UNKNOWN)
    assert order.remaining_lots == 10
    order.fill("a", 4)
    assert (order.state.value, order.remaining_lots) == ("unknown", 6)
    order.fill("b", 6)
    assert (order.state.value, order.remaining_lots) == ("filled", 0)


@given(
    st.sampled_from(OrderState),
    st.dictionaries(st.text(max_size=5), st.integers(1, 100), max_size=5),
    st.integers(0, 10**19),
    st.booleans(),
)
def test_a_snapshot_gives_the_same_order_back(
    state: OrderState, fills: dict[str, int], asked_ns: int, reduce_only: bool
) -> None:
    order = made(state)
    order.fills = fills
    order.filled_lots = sum(fills.values())
    order.cancel_asked_ns = asked_ns
    order.reduce_only = reduce_only
    plain = order.snapshot()
    again = Order.restored(plain)
    assert again == order
    assert again.fills is not order.fills
    assert type(plain["state"]) is str
