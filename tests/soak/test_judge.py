"""The judge of the soak can say no: planted faults, each found."""

from __future__ import annotations

import pytest

from tests.soak.judge import Movement, Received, Written, duplicates, worst_exposure
from ztb.core.command import Place

SECOND = 1_000_000_000


def place(client_id: str, *, side: int = 1, price: int = 100, lots: int = 10) -> Place:
    return Place(0, client_id, "btc_jpy", side, lots, price, False, 1, "dice")


def written(*client_ids: str) -> Written:
    made = Written({client_id: place(client_id) for client_id in client_ids})
    made.sent.update(client_ids)
    return made


def test_what_was_sent_once_and_arrived_once_is_right() -> None:
    assert duplicates(written("a", "b"), [Received("a", 1, 100, 10), Received("b", 1, 100, 10)]) == []
    assert duplicates(written("a", "b"), [Received("", 1, 100, 10)]) == [], "one of them never arrived: no duplicate"


@pytest.mark.parametrize(
    ("arrived", "fault"),
    [
        ([Received("a", 1, 100, 10), Received("a", 1, 100, 10)], "a arrived 2 times"),
        ([Received("", 1, 100, 10), Received("", 1, 100, 10)], "1 more of (1, 100, 10) arrived than were sent"),
        ([Received("z", 1, 100, 10)], "z arrived, and no record says that it was sent"),
        ([Received("", -1, 100, 10)], "1 more of (-1, 100, 10) arrived than were sent"),
    ],
)
def test_a_planted_duplicate_is_found(arrived: list[Received], fault: str) -> None:
    assert fault in duplicates(written("a"), arrived)


def test_sent_twice_by_our_own_record() -> None:
    made = written("a")
    made.sent["a"] += 1
    assert duplicates(made, []) == ["a is on record as sent 2 times"]


def test_working_orders_count_until_they_end() -> None:
    story = [
        Movement(1, "placed", 1, 1, 10),
        Movement(2, "filled", 1, 1, 4),
        Movement(3, "placed", 2, 1, 10),
        Movement(4, "ended", 1, 0, 0),
        Movement(5, "placed", 3, -1, 30),
    ]
    assert worst_exposure(story) == 26, "4 held, 6 + 10 working to buy; or 30 to sell against 4"
    assert worst_exposure(story[:4]) == 20
    assert worst_exposure(story[:1]) == 10
    assert worst_exposure([]) == 0


def test_a_fill_after_the_end_still_counts() -> None:
    story = [Movement(1, "placed", 1, 1, 10), Movement(2, "ended", 1, 0, 0), Movement(3, "filled", 1, 1, 10)]
    assert worst_exposure([*story, Movement(4, "placed", 2, 1, 10)]) == 20


def test_an_immediate_fill_is_not_counted_twice() -> None:
    assert worst_exposure([Movement(1, "filled", 1, 1, 10), Movement(1, "placed", 1, 1, 10)]) == 10
