"""Recorded messages of Binance: by hand, with faults, and the real recordings against their own table."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from tests.store.tape_samples import BTC_JPY, RECORDINGS
from ztb.core.event import Depth, Market, Quote, Trade
from ztb.core.instrument import Instrument
from ztb.store.tape_binance import BinanceImporter, Thinning, read_messages, symbol_of
from ztb.store.tape_import import Tally
from ztb.store.tape_scale import Scale

BTCUSDT: Final = Instrument("btcusdt", "btc", "usdt", Decimal("0.01"), Decimal("0.00000001"), 10)
RATE: Final = Decimal("147.00")
CONVERTED: Final = Thinning(depth_levels=20, same_quotes=True)

Message = dict[str, Any]


def trade(number: int, **changed: object) -> Message:
    return {"e": "trade", "E": 1723161255343, "s": "BTCUSDT", "t": number, "p": "61837.63000000", "q": "0.02000000",
            "T": 1723161255342, "m": True, "M": True} | changed  # fmt: skip


def ticker(**changed: object) -> Message:
    return {"u": 1, "s": "BTCUSDT", "b": "61837.63", "B": "3.78826", "a": "61837.64", "A": "0.00001"} | changed


def change(first: int, last: int, bids: list[list[str]], asks: list[list[str]], **more: object) -> Message:
    return {"e": "depthUpdate", "E": 1723161255208, "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": asks} | more


def snapshot(last: int, bids: list[list[str]], asks: list[list[str]]) -> Message:
    return {"lastUpdateId": last, "bids": bids, "asks": asks}


def recording(path: Path, messages: Iterable[Message | str], start: int = 1000) -> Path:
    lines = []
    for number, message in enumerate(messages):
        wrapped = message if isinstance(message, str) else json.dumps({"stream": "x", "data": message})
        lines.append(f"{start + 10 * number} {wrapped}\n")
    path.write_text("".join(lines))
    return path


def events_of(
    *paths: Path, instrument: Instrument = BTCUSDT, rate: Decimal | None = None, thinning: Thinning | None = None
) -> tuple[list[Market], Tally]:
    tally = Tally()
    scale = Scale(instrument, rate)
    importer = BinanceImporter(instrument, "BTCUSDT", tally, scale=scale, thinning=thinning or Thinning())
    return list(importer.events(read_messages(paths, tally))), tally


def converted(*paths: Path, thinning: Thinning = CONVERTED) -> tuple[list[Market], Tally]:
    return events_of(*paths, instrument=BTC_JPY, rate=RATE, thinning=thinning)


def test_each_kind_of_message_by_hand(tmp_path: Path) -> None:
    path = recording(
        tmp_path / "a.jsonl",
        [
            trade(7),
            trade(8, m=False),
            ticker(),
            ticker(e="bookTicker", E=1723161256313, T=1723161256312),
            snapshot(10, [["61837.63", "1.5"]], [["61837.64", "2"], ["61840.00", "0.1"]]),
            change(11, 12, [["61837.63", "0.00"], ["61837.65", "1"]], []),
            json.dumps(trade(9)),
        ],
    )
    ms = 1_000_000
    events, tally = events_of(path)
    assert events == [
        Trade(1000, "btcusdt", 6_183_763, 2_000_000, -1, 1723161255343 * ms, "7"),
        Trade(1010, "btcusdt", 6_183_763, 2_000_000, 1, 1723161255343 * ms, "8"),
        Quote(1020, "btcusdt", 6_183_763, 378_826_000, 6_183_764, 1_000),
        Quote(1030, "btcusdt", 6_183_763, 378_826_000, 6_183_764, 1_000, 1723161256313 * ms),
        Depth(1040, "btcusdt", ((6_183_763, 150_000_000),), ((6_183_764, 200_000_000), (6_184_000, 10_000_000)), True),
        Depth(1050, "btcusdt", ((6_183_765, 100_000_000), (6_183_763, 0)), (), False, 1723161255208 * ms),
        Trade(1060, "btcusdt", 6_183_763, 2_000_000, -1, 1723161255343 * ms, "9"),
    ]
    assert tally.counts == {
        "message.trade": 3,
        "message.bookTicker": 2,
        "message.snapshot": 1,
        "message.depthUpdate": 1,
    }


def test_conversion_by_hand(tmp_path: Path) -> None:
    # 61837.63 x 147 / 5 = 1818026.322, 61837.64 x 147 / 5 = 1818026.616: bid and sell 1818026, ask and buy 1818027
    path = recording(
        tmp_path / "a.jsonl",
        [
            trade(1),
            trade(2, m=False, q="0.00000100"),
            ticker(),
            snapshot(
                10, [["61837.63", "0.00006"], ["61837.62", "0.00005"], ["61800.00", "1"]], [["61837.64", "2.00019"]]
            ),
            change(11, 11, [["61837.62", "0.00000"]], [["61837.64", "2.00011"]]),
            change(12, 12, [["61837.62", "0.00004"]], [["61837.64", "0"], ["61900.00", "3"]]),
        ],
    )
    events, _tally = converted(path)
    venue_ns = 1723161255343 * 1_000_000
    depth_ns = 1723161255208 * 1_000_000
    assert events == [
        Trade(1000, "btc_jpy", 1_818_026, 200, -1, venue_ns, "1"),
        Trade(1010, "btc_jpy", 1_818_027, 1, 1, venue_ns, "2"),
        Quote(1020, "btc_jpy", 1_818_026, 37_882, 1_818_027, 1),
        # The two bids make one tick of 0.00011 BTC; 61800 x 147 / 5 = 1816920 exactly
        Depth(1030, "btc_jpy", ((1_818_026, 1), (1_816_920, 10_000)), ((1_818_027, 20_001),), True),
        Depth(1040, "btc_jpy", ((1_818_026, 0),), (), False, depth_ns),
        Depth(1050, "btc_jpy", ((1_818_026, 1),), ((1_818_027, 0), (1_819_860, 30_000)), False, depth_ns),
    ]


def test_several_files_make_one_recording_in_order_of_time(tmp_path: Path) -> None:
    late = recording(tmp_path / "late.jsonl", [trade(3), trade(4)], start=1015)
    early = recording(tmp_path / "early.jsonl", [trade(1), trade(2), trade(5)], start=1000)
    events, _tally = events_of(late, early)
    assert [(event.ts_ns, event.trade_id) for event in events if isinstance(event, Trade)] == [
        (1000, "1"), (1010, "2"), (1015, "3"), (1020, "5"), (1025, "4"),
    ]  # fmt: skip


BIDS, ASKS = [["100.00", "1"]], [["101.00", "1"]]


def test_changes_around_a_snapshot_make_the_right_book(tmp_path: Path) -> None:
    path = recording(
        tmp_path / "a.jsonl",
        [
            change(1, 2, [["90.00", "9"]], []),  # older than the snapshot, which knows it
            change(3, 5, [["100.00", "7"]], []),  # reaches beyond it: belongs on top
            snapshot(4, BIDS, ASKS),
            change(6, 6, [], [["101.00", "5"]]),
        ],
    )
    events, tally = events_of(path, thinning=CONVERTED)
    assert [(event.ts_ns, event.bids, event.asks) for event in events if isinstance(event, Depth)] == [
        (1020, ((10_000, 700_000_000),), ((10_100, 100_000_000),)),
        (1030, (), ((10_100, 500_000_000),)),
    ]
    assert tally.counts["unused.depth_without_snapshot"] == 2
    assert "depth_sequence_gaps" not in tally.counts
    # As recorded: the same change again after the snapshot, so that a reader's book is right, too.
    raw, _tally = events_of(path)
    shapes = [(event.is_snapshot, len(event.bids), len(event.asks)) for event in raw if isinstance(event, Depth)]
    assert shapes == [(False, 1, 0), (False, 1, 0), (True, 1, 1), (False, 1, 0), (False, 0, 1)]


@pytest.mark.parametrize("futures", [False, True])
def test_a_gap_ends_the_book_until_the_next_snapshot(tmp_path: Path, futures: bool) -> None:
    def numbered(before: int, first: int, last: int, size: str) -> Message:
        more = {"pu": before} if futures else {}
        return change(first, last, [["100.00", size]], [], **more)

    path = recording(
        tmp_path / "a.jsonl",
        [
            snapshot(10, BIDS, ASKS),
            numbered(10, 11, 12, "2"),
            numbered(13, 14, 15, "3"),  # 13 is missing
            numbered(15, 16, 17, "4"),
            snapshot(17, BIDS, ASKS),
            numbered(17, 18, 18, "5"),
        ],
    )
    events, tally = events_of(path, thinning=CONVERTED)
    assert [event.ts_ns for event in events] == [1000, 1010, 1040, 1050]
    assert tally.counts["depth_sequence_gaps"] == 1
    assert tally.places["depth_sequence_gaps"] == [f"{path}:3"]
    assert tally.counts["unused.depth_without_snapshot"] == 2


def test_what_is_older_than_the_book_is_counted_and_left_out(tmp_path: Path) -> None:
    path = recording(
        tmp_path / "a.jsonl",
        [
            snapshot(10, BIDS, ASKS),
            change(9, 10, [["100.00", "9"]], []),
            change(11, 12, [], []),
            change(11, 12, [], []),
        ],
    )
    events, tally = events_of(path)
    assert [event.ts_ns for event in events] == [1000, 1020]
    assert tally.counts["unused.depth_older_than_book"] == 2


def test_a_snapshot_that_came_too_late_is_counted_and_changes_nothing(tmp_path: Path) -> None:
    path = recording(
        tmp_path / "a.jsonl",
        [snapshot(10, BIDS, ASKS), change(11, 20, [], []), change(30, 31, [], []), snapshot(25, BIDS, ASKS)],
    )
    events, tally = events_of(path, thinning=CONVERTED)
    assert [event.ts_ns for event in events] == [1000]
    assert tally.counts["unused.snapshot_older_than_changes"] == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "blank_line"),
        ("0 {}", "blank_time"),
        (" {}", "blank_time"),
        ("12x {}", "time_not_nanoseconds"),
        ("99999999999999999999 {}", "time_not_nanoseconds"),
        ("1000 {", "not_json"),
        ("1000", "not_json"),
        ("1000 \xff", "not_json"),
        ("1000 " + "[" * 5000, "not_json"),
        ("1000 7", "unknown_message"),
        ("1000 {}", "unknown_message"),
        ('1000 {"e":"aggTrade"}', "unknown_message"),
        ('1000 {"data":{"e":["trade"]}}', "unknown_message"),
        ("1000 " + json.dumps(trade(1, s="ETHUSDT")), "other_symbol"),
        ("1000 " + json.dumps(trade(1, p="0.00")), "price_not_positive"),
        ("1000 " + json.dumps(trade(1, q="0")), "size_not_positive"),
        ("1000 " + json.dumps(trade(1, p="-1")), "amount_out_of_range"),
        ("1000 " + json.dumps(trade(1, p="NaN")), "amount_not_a_number"),
        ("1000 " + json.dumps(trade(1, p=61837.63)), "amount_not_text"),
        ("1000 " + json.dumps(trade(1, p="61837.635")), "price_off_the_grid"),
        ("1000 " + json.dumps(trade(1, E="now")), "time_not_milliseconds"),
        ("1000 " + json.dumps(trade(1, E=-1)), "time_not_milliseconds"),
        ("1000 " + json.dumps(trade(1, m="yes")), "malformed_message"),
        ("1000 " + json.dumps(trade(1, t=None)), "malformed_message"),
        ('1000 {"e":"trade"}', "malformed_message"),
        ("1000 " + json.dumps(change(1, 2, [["1"]], [])), "malformed_message"),
        ("1000 " + json.dumps(change(1, 2, [["0", "1"]], [])), "price_not_positive"),
        ("1000 " + json.dumps(change(1, 2, [["1.005", "1"]], [])), "price_off_the_grid"),
        ("1000 " + json.dumps(snapshot(1, [["x", "1"]], [])), "amount_not_a_number"),
        ('1000 {"lastUpdateId":1}', "malformed_message"),
    ],
)
def test_a_message_that_cannot_be_used_is_counted_with_its_place(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    good = "2000 " + json.dumps(trade(5))
    path.write_bytes(f"{good}\n{line}\n{good}\n".encode("latin-1"))
    events, tally = events_of(path)
    assert [type(event) for event in events] == [Trade, Trade]
    assert tally.with_prefix("unused.") == {reason: 1}
    assert tally.places[f"unused.{reason}"] == [f"{path}:2"]


def test_a_malformed_change_ends_the_book(tmp_path: Path) -> None:
    path = recording(
        tmp_path / "a.jsonl",
        [snapshot(10, BIDS, ASKS), change(11, 11, [["1.00"]], []), change(12, 12, [["100.00", "3"]], [])],
    )
    events, tally = events_of(path, thinning=CONVERTED)
    assert [event.ts_ns for event in events] == [1000]
    assert tally.with_prefix("unused.") == {"malformed_message": 1, "depth_without_snapshot": 1}


def test_an_empty_side_of_a_ticker_is_zero(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.jsonl", [ticker(b="0.00000000", B="0.00000000")])
    events, _tally = converted(path)
    assert events == [Quote(1000, "btc_jpy", 0, 0, 1_818_027, 1)]


def test_thinned_quotes_are_counted_and_price_moves_always_stay(tmp_path: Path) -> None:
    sizes = [ticker(B=f"{size}") for size in (1, 1, 2, 3, 4)]
    path = recording(tmp_path / "a.jsonl", [*sizes, ticker(b="61837.00"), ticker(b="61837.63")])
    thinning = Thinning(depth_levels=20, quote_interval_ns=25, same_quotes=True)
    events, tally = converted(path, thinning=thinning)
    assert [event.ts_ns for event in events] == [1000, 1030, 1050, 1060]
    assert tally.with_prefix("thinned.") == {"quote_without_change": 1, "quote_with_new_size_only": 2}


def test_the_symbol_is_found_in_the_messages(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.jsonl", [snapshot(1, BIDS, ASKS), trade(1)])
    assert symbol_of(path) == "BTCUSDT"
    assert symbol_of(recording(tmp_path / "b.jsonl", [snapshot(1, BIDS, ASKS)])) == ""


needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the sources")

TABLE: Final = {
    "usdm_btcusdt_20240808": {"depthUpdate": 6_551, "bookTicker": 66_089, "trade": 21_313, "snapshot": 1},
    "spot_btcusdt_20240808": {"depthUpdate": 3_451, "bookTicker": 28_040, "trade": 9_757, "snapshot": 1},
    "spot_btcusdt_20240809": {"depthUpdate": 3_044, "bookTicker": 45_134, "trade": 10_147},
}
"""As the page that came with the recordings says."""


@needs_recordings
@pytest.mark.parametrize("name", TABLE)
def test_the_real_recordings_are_imported_to_the_last_message(name: str) -> None:
    events, tally = events_of(RECORDINGS / f"{name}.jsonl.gz")
    table = TABLE[name]
    assert tally.with_prefix("message.") == table
    assert tally.with_prefix("unused.") == {}
    assert "depth_sequence_gaps" not in tally.counts
    kinds = [type(event) for event in events]
    assert kinds.count(Trade) == table["trade"]
    assert kinds.count(Quote) == table["bookTicker"]
    snapshots = sum(isinstance(event, Depth) and event.is_snapshot for event in events)
    assert snapshots == table.get("snapshot", 0)
    assert kinds.count(Depth) - snapshots - table["depthUpdate"] in (0, 1, 2)  # changes repeated on top of a snapshot


@needs_recordings
def test_the_converted_book_is_the_recorded_book() -> None:
    """Replays the raw JSON into plain dictionaries of Decimal and compares the best 20 levels, every 200 changes."""
    paths = [RECORDINGS / f"spot_btcusdt_{day}.jsonl.gz" for day in ("20240808", "20240809")]
    events, tally = converted(*paths)
    depths = [event for event in events if isinstance(event, Depth)]
    assert "depth_sequence_gaps" not in tally.counts
    books: tuple[dict[int, int], dict[int, int]] = ({}, {})
    position = 0
    compared = 0
    for number, (ts_ns, *expected) in enumerate(plain_books(paths)):
        while position < len(depths) and depths[position].ts_ns <= ts_ns:
            apply(books, depths[position])
            position += 1
        if number % 200 == 0:
            for found, is_bid, prices in zip(books, (True, False), expected, strict=True):
                assert found == best_levels(prices, is_bid=is_bid)
            compared += 1
    assert compared > 30
    assert position == len(depths)


def apply(books: tuple[dict[int, int], dict[int, int]], depth: Depth) -> None:
    for book, levels in zip(books, (depth.bids, depth.asks), strict=True):
        if depth.is_snapshot:
            book.clear()
        for price, lots in levels:
            book[price] = lots
            if lots == 0:
                del book[price]


def plain_books(paths: list[Path]) -> Iterable[tuple[int, dict[str, Decimal], dict[str, Decimal]]]:
    bids: dict[str, Decimal] = {}
    asks: dict[str, Decimal] = {}
    early: list[Message] = []
    whole = False
    for path in paths:
        with gzip.open(path, "rt") as file:
            for line in file:
                time_text, _, raw = line.partition(" ")
                message = json.loads(raw)
                message = message.get("data", message)
                if "lastUpdateId" in message:
                    updates = [{"b": message["bids"], "a": message["asks"]}]
                    updates += [update for update in early if update["u"] > message["lastUpdateId"]]
                    whole = True
                elif message.get("e") == "depthUpdate":
                    updates = [message]
                    if not whole:
                        early.append(message)
                        continue
                else:
                    continue
                for update in updates:
                    bids.update((price, Decimal(size)) for price, size in update["b"])
                    asks.update((price, Decimal(size)) for price, size in update["a"])
                yield int(time_text), bids, asks


def best_levels(prices: dict[str, Decimal], *, is_bid: bool) -> dict[int, int]:
    sums: dict[int, Decimal] = {}
    for price, size in prices.items():
        ticks = (Decimal(price) * RATE / 5).to_integral_value(ROUND_FLOOR if is_bid else ROUND_CEILING)
        sums[int(ticks)] = sums.get(int(ticks), Decimal(0)) + size
    lots = {tick: int(size / Decimal("0.0001")) for tick, size in sums.items() if size >= Decimal("0.0001")}
    return dict(sorted(lots.items(), reverse=is_bid)[:20])
