"""``ztb health``, ``ztb risk`` and ``ztb pause`` beside a real trader on a real exchange: processes, files, journal."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Outcome, ztb
from tests.e2e.product import BUSY, Trader, body, exchange, records, trader, wait_until

US = f"operator {pwd.getpwuid(os.geteuid()).pw_name} (uid {os.geteuid()})"


def data_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.stdout, outcome.stderr
    document = json.loads(outcome.stdout)
    assert document["exit_code"] == outcome.exit_code
    assert document["success"] == (outcome.exit_code == 0)
    data: dict[str, Any] = document["data"]
    return data


def narrow(outcome: Outcome) -> list[str]:
    lines = outcome.stdout.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert "\x1b" not in outcome.stdout  # a pipe is no terminal
    return lines


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    """One trader that trades, for every test of this file."""
    base = tmp_path_factory.mktemp("risk")
    with exchange(base / "exchange") as venue, trader(base / "trader", *venue.words(), *BUSY) as one:
        one.wait_orders(3)
        yield one


def pauses(running: Trader) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = running.status()["risk"]["pauses"]
    return found


def by_operator(running: Trader) -> list[dict[str, Any]]:
    """Pauses that the trader does not make by itself."""
    return [pause for pause in pauses(running) if pause["reason"].startswith("drill")]


def journal(running: Trader, kind: str) -> list[dict[str, Any]]:
    return [body(record) for record in records(running.state_dir) if record.kind == kind]


def test_health_of_a_trader_that_trades(running: Trader) -> None:
    wait_until(lambda: running.status()["health"]["checks"]["broker"]["status"] == "pass", "an answer of the venue")
    outcome = ztb("health", *running.places)
    assert outcome.exit_code == 0, outcome.stdout
    lines = narrow(outcome)
    words = r"(healthy: (GO|CAUTION)|degraded: (CAUTION|NO-GO)), monitor (active|degraded|reconnecting)"
    assert re.fullmatch(words, lines[0])
    assert [line.split()[0] for line in lines[-5:]] == [
        "order_error_rate", "order_retry_rate", "broker_latency_p95", "guard_trip_count", "ws_staleness"
    ]  # fmt: skip
    health = data_of(ztb("health", *running.places, "--json"))["health"]
    assert health["checks"]["broker"]["status"] == "pass"
    assert health["checks"]["websocket"] == {"connected": True, "stale": False}
    signals = {signal["name"]: signal for signal in health["signals"]["items"]}
    assert signals["order_error_rate"]["value"] is not None
    assert signals["broker_latency_p95"]["value"] is not None
    assert signals["guard_trip_count"]["value"] == running.status()["risk"]["trips_last_hour"]


def test_risk_status_shows_every_limit_at_80_columns(running: Trader) -> None:
    lines = narrow(ztb("risk", "status", *running.places))
    text = "\n".join(lines)
    for name in ("position btc_jpy", "position value btc_jpy", "daily loss", "drawdown", "orders per minute"):
        assert name in text
    data = data_of(ztb("risk", "status", *running.places, "--json"))
    uses = {use["name"]: use for use in data["risk"]["limits"]}
    assert (uses["position"]["limit"], uses["position"]["unit"]) == ("0.0500", "btc")
    assert uses["orders_per_minute"]["limit"] == "600"
    assert all(use["used_ppm"] is not None for use in uses.values())


def test_risk_preview_agrees_with_the_position(running: Trader) -> None:
    lines = narrow(ztb("risk", "preview", *running.places))
    assert len([line for line in lines if line.startswith("  btc_jpy ")]) == 6
    rows = data_of(ztb("risk", "preview", *running.places, "--json"))["preview"]
    assert [row["change_pct"] for row in rows] == [-10, -5, -2, 2, 5, 10]
    # Spot: whoever holds something gains when the price rises.
    equities = [Decimal(row["equity"]) for row in rows]
    assert equities == sorted(equities)


def test_a_pause_is_asked_for_answered_journalled_and_lifted(running: Trader) -> None:
    outcome = ztb("pause", "--minutes", "600", "--reason", "drill: the bank speaks", *running.places)
    assert outcome.exit_code == 0, outcome.stdout
    lines = narrow(outcome)
    assert lines[0] == "paused: everything for 600 min of the trader's time"
    assert any("drill: the bank speaks" in line for line in lines[1:])
    [pause] = by_operator(running)
    assert (pause["instrument"], pause["allows_reducing"]) == ("", True)
    assert running.status()["level"] == "paused"
    [record] = [one for one in journal(running, "pause") if one["reason"] == "drill: the bank speaks"]
    assert record["source"] == US
    assert data_of(ztb("health", *running.places, "--json"))["health"]["checks"]["degradation"]["global_paused"]
    assert "drill: the bank speaks" in ztb("risk", "status", *running.places).stdout

    shorter = data_of(ztb("pause", "--minutes", "1", "--reason", "drill: shorter", *running.places, "--json"))
    assert shorter["answer"] == "paused_longer"
    assert [one["reason"] for one in by_operator(running)] == ["drill: the bank speaks"]
    assert by_operator(running)[0]["until_ns"] == pause["until_ns"]

    lifted = ztb("pause", "--lift", "--reason", "drill is over", *running.places)
    assert lifted.exit_code == 0, lifted.stdout
    assert lifted.stdout.startswith("lifted: no pause of everything is left\n")
    assert by_operator(running) == []
    [record] = journal(running, "lift_pause")
    assert (record["source"], record["reason"], record["instrument"]) == (US, "drill is over", "")
    assert not list((running.runtime_dir / "operator").glob("*pause*"))


def test_a_pause_of_one_instrument(running: Trader) -> None:
    words = ("--instrument", "btc_jpy", "--reason", "drill: odd spread")
    data = data_of(ztb("pause", "--minutes", "500", *words, *running.places, "--json"))
    assert data["answer"] == "paused"
    assert [pause["instrument"] for pause in by_operator(running)] == ["btc_jpy"]
    data = data_of(ztb("pause", "--lift", "--instrument", "btc_jpy", "--reason", "drill", *running.places, "--json"))
    assert (data["answer"], by_operator(running)) == ("pause_lifted", [])


def test_an_instrument_that_it_does_not_trade(running: Trader) -> None:
    outcome = ztb("pause", "--minutes", "5", "--instrument", "eth_jpy", "--reason", "drill", *running.places)
    assert outcome.exit_code == 2
    assert "this trader does not trade it" in outcome.stderr
    assert "btc_jpy" in outcome.stderr


def test_while_it_is_paused_nothing_is_opened_and_positions_may_be_closed(running: Trader) -> None:
    outcome = ztb("pause", "--minutes", "600", "--reason", "drill: silence", *running.places)
    assert outcome.exit_code == 0, outcome.stdout
    [record] = [one for one in records(running.state_dir) if one.kind == "pause" and b"drill: silence" in one.body]
    before = running.status()["meter"]["signals"]
    wait_until(lambda: running.status()["meter"]["signals"] >= before + 3, "three wishes")
    later = [body(one) for one in records(running.state_dir) if one.kind == "place" and one.seq > record.seq]
    assert all(order["reduce_only"] for order in later)
    assert ztb("pause", "--lift", "--reason", "drill is over", *running.places).exit_code == 0


def test_a_kill_leaves_conservative_limits_until_a_person_ends_them(tmp_path: Path) -> None:
    """B-15. Conservative is 50,000 JPY of position: less than the one order of 0.01 BTC that the demo makes."""

    def position_value(one: Trader) -> str:
        [use] = [use for use in one.status()["risk"]["limits"] if use["name"] == "position_value"]
        return str(use["limit"])

    with exchange(tmp_path / "exchange") as venue, trader(tmp_path / "trader", *venue.words(), *BUSY) as one:
        assert position_value(one) == "500000.0000"
        assert ztb("kill", "--reason", "drill", *one.places).exit_code == 0
        resumed = ztb("resume", "--reason", "drill is over", *one.places)
        assert resumed.exit_code == 0
        assert "lifted: the kill latch" in resumed.stdout
        assert "`ztb risk profile configured`" in " ".join(resumed.stdout.split())
        assert position_value(one) == "50000.0000"
        shown = " ".join(ztb("risk", "status", *one.places).stdout.split())
        assert "the conservative limits hold, until `ztb risk profile configured`" in shown
        chosen = ztb("risk", "profile", "configured", "--reason", "drill: the cause was found", *one.places)
        assert chosen.exit_code == 0, chosen.stdout
        assert chosen.stdout.startswith("the configured profile holds again: drill: the cause was found")
        assert position_value(one) == "500000.0000"
        [record] = journal(one, "choose_profile")
        assert (record["conservative"], record["source"]) == (False, US)
        data = data_of(ztb("risk", "profile", "conservative", "--reason", "drill", *one.places, "--json"))
        assert (data["choice"], data["holds"]) == ("conservative", True)
        assert position_value(one) == "50000.0000"


def test_a_resume_lifts_the_pause_of_one_instrument_and_says_so(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(tmp_path / "trader", *venue.words(), *BUSY) as one:
        words = ("--instrument", "btc_jpy", "--reason", "drill: odd spread")
        assert ztb("pause", "--minutes", "500", *words, *one.places).exit_code == 0
        assert one.status()["level"] == "paused", "it trades nothing else"
        assert one.status()["says"].startswith("paused: btc_jpy: drill: odd spread (")
        resumed = ztb("resume", "--reason", "drill is over", *one.places)
        assert resumed.exit_code == 0, resumed.stdout
        assert "lifted: the pause of btc_jpy" in resumed.stdout
        assert by_operator(one) == []


def test_a_killed_trader_is_unhealthy_and_a_frozen_one_is_not_believed(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(tmp_path / "trader", *venue.words(), *BUSY) as one:
        assert ztb("kill", "--reason", "drill", *one.places).exit_code == 0
        outcome = ztb("health", *one.places)
        assert outcome.exit_code == 1
        lines = narrow(outcome)
        assert lines[0] == "unhealthy: NO-GO, monitor degraded"
        assert any(line.endswith(": drill") and "killed by" in line for line in lines)
        status = data_of(ztb("risk", "status", *one.places, "--json"))
        assert (status["kill"]["on"], status["kill"]["reason"]) == (True, "drill")
        one.process.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: ztb("health", *one.places, "--json").stdout.count("not reported") > 0, "a stale status")
            assert ztb("risk", "status", *one.places).exit_code == 1
            asked = ztb("pause", "--minutes", "5", "--reason", "drill", *one.places)
            assert asked.exit_code == 1
            assert asked.stdout.startswith("NOT ANSWERED")
            assert not list((one.runtime_dir / "operator").glob("pause*"))
        finally:
            one.process.send_signal(signal.SIGCONT)


def test_a_restart_forgets_neither_trips_nor_pauses(tmp_path: Path) -> None:
    limits = ("--set", "limits.daily_loss_max=1")  # the spread of the first trades costs more
    with exchange(tmp_path / "exchange") as venue:
        words = (*venue.words(), *BUSY, *limits)
        with trader(tmp_path / "trader", *words) as first:
            wait_until(lambda: first.status()["reduce_only"] == "daily_loss_limit_exceeded", "a trip")
            assert ztb("pause", "--minutes", "900", "--reason", "drill: kept", *first.places).exit_code == 0
            before = first.status()
            [counted] = [one for one in before["meter"]["trips"] if not one["recoverable"]]
            assert (counted["category"], counted["count"]) == ("limit", 1)
            first.kill()
        with trader(tmp_path / "trader", *words) as second:
            after = second.status()
            codes = [trip["code"] for trip in after["risk"]["trips"]]
            assert "daily_loss_limit_exceeded" in codes
            assert after["risk"]["trips_last_hour"] >= before["risk"]["trips_last_hour"] >= 1
            assert after["reduce_only"] == "daily_loss_limit_exceeded"
            assert [pause["until_ns"] for pause in by_operator(second)] == [
                pause["until_ns"] for pause in before["risk"]["pauses"] if pause["reason"] == "drill: kept"
            ]
            shown = narrow(ztb("risk", "status", *second.places))
            assert any("daily_loss_limit_exceeded" in line for line in shown)
            assert any("CRIT ✖" in line for line in shown if line.startswith("  daily loss "))
            health = data_of(ztb("health", *second.places, "--json"))["health"]
            assert health["signals"]["items"][3]["value"] == second.status()["risk"]["trips_last_hour"]


@pytest.mark.parametrize("how", [("--minutes", "5"), ("--lift",)])
def test_without_a_trader_nothing_is_changed(tmp_path: Path, how: tuple[str, ...]) -> None:
    places = ("--state-dir", str(tmp_path / "state"), "--runtime-dir", str(tmp_path / "run"))
    outcome = ztb("pause", *how, "--reason", "drill", *places)
    assert outcome.exit_code == 69
    assert "nothing was changed" in outcome.stderr
    assert not (tmp_path / "run").exists()
    choice = ("risk", "profile", "configured", "--reason", "drill")
    for words in (("health",), ("risk", "status"), ("risk", "preview"), choice):
        outcome = ztb(*words, *places, "--json")
        assert outcome.exit_code == 69
        assert json.loads(outcome.stdout)["errors"][0]["code"] == "not_running"


@pytest.mark.parametrize(
    "words",
    [
        ("--reason", "drill"),
        ("--minutes", "0", "--reason", "drill"),
        ("--minutes", "10081", "--reason", "drill"),
        ("--minutes", "5", "--lift", "--reason", "drill"),
        ("--minutes", "5"),
        ("--minutes", "5", "--reason", "two\nlines"),
    ],
)
def test_usage(words: tuple[str, ...]) -> None:
    assert ztb("pause", *words).exit_code == 2
