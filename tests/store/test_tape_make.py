"""From files to a tape: formats recognised, repairs counted, the demo tape as it ships."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.tape_samples import BTC_JPY, RECORDINGS, START_NS, small_recording, write_tape
from ztb.core.error import TapeError, UsageError
from ztb.core.event import Depth, Market, Quote, Trade
from ztb.store.tape import DEMO_TAPE, Counts, TapeReader
from ztb.store.tape_check import CheckLimits, check_events
from ztb.store.tape_import import Recent, Tally, read_lines, repaired
from ztb.store.tape_make import Recording, Texts, detect_format, make_tape

CSV = "ts_ns,price,qty,side,trade_id\n"


def csv_recording(tmp_path: Path, *texts: str, repair: bool = False) -> Recording:
    files = []
    for number, text in enumerate(texts):
        files.append(tmp_path / f"{number}.csv")
        files[-1].write_text(CSV + text)
    return Recording(tuple(files), "trades-csv", BTC_JPY, repair=repair)


def test_several_files_make_one_tape_in_order_of_time(tmp_path: Path) -> None:
    recording = csv_recording(tmp_path, "30,505,0.01,b,c\n40,505,0.01,b,d\n", "10,500,0.01,s,a\n20,500,0.01,s,b\n")
    made = make_tape(tmp_path / "a.tape", recording, Texts(source="me", licence="MIT"), Tally())
    reader = TapeReader(tmp_path / "a.tape")
    assert [event.trade_id for event in reader.events() if isinstance(event, Trade)] == ["a", "b", "c", "d"]
    assert (made.counts, made.span, made.sha256) == (Counts(4), reader.span, reader.sha256)
    assert (reader.meta.source, reader.meta.licence) == ("me", "MIT")
    assert [file.name for file in reader.meta.inputs] == ["0.csv", "1.csv"]


def test_what_was_not_used_stands_in_the_tape(tmp_path: Path) -> None:
    tally = Tally()
    make_tape(tmp_path / "a.tape", csv_recording(tmp_path, ",500,0.01,b,\n10,500,0.01,b,\n,1,1,b,\n"), Texts(), tally)
    assert tally.counts == {"unused.blank_time": 2}
    assert TapeReader(tmp_path / "a.tape").summary == {"unused.blank_time": 2}


def test_files_without_a_usable_row_make_no_tape(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match=r"no row can be used \(1 blank_time\)") as caught:
        make_tape(tmp_path / "a.tape", csv_recording(tmp_path, ",500,0.01,b,\n"), Texts(), Tally())
    assert caught.value.remedy
    assert not (tmp_path / "a.tape").exists()


def test_repair_orders_and_drops_repetitions_and_counts_both(tmp_path: Path) -> None:
    polls = "30,500,1,b,3\n20,500,1,b,2\n10,500,1,b,1\n50,500,1,b,5\n40,500,1,b,4\n30,500,1,b,3\n"
    tally = Tally()
    make_tape(tmp_path / "a.tape", csv_recording(tmp_path, polls, repair=True), Texts(), tally)
    events = list(TapeReader(tmp_path / "a.tape").events())
    assert [event.ts_ns for event in events] == [10, 20, 30, 40, 50]
    assert tally.counts == {"repaired.out_of_order": 3, "repaired.duplicate_trade": 1}
    assert check_events(events, CheckLimits()).findings == {}


@given(st.permutations(range(60)), st.integers(0, 80))
def test_repair_loses_nothing_and_orders_all_that_its_window_holds(order: list[int], window: int) -> None:
    events: list[Market] = [Trade(START_NS + number, "btc_jpy", 1, 1, 1) for number in order]
    result = list(repaired(events, Tally(), window))
    assert sorted(event.ts_ns for event in result) == [START_NS + number for number in range(60)]
    if window >= 60:
        assert [event.ts_ns for event in result] == [START_NS + number for number in range(60)]
    if window == 0:
        assert result == events


def test_memory_of_ids_is_bounded() -> None:
    recent = Recent(3)
    assert [recent.seen(key) for key in (1, 2, 1, 3, 4, 1, 4)] == [False, False, True, False, False, False, True]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"ts_ns,price,qty,side\n", "trades-csv"),
        (b"\xef\xbb\xbfts_ns,price,qty,side\n", "trades-csv"),
        (b'1723161253937085768 {"stream"', "binance-jsonl"),
        (b"\x89ZTAPE\r\n\x01\x00", "tape"),
        (b"\x89ZTAPE\n\x01\x00", "tape"),
        (b"\x89ZT", "tape"),
        (b"", "tape"),
    ],
)
def test_formats_are_recognised(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "a").write_bytes(content)
    assert detect_format(tmp_path / "a") == expected
    if expected != "tape":
        (tmp_path / "a.gz").write_bytes(gzip.compress(content))
        assert detect_format(tmp_path / "a.gz") == expected


@pytest.mark.parametrize("content", [b"hello world", b"PK\x03\x04", b"price,qty\n", b"12 13"])
def test_what_is_nothing_of_ours_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UsageError, match="not one of tape, binance-jsonl, trades-csv"):
        detect_format(tmp_path / "a")
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read"):
        detect_format(tmp_path / "a.gz")


def test_an_endless_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1\n" + b"x" * (5 << 20))
    with pytest.raises(TapeError, match=":2: a line longer than"):
        list(read_lines(tmp_path / "a"))


def test_the_demo_tape_is_small_sound_and_licensed() -> None:
    assert DEMO_TAPE.stat().st_size <= 5_000_000
    reader = TapeReader(DEMO_TAPE)
    assert reader.meta.instrument == replace(BTC_JPY, taker_fee_ppm=1000)
    assert reader.counts.trades == 9_757 + 10_147  # every trade of the two recordings
    assert reader.meta.licence == "MIT"
    assert "nkaz001" in reader.meta.attribution
    assert reader.meta.conversion is not None
    assert f"{reader.meta.conversion.rate:f}" == "147.00"
    assert 650 * 10**9 < reader.span.last_ns - reader.span.first_ns < 651 * 10**9
    report = check_events(reader.events(), CheckLimits())
    assert list(report.findings) == ["clock_offset"]
    assert -1_280_000_000 < report.offsets_ns["p50"] < -1_265_000_000
    copyright_text = (DEMO_TAPE.parents[2] / "debian" / "copyright").read_text()
    assert "ztb/data/demo-btc_jpy.tape\nCopyright: 2022 nkaz001@protonmail.com\nLicense: MIT" in copyright_text
    assert "Copyright (c) 2022 nkaz001@protonmail.com" in (DEMO_TAPE.parent / "README").read_text()


def test_the_demo_tape_has_a_whole_book_that_trades_and_quotes_agree_with() -> None:
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    books = 0
    inside = 0
    trades = 0
    quote = Quote(0, "", 0, 0, 0, 0)
    for event in TapeReader(DEMO_TAPE).events():
        if isinstance(event, Depth):
            for book, levels in ((bids, event.bids), (asks, event.asks)):
                if event.is_snapshot:
                    book.clear()
                book.update(levels)
                for price, lots in levels:
                    if not lots:
                        del book[price]
            assert len(bids) == len(asks) == 20
            assert max(bids) < min(asks)
            books += 1
        elif isinstance(event, Quote):
            quote = event
            assert 0 < quote.bid < quote.ask
        else:
            trades += 1
            assert abs(event.price - quote.bid) * 1000 < quote.bid  # within 0.1 % of the best bid
            inside += event.price in (quote.bid, quote.ask)
    assert books > 6_000
    # In the raw messages 9,919 of the 19,904 trades are at the last best bid or ask (sweeps move it before they print).
    assert abs(inside - 9_919) < 0.02 * trades


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the sources")
def test_the_demo_tape_is_what_its_script_makes(tmp_path: Path) -> None:
    root = DEMO_TAPE.parents[2]
    copy = tmp_path / "packaging"
    copy.mkdir()
    (copy / "make-demo-tape").write_text((root / "packaging" / "make-demo-tape").read_text())
    (tmp_path / "ztb" / "data").mkdir(parents=True)
    environ = {**os.environ, "PYTHON": f"{sys.executable}", "PYTHONPATH": f"{root}", "PYTHONSAFEPATH": "1"}
    subprocess.run(["sh", copy / "make-demo-tape", RECORDINGS], check=True, env=environ, capture_output=True)
    assert (tmp_path / "ztb" / "data" / DEMO_TAPE.name).read_bytes() == DEMO_TAPE.read_bytes()


def test_a_tape_is_recognised_as_one(tmp_path: Path) -> None:
    assert detect_format(write_tape(tmp_path / "a.tape", small_recording())) == "tape"
