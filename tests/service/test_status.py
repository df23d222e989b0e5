"""The status file: whole or not at all, exact amounts as text, one sentence that says why nothing happens."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.scene import SECOND, SPOT, T0
from tests.service.scene import CONFIG, Bench
from ztb.core.event import ChooseProfile, ClockMeasured, Kill, OrderFilled, Pause, Reconciled, Resume, Stop, Timer
from ztb.service.measure import Meter
from ztb.service.status import Facts, document, says, write
from ztb.venues.port import HeadRoom

KEYS = {
    "schema_version", "updated_ns", "profile", "mode", "armed", "build", "config", "phase", "pid", "state_dir",
    "time_scale", "ready", "level", "says", "kill", "reduce_only", "pause_until_ns", "policy_suspended", "session",
    "instruments", "equity", "drawdown_ppm", "orders", "journal_seq", "meter", "clock",
    "rate_limits", "venue", "trouble", "health", "risk", "preview", "flatten",
}  # fmt: skip
"""What other processes read; a key that is gone breaks them."""


def facts(*, phase: str = "running", armed: bool = True, trouble: str = "") -> Facts:
    return Facts("demo", "simulator", armed, "0.1.0", "digest", phase, 4711, "/state", 1.0, "zaif", trouble)


def said(bench: Bench, *, phase: str = "running", armed: bool = True, trouble: str = "", limits: str = "") -> str:
    told = facts(phase=phase, armed=armed, trouble=trouble)
    return says(told, bench.engine.state, limits=limits, now_ns=bench.clock.ns)


def test_the_document_by_hand() -> None:
    bench = Bench()
    bench.start()
    bench.trade(1_000, wish="buy")
    [place] = bench.places
    bench.handle(OrderFilled(0, place.client_id, "t1", 4, 1_001, 7))
    bench.trade(1_011)
    plain = document(facts(), bench.engine.state, Meter(), now_ns=bench.clock.ns + 5_000_000, journal_seq=9)
    assert plain.keys() == KEYS
    assert json.loads(json.dumps(plain)) == plain
    # 4 lots bought at 1,001 stand at 1,011: a profit of 40, less the fee of 7.
    assert plain["instruments"]["btc_jpy"] == {
        "position": "4", "average_price": "1001", "last_price": "1011", "data_age_ms": 5, "realised": "0",
        "unrealised": "40", "fees": "7", "dust": "0",
    }  # fmt: skip
    assert plain["equity"] == "1000033"
    assert plain["orders"] == {"working": 1, "unknown": 0}
    assert (plain["ready"], plain["level"], plain["journal_seq"]) == (True, "normal", 9)
    assert plain["session"] == {"install": "install", "epoch": 1, "sequence": 1}


def test_a_position_that_is_too_small_to_be_closed_is_told_as_dust() -> None:
    small = replace(CONFIG, instruments=(replace(SPOT, lots_min=5),))
    bench = Bench(small)
    bench.start()
    bench.trade(1_000, wish="buy")
    [place] = bench.places
    bench.handle(OrderFilled(0, place.client_id, "t1", 4, 1_001, 7))
    plain = document(facts(), bench.engine.state, Meter(), now_ns=bench.clock.ns, journal_seq=9)
    assert plain["instruments"]["btc_jpy"]["dust"] == "4"
    bench.handle(OrderFilled(0, place.client_id, "t2", 1, 1_001, 7))
    plain = document(facts(), bench.engine.state, Meter(), now_ns=bench.clock.ns, journal_seq=9)
    assert plain["instruments"]["btc_jpy"]["dust"] == "0"


def test_the_clock_and_the_rate_limits_are_told() -> None:
    bench = Bench()
    bench.start()
    bench.handle(ClockMeasured(0, -1_700_000_000, 40_000_000))
    rooms = [HeadRoom("trade", "exec", 9, 10.0, 2, 4)]
    plain = document(facts(), bench.engine.state, Meter(), now_ns=bench.clock.ns, journal_seq=9, rooms=rooms)
    assert plain["clock"] == {"offset_ms": -1700, "uncertainty_ms": 40}
    assert [room["name"] for room in plain["rate_limits"]] == ["trade"]
    assert plain["level"] == "clock"
    assert plain["says"].startswith(
        "this host's clock is 1700 ms ahead of the venue's: nothing is opened, closing and cancels go on; correct it"
    )


def test_before_the_first_price_there_is_none() -> None:
    plain = document(facts(phase="starting"), Bench().engine.state, Meter(), now_ns=T0, journal_seq=0)
    desk = plain["instruments"]["btc_jpy"]
    assert (desk["last_price"], desk["data_age_ms"], desk["average_price"]) == (None, None, "0")
    assert plain["ready"] is False


def test_one_sentence_says_what_it_does_or_why_it_does_nothing() -> None:
    bench = Bench()
    assert "reconciling" in said(bench)
    bench.start()
    assert said(bench) == "trading"
    assert "not armed" in said(bench, armed=False)
    bench.handle(Pause(0, bench.clock.ns + 90 * SECOND, "operator", "lunch"))
    assert said(bench) == "paused: lunch (1 min 30 s left)"
    bench.clock.advance(60)
    assert said(bench) == "paused: lunch (30 s left)"
    bench.clock.advance(60)
    bench.handle(Pause(0, bench.clock.ns + SECOND, "operator", "odd spread", "btc_jpy"))
    assert said(bench) == "paused: btc_jpy: odd spread (1 s left)", "it trades nothing else"
    bench.handle(Pause(0, bench.clock.ns + SECOND, "operator", "storm", freeze=True))
    assert said(bench) == "paused, and nothing is closed either: btc_jpy: odd spread (1 s left); storm (1 s left)"
    bench.clock.advance(2)
    bench.engine.state.policy_suspended = "it raised"
    assert "suspended: it raised" in said(bench)
    bench.engine.state.policy_suspended = ""
    bench.engine.state.control.reduce("daily_loss_limit_exceeded")
    assert said(bench) == (
        "reduce-only: the day lost more than allowed; nothing is opened until `ztb resume --reason TEXT`"
    )
    bench.engine.state.control.reduce_only_reasons.clear()
    bench.engine.state.control.reduce("max_leverage_exceeded", clears_itself=True)
    assert said(bench) == (
        "reduce-only: positions are worth more than the equity allows; nothing is opened until it has passed"
    )
    bench.engine.state.control.reduce_only_reasons.clear()
    bench.engine.state.control.reduce("consecutive_losses")
    bench.handle(Pause(0, bench.clock.ns + 300 * SECOND, "guard", "cooldown_active", "btc_jpy"))
    bench.clock.advance(100)
    assert said(bench) == (
        "paused: btc_jpy: a trade lost, the next one waits (3 min 20 s left); reduce-only: as many trades in a row "
        "lost as end the trading; nothing is opened until `ztb resume --reason TEXT`"
    ), "whoever waits for the end of the pause would wait in vain"
    bench.clock.advance(201)
    bench.engine.state.control.reduce_only_reasons.clear()
    bench.engine.state.control.reduce_only_profile = True
    assert said(bench) == "reduce-only, as the profile says: positions are closed, none is opened"
    bench.handle(Stop(0, "test"))
    assert said(bench, phase="stopped") == "stopped, 0 orders still working"
    bench.handle(Kill(0, "operator", "smoke"))
    assert said(bench) == "killed by operator: smoke; nothing leaves but cancels; `ztb resume --reason TEXT` lifts it"
    bench.engine.state.control.kill_reason = "max_drawdown_exceeded"
    assert "the equity fell further below its peak than allowed" in said(bench)


def test_the_limits_that_a_kill_left_are_told() -> None:
    bench = Bench()
    bench.start()
    bench.handle(Kill(0, "operator", "drill"))
    bench.handle(Resume(0, "operator", "over"))
    assert said(bench, limits="conservative") == (
        "trading; within the conservative limits that a kill left; `ztb risk profile configured` ends them"
    )
    assert said(bench, limits="") == "trading", "the profile does not want them"
    bench.handle(ChooseProfile(0, False, "operator", "found"))
    assert said(bench, limits="conservative") == "trading", "they are the profile's own"


def test_a_comparison_that_is_not_clean_says_why() -> None:
    bench = Bench()
    bench.start()
    bench.handle(Reconciled(0, False, "told beside it"))
    why = "the venue could not be read: active_orders: maintenance"
    assert said(bench, trouble=why).startswith(f"nothing is opened or closed, cancels go on: {why}; compared again")
    assert "reconciling" in said(bench)


def test_a_market_that_fell_silent_is_not_told_as_trading() -> None:
    bench = Bench()
    bench.start()
    bench.trade(1_000)
    bench.clock.advance(29)
    bench.handle(Timer(0))
    assert said(bench) == "trading"
    bench.clock.advance(16)
    bench.handle(Timer(0))
    assert said(bench) == (
        "no market data of btc_jpy for 45 s: the stream is opened anew by itself, after five failures every "
        "10 minutes; a restart of the trader tries at once"
    )
    bench.trade(1_000)
    bench.handle(Timer(0))
    assert said(bench) == "paused: market data stopped arriving (30 s left)", "its pause lasts, though they are back"
    bench.clock.advance(29)
    bench.trade(1_000)
    bench.clock.advance(2)
    bench.handle(Timer(0))
    assert said(bench) == "trading"


def test_the_file_is_replaced_whole_and_not_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write(path, {"a": 1})
    write(path, {"b": 2})
    assert json.loads(path.read_text()) == {"b": 2}
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]
    assert path.stat().st_mode & 0o007 == 0


def test_a_status_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write(path, {"a": 1})
    with pytest.raises(TypeError):
        write(path, {"b": object()})
    assert json.loads(path.read_text()) == {"a": 1}
