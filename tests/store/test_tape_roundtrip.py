"""What a tape yields is what it was given, whatever that was."""

from __future__ import annotations

import tempfile
import tracemalloc
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.examples import examples
from tests.store.tape_samples import BTC_JPY, START_NS, recordings, small_recording, write_tape
from ztb.core.error import TapeError
from ztb.core.event import Depth, Market, Quote, Trade
from ztb.core.instrument import Instrument
from ztb.store.tape import Conversion, Counts, InputFile, Span, TapeMeta, TapeReader, TapeWriter


@settings(max_examples=examples(150))
@given(recordings, st.integers(0, 9))
def test_any_recording_comes_back_unchanged(events: list[Market], flush_every: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_tape(Path(folder) / "any.tape", events, flush_every=flush_every)
        reader = TapeReader(path)
        assert list(reader.events()) == events
        kinds = [type(event) for event in events]
        assert reader.counts == Counts(kinds.count(Trade), kinds.count(Quote), kinds.count(Depth))
        times = [event.ts_ns for event in events if event.ts_ns]
        assert reader.span == Span(min(times, default=0), max(times, default=0))
        assert reader.cut is None


@settings(max_examples=examples(40))
@given(recordings)
def test_types_of_the_values_come_back_too(events: list[Market]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for event in TapeReader(write_tape(Path(folder) / "any.tape", events)).events():
            if isinstance(event, Trade):
                assert type(event.price) is int
                assert type(event.trade_id) is str
            if isinstance(event, Depth):
                assert type(event.is_snapshot) is bool
                assert type(event.bids) is tuple
                assert all(type(level) is tuple for level in event.bids + event.asks)


def test_a_reader_streams_as_often_as_asked(tmp_path: Path) -> None:
    events = small_recording()
    reader = TapeReader(write_tape(tmp_path / "a.tape", events))
    first, second = reader.events(), reader.events()
    assert [next(first), next(second), next(first)] == [events[0], events[0], events[1]]
    assert list(second) == events[1:]


def test_many_blocks_keep_their_order(tmp_path: Path) -> None:
    events: list[Market] = [Trade(START_NS + n, "btc_jpy", 1 + n % 50, 1 + n, 1) for n in range(20_000)]
    assert list(TapeReader(write_tape(tmp_path / "a.tape", events)).events()) == events


def test_reading_a_long_tape_takes_the_memory_of_one_block(tmp_path: Path) -> None:
    path = tmp_path / "long.tape"
    with TapeWriter(path, TapeMeta(BTC_JPY)) as tape:
        for number in range(60_000):
            tape.add(Trade(START_NS + number, "btc_jpy", 1_000 + number % 77, 1 + number % 999, 1, 0, str(number)))
    tracemalloc.start()
    try:
        first_block = [event for event, _ in zip(TapeReader(path).events(), range(4096), strict=False)]
        one_block = tracemalloc.get_traced_memory()[1]
        del first_block
        tracemalloc.reset_peak()
        assert sum(1 for _ in TapeReader(path).events()) == 60_000
        assert tracemalloc.get_traced_memory()[1] < 3 * one_block
    finally:
        tracemalloc.stop()


def test_deep_books_end_a_block_early(tmp_path: Path) -> None:
    side = tuple((price, 1) for price in range(1, 16_385))
    events: list[Market] = [Depth(START_NS + n, "btc_jpy", side, side, True) for n in range(9)]
    path = write_tape(tmp_path / "a.tape", events)
    assert path.read_bytes().count(b"BLCK") >= 4  # two such books are half a block's levels, so two blocks at least
    assert list(TapeReader(path).events()) == events


def test_the_same_events_give_the_same_bytes(tmp_path: Path) -> None:
    one = write_tape(tmp_path / "one.tape", small_recording())
    other = write_tape(tmp_path / "other.tape", small_recording())
    assert one.read_bytes() == other.read_bytes()
    changed = [*small_recording()[:-1], Trade(START_NS + 10**12, "btc_jpy", 1, 1, 1)]
    assert TapeReader(write_tape(tmp_path / "third.tape", changed)).sha256 != TapeReader(one).sha256


def test_the_header_comes_back_whole(tmp_path: Path) -> None:
    instrument = Instrument(
        "fx_btc_jpy", "btc", "jpy", Decimal("0.5"), Decimal("0.001"), 6, leveraged=True, lots_min=10, lots_max=5000,
        maker_fee_ppm=-200, taker_fee_ppm=500,
    )  # fmt: skip
    meta = TapeMeta(
        instrument, source="市場", licence="MIT", attribution="somebody",
        conversion=Conversion("BTCUSDT", "fx_btc_jpy", Decimal("147.00"), "down", "up"),
        inputs=(InputFile("a.gz", "00" * 32), InputFile("b.gz", "ff" * 32)), notes="a\nb",
    )  # fmt: skip
    with TapeWriter(tmp_path / "a.tape", meta) as tape:
        tape.summary["unused.blank_time"] = 3
    reader = TapeReader(tmp_path / "a.tape")
    assert reader.meta == meta
    assert reader.meta.instrument.money_per_tick_lot == 500  # 0.5 JPY x 0.001 BTC in 10^-6 JPY
    assert reader.summary == {"unused.blank_time": 3}


GOOD = Trade(START_NS, "btc_jpy", 1, 1, 1)


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (replace(GOOD, instrument="eth_jpy"), "eth_jpy on a tape of btc_jpy"),
        (replace(GOOD, price=0), "is no trade"),
        (replace(GOOD, price=-1), "is no trade"),
        (replace(GOOD, lots=0), "is no trade"),
        (replace(GOOD, side=0), "is no trade"),
        (replace(GOOD, price=2**61), "is no trade"),
        (replace(GOOD, ts_ns=-1), "times"),
        (replace(GOOD, venue_ns=2**61), "times"),
        (replace(GOOD, trade_id="x" * 256), "255 bytes"),
        (replace(GOOD, trade_id="\ud800"), "no UTF-8 form"),
        (Quote(START_NS, "btc_jpy", -1, 1, 1, 1), "is no quote"),
        (Depth(START_NS, "btc_jpy", ((0, 1),), (), False), "book level"),
        (Depth(START_NS, "btc_jpy", (), ((1, -1),), False), "book level"),
        (Depth(START_NS, "btc_jpy", ((1, 1),) * 16_385, (), False), "16385 levels"),
    ],
)
def test_what_is_no_market_event_is_refused_at_once(tmp_path: Path, event: Market, complaint: str) -> None:
    tape = TapeWriter(tmp_path / "a.tape", TapeMeta(BTC_JPY))
    tape.add(GOOD)
    with pytest.raises(TapeError, match=complaint) as caught:
        tape.add(event)
    assert "event 1" in str(caught.value)
    tape.close()
    assert list(TapeReader(tmp_path / "a.tape").events()) == [GOOD]
