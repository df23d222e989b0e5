"""Defects planted into the real trader: each is caught, by the criterion that names it; without one, all pass.

The rungs run as the ladder runs them: a built-in exchange and traders as processes of their own, sixty times as fast.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.ladder import planted
from tests.ladder.world import context_in, failed, mark_of
from ztb.ladder import exercise, kill_resume, live_lite, trader
from ztb.ladder.context import Context, Durations
from ztb.ladder.evidence import Findings, Mark, Verdict
from ztb.ladder.exchange import Exchange
from ztb.ladder.ladder import Work

WINDOWS = Durations(live_lite=1.0, kill_resume=0.5)
BRISK = ("policy.parameters.fast=2", "policy.parameters.slow=4")
"""Signals every few seconds of the market, so that a short window has some."""
LEFT_AFTER_LATCH = "orders that left after the latch"


def climbed(context: Context, work: Work) -> Findings:
    findings = Findings()
    work(context, findings)
    return findings


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return context_in(tmp_path / "run", durations=WINDOWS, overrides=BRISK)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect may keep orders from coming: they are not waited for as long as on a real climb."""
    monkeypatch.setattr(exercise, "ORDERS_MINUTES_MAX", 1.0)
    monkeypatch.setattr(exercise, "ORDERS_WALL_S_MIN", 2.0)


def only_steps(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """These steps of the exercise, and the judgement."""
    steps = [step for step in kill_resume.STEPS if step.__name__.removeprefix("_") in names]
    assert len(steps) == len(names)
    monkeypatch.setattr(kill_resume, "STEPS", steps)


def plant(monkeypatch: pytest.MonkeyPatch, context: Context, code: str) -> None:
    planted_at = str(planted.plant(context.out.parent / "planted", code))
    # Before what stands there already: the tests may run from another tree than the installed one.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (planted_at, os.environ.get("PYTHONPATH")))))


class SilentExchange(Exchange):
    """Its streams stay open and say nothing from the beginning."""

    def __init__(self, context: Context, name: str) -> None:
        super().__init__(context, name)
        self.mood(name="stream_silence")


class DyingExchange(Exchange):
    """Ends in the middle of the window."""

    def private_requests(self) -> int:
        self._process.stop()
        return super().private_requests()


def test_live_lite_with_a_sound_trader(context: Context) -> None:
    findings = climbed(context, live_lite.run)
    assert failed(findings) == {}
    assert findings.verdict() is Verdict.GO
    assert not list(context.out.rglob("simulator-key"))


def test_live_lite_with_a_careless_trader(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints, makes a private call, asks too often and takes too much memory: four criteria, and only those."""
    plant(monkeypatch, context, planted.CARELESS)
    found = failed(climbed(context_in(context.out, durations=Durations(live_lite=2.0), overrides=BRISK), live_lite.run))
    for hungry in ("CPU of one core", "oldest last price seen"):  # on a busy machine what it wastes may be missed
        found.pop(hungry, None)
    assert set(found) == {
        "every log line is structured",
        "private requests that the exchange received",
        "requests that the exchange refused for their rate",
        "memory",
    }
    assert found["every log line is structured"] == "hello from a library"
    assert found["private requests that the exchange received"] == 1


def test_live_lite_with_a_trader_that_dies_at_once(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found stays beside the failure, and the trader's last words are in it."""
    plant(monkeypatch, context, planted.DIES_AT_ONCE)
    findings = Findings()
    with pytest.raises(Exception, match="no journal"):
        live_lite.run(context, findings)
    assert failed(findings) == {"READY after": None, "the trader gets READY": "exit code 3: the disk is on fire"}


def test_live_lite_with_a_trader_that_does_not_stop(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trader, "STOP_S_MAX", 0.5)
    plant(monkeypatch, context, planted.DEAF_TO_SIGTERM)
    assert failed(climbed(context, live_lite.run))["exit code after SIGTERM"] is None


def test_live_lite_on_a_silent_market(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_lite, "Exchange", SilentExchange)
    found = failed(climbed(context, live_lite.run))
    assert {"oldest last price seen", "decisions", "signals"} <= set(found)


def test_live_lite_without_the_exchange_s_word(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_lite, "Exchange", DyingExchange)
    with pytest.raises(Exception, match=r"(?i)connect"):
        climbed(context, live_lite.run)


def test_kill_resume_with_a_trader_that_ignores_the_latch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    # The conservative limits that a kill leaves behind would hide the defect: they let no order of this size out.
    words = (*BRISK, "risk.conservative_after_kill=false")
    context = context_in(tmp_path / "run", durations=WINDOWS, overrides=words)
    only_steps(monkeypatch, "trade", "kill_by_file", "stay_silent")
    plant(monkeypatch, context, planted.KILL_LATCH_IGNORED)
    found = failed(climbed(context, kill_resume.run))
    assert {LEFT_AFTER_LATCH, "signals refused because of the kill", "orders decided under a kill"} <= set(found)


def test_kill_resume_with_a_trader_that_sends_twice(
    context: Context, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    only_steps(monkeypatch, "trade", "stop")
    plant(monkeypatch, context, planted.ORDERS_SENT_TWICE)
    assert "no order was sent twice" in failed(climbed(context, kill_resume.run))


def test_kill_resume_with_a_trader_that_forgets_its_state(
    context: Context, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    only_steps(monkeypatch, "trade", "kill_by_file", "stay_silent", "restart_killed")
    plant(monkeypatch, context, planted.STATE_WIPED)
    found = failed(climbed(context, kill_resume.run))
    assert found["kill latch survives restart and deleted file"] is False
    assert {"order install", "sessions in the journal, of the traders started"} <= set(found)


def test_kill_resume_with_a_ledger_that_books_wrong_fees(
    context: Context, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    only_steps(monkeypatch, "trade", "stop")
    plant(monkeypatch, context, planted.FEES_BOOKED_TOO_HIGH)
    found = failed(climbed(context, kill_resume.run))
    assert {"fees, ledger against exchange", "the journal has the exchange's fills, alike in all"} <= set(found)


def test_kill_resume_with_a_policy_that_trades_too_rarely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hands over to one that trades, on the same state, and a person has to decide."""
    monkeypatch.setattr(exercise, "ORDERS_MINUTES_MAX", 1.0)
    monkeypatch.setattr(exercise, "ORDERS_WALL_S_MIN", 1.0)
    only_steps(monkeypatch, "trade", "kill_by_file", "stay_silent", "restart_killed", "resume", "stop")
    findings = Findings()
    # Under the conservative limits a closing order that lost would hold the next one for longer than is waited here.
    words = ("risk.conservative_after_kill=false",)
    kill_resume.run(context_in(tmp_path / "run", durations=WINDOWS, policy="buy_hold", overrides=words), findings)
    text = "the policy itself trades while it is killed"
    assert mark_of(findings, text) is Mark.WARN
    (warned,) = (criterion for criterion in findings.criteria if criterion.text == text)
    assert re.match(r"buy_hold: [01] in 1 min of the market; .* sma_fast_slow$", str(warned.measured))
    of_steps_left_out = {"kills in the journal, by source", "resumes in the journal"}
    assert set(failed(findings)) == of_steps_left_out
