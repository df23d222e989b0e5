"""What ``ztb tape`` says to people, to the letter."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.store.tape_samples import BTC_JPY, START_NS, small_recording, write_tape
from ztb.cli.tape_text import check_text, import_text, info_text
from ztb.core.event import Trade
from ztb.core.instrument import Instrument
from ztb.store.tape import TapeMeta, TapeReader, TapeWriter
from ztb.store.tape_check import CheckReport
from ztb.store.tape_format import Counts, Span
from ztb.store.tape_import import Tally
from ztb.store.tape_make import MadeTape
from ztb.store.tape_meta import Conversion, InputFile

SPAN = Span(START_NS, START_NS + 3_723_004_999_999)
SPAN_TEXT = "2024-08-08T23:54:14.000Z .. 2024-08-09T00:56:17.004Z (3,723.004 s)"
MS = 1_000_000


def info_of(directory: Path, meta: TapeMeta) -> list[str]:
    """Of a tape of one trade."""
    path = directory / "a.tape"
    with TapeWriter(path, meta) as tape:
        tape.add(Trade(START_NS, meta.instrument.symbol, 1_800_000, 1, 1, START_NS, "1"))
        tape.flush()
        tape.summary.update({"unused.blank_time": 1_234})
    return info_text(TapeReader(path)).splitlines()


def test_an_import_tells_what_was_made_and_what_was_left_out() -> None:
    tally = Tally()
    for number in range(1, 1_235):
        tally.add("unused.blank_time", f"t.csv:{number}")
    tally.add("message.trade", "")
    made = MadeTape(Counts(1_000, 20, 3), SPAN, "5f" * 32)
    lines = import_text(Path("/t/a.tape"), made, tally).splitlines()
    assert lines == [
        "/t/a.tape: 1,000 trades, 20 quotes, 3 depths",
        f"  span    {SPAN_TEXT}",
        f"  sha256  {'5f' * 32}",
        "          1  message: trade",
        "      1,234  unused: blank time  (first: t.csv:1, t.csv:2, t.csv:3)",
    ]


def test_a_count_without_a_place_names_none() -> None:
    tally = Tally()
    tally.counts["thinned.depth"] = 7
    made = MadeTape(Counts(1, 0, 0), SPAN, "0")
    assert import_text(Path("a"), made, tally).splitlines()[-1] == "          7  thinned: depth"


def test_the_least_that_is_known_of_a_tape(tmp_path: Path) -> None:
    lines = info_of(tmp_path, TapeMeta(BTC_JPY))
    size = (tmp_path / "a.tape").stat().st_size
    sha256 = TapeReader(tmp_path / "a.tape").sha256
    assert lines == [
        f"{tmp_path / 'a.tape'}",
        "  instrument   btc_jpy (spot, tick 5 jpy, lot 0.0001 btc, fees 0/1000 ppm maker/taker)",
        "  span         2024-08-08T23:54:14.000Z .. 2024-08-08T23:54:14.000Z (0.000 s)",
        "  events       1 trades, 0 quotes, 0 depths",
        f"  size         {size:,} bytes",
        "  complete     yes",
        f"  sha256       {sha256}",
        "  counted      1,234 unused: blank time",
    ]


def test_all_that_can_be_known_of_a_tape(tmp_path: Path) -> None:
    instrument = replace_symbol(BTC_JPY)
    meta = TapeMeta(
        instrument,
        source="s",
        licence="l",
        attribution="by a friend",
        notes="n",
        conversion=Conversion("btcusdt", "fx_btc_jpy", Decimal("147.00"), price_rule="up", size_rule="down"),
        inputs=(InputFile("one.gz", "11"), InputFile("two.gz", "22")),
    )
    lines = info_of(tmp_path, meta)
    assert lines[1] == "  instrument   fx_btc_jpy (leveraged, tick 5 jpy, lot 0.0001 btc, fees 0/1000 ppm maker/taker)"
    assert lines[7:] == [
        "  source       s",
        "  licence      l",
        "  attribution  by a friend",
        "  notes        n",
        "  conversion   btcusdt x 147.00 = fx_btc_jpy",
        "               prices: up",
        "               sizes: down",
        "  input        one.gz sha256 11",
        "  input        two.gz sha256 22",
        "  counted      1,234 unused: blank time",
    ]


def replace_symbol(instrument: Instrument) -> Instrument:
    return Instrument(
        "fx_btc_jpy", "btc", "jpy", instrument.tick_size, instrument.lot_size, 4, taker_fee_ppm=1_000, leveraged=True
    )


def test_a_cut_tape_says_where(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "a.tape", small_recording(), close=False)
    size = path.stat().st_size
    lines = info_text(TapeReader(path, allow_cut=True)).splitlines()
    assert f"  complete     no: cut at byte {size}" in lines


def report(**changes: object) -> CheckReport:
    plain = CheckReport(events=12_345)
    for name, value in changes.items():
        setattr(plain, name, value)
    return plain


def test_a_clean_check_is_one_line() -> None:
    assert check_text(Path("a.tape"), report(), {}, {}) == "a.tape: 12,345 events, 0 kinds of findings"


def test_a_check_tells_counts_meanings_places_and_figures() -> None:
    text = check_text(
        Path("a.tape"),
        report(
            gap_longest_ns=3_723_004_999_999,
            backwards_longest_ns=MS,
            offset_samples=1_000,
            offsets_ns={"p1": -1_271_000_000, "p50": -50_000, "p99": 150_000},
        ),
        {"gap": 1_234, "unused.strange": 1},
        {"gap": ["event 1 (x)", "event 2 (y)"]},
    )
    assert text.splitlines() == [
        "a.tape: 12,345 events, 2 kinds of findings",
        "      1,234  gap: pauses longer than --gap",
        "             event 1 (x)",
        "             event 2 (y)",
        "          1  unused: strange: rows that cannot be used",
        "  longest gap 3,723.004 s",
        "  furthest back 0.001 s",
        "  clock, local - venue: -1271.0 / 0.0 / 0.1 ms at p1/p50/p99 of 1,000 events",
    ]


@pytest.mark.parametrize(
    ("offset_ns", "shown"), [(0, "0.0"), (99_999, "0.0"), (100_000, "0.1"), (1_999_999, "1.9"), (-1_999_999, "-1.9")]
)
def test_offsets_have_one_decimal(offset_ns: int, shown: str) -> None:
    told = report(offset_samples=1, offsets_ns=dict.fromkeys(("p1", "p50", "p99"), offset_ns))
    assert f" {shown} / {shown} / {shown} ms" in check_text(Path("a"), told, {}, {})
