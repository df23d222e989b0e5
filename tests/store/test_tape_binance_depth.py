"""Update ids of the venue: whatever arrives, a shown book is the venue's book."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from ztb.core.event import Depth
from ztb.core.instrument import Instrument
from ztb.store.tape_binance_depth import DepthStream, book_view, id_of, venue_ns_of
from ztb.store.tape_import import Tally, UnusableRow
from ztb.store.tape_scale import Scale

WHOLE = Instrument("x", "btc", "usdt", Decimal(1), Decimal(1), 4)
"""One tick is 1 and one lot is 1, so that the numbers of these tests are the numbers of the messages."""

Levels = dict[int, int]


class Venue:
    """An exchange with a book and update ids; ``futures`` numbers jump as those of USD-M futures do."""

    def __init__(self, *, futures: bool) -> None:
        self.futures = futures
        self.bids: Levels = {}
        self.asks: Levels = {}
        self.last_id = 100

    def move(self, changes: list[tuple[bool, int, int]]) -> dict[str, Any]:
        """Changes the book and gives the message about it."""
        before = self.last_id
        first = before + (3 if self.futures else 1)
        self.last_id = first + len(changes)
        message: dict[str, Any] = {"U": first, "u": self.last_id, "E": 1, "b": [], "a": []}
        if self.futures:
            message["pu"] = before
        for is_bid, level, size in changes:
            price = 100 - level if is_bid else 101 + level
            book = self.bids if is_bid else self.asks
            book.pop(price, None)
            if size:
                book[price] = size
            message["b" if is_bid else "a"].append([str(price), str(size)])
        return message

    def copy(self) -> tuple[Levels, Levels]:
        return dict(self.bids), dict(self.asks)

    def snapshot(self) -> dict[str, Any]:
        sides = ([[str(price), str(size)] for price, size in side.items()] for side in (self.bids, self.asks))
        return {"lastUpdateId": self.last_id, **dict(zip(("bids", "asks"), sides, strict=True))}


class Reader:
    """Applies depth events; ``book`` is None until the first snapshot."""

    def __init__(self) -> None:
        self.book: tuple[Levels, Levels] | None = None

    def apply(self, depth: Depth) -> None:
        if depth.is_snapshot:
            self.book = (dict(depth.bids), dict(depth.asks))
            return
        if self.book is not None:
            for side, levels in zip(self.book, (depth.bids, depth.asks), strict=True):
                side.update(levels)
                for price, lots in levels:
                    if lots == 0:
                        del side[price]


changes = st.lists(
    st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=4, unique_by=lambda c: c[:2]
)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("move"), changes),
        st.tuples(st.just("lose"), changes),
        st.tuples(st.just("ask"), st.just([])),
        st.tuples(st.just("answer"), st.just([])),
        st.tuples(st.just("repeat"), st.just([])),
    ),
    max_size=40,
)


LATE_ANSWER = [
    ("ask", []),
    ("move", [(False, 0, 0)]),
    ("lose", [(True, 0, 1)]),
    ("ask", []),
    ("ask", []),
    ("answer", []),
    ("move", [(False, 0, 0)]),
    ("move", [(False, 0, 0)]),
    ("answer", []),
]
"""A lost change is covered by a newer answer, and then the answer from before the loss arrives."""


@settings(max_examples=examples(300))
@example(steps=LATE_ANSWER, futures=False)
@given(steps=actions, futures=st.booleans())
def test_a_shown_book_is_the_venues_book(steps: list[tuple[str, list[tuple[bool, int, int]]]], futures: bool) -> None:
    """Changes get lost or repeated, REST answers come late and twice: what is shown is right, or nothing is shown."""
    venue, reader = Venue(futures=futures), Reader()
    stream = DepthStream("x", Scale(WHOLE), Tally(), book_view("x", Scale(WHOLE), levels=20, interval_ns=0))
    history = {venue.last_id: venue.copy()}
    answers: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    known_id = 0
    for number, (action, moved) in enumerate(steps, 1):
        if action in ("move", "lose"):
            messages.append(venue.move(moved))
            history[venue.last_id] = venue.copy()
        elif action == "ask":
            answers.append(venue.snapshot())
        events: list[Depth] = []
        with contextlib.suppress(UnusableRow):
            if action == "move" or (action == "repeat" and messages):
                message = messages[-1] if action == "move" else messages[number % len(messages)]
                known_id = max(known_id, message["u"])
                events = list(stream.change(number, message, ""))
            elif action == "answer" and answers:
                answer = answers[number % len(answers)]
                events = list(stream.snapshot(number, answer, ""))
                known_id = max(known_id, answer["lastUpdateId"])
        for event in events:
            reader.apply(event)
            assert reader.book == history[known_id]


@settings(max_examples=examples(100))
@given(st.lists(changes, min_size=2, max_size=20), st.integers(0, 20), st.integers(0, 20), st.booleans())
def test_a_stream_as_recorded_gives_the_venues_book_to_its_reader(
    moves: list[list[tuple[bool, int, int]]], asked: int, answered: int, futures: bool
) -> None:
    """Asked for at one time and answered at a later one, the snapshot and the changes around it make the book."""
    venue, reader = Venue(futures=futures), Reader()
    stream = DepthStream("x", Scale(WHOLE), Tally(), None)
    asked, answered = sorted((asked % len(moves), answered % len(moves)))
    answer: dict[str, Any] = {}
    for number, moved in enumerate(moves):
        if number == asked:
            answer = venue.snapshot()
        if number == answered:
            for event in stream.snapshot(number, answer, ""):
                reader.apply(event)
        for event in stream.change(number, venue.move(moved), ""):
            reader.apply(event)
    assert reader.book == venue.copy()


@pytest.mark.parametrize("futures", [False, True])
def test_an_unbroken_stream_has_no_gap_and_a_lost_change_is_one(futures: bool) -> None:
    venue, tally = Venue(futures=futures), Tally()
    stream = DepthStream("x", Scale(WHOLE), tally, None)
    move = [(True, 1, 1)]
    list(stream.snapshot(1, venue.snapshot(), ""))
    for number in range(2, 50):
        list(stream.change(number, venue.move(move), ""))
    assert tally.counts == {}
    venue.move(move)
    list(stream.change(50, venue.move(move), "file:50"))
    assert tally.counts == {"depth_sequence_gaps": 1, "depth_without_snapshot": 1}
    assert tally.places["depth_sequence_gaps"] == ["file:50"]


def test_levels_come_best_first_whatever_their_order() -> None:
    stream = DepthStream("x", Scale(WHOLE), Tally(), None)
    levels = [["5", "1"], ["9", "2"], ["7", "0"]]
    (depth,) = stream.change(1, {"U": 1, "u": 2, "b": levels, "a": levels}, "")
    assert depth.bids == ((9, 2), (7, 0), (5, 1))
    assert depth.asks == ((5, 1), (7, 0), (9, 2))


def test_a_bad_level_leaves_the_book_untouched() -> None:
    view = book_view("x", Scale(WHOLE), levels=5, interval_ns=0)
    stream = DepthStream("x", Scale(WHOLE), Tally(), view)
    list(stream.snapshot(1, {"lastUpdateId": 1, "bids": [["5", "1"]], "asks": [["6", "1"]]}, ""))
    for bad in ([["5", "2"], ["4.5", "1"]], [["5", "2"], ["4", "0.5"]], [["5", "2"], ["0", "1"]], "b", [["5"]]):
        with pytest.raises((UnusableRow, ValueError)):
            list(stream.change(2, {"U": 2, "u": 2, "b": bad, "a": []}, ""))
    assert view.bids.best(5) == {5: 1}


@pytest.mark.parametrize("value", [None, "1", 1.0, True, -1, 2**61])
def test_ids_are_whole_numbers(value: object) -> None:
    with pytest.raises(UnusableRow, match="malformed message: id"):
        id_of(value)


@pytest.mark.parametrize(("message", "expected"), [({}, 0), ({"E": 0}, 0), ({"E": 1723161255208}, 1723161255208000000)])
def test_the_venues_time_is_in_milliseconds(message: dict[str, Any], expected: int) -> None:
    assert venue_ns_of(message) == expected
