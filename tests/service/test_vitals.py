"""What becomes of calls to the venue, call by call, and what the signals make of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from tests.core.scene import MINUTE, SECOND, SPOT, T0
from tests.service.scene import HandClock
from ztb.core.command import Place
from ztb.core.error import GateClosed, Rejected, Throttled, UnknownFate, Unreachable, VenueError
from ztb.core.instrument import BUY, SELL
from ztb.service.signals import Signal, Thresholds
from ztb.service.vitals import Vitals
from ztb.venues.limiter import OWN_LIMIT

NO = Rejected("no", kind="exchange", code="no")
LOST = UnknownFate("lost", kind="network", code="timeout")
AWAY = Unreachable("away", kind="network")
TOO_FAST = Throttled("slow down", kind="rate_limit", code="429")
HELD_BACK = (
    GateClosed("closed", kind="exchange"),
    Throttled("ours", kind="rate_limit", code=OWN_LIMIT),
    Throttled("ours", kind="rate_limit", code="breaker_open"),
)


class Scene:
    """Vitals on a clock that a test moves."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.vitals = Vitals(self.clock.now_ns)

    def call(self, error: Exception | None = None, *, order: Place | None = None) -> None:
        async def answer() -> str:
            if error is not None:
                raise error
            return "yes"

        async def wait(call: Awaitable[str]) -> str:
            return await self.vitals.timed(call, order=order)

        if error is None:
            assert asyncio.run(wait(answer())) == "yes"
            return
        with pytest.raises(type(error)) as raised:
            asyncio.run(wait(answer()))
        assert raised.value is error

    def order(self, error: Exception | None = None, *, side: int = BUY, reduce_only: bool = False) -> None:
        self.call(error, order=Place(T0, "id", SPOT.symbol, side, 1, 1_000, reduce_only, 1, "wish"))

    def signals(self, *, trips: int | None = 0, data_age_ns: int | None = 0) -> dict[str, Signal]:
        found = self.vitals.signals(Thresholds(), trips=trips, data_age_ns=data_age_ns)
        return {signal.name: signal for signal in found}

    def values(self) -> tuple[int | None, int | None]:
        """Of order errors and retries."""
        found = self.signals()
        return found["order_error_rate"].value, found["order_retry_rate"].value


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_without_any_call_nothing_is_known(scene: Scene) -> None:
    found = scene.signals(trips=None, data_age_ns=None)
    assert list(found) == [
        "order_error_rate", "order_retry_rate", "broker_latency_p95", "guard_trip_count", "ws_staleness"
    ]  # fmt: skip
    assert {signal.status for signal in found.values()} == {"UNKNOWN"}
    assert scene.vitals.broker(breaker_open=False) == ("unknown", None)


@pytest.mark.parametrize("error", [NO, LOST, AWAY, TOO_FAST], ids=lambda error: type(error).__name__)
def test_an_order_that_the_venue_did_not_take_failed(scene: Scene, error: VenueError) -> None:
    for _ in range(9):
        scene.order()
    scene.order(error)
    assert scene.values()[0] == 100_000
    assert "1 of 10" in scene.signals()["order_error_rate"].details


@pytest.mark.parametrize("error", HELD_BACK, ids=lambda error: str(error.code) or "gate")
def test_an_order_that_was_held_back_here_says_nothing_about_the_venue(scene: Scene, error: VenueError) -> None:
    scene.order(error)
    assert scene.values() == (None, None)
    assert scene.vitals.broker(breaker_open=False) == ("unknown", None)


def test_an_order_that_nobody_waits_for_any_more_failed(scene: Scene) -> None:
    async def cancelled() -> None:
        order = Place(T0, "id", SPOT.symbol, BUY, 1, 1_000, False, 1, "wish")
        waiting = asyncio.ensure_future(scene.vitals.timed(asyncio.sleep(3_600), order=order))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(cancelled())
    assert scene.values() == (1_000_000, 0)


def test_a_wish_that_comes_back_after_a_failure_is_a_retry(scene: Scene) -> None:
    scene.order(NO)
    scene.order(NO)
    scene.order()
    scene.order()
    # Four orders: the first and the last were no repetition, the second and the third were.
    assert scene.values() == (500_000, 1_000_000)


def test_another_side_another_purpose_or_a_minute_later_is_no_retry(scene: Scene) -> None:
    scene.order(NO)
    scene.order(side=SELL)
    scene.order(reduce_only=True)
    scene.clock.advance(60.1)
    scene.order()
    assert scene.values()[1] == 0


def test_five_minutes_later_nothing_is_left_of_it(scene: Scene) -> None:
    scene.order(NO)
    scene.order()
    scene.clock.ns += 5 * MINUTE - 1
    assert scene.values()[0] == 500_000
    scene.clock.ns += 1
    assert scene.values() == (None, None)
    assert scene.signals()["broker_latency_p95"].status == "UNKNOWN"


def test_only_accepted_orders_count_for_the_latency(scene: Scene) -> None:
    scene.order(NO)
    scene.call()
    assert scene.signals()["broker_latency_p95"].value is None
    scene.order()
    assert scene.signals()["broker_latency_p95"].value is not None


def test_the_check_of_the_broker(scene: Scene) -> None:
    scene.call()
    status, latency_ms = scene.vitals.broker(breaker_open=False)
    assert (status, latency_ms is not None) == ("pass", True)
    assert scene.vitals.broker(breaker_open=True)[0] == "fail"
    scene.call(AWAY)
    scene.call(AWAY)
    assert scene.vitals.broker(breaker_open=False)[0] == "warn"
    scene.call(AWAY)
    assert scene.vitals.broker(breaker_open=False)[0] == "fail"
    scene.call(NO)  # whoever refuses is there
    assert scene.vitals.broker(breaker_open=False)[0] == "pass"
    scene.clock.advance(601)
    assert scene.vitals.broker(breaker_open=False) == ("unknown", None)


def test_a_slow_answer_warns(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0, 2_001_000_000])
    monkeypatch.setattr("ztb.service.vitals.time.perf_counter_ns", lambda: next(times))
    scene.call()
    assert scene.vitals.broker(breaker_open=False) == ("warn", 2_001)
    assert scene.clock.ns == T0
    assert SECOND == 1_000_000_000
