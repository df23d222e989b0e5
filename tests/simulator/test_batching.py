"""How often the exchange wakes up must not matter: the same tape gives the same market in one leap or in many steps."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.simulator.world import ALICE, SECOND_NS, START_NS, depth, exchange, quote, trade
from ztb.core.instrument import BUY, SELL
from ztb.simulator.exchange import Exchange
from ztb.simulator.tape_player import MarketEvent, TapePlayer

TENTHS = st.integers(0, 50).map(lambda tenth: tenth / 10)
PRICES = st.integers(95, 105).map(lambda price: price * 5)
LOTS = st.integers(1, 20)
EVENTS = st.lists(
    st.one_of(
        st.builds(trade, TENTHS, PRICES, LOTS, st.sampled_from((BUY, SELL))),
        st.builds(
            lambda second, bid, ask, bid_lots, ask_lots: quote(second, bid, ask, bid_lots=bid_lots, ask_lots=ask_lots),
            TENTHS,
            st.integers(95, 100).map(lambda price: price * 5),
            st.integers(101, 105).map(lambda price: price * 5),
            LOTS,
            LOTS,
        ),
        st.builds(
            lambda second, bids, asks, whole: depth(second, bids, asks, is_snapshot=whole),
            TENTHS,
            st.lists(st.tuples(PRICES, LOTS), max_size=3),
            st.lists(st.tuples(PRICES, LOTS), max_size=3),
            st.booleans(),
        ),
    ),
    min_size=8,
    max_size=30,
).map(lambda events: [quote(0, 500, 505), *sorted(events, key=lambda event: event.ts_ns)])

Picture = tuple[object, ...]


def picture(made: Exchange) -> Picture:
    owner = made.purse.accounts[ALICE]
    return (
        made.book.levels(BUY, 99),
        made.book.levels(SELL, 99),
        list(made.prints.recent),
        owner.balances,
        owner.held,
        owner.fills,
        sorted((order.order_id, order.remaining, order.ahead) for order in owner.orders.values()),
        made.market.player.events,
        made.market.player.passes,
    )


def played(events: list[MarketEvent], moments: list[int], *, loop: bool) -> Picture:
    made = exchange(events, loop=loop)
    owner = made.purse.accounts[ALICE]
    for price in (97, 99, 100):
        made.place(owner, side=BUY, price=price, lots=5)
    for price in (101, 103):
        made.place(owner, side=SELL, price=price, lots=5)
    for moment_ns in moments:
        while made.advance(moment_ns):
            continue
    return picture(made)


@given(EVENTS, st.lists(st.integers(0, 12 * SECOND_NS), max_size=20), st.booleans())
@settings(max_examples=examples(200), deadline=None)
def test_steps_do_not_matter(events: list[MarketEvent], steps: list[int], loop: bool) -> None:
    """With the tape played again only when no pass is slept through, which leaves one out on purpose."""
    length_ns = events[-1].ts_ns - events[0].ts_ns
    end_ns = START_NS + (length_ns if loop else 12 * SECOND_NS)
    moments = sorted(min(START_NS + step, end_ns) for step in steps)
    assert played(events, [*moments, end_ns], loop=loop) == played(events, [end_ns], loop=loop)


@given(EVENTS, st.integers(1, 30))
@settings(max_examples=examples(100), deadline=None)
def test_the_time_of_a_tape_only_rises_over_all_seams(events: list[MarketEvent], step_tenths: int) -> None:
    player = TapePlayer(lambda: iter(events), loop=True)
    player.anchor(START_NS)
    times: list[int] = []
    for step in range(1, 60):
        now_ns = START_NS + step * step_tenths * SECOND_NS // 10
        found = [when for when, _ in player.due(now_ns, 1_000)]
        assert all(when <= now_ns for when in found)
        times += found
    assert times == sorted(times)
    assert times[0] == START_NS
