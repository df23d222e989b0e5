"""The picture of a trader's sessions: equity computed here by hand, from the same market and the same fills."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from tests.ladder.world import STEPS, write_journal
from ztb.core.command import Command, Place
from ztb.core.error import StoreCorrupt, TapeError, UsageError
from ztb.core.event import Event, OrderFilled, Trade
from ztb.core.instrument import BUY, SELL
from ztb.reports.chart import BUY_COLOUR
from ztb.reports.session_chart import session_chart
from ztb.store.tape import TapeMeta, TapeWriter

CAPITAL = 10_000_000_000
"""1,000,000 JPY in units of 0.0001 JPY."""
SECOND_NS = 1_000_000_000
NOON_NS = 1_709_640_000 * SECOND_NS


def session(tape: str) -> tuple[str, bytes]:
    return "session", msgspec.json.encode({"tape": tape, "engine": {"capital": CAPITAL}})


def write_tape(state_dir: Path, name: str, *trades: tuple[int, int]) -> None:
    """``trades``: seconds after noon, and price in ticks of 5 JPY."""
    directory = state_dir / "tapes"
    directory.mkdir(parents=True, exist_ok=True)
    with TapeWriter(directory / name, TapeMeta(STEPS)) as tape:
        for second, price in trades:
            tape.add(Trade(NOON_NS + second * SECOND_NS, "btc_jpy", price, 1, BUY))


def place(tag: str, side: int) -> Place:
    return Place(NOON_NS, tag, "btc_jpy", side, 100, 1_800_000, False, 1, "r")


def fill(tag: str, trade_id: str, *, second: int, price: int) -> OrderFilled:
    return OrderFilled(NOON_NS + second * SECOND_NS, tag, trade_id, lots=100, price=price, fee=900_000)


def traded(state_dir: Path, *more: Event | Command) -> Path:
    """Two sessions: bought 0.01 BTC at 9,000,000, sold at 9,010,000; each fill cost 90 JPY."""
    write_tape(state_dir, "one.tape", (0, 1_800_000), (10, 1_801_000))
    write_tape(state_dir, "two.tape", (60, 1_802_000), (70, 1_803_000))
    records: list[Event | Command | tuple[str, bytes]] = [
        session("one.tape"), place("ztb-a", BUY), fill("ztb-a", "1", second=5, price=1_800_000),
        session("two.tape"), place("ztb-b", SELL), fill("ztb-b", "2", second=65, price=1_802_000), *more,
    ]  # fmt: skip
    write_journal(state_dir, records)
    return state_dir


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if element.text]


def test_equity_is_that_of_market_and_fills(tmp_path: Path) -> None:
    """1,000,000 - 90 - 90 + 0.01 x (9,010,000 - 9,000,000) = 999,920."""
    told = texts(session_chart(traded(tmp_path), "Kill/resume"))
    assert "999,920.0000" in told
    assert "9,015,000" in told
    assert "BUY 0.0100 at 9000000" in told
    assert "SELL 0.0100 at 9010000" in told
    assert any(text.startswith("2 sessions (straight lines: none ran), 2 fills, 2024-03-05") for text in told)


def test_a_fill_told_twice_counts_once(tmp_path: Path) -> None:
    told = texts(session_chart(traded(tmp_path, fill("ztb-a", "1", second=6, price=1_800_000)), "t"))
    assert "999,920.0000" in told


def test_a_fill_that_no_order_explains_is_left_out(tmp_path: Path) -> None:
    told = texts(session_chart(traded(tmp_path, fill("ztb-x", "3", second=66, price=1)), "t"))
    assert "999,920.0000" in told


def test_a_market_that_overlaps_does_not_go_back(tmp_path: Path) -> None:
    state_dir = traded(tmp_path)
    write_tape(state_dir, "two.tape", (8, 1_700_000), (70, 1_803_000))
    svg = session_chart(state_dir, "t")
    assert "8,500,000" not in texts(svg)
    assert re.search(r"999,920\.0000", svg)


def test_a_title_is_escaped(tmp_path: Path) -> None:
    assert "a < b & c" in texts(session_chart(traded(tmp_path), "a < b & c"))


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        session_chart(tmp_path / "absent", "t")
    write_journal(tmp_path / "idle", [place("ztb-a", BUY)])
    with pytest.raises(UsageError, match="no session"):
        session_chart(tmp_path / "idle", "t")
    write_journal(tmp_path / "lost", [session("gone.tape")])
    with pytest.raises(TapeError):
        session_chart(tmp_path / "lost", "t")


def test_a_name_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    write_tape(tmp_path, "one.tape", (0, 1_800_000))
    write_journal(tmp_path, [session("../tapes/../../one.tape")])
    assert any(text.startswith("1 session, 0 fills") for text in texts(session_chart(tmp_path, "t")))


def colours(svg: str) -> list[tuple[str, str]]:
    """Colour and words of every fill."""
    drawn = []
    for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path"):
        title = node.find("{http://www.w3.org/2000/svg}title")
        if title is not None:
            drawn.append((node.get("fill", ""), title.text or ""))
    return drawn


def bought(state_dir: Path, *records: tuple[str, bytes], second: int = 0) -> Path:
    """0.01 BTC bought at 9,000,000 JPY and held; the market ends at 9,005,000, after 2 seconds."""
    write_tape(state_dir, "one.tape", (0, 1_800_000), (1, 1_799_000), (2, 1_801_000))
    write_journal(
        state_dir,
        [session("one.tape"), place("ztb-a", BUY), fill("ztb-a", "1", second=second, price=1_800_000), *records],
    )
    return state_dir


def test_what_is_held_is_worth_what_the_market_says(tmp_path: Path) -> None:
    """1,000,000 - 90 + 0.01 x (9,005,000 - 9,000,000) = 999,960."""
    svg = session_chart(bought(tmp_path), "Live-lite")
    assert {"Live-lite", "9,005,000", "999,960.0000"} <= set(texts(svg))
    assert "1 session, 1 fills, 2024-03-05 12:00:00.000Z to 2024-03-05 12:00:02.000Z" in texts(svg)
    assert colours(svg) == [(BUY_COLOUR, "BUY 0.0100 at 9000000")]


def test_the_capital_is_that_of_the_first_session(tmp_path: Path) -> None:
    """What a later one was told does not make money."""
    later = "session", msgspec.json.encode({"tape": "one.tape", "engine": {"capital": 5}})
    assert "999,960.0000" in texts(session_chart(bought(tmp_path, later), "t"))


def test_a_fill_after_the_last_trade_counts_at_its_price(tmp_path: Path) -> None:
    svg = session_chart(bought(tmp_path, second=3), "t")
    assert "1 session, 1 fills, 2024-03-05 12:00:00.000Z to 2024-03-05 12:00:03.000Z" in texts(svg)
    assert "999,960.0000" in texts(svg)
    assert len(colours(svg)) == 1


def test_a_market_without_trades_has_no_data(tmp_path: Path) -> None:
    write_tape(tmp_path, "one.tape")
    write_journal(tmp_path, [session("one.tape"), place("ztb-a", BUY), fill("ztb-a", "1", second=0, price=1)])
    told = texts(session_chart(tmp_path, "t"))
    assert "no data" in told
    assert "1 session, 0 fills, no trades" in told


def test_a_tape_that_lost_its_end_is_drawn_as_far_as_it_goes(tmp_path: Path) -> None:
    bought(tmp_path)
    path = tmp_path / "tapes" / "one.tape"
    path.write_bytes(path.read_bytes()[:-10])
    assert "999,960.0000" in texts(session_chart(tmp_path, "t"))


def test_a_session_of_another_ztb_is_told(tmp_path: Path) -> None:
    write_journal(tmp_path, [("session", b'{"market":"one.tape"}')])
    with pytest.raises(StoreCorrupt, match=r"record 1: .*tape"):
        session_chart(tmp_path, "t")
