"""Number texts and rate windows."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.world import BTC_JPY, SECOND_NS
from ztb.simulator import number_text, rate_window
from ztb.simulator.number_text import Numbers, exponent, fixed_point
from ztb.simulator.rate_window import RateWindows, Window

AMOUNTS = st.decimals(min_value=-(10**15), max_value=10**15, places=12, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("13690000", "13690000.0"), ("0.0015", "0.0015"), ("0.1000", "0.1"), ("0", "0.0"), ("0.00000000", "0.0"),
        ("1E+3", "1000.0"), ("9E-8", "0.00000009"), ("-2.50", "-2.5"), ("152300.5", "152300.5"), ("100.0", "100.0"),
    ],
)  # fmt: skip
def test_fixed_point_as_a_float_printer_writes_it(value: str, text: str) -> None:
    assert fixed_point(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("9E-8", "9e-08"), ("0.0015", "1.5e-03"), ("-0.25", "-2.5e-01"), ("0", "0.0"), ("1", "1.0"), ("12.5", "12.5")],
)
def test_exponents_only_for_small_numbers(value: str, text: str) -> None:
    assert exponent(Decimal(value)) == text


@given(AMOUNTS)
def test_every_text_is_json_and_exact(value: Decimal) -> None:
    for text in (fixed_point(value), exponent(value)):
        assert json.loads(text, parse_float=Decimal) == value
        assert isinstance(json.loads(text), float)


def test_amounts_of_an_instrument_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_text, "NUMBER_CACHE_MAX", 3)
    numbers = Numbers(BTC_JPY)
    for ticks in range(10):
        assert bytes(numbers.price(ticks)) == f"{ticks * 5}.0".encode()
        assert len(numbers._price_memo) <= 3
    assert msgspec.json.encode([numbers.size(15), numbers.money(5_000)]) == b"[0.0015,0.5]"


def test_a_window_slides() -> None:
    windows = RateWindows()
    window = Window(2, 10)

    def admit(second: float, client: str = "a", method: str = "m", factor: int = 1) -> bool:
        return windows.admit(client, method, window, int(second * SECOND_NS), factor=factor)

    assert admit(0)
    assert admit(4)
    assert not admit(9.999)
    assert admit(9.999, client="b")
    assert admit(9.999, method="n")
    assert admit(10), "the first one is 10 s old"
    assert not admit(13.9)
    assert admit(13.9, factor=2)


def test_a_refused_call_does_not_count() -> None:
    windows = RateWindows()
    window = Window(1, 10)
    assert windows.admit("a", "m", window, 0)
    for second in range(1, 10):
        assert not windows.admit("a", "m", window, second * SECOND_NS)
    assert windows.admit("a", "m", window, 10 * SECOND_NS)


def test_the_memory_of_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_window, "RATE_KEYS_MAX", 5)
    windows = RateWindows()
    for number in range(50):
        assert windows.admit(f"client {number}", "m", Window(1, 10), 0)
    assert len(windows._times) == 5
