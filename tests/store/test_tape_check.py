"""Each planted defect is found, counted and placed; a clean recording has no findings."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.store.tape_samples import START_NS, markets, small_recording
from ztb.core.event import Depth, Market, Quote, Trade
from ztb.store import tape_check
from ztb.store.tape_check import Checker, CheckLimits, Histogram, check_events, time_text

SECOND = 1_000_000_000
MS = 1_000_000


def trade(second: float, number: int, **changed: int) -> Trade:
    ts_ns = START_NS + int(second * SECOND)
    event = Trade(ts_ns, "btc_jpy", 1_000_000 + number % 5, 10 + number, 1, ts_ns - 20 * MS, str(number))
    for name, value in changed.items():
        setattr(event, name, value)
    return event


CLEAN = [trade(number, number) for number in range(40)]


def findings(events: Iterable[Market], **limits: int) -> dict[str, int]:
    return check_events(events, CheckLimits(**limits)).findings


def test_a_clean_recording_has_no_findings() -> None:
    report = check_events(small_recording(500), CheckLimits())
    assert report.findings == {}
    assert report.events == 500
    assert report.offsets_ns == {"p1": MS, "p50": MS, "p99": MS}
    assert findings(CLEAN) == {}


def test_gaps_are_counted_from_the_threshold_on() -> None:
    events = [trade(0, 0), trade(60, 1), trade(121, 2), trade(121 + 3 * 3600, 3)]
    report = check_events(events, CheckLimits(gap_ns=60 * SECOND))
    assert report.findings == {"gap": 2}
    assert report.gap_longest_ns == 3 * 3600 * SECOND
    assert report.places["gap"] == ["event 2 (2024-08-08T23:56:15.000Z)", "event 3 (2024-08-09T02:56:15.000Z)"]
    assert findings(events, gap_ns=2 * SECOND) == {"gap": 3}
    assert findings(events, gap_ns=4 * 3600 * SECOND) == {}


def test_times_that_go_back_are_counted_against_the_latest() -> None:
    events = [
        *CLEAN[:10],
        replace(CLEAN[10], ts_ns=CLEAN[3].ts_ns),
        replace(CLEAN[11], ts_ns=CLEAN[8].ts_ns),
        CLEAN[12],
    ]
    report = check_events(events, CheckLimits())
    assert report.findings == {"disorder": 2}
    assert report.backwards_longest_ns == 6 * SECOND
    assert report.places["disorder"][0].startswith("event 10 ")


def test_repeated_trade_ids_and_repeated_rows_are_duplicates() -> None:
    assert findings([*CLEAN, CLEAN[39]]) == {"duplicate_trade": 1}
    anonymous = [replace(event, trade_id="") for event in CLEAN]
    assert findings(anonymous) == {}
    assert findings([*anonymous, anonymous[39], anonymous[39]]) == {"duplicate_row": 2}
    other_size = replace(anonymous[39], lots=9_999)
    assert findings([*anonymous, other_size]) == {}
    quote = Quote(START_NS, "btc_jpy", 10, 1, 11, 1, START_NS)
    assert findings([quote, quote]) == {"duplicate_row": 1}
    assert findings([quote, replace(quote, ts_ns=START_NS + 1)]) == {}


def test_blank_times_are_counted() -> None:
    assert findings([*CLEAN[:5], replace(CLEAN[5], ts_ns=0), *CLEAN[6:]]) == {"blank_time": 1}
    # A venue that never says its time has no fault; one that sometimes does not, has.
    assert findings([replace(event, venue_ns=0) for event in CLEAN]) == {}
    assert findings([replace(event, venue_ns=0) if n in (3, 9) else event for n, event in enumerate(CLEAN)]) == {
        "blank_venue_time": 2
    }
    quotes = [Quote(event.ts_ns, "btc_jpy", 10, 1, 11, 1) for event in CLEAN]
    late_quotes = [replace(quote, ts_ns=CLEAN[-1].ts_ns + n) for n, quote in enumerate(quotes)]
    both: list[Market] = [*CLEAN, *late_quotes]
    assert findings(both) == {}


@pytest.mark.parametrize(
    ("offset_ms", "is_finding"), [(20, False), (500, False), (502, True), (-1270, True), (-499, False)]
)
def test_a_clock_that_is_wrong_is_flagged(offset_ms: int, is_finding: bool) -> None:
    events = [replace(event, venue_ns=event.ts_ns - offset_ms * MS) for event in CLEAN]
    report = check_events(events, CheckLimits())
    assert report.findings == ({"clock_offset": 40} if is_finding else {})
    assert report.offsets_ns == {"p1": offset_ms * MS, "p50": offset_ms * MS, "p99": offset_ms * MS}


def test_crossed_quotes_and_books_are_counted() -> None:
    good = Quote(START_NS, "btc_jpy", 100, 1, 101, 1)
    quotes = [
        good,
        replace(good, ts_ns=START_NS + 1, bid=101),
        replace(good, ts_ns=START_NS + 2, bid=102),
        replace(good, ts_ns=START_NS + 3, ask=0, ask_lots=0),
    ]
    assert findings(list(quotes)) == {"crossed_quote": 2}
    book = Depth(START_NS, "btc_jpy", ((100, 1),), ((101, 1),), True)
    assert findings([book, replace(book, bids=((101, 1),))]) == {"crossed_book": 1}
    assert findings([book, replace(book, bids=((101, 1),), is_snapshot=False)]) == {}


def test_nonsense_prices_are_found_and_do_not_spoil_their_neighbours() -> None:
    events = [replace(event, price=10 * event.price) if n in (20, 30) else event for n, event in enumerate(CLEAN)]
    report = check_events(events, CheckLimits())
    assert report.findings == {"nonsense_price": 2}
    assert [place.split()[1] for place in report.places["nonsense_price"]] == ["20", "30"]
    assert findings([replace(event, price=1) if n == 25 else event for n, event in enumerate(CLEAN)]) == {
        "nonsense_price": 1
    }
    # A market that really moves to another level is not nonsense for ever.
    moved = [replace(event, price=2 * event.price) if n >= 20 else event for n, event in enumerate(CLEAN)]
    assert findings(list(moved)) == {"nonsense_price": 5}
    assert findings(list(moved), price_jump_ppm=2_000_000) == {}


def test_a_wrong_price_in_a_quote_is_nonsense() -> None:
    quotes = [Quote(START_NS + n, "btc_jpy", 1000, 1, 1001, 1) for n in range(30)]
    quotes[20] = replace(quotes[20], ask=9_999)
    assert findings(list(quotes)) == {"nonsense_price": 1}


def test_a_polled_venue_newest_first_with_repetitions_blanks_and_maintenance() -> None:
    """Three polls: each answers its last trades newest first, overlaps the one before, and one row lacks its time."""
    newest_first = [trade(10 * poll - back, 10 * poll - back) for poll in (1, 2) for back in range(5)]
    overlap = trade(15, 15)
    blank = trade(30, 30, ts_ns=0)
    after_maintenance = [trade(600, 600), trade(599, 599), trade(598, 598)]
    events = [*newest_first[:5], overlap, *newest_first[5:], blank, *after_maintenance]
    report = check_events(events, CheckLimits(gap_ns=60 * SECOND))
    assert report.findings == {
        "disorder": 4 + 4 + 2,
        "newest_first": 3,
        "blank_time": 1,
        "gap": 1,
    }
    repeated = check_events([*newest_first, newest_first[-1], newest_first[-2]], CheckLimits())
    assert repeated.findings["duplicate_trade"] == 2


def test_a_live_recording_of_polls_shows_it_in_the_venue_times() -> None:
    now_ns = START_NS + 100 * SECOND
    poll = [trade(10 - back, 10 - back, ts_ns=now_ns) for back in range(6)]
    assert findings(poll, offset_ns=10**15) == {"newest_first": 1}


@given(st.lists(markets, max_size=30))
def test_no_events_at_all_break_the_check(events: list[Market]) -> None:
    report = check_events(events, CheckLimits())
    assert report.events == len(events)
    assert all(0 < count <= len(events) for count in report.findings.values())


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=200))
def test_percentiles_are_those_of_the_sorted_values(values: list[int]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    ordered = sorted(values)
    for percent in (1, 50, 99):
        exact = ordered[len(values) * percent // 100]
        assert 0 <= exact - histogram.percentile(percent) < 100_000


def test_a_histogram_of_wild_values_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape_check, "BUCKETS_MAX", 100)
    histogram = Histogram()
    for value in range(0, 10**10, 10**7):
        histogram.add(value)
        assert len(histogram._buckets) <= 100
    assert histogram.count == 1000
    assert abs(histogram.percentile(50) - 5 * 10**9) <= 10**9


@pytest.mark.parametrize(
    ("ts_ns", "text"),
    [
        (0, "no time"),
        (1_723_161_254_087_891_268, "2024-08-08T23:54:14.087Z"),
        (2**61, "2305843009213693952 ns"),
    ],
)
def test_times_are_shown_for_people(ts_ns: int, text: str) -> None:
    assert time_text(ts_ns) == text or (ts_ns == 2**61 and time_text(ts_ns).startswith("2043-"))


def test_a_report_may_be_taken_as_often_as_one_likes() -> None:
    checker = Checker(CheckLimits(offset_ns=1))
    for event in (*CLEAN, trade(50, 50, venue_ns=0), trade(51, 51, venue_ns=0)):
        checker.add(event)
    first = (dict(checker.report().findings), dict(checker.report().places))
    assert first[0] == {"blank_venue_time": 2, "clock_offset": 40}
    assert (checker.report().findings, checker.report().places) == first
    checker.add(trade(52, 52))
    assert checker.report().findings == {"blank_venue_time": 2, "clock_offset": 41}


@pytest.mark.parametrize(("offset_ns", "flagged"), [(20 * MS, False), (20 * MS - 1, True)])
def test_a_clock_at_the_bound_is_not_wrong_yet(offset_ns: int, flagged: bool) -> None:
    assert ("clock_offset" in findings(CLEAN, offset_ns=offset_ns)) is flagged


@pytest.mark.parametrize(("gap_ns", "flagged"), [(SECOND, False), (SECOND - 1, True)])
def test_a_pause_at_the_bound_is_no_gap_yet(gap_ns: int, flagged: bool) -> None:
    assert ("gap" in findings(CLEAN, gap_ns=gap_ns)) is flagged


@pytest.mark.parametrize(
    ("bid", "ask", "flagged"), [(100, 101, False), (101, 101, True), (102, 101, True), (0, 101, False)]
)
def test_a_quote_is_crossed_when_its_sides_meet(bid: int, ask: int, flagged: bool) -> None:
    quote = Quote(START_NS, "btc_jpy", bid, 1, ask, 1, START_NS)
    assert (findings([quote]) == {"crossed_quote": 1}) is flagged


@pytest.mark.parametrize(
    ("price", "flagged"), [(1_200_000, False), (1_200_001, True), (800_000, False), (799_999, True)]
)
def test_a_price_at_the_bound_is_no_nonsense_yet(price: int, flagged: bool) -> None:
    """20 % of the median of those before, which is 1,000,000."""
    steady = [trade(number, 5 * number) for number in range(40)]
    assert ("nonsense_price" in findings([*steady, trade(40, 200, price=price)])) is flagged
