"""The account over restarts, over a crash in the middle of a line, and with files that are not its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from tests.venues.paper.desk import MARGIN, NOW_NS, SECOND_NS, Desk
from ztb.core.error import ConfigError, StoreCorrupt, StoreError
from ztb.core.instrument import BUY, SELL
from ztb.venues.paper.fills_file import NAME, FillsFile
from ztb.venues.port import VenuePosition


def traded(folder: Path) -> Desk:
    """A session that bought 12 lots and left an order in the book."""
    desk = Desk(folder)
    desk.show(((100, 30),), ((102, 5), (103, 7)))
    desk.place(BUY, 20, 103)
    desk.file.close()
    return desk


def test_balances_and_fills_outlive_the_session_and_orders_do_not(tmp_path: Path) -> None:
    first = traded(tmp_path)
    second = Desk(tmp_path, session_ns=NOW_NS + SECOND_NS)
    assert second.exchange.fills == first.exchange.fills
    assert second.working() == []
    assert second.exchange.reports("btc_jpy", frozenset(fill.venue_order_id for fill in first.exchange.fills)) == []
    assert second.total("btc") == first.total("btc") == Decimal("10.0012")
    assert second.total("jpy") == second.available("jpy") == first.total("jpy")
    second.show(((100, 30),), ((102, 5),))
    second.place(SELL, 12, 100)
    assert [fill.trade_id for fill in second.exchange.fills] == ["1", "2", "3"]
    assert len({fill.venue_order_id for fill in second.exchange.fills}) == 2
    assert [fill.trade_id for fill in second.exchange.fills_after("btc_jpy", "2")] == ["3"]
    assert len(second.exchange.fills_after("btc_jpy", "")) == 3
    assert second.exchange.fills_after("btc_jpy", "3") == []


def test_positions_outlive_the_session(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MARGIN)
    desk.show(((100, 30),), ((102, 5),))
    desk.place(SELL, 20, 100)
    desk.place(BUY, 5, 102, reduce_only=True)
    desk.file.close()
    again = Desk(tmp_path, MARGIN)
    assert again.exchange.wallet.positions("BTC_JPY") == [
        VenuePosition("BTC_JPY", SELL, 15, desk.exchange.wallet.positions("BTC_JPY")[0].average_price)
    ]
    assert again.total("jpy") == desk.total("jpy")


def test_a_line_that_a_crash_cut_short_is_dropped_and_written_over(tmp_path: Path) -> None:
    traded(tmp_path)
    path = tmp_path / NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    desk = Desk(tmp_path)
    assert [fill.lots for fill in desk.exchange.fills] == [5]
    desk.show(((100, 30),), ())
    desk.place(SELL, 1, 100)
    desk.file.close()
    assert [fill.lots for fill in Desk(tmp_path).exchange.fills] == [5, 1]


def test_every_fill_is_on_disk_before_it_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    lines: list[int] = []
    desk.exchange._tell = lambda _: lines.append(len((tmp_path / NAME).read_bytes().splitlines()) - 1)
    desk.show((), ((102, 5), (103, 7)))
    desk.place(BUY, 6, 103)
    assert lines == [2, 2, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"version":2,"venue":"zaif"}\n', "line 1: version 2 of zaif, not 1 of zaif"),
        (b'{"version":1,"venue":"gmo"}\n', "line 1: version 1 of gmo, not 1 of zaif"),
        (b"\x00\xff\n", "line 1"),
        (b'{"version":1,"venue":"zaif"}\n{"trade_id":"1"}\n', "line 2"),
        (b'{"version":1,"venue":"zaif"}\n[]\n', "line 2"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_with_its_place(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / NAME).write_bytes(text)
    with pytest.raises(StoreCorrupt) as caught:
        FillsFile(tmp_path, venue="zaif")
    assert message in str(caught.value)
    assert str(tmp_path / NAME) in str(caught.value)
    assert "move the file away" in caught.value.remedy


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"side":1', b'"side":0'), (b'"price":"510"', b'"price":"511"'), (b'"size":"0.0005"', b'"size":"0"')],
)
def test_a_fill_that_cannot_be_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    traded(tmp_path)
    path = tmp_path / NAME
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(StoreCorrupt, match="fill 1"):
        Desk(tmp_path)


def test_fills_of_another_instrument_or_beyond_the_balances_are_a_matter_of_configuration(tmp_path: Path) -> None:
    traded(tmp_path)
    with pytest.raises(ConfigError, match="btc_jpy, which is not traded here"):
        Desk(tmp_path, MARGIN)
    poor: Mapping[str, Decimal] = {"jpy": Decimal("0.1")}
    with pytest.raises(ConfigError, match="paper balance of jpy"):
        Desk(tmp_path, balances=poor)


def test_a_disk_that_refuses_is_a_store_error_and_no_fill(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.show((), ((102, 5),))
    os.close(desk.file._file)
    desk.file._file = os.open(tmp_path / NAME, os.O_RDONLY)
    with pytest.raises(StoreError):
        desk.place(BUY, 1, 102)
    assert desk.exchange.fills == []
    assert desk.told == []
    assert desk.total("btc") == 10


def test_a_directory_that_is_not_there_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        FillsFile(tmp_path / "no", venue="zaif")
