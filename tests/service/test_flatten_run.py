"""Flatten and panic through the whole daemon, on every venue: ten orders work, three orders' worth is held."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.service.flatten_scene import HELD_LOTS, WORKING, Scene, report_of, scene, wait_until_frozen
from tests.service.processes import setting
from tests.soak.protocols import PROTOCOLS
from ztb.service.flatness import FLATNESS
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader

VENUES = list(PROTOCOLS)
HOSTILE = (
    {"name": "accept_then_hang", "probability": 0.1},
    {"name": "accept_then_502", "probability": 0.1},
    {"name": "reject_busy", "probability": 0.2},
    {"name": "too_new", "probability": 0.3},
    {"name": "tiny_fills", "probability": 0.5},
    {"name": "slow", "probability": 0.1, "ms": 1500},
    {"name": "html_instead_of_json", "probability": 0.1},
)


def nothing_is_left(flat: Scene) -> None:
    assert flat.net_lots() == 0
    assert flat.venue.book()["orders"] == []


def records(state_dir: Path, kind: str) -> list[dict[str, object]]:
    reader = JournalReader(state_dir / JOURNAL_NAME)
    try:
        return [json.loads(record.body) for record in reader.read(kinds={kind})]
    finally:
        reader.close()


@pytest.mark.parametrize("venue", VENUES)
def test_panic_closes_proves_it_and_stops(venue: str, tmp_path: Path) -> None:
    with scene(venue, tmp_path) as flat, flat.trader() as running:
        flat.laden(running)
        assert flat.net_lots() == HELD_LOTS
        done = flat.operator("panic", running)
        assert done.returncode == 0, (done.stdout, done.stderr, running.text()[-3000:])
        report = report_of(done)
        assert (report["outcome"], report["is_flat"], report["was_late"]) == ("flat", True, False)
        assert report["opened"] == {flat.protocol.symbol: "0.0030"}
        assert report["orders_at_begin"] == WORKING
        assert report["venue"]["agrees"]
        assert report["venue"]["open_orders"] == 0
        assert report["sent_count"] >= 1
        assert sum(float(one["filled"]) for one in report["sent"]) == pytest.approx(0.0030)
        assert running.wait() == 0
        nothing_is_left(flat)
        [kept] = records(running.state_dir, FLATNESS)
        assert kept == report
        assert running.status()["flatten"]["outcome"] == "flat"


@pytest.mark.parametrize("venue", VENUES)
def test_flatten_under_hostile_moods_ends_flat(venue: str, tmp_path: Path) -> None:
    with scene(venue, tmp_path, time_scale=20.0) as flat, flat.trader() as running:
        flat.laden(running)
        known = set(flat.venue.get("/_sim/mood")["known"])
        for number, mood in enumerate(HOSTILE):
            if mood["name"] in known:
                flat.venue.mood(seed=number, **mood)
        done = flat.operator("flatten", running, "--deadline", "1200")
        flat.venue.mood(name="all", off=True)
        assert done.returncode == 0, (done.stdout, done.stderr, running.text()[-3000:])
        report = report_of(done)
        assert report["is_flat"]
        assert report["venue"]["agrees"]
        nothing_is_left(flat)
        sent = flat.orders_received()
        running.wait_for_status(lambda status: status["says"].startswith("flat since"))
        assert flat.orders_received() == sent
        running.operator_file("resume", "go on")
        running.wait_for("resumed")
        running.wait_for("order_intent", running.events().count("order_intent") + 1)


@pytest.mark.parametrize("venue", VENUES)
def test_what_fills_after_its_cancel_is_closed_as_well(venue: str, tmp_path: Path) -> None:
    with scene(venue, tmp_path) as flat, flat.trader() as running:
        flat.laden(running)
        flat.venue.mood(name="late_fill_after_cancel", ms=2_800, count=2)
        done = flat.operator("panic", running)
        assert done.returncode == 0, (done.stdout, done.stderr, running.text()[-3000:])
        assert running.wait() == 0
        nothing_is_left(flat)
        bought = [fill for fill in flat.venue.book()["fills"] if fill["side"] in ("buy", "both")]
        assert len(bought) == 3 + 2, "three before, and two that were told after their cancel"
        assert records(running.state_dir, FLATNESS)[-1]["outcome"] == "flat"


def test_not_flat_by_the_deadline_alarms_stays_up_and_goes_on(tmp_path: Path) -> None:
    with scene("zaif", tmp_path) as flat, flat.trader() as running:
        flat.laden(running)
        flat.venue.mood(name="reject_busy", methods=["trade"])
        done = flat.operator("panic", running, "--deadline", "20")
        assert done.returncode == 1, (done.stdout, done.stderr)
        report = report_of(done)
        assert (report["outcome"], report["was_late"]) == ("not_flat", True)
        assert report["left"] == {"btc_jpy": {"held": "0.0030", "dust": False}}
        assert {one["refusal"] for one in report["sent"]} == {"trade temporarily unavailable"}, "and why"
        assert "0.0030 btc_jpy" in running.wait_for("flatten_late")["text"]
        assert running.process.poll() is None
        flat.venue.mood(name="all", off=True)
        assert running.wait() == 0, "flat at last, and then it stops"
        nothing_is_left(flat)
        assert [kept["outcome"] for kept in records(running.state_dir, FLATNESS)] == ["not_flat", "flat"]


def test_cancel_only_leaves_what_is_held(tmp_path: Path) -> None:
    with scene("zaif", tmp_path) as flat, flat.trader() as running:
        flat.laden(running)
        done = flat.operator("flatten", running, "--mode", "cancel-only")
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert report_of(done)["outcome"] == "orders_off"
        assert flat.venue.book()["orders"] == []
        assert flat.net_lots() == HELD_LOTS


@pytest.mark.parametrize("venue", ["zaif", "gmo-leverage"])
def test_the_stop_policy_flattens(venue: str, tmp_path: Path) -> None:
    words = setting(mode__stop_policy="flatten")
    with scene(venue, tmp_path) as flat:
        with flat.trader(*words) as running:
            flat.laden(running)
            code, _ = running.stop()
            assert code == 0, running.text()[-3000:]
            nothing_is_left(flat)
            [report] = records(running.state_dir, FLATNESS)
            assert report["source"] == "stop policy"
        with flat.trader(*words) as again:
            again.wait_for("ready")
            assert again.status()["level"] == "normal", "the next start trades as if nothing had been"


def test_a_stop_that_cannot_become_flat_says_so_and_fails(tmp_path: Path) -> None:
    with (
        scene("zaif", tmp_path, time_scale=20.0) as flat,
        flat.trader(*setting(mode__stop_policy="flatten")) as running,
    ):
        flat.laden(running)
        flat.venue.mood(name="reject_busy", methods=["trade"])
        assert running.stop()[0] == 1
        assert "0.0030 btc_jpy" in running.wait_for("session_failed")["text"]
        assert flat.venue.book()["orders"] == []


def test_a_flatten_that_a_crash_interrupts_goes_on_at_the_next_start(tmp_path: Path) -> None:
    with scene("zaif", tmp_path) as flat:
        with flat.trader() as running:
            flat.laden(running)
            flat.venue.mood(name="reject_busy", methods=["trade"])
            running.operator_file("panic", "and then the power fails")
            running.wait_for("order_rejected", 2)
            running.kill()
        flat.venue.mood(name="all", off=True)
        with flat.trader() as again:
            assert again.wait() == 0, again.text()[-3000:]
            assert "killed" not in again.events(), "the latch was there all the time"
        nothing_is_left(flat)
        with flat.trader() as third:
            third.wait_for("ready")
            assert third.status()["kill"]["on"]
            assert third.process.poll() is None, "the end of the service was of the one that was asked for"


@pytest.mark.parametrize("venue", VENUES)
def test_directly_after_the_trader_was_killed(venue: str, tmp_path: Path) -> None:
    with scene(venue, tmp_path) as flat:
        with flat.trader() as running:
            flat.laden(running)
            refused = flat.direct(running)
            assert refused.returncode == 75, "it lives and answers"
            assert "ztb panic" in refused.stdout
            running.kill()
        done = flat.direct(running)
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert report_of(done)["is_flat"]
        nothing_is_left(flat)
        with flat.trader() as again:
            again.wait_for("ready")
            assert again.status()["kill"] == {"on": True, "source": "direct flatten", "reason": "drill"}
            assert again.status()["instruments"][flat.protocol.symbol]["position"] == "0.0000"
            again.stop()


def test_directly_while_the_trader_is_frozen(tmp_path: Path) -> None:
    with scene("zaif", tmp_path) as flat, flat.trader() as running:
        flat.laden(running)
        running.signal(signal.SIGSTOP)
        wait_until_frozen()
        done = flat.direct(running)
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert "was ended" in json.loads(done.stdout)["data"]["fenced"]
        nothing_is_left(flat)
        assert running.wait() == -signal.SIGKILL


def test_a_frozen_trader_that_is_spared_sends_nothing_when_it_wakes_up(tmp_path: Path) -> None:
    with scene("zaif", tmp_path) as flat, flat.trader() as running:
        flat.laden(running)
        running.signal(signal.SIGSTOP)
        wait_until_frozen()
        done = flat.direct(running, "--spare")
        # A process that was stopped in the middle of a write still holds the journal: then only ending it helps.
        assert done.returncode in (0, 74), (done.stdout, done.stderr)
        before = flat.orders_received()
        running.signal(signal.SIGCONT)
        assert running.wait() in (74, 75), running.text()[-3000:]
        assert flat.orders_received() == before
        if done.returncode == 0:
            nothing_is_left(flat)
            assert running.process.returncode == 75, running.text()[-3000:]
            assert "was taken over" in running.wait_for("session_failed")["text"]
            told = running.status()
            assert told["kill"]["source"] == "direct flatten", "what the one that was frozen believes hides nothing"
            assert told["orders"]["working"] == 0


def test_panic_without_an_answer_goes_the_direct_way(tmp_path: Path) -> None:
    with scene("zaif", tmp_path) as flat, flat.trader() as running:
        flat.laden(running)
        running.kill()
        account = flat.venue.account
        done = flat.operator(
            "panic", running, "--simulator-url", flat.venue.url, "--time-scale", repr(flat.venue.time_scale),
            "--epoch-ns", str(flat.venue.epoch_ns), *flat.words(),
            *setting(credentials__key_file=account.key_file, credentials__secret_file=account.secret_file),
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout, done.stderr)
        nothing_is_left(flat)
