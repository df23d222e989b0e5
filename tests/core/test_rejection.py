"""What the venue refused is not asked for again at once: by example, and against books kept beside the engine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import LEVERAGED, SECOND, SPOT, Desk, places
from ztb.core.event import OrderAccepted, OrderFilled, OrderRejected
from ztb.core.instrument import BUY, SELL
from ztb.core.rejection import pause_ns
from ztb.core.state import State


def reject(desk: Desk, side: int = BUY, *, held_back: bool = False) -> None:
    """An order that the venue refuses."""
    place = desk.order(side)
    desk.step(OrderRejected(desk.now_ns, place.client_id, "no", held_back=held_back))


def test_the_pauses_are_5_s_doubled_up_to_5_minutes() -> None:
    assert [pause_ns(count) // SECOND for count in range(1, 10)] == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert pause_ns(10**9) == 300 * SECOND


def test_each_rejection_in_a_row_makes_the_pause_longer() -> None:
    desk = Desk()
    for seconds in (5, 10, 20):
        reject(desk)
        assert desk.refused(BUY) == "rejected_before"
        desk.wait(seconds * SECOND - 1)
        assert desk.refused(BUY, price=1_234) == "rejected_before", "another price is the same wish"
        desk.wait(1)
    assert desk.order(BUY)


def test_an_order_that_is_taken_ends_the_row() -> None:
    for taken in ("accepted", "filled at once"):
        desk = Desk()
        reject(desk)
        desk.wait(5 * SECOND)
        place = desk.order(BUY)
        if taken == "accepted":
            desk.step(OrderAccepted(desk.now_ns, place.client_id, "v1"))
        else:
            desk.step(OrderFilled(desk.now_ns, place.client_id, "t1", 10, 1_000, 0))
        reject(desk)
        desk.wait(5 * SECOND)
        assert desk.order(BUY), taken


def test_what_never_left_is_wished_for_again_after_a_second() -> None:
    desk = Desk()
    for _ in range(3):
        reject(desk, held_back=True)
        assert desk.refused(BUY) == "rejected_before"
        desk.wait(SECOND - 1)
        assert desk.refused(BUY, price=1_234) == "rejected_before"
        desk.wait(1)
    assert desk.order(BUY)


def test_what_never_left_was_refused_by_nobody() -> None:
    desk = Desk()
    for held_back in (True, False, True):
        reject(desk, held_back=held_back)
        desk.wait(SECOND)
        if not held_back:
            assert desk.refused(BUY) == "rejected_before"
            desk.wait(4 * SECOND)
    reject(desk)
    desk.wait(9 * SECOND)
    assert desk.refused(BUY) == "rejected_before", "the second in a row, however many were held back in between"
    desk.wait(SECOND)
    assert desk.order(BUY)


def test_a_pause_of_the_venues_own_is_not_made_shorter_by_what_never_left() -> None:
    desk = Desk()
    first, second = desk.order(BUY), desk.order(BUY)
    desk.step(OrderRejected(desk.now_ns, first.client_id, "no"))
    desk.step(OrderRejected(desk.now_ns, second.client_id, "own_limit", held_back=True))
    desk.wait(5 * SECOND - 1)
    assert desk.refused(BUY) == "rejected_before"
    desk.wait(1)
    assert desk.order(BUY)


def test_the_other_side_and_other_instruments_are_free() -> None:
    desk = Desk(instruments=(SPOT, LEVERAGED))
    desk.bought()
    reject(desk)
    assert desk.order(SELL).reduce_only
    assert desk.order(BUY, instrument=LEVERAGED)
    assert desk.refused(BUY) == "rejected_before"


def test_a_short_can_be_closed_after_buys_were_refused() -> None:
    desk = Desk(instruments=(LEVERAGED,))
    place = desk.order(BUY, instrument=LEVERAGED)
    desk.step(OrderRejected(desk.now_ns, place.client_id, "no"))
    desk.sold(instrument=LEVERAGED)
    desk.engine.state.control.reduce("daily_loss_limit_exceeded")
    assert desk.order(BUY, instrument=LEVERAGED).reduce_only


def test_a_late_rejection_of_an_order_that_is_over_counts_for_nothing() -> None:
    desk = Desk()
    place = desk.working(BUY)
    desk.cancelled(place)
    desk.step(OrderRejected(desk.now_ns, place.client_id, "no"))
    assert desk.order(BUY)


def test_the_pause_outlives_a_restart() -> None:
    desk = Desk()
    reject(desk)
    reject_row = desk.engine.state.snapshot()["rejections"]
    assert reject_row == [[SPOT.symbol, BUY, False, 1, desk.now_ns + 5 * SECOND]]
    heir = Desk()
    heir.engine.state.restore(desk.engine.state.snapshot())
    assert heir.engine.state.digest() == desk.engine.state.digest()
    assert heir.refused(BUY) == "rejected_before"
    old = desk.engine.state.snapshot()
    del old["rejections"]
    State(desk.config).restore(old)  # of a build that did not know them


FATES = ["taken", "refused", "held back"]


@given(st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.sampled_from(FATES), st.integers(0, 400)), max_size=60))
def test_no_order_leaves_within_the_pause_of_its_kind(steps: list[tuple[int, str, int]]) -> None:
    """Each entry: a wish, what becomes of the order, and the seconds before it."""
    desk = Desk(instruments=(LEVERAGED,))
    rows: dict[int, tuple[int, int]] = {}
    for side, fate, seconds in steps:
        desk.wait(seconds * SECOND)
        desk.engine.state.refused_in_row = 0  # many in a row are a breaker's business, and it has tests of its own
        in_row, until_ns = rows.get(side, (0, 0))
        placed = places(desk.market(1_000, instrument=LEVERAGED, say=side))
        if desk.now_ns < until_ns:
            assert not placed
            assert desk.outcome() == "rejected_before"
            continue
        assert len(placed) == 1
        if fate == "taken":
            desk.step(OrderAccepted(desk.now_ns, placed[0].client_id, "v"))
            desk.cancelled(placed[0])
            rows.pop(side, None)
        elif fate == "held back":
            desk.step(OrderRejected(desk.now_ns, placed[0].client_id, "own_limit", held_back=True))
            rows[side] = (in_row, desk.now_ns + SECOND)
        else:
            desk.step(OrderRejected(desk.now_ns, placed[0].client_id, "no"))
            rows[side] = (in_row + 1, desk.now_ns + min(5 * 2**in_row, 300) * SECOND)
