"""What the trader measures: windows, never lifetimes; calls counted where they happen; no data is not good data."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import T0
from tests.service.scene import SYMBOL, PlayedAccount
from ztb.core.command import Place
from ztb.core.error import GateClosed, Rejected, Throttled, UnknownFate, VenueError
from ztb.service.measure import WINDOW_SAMPLES_MAX, Meter, Window, percentile
from ztb.service.metered import MeteredAccount
from ztb.venues.port import Placed


def test_without_samples_there_is_no_percentile() -> None:
    assert percentile([], 500) is None
    assert Window().summary_us() == {"p50": None, "p95": None, "p99": None, "max": None, "samples": 0}


@given(st.lists(st.integers(0, 10**9), min_size=1).map(sorted), st.integers(1, 1_000))
def test_a_percentile_is_the_smallest_sample_that_enough_others_do_not_exceed(
    ordered: list[int], per_mille: int
) -> None:
    found = percentile(ordered, per_mille)
    assert found in ordered
    share = Fraction(sum(sample <= found for sample in ordered), len(ordered))
    below = Fraction(sum(sample < found for sample in ordered), len(ordered))
    assert below < Fraction(per_mille, 1_000) <= share


def test_percentiles_by_hand() -> None:
    hundred = list(range(1, 101))
    assert [percentile(hundred, rank) for rank in (500, 950, 990, 1_000)] == [50, 95, 99, 100]


def test_a_window_forgets_its_oldest_samples() -> None:
    window = Window()
    window.add(10**12)
    for _ in range(WINDOW_SAMPLES_MAX):
        window.add(5_000)
    assert window.summary_us() == {"p50": 5, "p95": 5, "p99": 5, "max": 5, "samples": WINDOW_SAMPLES_MAX}


def test_the_document_holds_every_counter() -> None:
    plain = Meter(orders_placed=3).to_dict()
    assert plain["orders_placed"] == 3
    assert {"step_us", "place_us", "api_calls", "errors", "reconciliations_unclean"} <= plain.keys()
    assert all(isinstance(value, int | dict | list) for value in plain.values())


def test_trips_are_counted_by_their_category_and_whether_they_pass() -> None:
    meter = Meter()
    assert meter.to_dict()["trips"] == []
    meter.count_trip("limit", recoverable=False)
    meter.count_trip("data", recoverable=True)
    meter.count_trip("limit", recoverable=False)
    assert meter.to_dict()["trips"] == [
        {"category": "data", "recoverable": True, "count": 1},
        {"category": "limit", "recoverable": False, "count": 2},
    ]


def failing(error: VenueError) -> MeteredAccount:
    def answer(order: Place) -> Placed:
        raise error

    account = PlayedAccount()
    account.on_place = answer
    return MeteredAccount(account, Meter())


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (Rejected("no", kind="exchange", code="insufficient funds"), {"api_calls": 1}),
        (GateClosed("no", kind="exchange", code="killed"), {}),
        (Throttled("wait", kind="rate_limit", code="own_limit"), {"held_back": 1}),
        (Throttled("wait", kind="rate_limit", code="429"), {"api_calls": 1, "api_throttled": 1}),
        (UnknownFate("lost", kind="network"), {"api_calls": 1, "api_errors": 1}),
        (VenueError("odd", kind="network"), {"api_calls": 1, "api_errors": 1}),
    ],
    ids=["rejected", "gate", "own limit", "their limit", "unknown", "other"],
)
def test_a_failed_call_counts_by_its_kind(error: VenueError, counted: dict[str, int]) -> None:
    account = failing(error)
    place = Place(T0, "ztb-1", SYMBOL, 1, 10, 1_000, False, 1, "test")
    with pytest.raises(type(error)) as caught:
        asyncio.run(account.place(place))
    assert caught.value is error
    names = ("api_calls", "api_errors", "api_throttled", "held_back")
    assert {name: getattr(account._meter, name) for name in names if getattr(account._meter, name)} == counted


def test_every_call_counts_once_and_gives_what_the_account_gives() -> None:
    async def run() -> None:
        inner = PlayedAccount()
        meter = Meter()
        account = MeteredAccount(inner, meter)
        assert account.capabilities is inner.capabilities
        assert await account.place(Place(T0, "ztb-1", SYMBOL, 1, 1, 1, False, 1, "")) == Placed("v1", 0)
        assert await account.cancel(SYMBOL, "v1") is True
        assert await account.open_orders(SYMBOL) == []
        assert await account.fills_after(SYMBOL, "") == []
        assert await account.newest_cursor(SYMBOL) == ""
        assert await account.balances() == {}
        assert await account.positions(SYMBOL) == []
        assert await account.look_up(SYMBOL, ["v1"]) == []
        assert await account.cancel_all(SYMBOL, []) == frozenset()
        assert (await account.rights()).withdraw is False
        assert (meter.api_calls, meter.api_errors) == (10, 0)

    asyncio.run(run())
