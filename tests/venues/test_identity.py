"""Whose an order is, by its shape alone: assigned where everything fits, said where it does not, never guessed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ztb.core.instrument import BUY, SELL
from ztb.venues.identity import CERTAIN_NS, POSSIBLE_NS, TURN_UP_NS, Lost, Sighting, assign

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


def lost(client_id: str = "ztb-a", *, price: int = 100, lots: int = 10, sent_s: float = 0.0, mark: int = 0) -> Lost:
    return Lost(client_id, BUY, price, lots, T0 + int(sent_s * SECOND), mark)


def seen(
    venue_id: str = "7", *, side: int = BUY, price: int = 100, lots: int = 10, made_s: float = 0.5, first: int = 1
) -> Sighting:
    return Sighting(venue_id, side, price, lots, T0 + int(made_s * SECOND), first)


def pairs(*arguments: object, **options: object) -> dict[str, str]:
    found = assign(*arguments, **options)  # type: ignore[arg-type]
    return {order.client_id: one.venue_id for order, one in found.pairs}


def test_one_lost_and_one_seen_of_the_same_shape_are_the_same() -> None:
    assert pairs([lost()], [seen()]) == {"ztb-a": "7"}


def test_any_other_shape_is_somebody_elses() -> None:
    for other in (seen(side=SELL), seen(price=101), seen(lots=9), seen(lots=11)):
        found = assign([lost()], [other])
        assert (found.pairs, found.unclear, found.held) == ((), (), frozenset())


def test_what_was_there_before_the_order_was_sent_is_not_it() -> None:
    assert pairs([lost(mark=1)], [seen(first=1)]) == {}
    assert pairs([lost(mark=1)], [seen(first=2)]) == {"ztb-a": "7"}


def test_two_candidates_for_one_lost_order_are_said_and_not_chosen_from() -> None:
    found = assign([lost()], [seen("7"), seen("8")])
    assert found.pairs == ()
    assert found.held == {"ztb-a"}
    [text] = found.unclear
    assert "7, 8" in text
    assert "ztb-a" in text


def test_one_candidate_for_two_equal_lost_orders_is_one_of_them() -> None:
    """Which of the two makes no difference in money; the other one is judged by its own absence."""
    found = assign([lost("ztb-a"), lost("ztb-b", sent_s=3)], [seen(made_s=4)])
    assert [order.client_id for order, _ in found.pairs] == ["ztb-a"]
    assert found.held == frozenset()


def test_the_order_made_before_the_second_was_sent_is_the_first() -> None:
    two = [lost("ztb-a"), lost("ztb-b", sent_s=30)]
    assert pairs(two, [seen("7", made_s=1), seen("8", made_s=31)]) == {"ztb-a": "7", "ztb-b": "8"}
    assert pairs(list(reversed(two)), [seen("8", made_s=31), seen("7", made_s=1)]) == {"ztb-a": "7", "ztb-b": "8"}


def test_nothing_is_concluded_while_an_equal_order_is_under_way() -> None:
    found = assign([lost()], [seen()], under_way=[lost("ztb-b", sent_s=0.2)])
    assert (found.pairs, found.unclear, found.held) == ((), (), frozenset({"ztb-a"}))
    # One of another shape is no reason to wait.
    assert pairs([lost()], [seen()], under_way=[lost("ztb-b", price=101)]) == {"ztb-a": "7"}


def test_a_clock_that_is_wrong_makes_it_unclear_and_never_makes_it_nobodys() -> None:
    edge_s = CERTAIN_NS / SECOND
    assert pairs([lost()], [seen(made_s=-edge_s)]) == {"ztb-a": "7"}
    found = assign([lost()], [seen(made_s=-edge_s - 0.001)])
    assert (found.pairs, found.held) == ((), frozenset({"ztb-a"}))
    assert "clocks" in found.unclear[0]
    assert assign([lost()], [seen(made_s=-POSSIBLE_NS / SECOND - 1)]).held == frozenset()


def test_an_order_that_turns_up_after_a_conclusion_is_said() -> None:
    found = assign([], [seen()], settled=[lost()])
    assert "7 at the venue looks like ztb-a" in found.unclear[0]
    late_s = TURN_UP_NS / SECOND + 1
    assert assign([], [seen(made_s=late_s)], settled=[lost()]).unclear == ()
    # While the answer of an equal order is awaited it is probably that one.
    assert assign([], [seen()], settled=[lost()], under_way=[lost("ztb-b")]).unclear == ()


ORDERS = st.builds(
    lambda number, price, sent_s, mark: Lost(f"ztb-{number}", BUY, price, 10, T0 + sent_s * SECOND, mark),
    st.integers(0, 10_000), st.sampled_from([100, 101]), st.integers(0, 5), st.integers(0, 3),
)  # fmt: skip
SIGHTINGS = st.builds(
    lambda number, price, made_s, first: Sighting(str(number), BUY, price, 10, T0 + made_s * SECOND, first),
    st.integers(0, 10_000), st.sampled_from([100, 101, 102]), st.integers(-5, 8), st.integers(1, 5),
)  # fmt: skip


@given(
    orders=st.lists(ORDERS, max_size=5, unique_by=lambda order: order.client_id),
    sightings=st.lists(SIGHTINGS, max_size=5, unique_by=lambda one: one.venue_id),
    under_way=st.lists(ORDERS, max_size=1),
)
def test_assignments_are_one_to_one_possible_complete_and_the_same_in_any_order(
    orders: list[Lost], sightings: list[Sighting], under_way: list[Lost]
) -> None:
    found = assign(orders, sightings, under_way=under_way)
    names = [order.client_id for order, _ in found.pairs]
    ids = [one.venue_id for _, one in found.pairs]
    assert len(set(names)) == len(names)
    assert len(set(ids)) == len(ids)
    assert not found.held & set(names)
    for order, one in found.pairs:
        assert (order.price, order.lots) == (one.price, one.lots)
        assert one.first_seen > order.mark
        assert one.created_ns >= order.sent_ns - CERTAIN_NS
        assert not any(other.price == one.price and one.first_seen > other.mark for other in under_way)
    # What is seen, and may be one of ours, is either assigned or holds everything that it may be.
    for one in sightings:
        of_shape = [order for order in orders if order.price == one.price and one.first_seen > order.mark]
        if of_shape and one.venue_id not in ids:
            assert {order.client_id for order in of_shape} <= found.held
    turned = assign(orders[::-1], sightings[::-1], under_way=under_way)
    assert set(turned.held) == set(found.held)
    assert {one.venue_id for _, one in turned.pairs} == set(ids)


@given(count=st.integers(1, 6), gaps=st.lists(st.integers(0, 9), min_size=6, max_size=6))
def test_as_many_seen_as_lost_are_all_assigned(count: int, gaps: list[int]) -> None:
    starts = [sum(gaps[:number]) for number in range(count)]
    orders = [lost(f"ztb-{number}", sent_s=start) for number, start in enumerate(starts)]
    sightings = [seen(str(number), made_s=start + 0.1, first=number + 1) for number, start in enumerate(starts)]
    found = assign(orders, sightings)
    assert len(found.pairs) == count
    assert all(one.created_ns >= order.sent_ns - CERTAIN_NS for order, one in found.pairs)
