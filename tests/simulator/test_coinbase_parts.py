"""Small parts of the Coinbase dialect: texts, ids, queries, tickets, what candles and rate headers are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.coinbase_world import ALICE
from tests.simulator.world import SECOND_NS
from ztb.simulator.coinbase import errors, routes, tickets
from ztb.simulator.coinbase.query import Query, cursor_text
from ztb.simulator.coinbase.texts import go_time, id_number, id_text, name_id, ns_of, plain, quotient, rfc3339
from ztb.simulator.coinbase.tickets import Ticket, Tickets
from ztb.simulator.limits import PRINTS_MAX
from ztb.simulator.prints import Print, Prints
from ztb.simulator.rate_window import RateWindows, Window

MOMENTS = st.integers(0, 4_000_000_000 * SECOND_NS)
AMOUNTS = st.decimals(min_value=-(10**15), max_value=10**15, places=10, allow_nan=False, allow_infinity=False)


@given(MOMENTS)
def test_times_are_those_of_the_calendar_to_the_microsecond(ns: int) -> None:
    text = rfc3339(ns)
    assert text.endswith("Z")
    assert len(text) == 27
    when = datetime.fromisoformat(text)
    assert when.replace(microsecond=0) == datetime.fromtimestamp(ns // SECOND_NS, tz=UTC)
    assert when.microsecond == ns % SECOND_NS // 1000
    assert ns_of(text) == ns // 1000 * 1000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:01.5+01:00", 1_500_000_000),
        ("2023-11-14T22:13:20.000001Z", 1_700_000_000_000_001_000),
    ],
)
def test_times_of_any_zone_are_read(text: str, ns: int) -> None:
    assert ns_of(text) == ns


@pytest.mark.parametrize("text", ["", "now", "2023-11-14", "2023-11-14T22:13:20", "1700000000"])
def test_what_is_no_time_with_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        ns_of(text)


def test_the_text_of_a_heartbeat() -> None:
    began = 1_700_000_000 * SECOND_NS
    assert go_time(began + 90_000_000_001, began) == "2023-11-14 22:14:50.000000001 +0000 UTC m=+90.000000001"


@given(AMOUNTS)
def test_a_plain_amount_is_the_same_amount(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert "E" not in text.upper()
    assert "." not in text or text[-1] not in ".0"


@pytest.mark.parametrize(("text", "expected"), [("0.00", "0"), ("10.50", "10.5"), ("1E+3", "1000"), ("100", "100")])
def test_plain_amounts(text: str, expected: str) -> None:
    assert plain(Decimal(text)) == expected


def test_nothing_is_divided_by_nothing() -> None:
    assert quotient(5, 0) == 0
    assert quotient(1, 3) == Decimal("0.333333333333333333333333")


@given(st.sampled_from(["order", "entry", "trade"]), st.integers(1, 2**48 - 1))
def test_an_id_can_be_read_back_and_is_of_one_kind(kind: str, number: int) -> None:
    text = id_text(kind, number)
    assert len(text) == 36
    assert id_number(kind, text) == number
    others = {"order", "entry", "trade"} - {kind}
    assert all(id_number(other, text) == 0 for other in others)


@given(st.text(max_size=40))
def test_any_other_text_is_no_id(text: str) -> None:
    assert id_number("order", text) == 0


def test_names_make_ids_that_stay() -> None:
    assert name_id(ALICE, "user") == name_id(ALICE, "user") != name_id(ALICE, "portfolio")
    assert name_id("a", "b/c") != name_id("a/b", "c")


@given(st.integers(1, 10**15 - 1))
def test_a_cursor_comes_back(number: int) -> None:
    assert Query(f"cursor={cursor_text(number)}").cursor() == number


def test_parameters_of_a_query() -> None:
    query = Query("limit=7&big=99999&zero=0&product_ids=A&product_ids=B&empty=&when=2023-11-14T22:13:20%2B00:00")
    assert query.whole("limit", 5, most=10) == 7
    assert query.whole("big", 5, most=10) == 10
    assert (
        query.whole("zero", 5, most=10) == query.whole("missing", 5, most=10) == query.whole("empty", 5, most=10) == 5
    )
    assert (query.many("product_ids"), query.one("product_ids"), query.many("missing")) == (["A", "B"], "B", [])
    assert query.time_ns("when", 0) == 1_700_000_000 * SECOND_NS
    # A plus sign that the client did not escape has become a blank.
    assert Query("when=2023-11-14T23:13:20+01:00").time_ns("when", 0) == 1_700_000_000 * SECOND_NS
    assert (query.time_ns("missing", 3), query.cursor()) == (3, 0)
    for text in ("limit=-1", "limit=1.0", "limit=x", "limit=1234567890123456", "limit=\u0661"):
        with pytest.raises(errors.Refusal) as refused:
            Query(text).whole("limit", 1, most=10)
        assert refused.value.status == 400


def test_routes_are_found_by_method_and_every_segment() -> None:
    def name(method: str, path: str) -> tuple[str, str]:
        found = routes.find(routes.PRIVATE_ROUTES, method, path)
        return (found[0].name, found[1]) if found is not None else ("", "")

    assert name("GET", "orders/historical/batch") == ("list_orders", "")
    assert name("GET", "orders/historical/abc") == ("get_order", "abc")
    assert name("GET", "products/BTC-USD/candles") == ("candles", "BTC-USD")
    for method, path in (
        ("POST", "accounts"), ("GET", "orders"), ("GET", "orders/historical"), ("GET", "products//candles"),
        ("GET", ""), ("get", "accounts"), ("GET", "accounts/"), ("GET", "orders/historical/a/b"),
    ):  # fmt: skip
        assert name(method, path) == ("", "")
    names = [route.name for route in (*routes.PRIVATE_ROUTES, *routes.PUBLIC_ROUTES)]
    assert len(names) == len(set(names))
    assert set(names) >= routes.MOVING


def test_tickets_are_bounded_and_told_once_when_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "TICKETS_MAX", 3)
    kept = Tickets()
    for number in range(1, 6):
        kept.add(number, ALICE, Ticket("BTC-USD", {}, end_ns=100 - number))
    assert [number for number in range(1, 6) if kept.get(number) is not None] == [3, 4, 5]
    assert kept.of(1).product_id == ""
    assert kept.due(94) == []
    assert kept.due(97) == [(ALICE, 5), (ALICE, 4), (ALICE, 3)]
    assert kept.due(97) == []
    assert kept.due(1_000) == [(ALICE, 2), (ALICE, 1)]


def prints_of(trades: list[tuple[int, int, int]]) -> tuple[Prints, list[Print]]:
    """From seconds that pass, price and lots."""
    made, kept, now_s = [], Prints(), 1_700_000_000
    for number, (seconds, price, lots) in enumerate(trades, start=1):
        now_s += seconds
        made.append(Print(number, now_s * SECOND_NS, price, lots, 1))
        kept.add(made[-1])
    return kept, made


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50), st.integers(1, 9)), max_size=60))
def test_minutes_are_what_was_traded_in_them(trades: list[tuple[int, int, int]]) -> None:
    kept, made = prints_of(trades)
    grouped: dict[int, list[Print]] = {}
    for trade in made:
        grouped.setdefault(trade.ts_ns // (60 * SECOND_NS), []).append(trade)
    told = [(one.minute, one.open, one.high, one.low, one.close, one.lots, one.value) for one in kept.minutes]
    assert told == [
        (
            minute, group[0].price, max(trade.price for trade in group), min(trade.price for trade in group),
            group[-1].price, sum(trade.lots for trade in group), sum(trade.price * trade.lots for trade in group),
        )
        for minute, group in grouped.items()
    ]  # fmt: skip


@given(st.integers(0, 40), st.integers(0, 45))
def test_prints_since_one_are_all_that_follow(count: int, after: int) -> None:
    kept, made = prints_of([(1, 10, 1)] * count)
    assert kept.since(after) == made[after:]


def test_prints_are_bounded() -> None:
    kept, made = prints_of([(0, 10, 1)] * (PRINTS_MAX + 5))
    assert kept.since(0) == made[5:]
    assert kept.last is made[-1]


@given(st.lists(st.integers(0, 3_000), max_size=60), st.integers(1, 5))
def test_what_is_left_of_a_limit_is_what_will_be_admitted(pauses_ms: list[int], factor: int) -> None:
    windows, window, now_ns = RateWindows(), Window(3, 2), 10**18
    for pause_ms in pauses_ms:
        now_ns += pause_ms * 1_000_000
        left, _ = windows.left("a", "m", window, now_ns, factor=factor)
        assert windows.admit("a", "m", window, now_ns, factor=factor) is (left > 0)
    left, reset_s = windows.left("a", "m", window, now_ns, factor=factor)
    if not left:
        # After so many seconds there is room, and not a second earlier.
        assert windows.left("a", "m", window, now_ns + reset_s * SECOND_NS, factor=factor)[0] > 0
        assert reset_s == 1 or windows.left("a", "m", window, now_ns + (reset_s - 1) * SECOND_NS, factor=factor)[0] == 0
