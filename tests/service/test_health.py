"""The one state of health: every finding by itself, the worst of several, and every vocabulary."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import MINUTE, SECOND
from tests.service.scene import CONFIG, Bench
from tests.service.test_vitals import Scene as Calls
from ztb.core.control import Level
from ztb.core.event import ClockMeasured, Feed, Kill, Pause, Reconciled, Stop
from ztb.core.state import EngineConfig
from ztb.service.health import (
    MONITOR_VALUES,
    OF_LEVEL,
    WORDS,
    Health,
    Outside,
    document,
    is_breaker_open,
    keeps_from_going,
    plain,
    without_engine,
)
from ztb.service.signals import Thresholds
from ztb.service.vitals import Vitals
from ztb.venues.port import HeadRoom


class Scene:
    """A trader that is ready, whose stream is connected and whose venue has answered."""

    def __init__(self, config: EngineConfig = CONFIG) -> None:
        self.bench = Bench(config)
        self.vitals = Vitals(self.bench.clock.now_ns)
        self.phase = "running"
        self.breaker_open = False
        self.has_heard = True
        self.trips: int | None = 0
        self.bench.start()
        self.bench.handle(Feed(0, True))
        self.bench.trade(1_000)
        self.answered()

    def answered(self) -> None:
        async def answer() -> None: ...

        asyncio.run(self.vitals.timed(answer()))

    def health(self) -> dict[str, Any]:
        outside = Outside(self.phase, self.breaker_open, self.has_heard, self.trips)
        plain = document(self.bench.engine.state, self.vitals, Thresholds(), outside, now_ns=self.bench.clock.now_ns())
        assert json.loads(json.dumps(plain)) == plain
        return plain

    def words(self) -> tuple[str, str, str]:
        plain = self.health()
        return plain["status"], plain["monitor_status"], plain["go"]


WELL = ("healthy", "active", "CAUTION")
DEGRADED = ("degraded", "degraded", "CAUTION")
HELD = ("degraded", "degraded", "NO-GO")
"""Degraded, and one of the rows E-36 to E-39 does not pass."""
UNHEALTHY = ("unhealthy", "degraded", "NO-GO")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_document_has_the_members_of_the_runbook(scene: Scene) -> None:
    plain = scene.health()
    latency_ms = plain["checks"]["broker"]["latency_ms"]
    assert isinstance(latency_ms, int)
    assert plain["checks"] == {
        "broker": {"status": "pass", "latency_ms": latency_ms},
        "websocket": {"connected": True, "stale": False},
        "degradation": {"global_paused": False, "reduce_only_mode": False},
    }
    assert (plain["live"], plain["ready"], plain["state"]) == (True, True, "unproven")
    assert plain["signals"]["status"] == "UNKNOWN"
    assert [item["name"] for item in plain["signals"]["items"]] == [
        "order_error_rate", "order_retry_rate", "broker_latency_p95", "guard_trip_count", "ws_staleness"
    ]  # fmt: skip
    assert [item["status"] for item in plain["signals"]["items"]] == ["UNKNOWN", "UNKNOWN", "UNKNOWN", "OK", "OK"]


def test_what_was_not_measured_is_no_reason_to_alarm_and_no_reason_to_go(scene: Scene) -> None:
    assert scene.words() == WELL


def test_all_measured_and_well_is_go(scene: Scene) -> None:
    calls = Calls()
    calls.clock = scene.bench.clock
    calls.vitals = scene.vitals
    calls.order()
    plain = scene.health()
    assert (plain["state"], plain["go"], plain["reasons"]) == ("healthy", "GO", [])
    assert plain["signals"] == {**plain["signals"], "status": "OK", "message": "all signals are OK"}


def test_a_kill_is_unhealthy_whatever_else(scene: Scene) -> None:
    scene.bench.handle(Kill(0, "operator", "drill"))
    assert scene.words() == UNHEALTHY
    assert scene.health()["reasons"][0] == "killed by operator: drill"
    scene.phase = "starting"
    assert scene.words() == UNHEALTHY


def test_starting_is_starting_and_not_ready(scene: Scene) -> None:
    scene.phase = "starting"
    plain = scene.health()
    assert (plain["status"], plain["ready"], plain["go"]) == ("starting", False, "NO-GO")


def test_a_pause_degrades_until_it_is_over(scene: Scene) -> None:
    until_ns = scene.bench.clock.ns + MINUTE // 4
    scene.bench.handle(Pause(0, until_ns, "operator", "lunch"))
    assert scene.words() == HELD
    assert scene.health()["checks"]["degradation"]["global_paused"] is True
    scene.bench.clock.ns = until_ns
    assert scene.words() == WELL
    assert scene.health()["checks"]["degradation"]["global_paused"] is False


def test_a_pause_of_one_instrument_is_no_global_one(scene: Scene) -> None:
    """E-39 asks for pauses of everything only."""
    scene.bench.handle(Pause(0, scene.bench.clock.ns + MINUTE, "operator", "odd spread", "btc_jpy"))
    assert scene.words() == DEGRADED


@pytest.mark.parametrize(
    ("check", "member", "value", "row"),
    [
        ("broker", "status", "warn", "E-36"),
        ("broker", "status", "fail", "E-36"),
        ("broker", "status", "unknown", "E-36"),
        ("websocket", "connected", False, "E-37"),
        ("websocket", "stale", True, "E-38"),
        ("degradation", "global_paused", True, "E-39"),
    ],
)
def test_each_row_of_the_go_table_alone_is_a_no_go(check: str, member: str, value: object, row: str) -> None:
    checks: dict[str, dict[str, object]] = {
        "broker": {"status": "pass", "latency_ms": 3},
        "websocket": {"connected": True, "stale": False},
        "degradation": {"global_paused": False, "reduce_only_mode": True},
    }
    assert keeps_from_going(checks) == []
    assert plain(Health.HEALTHY, ready=True, reasons=[], checks=checks, signals={})["go"] == "GO"
    checks[check][member] = value
    assert keeps_from_going(checks) == [row]
    assert plain(Health.HEALTHY, ready=True, reasons=[], checks=checks, signals={})["go"] == "NO-GO"


def test_reduce_only_of_the_profile_is_no_degradation() -> None:
    scene = Scene(replace(CONFIG, reduce_only=True))
    assert scene.words() == WELL
    assert scene.health()["checks"]["degradation"]["reduce_only_mode"] is True


def test_a_suspended_policy_degrades(scene: Scene) -> None:
    scene.bench.engine.state.policy_suspended = "returned nonsense"
    assert scene.words() == DEGRADED
    assert "the policy is suspended: returned nonsense" in scene.health()["reasons"]


def test_a_difference_to_the_venue_degrades(scene: Scene) -> None:
    scene.bench.handle(Reconciled(0, False, "a fill of nobody"))
    assert scene.words() == DEGRADED
    assert scene.health()["ready"] is False


def test_a_clock_that_is_off_degrades(scene: Scene) -> None:
    scene.bench.handle(ClockMeasured(0, 5 * SECOND, 0))
    assert scene.words() == DEGRADED


def test_a_lost_stream_is_reconnecting_then_degraded_then_unhealthy(scene: Scene) -> None:
    scene.bench.handle(Feed(0, False, "reset by peer"))
    assert scene.words() == ("degraded", "reconnecting", "NO-GO")
    assert scene.health()["checks"]["websocket"] == {"connected": False, "stale": False}
    scene.bench.clock.advance(30)
    assert scene.words() == HELD
    scene.bench.clock.advance(30)
    scene.answered()
    assert scene.words() == UNHEALTHY
    assert scene.health()["checks"]["websocket"] == {"connected": False, "stale": True}
    assert "ws_staleness CRIT" in scene.health()["reasons"][0]


def test_a_connected_stream_that_is_silent_is_stale(scene: Scene) -> None:
    scene.bench.clock.advance(61)
    assert scene.health()["checks"]["websocket"] == {"connected": True, "stale": True}
    assert scene.words() == UNHEALTHY


def test_a_market_that_never_spoke_is_stale_and_unknown(scene: Scene) -> None:
    scene.has_heard = False
    plain = scene.health()
    assert plain["checks"]["websocket"]["stale"] is True
    assert plain["signals"]["items"][4]["status"] == "UNKNOWN"


def test_an_open_breaker_and_too_many_trips_are_unhealthy(scene: Scene) -> None:
    scene.breaker_open = True
    assert scene.words() == UNHEALTHY
    scene.breaker_open = False
    for trips, words in ((2, WELL), (3, DEGRADED), (9, DEGRADED), (10, UNHEALTHY)):
        scene.trips = trips
        assert scene.words() == words, trips
    scene.trips = None
    assert scene.health()["signals"]["items"][3]["status"] == "UNKNOWN"


def test_stopping_is_unhealthy(scene: Scene) -> None:
    scene.bench.handle(Stop(0, "asked"))
    assert scene.words() == UNHEALTHY


@pytest.mark.parametrize(("breaker", "is_open"), [("closed", False), ("half_open", False), ("open", True)])
def test_which_breaker_is_open(breaker: str, is_open: bool) -> None:
    rooms = [HeadRoom("a", "exec", 9, 10.0, 2, 4), HeadRoom("b", "exec", 9, 10.0, 2, 4, breaker)]
    assert is_breaker_open(rooms) is is_open
    assert is_breaker_open([]) is False


def test_without_an_engine_nothing_is_well() -> None:
    plain = without_engine("safe mode: three starts failed")
    assert (plain["status"], plain["go"], plain["ready"]) == ("unhealthy", "NO-GO", False)
    assert plain["signals"]["status"] == "UNKNOWN"
    assert plain["checks"]["websocket"]["stale"] is True
    assert plain.keys() == Scene().health().keys()


def test_every_state_and_every_level_has_its_words() -> None:
    assert set(WORDS) == set(Health)
    assert set(OF_LEVEL) == set(Level)
    assert {words.status for words in WORDS.values()} == {"healthy", "degraded", "unhealthy", "starting"}
    assert {words.monitor_status for words in WORDS.values()} == set(MONITOR_VALUES)
    assert {words.go for words in WORDS.values()} == {"GO", "CAUTION", "NO-GO"}
    assert [health for health, words in WORDS.items() if words.go == "GO"] == [Health.HEALTHY]
    assert {words.status: words.exit_code for words in WORDS.values()} == {
        "healthy": 0, "degraded": 0, "unhealthy": 1, "starting": 3
    }  # fmt: skip


TROUBLES: dict[str, Any] = {
    "kill": lambda scene: scene.bench.handle(Kill(0, "operator", "drill")),
    "pause": lambda scene: scene.bench.handle(Pause(0, scene.bench.clock.ns + MINUTE, "operator", "lunch")),
    "feed": lambda scene: scene.bench.handle(Feed(0, False)),
    "unclean": lambda scene: scene.bench.handle(Reconciled(0, False, "odd")),
    "breaker": lambda scene: setattr(scene, "breaker_open", True),
    "trips": lambda scene: setattr(scene, "trips", 5),
    "policy": lambda scene: setattr(scene.bench.engine.state, "policy_suspended", "odd"),
    "silence": lambda scene: scene.bench.clock.advance(61),
}


@given(st.lists(st.sampled_from(sorted(TROUBLES)), max_size=6))
def test_more_trouble_is_never_better_health(names: list[str]) -> None:
    scene = Scene()
    before = Health[scene.health()["state"].upper()]
    for name in names:
        TROUBLES[name](scene)
        after = Health[scene.health()["state"].upper()]
        assert after >= before
        before = after
    assert bool(scene.health()["reasons"])
