"""The state directory, opened: what is found there is believed only when it verifies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.core.scene import SPOT, T0
from tests.service.scene import CONFIG, SYMBOL
from ztb.core.error import StoreCorrupt, StoreError, StoreLocked
from ztb.core.event import Kill, Started, Trade
from ztb.core.instrument import BUY
from ztb.core.state import State
from ztb.service.opened import CURSOR, OpenedStore
from ztb.store.checkpoint import CheckpointStore, encode_snapshot
from ztb.store.codec import encode
from ztb.store.tape import TapeReader


def opened(directory: Path, *, mode: str = "test") -> OpenedStore:
    return OpenedStore(directory, profile="demo", mode=mode, now_ns=T0)


def checkpoint(store: OpenedStore, plain: dict[str, object]) -> None:
    CheckpointStore(store.journal.database).save(store.journal.head.seq, T0, encode_snapshot(plain))


def test_an_empty_directory_gives_an_empty_state_and_no_cursor(tmp_path: Path) -> None:
    store = opened(tmp_path / "state")
    state = State(CONFIG)
    digest = state.digest()
    recovered = store.recover(state)
    store.close()
    assert (recovered.checkpoint_seq, recovered.records_folded, recovered.cursor) == (0, 0, None)
    assert state.digest() == digest
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_records_after_the_checkpoint_are_folded_and_the_newest_cursor_counts(tmp_path: Path) -> None:
    store = opened(tmp_path / "state")
    state = State(CONFIG)
    for item in (Started(T0, "install", 1), Kill(T0 + 1, "operator", "before")):
        store.journal.append(item.ts_ns, *encode(item))
    store.journal.append(T0 + 2, CURSOR, b'{"trade_id": "5"}')
    store.journal.commit()
    store.recover(state)
    checkpoint(store, {"engine": state.snapshot(), "cursor": "6"})
    store.journal.append(T0 + 3, *encode(Started(T0 + 3, "install", 2)))
    store.journal.append(T0 + 4, "measurement", b"{}")
    store.journal.commit()
    store.close()
    store = opened(tmp_path / "state")
    again = State(CONFIG)
    recovered = store.recover(again)
    store.close()
    assert (recovered.checkpoint_seq, recovered.records_folded, recovered.cursor) == (3, 1, "6")
    assert again.control.killed
    assert again.epoch == 2


def test_one_directory_has_one_trader(tmp_path: Path) -> None:
    first = opened(tmp_path / "state")
    with pytest.raises(StoreLocked):
        opened(tmp_path / "state")
    first.close()
    opened(tmp_path / "state").close()


def test_a_directory_of_another_mode_is_refused_and_let_go(tmp_path: Path) -> None:
    opened(tmp_path / "state", mode="observe").close()
    for _ in range(2):
        with pytest.raises(StoreError, match="observe"):
            opened(tmp_path / "state")


@pytest.mark.parametrize("plain", [{}, {"engine": {}}, {"engine": [], "cursor": "1"}, {"engine": {}, "cursor": 1}])
def test_a_checkpoint_that_is_not_of_a_trader_is_refused(plain: dict[str, object], tmp_path: Path) -> None:
    store = opened(tmp_path / "state")
    checkpoint(store, plain)
    with pytest.raises(StoreCorrupt, match="not one of a trader"):
        store.recover(State(CONFIG))
    store.close()


@pytest.mark.parametrize("body", [b"[]", b'{"trade_id": 5}', b"{}"])
def test_a_cursor_that_is_none_is_refused(body: bytes, tmp_path: Path) -> None:
    store = opened(tmp_path / "state")
    store.journal.append(T0, CURSOR, body)
    store.journal.commit()
    with pytest.raises(StoreCorrupt, match="cursor"):
        store.recover(State(CONFIG))
    store.close()


def test_the_market_of_a_session_is_on_a_tape_of_its_own(tmp_path: Path) -> None:
    store = opened(tmp_path / "state")
    tape = store.tape(SPOT, started_ns=T0, source="test")
    trade = Trade(T0 + 1, SYMBOL, 1_000, 3, BUY)
    tape.add(trade)
    tape.flush()
    tape.close()
    tape.close()
    store.close()
    assert list(TapeReader(tmp_path / "state" / "tapes" / tape.name).events()) == [trade]


def test_a_tape_that_cannot_be_written_ends_the_recording_and_not_the_trading(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(tmp_path / "state")
    taken = store.tape(SPOT, started_ns=T0, source="test")
    second = store.tape(SPOT, started_ns=T0, source="test")
    for tape in (taken, second):
        tape.add(Trade(T0 + 1, SYMBOL, 1_000, 3, BUY))
        tape.add(Trade(T0 + 2, "eth_jpy", 1_000, 3, BUY))
        tape.add(Trade(T0 + 3, SYMBOL, 1_000, 3, BUY))
        tape.flush()
        tape.close()
    store.close()
    assert [getattr(record, "event", "") for record in caplog.records].count("tape_failed") == 2


def test_the_cursor_record_is_what_the_trader_writes(tmp_path: Path) -> None:
    store = opened(tmp_path / "state")
    store.journal.append(T0, CURSOR, json.dumps({"trade_id": ""}).encode())
    store.journal.commit()
    assert store.recover(State(CONFIG)).cursor == ""
    store.close()
