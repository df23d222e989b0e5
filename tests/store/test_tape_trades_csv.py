"""Trades from CSV: exact, fast path and slow path alike, every bad row found."""

from __future__ import annotations

import csv
import gzip
import itertools
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.store.tape_samples import BTC_JPY, START_NS
from ztb.core.error import TapeError
from ztb.core.event import Trade
from ztb.store import tape_trades_csv
from ztb.store.tape_import import Tally
from ztb.store.tape_trades_csv import import_trades, read_trades

HEADER = "ts_ns,price,qty,side\n"


def file_of(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_rows_become_trades_in_ticks_and_lots(tmp_path: Path) -> None:
    text = HEADER + "1735689600001000000,15000005,0.0300,b\n1735689600002000000,14999995.00,1.5,sell\n3,5,1E-4,s\n"
    assert list(read_trades(file_of(tmp_path, text), BTC_JPY)) == [
        Trade(1735689600001000000, "btc_jpy", 3_000_001, 300, 1),
        Trade(1735689600002000000, "btc_jpy", 2_999_999, 15_000, -1),
        Trade(3, "btc_jpy", 1, 1, -1),
    ]


@pytest.mark.parametrize("form", ["plain", "crlf", "no end of line", "bom", "gzip", "trade ids"])
def test_the_usual_forms_of_a_csv_file_give_the_same(tmp_path: Path, form: str) -> None:
    text = HEADER + "10,500,0.01,b\n20,505,0.02,s\n"
    expected = [Trade(10, "btc_jpy", 100, 100, 1), Trade(20, "btc_jpy", 101, 200, -1)]
    path = file_of(tmp_path, text)
    if form == "crlf":
        path = file_of(tmp_path, text.replace("\n", "\r\n"))
    elif form == "no end of line":
        path = file_of(tmp_path, text[:-1])
    elif form == "bom":
        path = file_of(tmp_path, "﻿" + text)
    elif form == "gzip":
        path = tmp_path / "t.csv.gz"
        path.write_bytes(gzip.compress(text.encode()))
    elif form == "trade ids":
        path = file_of(tmp_path, "ts_ns,price,qty,side,trade_id\n10,500,0.01,b,77\n20,505,0.02,s,\n")
        expected = [Trade(10, "btc_jpy", 100, 100, 1, 0, "77"), expected[1]]
    assert list(read_trades(path, BTC_JPY)) == expected


BAD_ROWS = [
    ("", "blank line"),
    ("10,500,0.01", "wrong number of fields"),
    ("10,500,0.01,b,7", "wrong number of fields"),
    (",500,0.01,b", "blank time"),
    ("0,500,0.01,b", "blank time"),
    ("-1,500,0.01,b", "time not nanoseconds"),
    ("1.5,500,0.01,b", "time not nanoseconds"),
    ("1_0,500,0.01,b", "time not nanoseconds"),
    (" 10,500,0.01,b", "time not nanoseconds"),
    ("+10,500,0.01,b", "time not nanoseconds"),
    ("١٠,500,0.01,b", "time not nanoseconds"),
    ("99999999999999999999,500,0.01,b", "time not nanoseconds"),
    ("4611686018427387904,500,0.01,b", "time not nanoseconds"),
    ("10,NaN,0.01,b", "price not a number"),
    ("10,nan,0.01,b", "price not a number"),
    ("10,Infinity,0.01,b", "price not a number"),
    ("10,-inf,0.01,b", "price not a number"),
    ("10,,0.01,b", "price not a number"),
    ("10,5_0,0.01,b", "price not a number"),
    ("10, 500,0.01,b", "price not a number"),
    ("10,1e,0.01,b", "price not a number"),
    ("10," + "1" * 41 + ",0.01,b", "price not a number"),
    ("10,0,0.01,b", "price not positive"),
    ("10,-500,0.01,b", "price not positive"),
    ("10,501,0.01,b", "price off the grid"),
    ("10,500.1,0.01,b", "price off the grid"),
    ("10,1e30,0.01,b", "price "),
    ("10,1e999999,0.01,b", "price "),
    ("10,1e-999999,0.01,b", "price "),
    ("10,500,0,b", "size not positive"),
    ("10,500,-0.01,b", "size not positive"),
    ("10,500,0.00001,b", "size off the grid"),
    ("10,500,nan,b", "size not a number"),
    ("10,500,0.01,x", "unknown side"),
    ("10,500,0.01,", "unknown side"),
    ("10,500,0.01,b ", "unknown side"),
    ("10,500,0.01,\xff", "unknown side"),
]


@pytest.mark.parametrize(("row", "complaint"), BAD_ROWS)
@pytest.mark.parametrize("before", [0, 3])
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: str, complaint: str, before: int) -> None:
    text = HEADER + "5,500,0.01,b\n" * before + row + "\n" + "20,505,0.02,s\n"
    path = file_of(tmp_path, text)
    with pytest.raises(TapeError) as caught:
        list(read_trades(path, BTC_JPY))
    assert caught.value.message.startswith(f"{path}:{2 + before}: {complaint}")
    assert caught.value.remedy


@pytest.mark.parametrize(("row", "complaint"), BAD_ROWS)
def test_an_import_counts_a_bad_row_and_goes_on(tmp_path: Path, row: str, complaint: str) -> None:
    path = file_of(tmp_path, HEADER + "5,500,0.01,b\n" + row + "\n" + "20,505,0.02,s\n")
    tally = Tally()
    expected = [Trade(5, "btc_jpy", 100, 100, 1), Trade(20, "btc_jpy", 101, 200, -1)]
    assert list(import_trades(path, BTC_JPY, tally)) == expected
    ((reason, count),) = tally.counts.items()
    assert count == 1
    assert reason.startswith("unused." + complaint.strip().replace(" ", "_"))
    assert tally.places == {reason: [f"{path}:3"]}


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize(("row", "complaint"), [bad for bad in BAD_ROWS if bad[0]])
def test_a_bad_row_at_the_end_is_not_passed_over(tmp_path: Path, row: str, complaint: str, end: str) -> None:
    """A download that ended early ends in such a row, too."""
    path = file_of(tmp_path, HEADER + "5,500,0.01,b\n6,500,0.01,b\n" + row + end)
    with pytest.raises(TapeError) as caught:
        list(read_trades(path, BTC_JPY))
    assert caught.value.message.startswith(f"{path}:4: {complaint}")


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_last_row_that_lost_its_end_is_told_or_whole(tmp_path: Path, cut: int) -> None:
    """Whatever is missing from ``20,505,0.02,s``, no trade is lost in silence."""
    path = file_of(tmp_path, HEADER + "5,500,0.01,b\n" + "20,505,0.02,s"[:-cut])
    with pytest.raises(TapeError, match=":3: "):
        list(read_trades(path, BTC_JPY))


def test_a_line_without_an_end_is_told_by_its_number(tmp_path: Path) -> None:
    path = file_of(tmp_path, HEADER + "5,500,0.01,b\n" * 9 + "x" * (5 << 20))
    with pytest.raises(TapeError, match=":11: a line longer than"):
        list(read_trades(path, BTC_JPY))


@pytest.mark.parametrize(
    ("row", "fits"),
    [
        (f"{2**61 - 1},500,0.01,b", True),
        (f"{2**61},500,0.01,b", False),
        ("1,500,0.01,b", True),
        (f"10,{5 * (2**61 - 1)},0.01,b", True),
        (f"10,{5 * 2**61},0.01,b", False),
    ],
)
@pytest.mark.parametrize("other", ["", "x,500,0.01,b\n"])
def test_the_ends_of_the_ranges(tmp_path: Path, row: str, fits: bool, other: str) -> None:
    """Both ways of reading have them: whole blocks, and row by row beside one that cannot be used."""
    path = file_of(tmp_path, HEADER + other + row + "\n")
    assert len(list(import_trades(path, BTC_JPY, Tally()))) == fits


@pytest.mark.parametrize(("trade_id", "fits"), [("a" * 255, True), ("a" * 256, False), ("é", False), ("", True)])
@pytest.mark.parametrize("other", ["", "x,500,0.01,b,1\n"])
def test_trade_ids_have_a_length_and_an_alphabet(tmp_path: Path, trade_id: str, fits: bool, other: str) -> None:
    header = HEADER.replace("\n", ",trade_id\n")
    path = file_of(tmp_path, header + other + f"10,500,0.01,b,{trade_id}\n")
    tally = Tally()
    assert [trade.trade_id for trade in import_trades(path, BTC_JPY, tally)] == [trade_id] * fits
    assert tally.counts.get("unused.bad_trade_id", 0) == (not fits)


def test_bytes_that_are_no_text_are_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(HEADER.encode() + b"5,500,0.01,b\n\x80\xff\x00,500,0.01,b\n")
    with pytest.raises(TapeError, match=":3: time not nanoseconds"):
        list(read_trades(path, BTC_JPY))


def test_columns_that_slipped_over_a_line_end_are_not_read_as_rows(tmp_path: Path) -> None:
    # Three fields and five fields: the total is right, and column by column every value would pass.
    path = file_of(tmp_path, HEADER + "10,500,0.01\nb,20,505,0.02,s\n")
    with pytest.raises(TapeError, match=":2: wrong number of fields"):
        list(read_trades(path, BTC_JPY))
    path = file_of(tmp_path, "ts_ns,price,qty,side,trade_id\n10,500,0.01,b\n7,20,505,0.02,s,8\n")
    with pytest.raises(TapeError, match=":2: wrong number of fields"):
        list(read_trades(path, BTC_JPY))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the file is empty"),
        (b"10,500,0.01,b\n", ":1: the header is"),
        (b"price,ts_ns,qty,side\n", ":1: the header is"),
        (b"\x89ZTAPE\r\n\x01\x00", ":1: the header is"),
        (b"x" * (5 << 20), "a line longer than"),
    ],
)
def test_a_file_that_is_no_such_csv_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(TapeError, match=complaint) as caught:
        list(read_trades(path, BTC_JPY))
    assert str(path) in caught.value.message


@pytest.mark.parametrize("keep", [5, 30, -4])
def test_a_cut_gzip_file_is_named(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "t.csv.gz"
    rows = "".join(f"{n},500,0.01,b\n" for n in range(1, 3000))
    path.write_bytes(gzip.compress((HEADER + rows).encode())[:keep])
    with pytest.raises(TapeError, match="gzip data are cut or damaged") as caught:
        list(read_trades(path, BTC_JPY))
    assert caught.value.remedy


def test_a_file_of_only_a_header_has_no_trades(tmp_path: Path) -> None:
    assert list(read_trades(file_of(tmp_path, HEADER), BTC_JPY)) == []
    assert list(read_trades(file_of(tmp_path, HEADER[:-1]), BTC_JPY)) == []


row_texts = st.tuples(
    st.integers(1, 2**61 - 1).map(str),
    st.integers(1, 10**9).map(lambda ticks: f"{5 * ticks}"),
    st.decimals(Decimal("0.0001"), 1000, places=4).map(lambda size: f"{size:f}"),
    st.sampled_from(["b", "s", "buy", "sell", "BUY", "SELL"]),
)


@settings(max_examples=examples(60))
@given(rows=st.lists(row_texts, max_size=60), chunk_bytes=st.integers(1, 300))
def test_any_good_file_is_read_as_by_csv_and_decimal(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, str]], chunk_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(HEADER + "".join(",".join(row) + "\n" for row in rows))
    expected: list[tuple[int, int, int, int]] = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            price, lots = Decimal(row["price"]) / 5, Decimal(row["qty"]) * 10_000
            side = 1 if row["side"].lower().startswith("b") else -1
            assert price == int(price)
            assert lots == int(lots)
            expected.append((int(row["ts_ns"]), int(price), int(lots), side))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tape_trades_csv, "CHUNK_BYTES", chunk_bytes)
        found = [(trade.ts_ns, trade.price, trade.lots, trade.side) for trade in read_trades(path, BTC_JPY)]
    assert found == expected


@settings(max_examples=examples(150))
@given(text=st.text(alphabet="0123456789.,bs\n\r-e xné_", max_size=200), data=st.data())
def test_no_text_at_all_raises_anything_but_a_tape_error(
    tmp_path_factory: pytest.TempPathFactory, text: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.csv"
    path.write_bytes((HEADER + text).encode())
    tally = Tally()
    usable = list(import_trades(path, BTC_JPY, tally))
    lines = text.replace("\r\n", "\n").removesuffix("\n").count("\n") + 1 if text.removesuffix("\r\n") else 0
    # Every line is a trade or is counted (a lone line end at the end of the text may be either no line or a blank one).
    assert abs(len(usable) + sum(tally.counts.values()) - lines) <= 1
    try:
        assert list(read_trades(path, BTC_JPY)) == usable
    except TapeError:
        assert tally.counts


def test_the_memo_of_amounts_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape_trades_csv, "MEMO_ENTRIES_MAX", 10)
    path = file_of(tmp_path, HEADER + "".join(f"{n},{5 * n},0.01,b\n" for n in range(1, 500)))
    assert [trade.price for trade in read_trades(path, BTC_JPY)] == list(range(1, 500))
    memo = tape_trades_csv._Memo(BTC_JPY.prices, "price")
    for ticks in range(1, 500):
        assert memo[str(5 * ticks)] == ticks
        assert len(memo) <= 10


def test_reading_is_a_stream(tmp_path: Path) -> None:
    path = file_of(tmp_path, HEADER + "".join(f"{n},500,0.01,b\n" for n in range(1, 100_000)) + "bad\n")
    trades = read_trades(path, BTC_JPY)
    assert [trade.ts_ns for trade in itertools.islice(trades, 3)] == [1, 2, 3]
    with pytest.raises(TapeError, match=":100001: "):
        list(trades)


def test_progress_adds_up_to_the_size_of_the_file(tmp_path: Path) -> None:
    path = file_of(tmp_path, HEADER + f"{START_NS},500,0.01,b\n" * 20_000)
    steps: list[int] = []
    assert sum(1 for _ in read_trades(path, BTC_JPY, advance=steps.append)) == 20_000
    assert sum(steps) == path.stat().st_size
