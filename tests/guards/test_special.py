"""Guards that need more than one market: another limit at the next start, a defect in the evaluation itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guards.daemon import daemon, options
from tests.guards.market import Simulator
from tests.guards.virtual_time import VirtualClock, VirtualLoop, pass_time, play
from ztb.core import judging, risk
from ztb.core.command import Tripped
from ztb.core.error import ConfigError
from ztb.core.event import ApiHealth, Event
from ztb.core.instrument import BUY, SELL
from ztb.core.rules import Rules
from ztb.core.state import State
from ztb.host.config import load_profile


@pytest.mark.parametrize("leverage_max", [0, 1])
@pytest.mark.parametrize(("position_max", "is_over"), [("0.0199", True), ("0.02", False)])
def test_position_above_the_limit_of_a_new_start(
    tmp_path: Path, position_max: str, is_over: bool, leverage_max: int
) -> None:
    """C-46: 0.02 BTC are held when a start brings a smaller limit; only shrinking is left until it fits again."""

    async def work(loop: VirtualLoop) -> None:
        simulator = Simulator(VirtualClock(loop))
        await simulator.start()
        narrow: dict[str, object] = {"limits__leverage_max": leverage_max}
        async with daemon(loop, tmp_path, simulator, narrow=narrow) as d:
            for _ in range(2):
                assert await d.wish(BUY) == ""
                await pass_time(2)
            assert d.held_lots() == 200
        async with daemon(loop, tmp_path, simulator, narrow={**narrow, "limits__position_max": position_max}) as d:
            await d.keep_trading(5)
            tripped = [trip for trip in d.told(Tripped) if trip.code == "max_position_size_exceeded"]
            assert len(tripped) == is_over
            assert all(trip.until_ns == 0 for trip in tripped)
            assert (d.level == "reduce_only") == is_over
            assert await d.wish(BUY) == ("reduce_only" if is_over else "position_size")
            assert await d.wish(SELL) == ""
            await pass_time(5)
            assert (d.held_lots(), d.level) == (100, "normal")
        assert len(simulator.orders()) == 3
        await simulator.server.stop()

    play(work)


@pytest.mark.parametrize("breaks", [True, False])
def test_risk_that_cannot_be_evaluated_is_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: bool) -> None:
    """F-10: whatever is raised while risk is evaluated kills; a policy that raises only loses its say."""
    judged = judging.judge_event
    is_broken = False

    def judge_event(state: State, rules: Rules, event: Event, now_ns: int) -> object:
        if is_broken and not isinstance(event, ApiHealth):
            raise ZeroDivisionError("equity of nothing")
        return judged(state, rules, event, now_ns)

    monkeypatch.setattr(risk, "judge_event", judge_event)

    async def work(loop: VirtualLoop) -> None:
        nonlocal is_broken
        async with daemon(loop, tmp_path) as d:
            d.simulator.book([(995_000, 1_000)], [(1_000_000, 10)])
            await pass_time(1)
            assert await d.wish(BUY) == ""
            await d.until(lambda: d.simulator.working_lots(BUY) == 90)
            if breaks:
                is_broken = True
            else:
                d.policy.wants = lambda event, held: 1 // 0
                d.simulator.trade()
            await pass_time(3)
            is_broken = False
            status = d.status()
            assert status["kill"]["on"] == breaks
            assert status["kill"]["reason"] == ("risk_evaluation_failed" if breaks else "")
            assert bool(status["policy_suspended"]) == (not breaks)
            assert d.simulator.working_lots(BUY) == (0 if breaks else 90)
            assert len(d.simulator.cancels()) == breaks
            if breaks:
                assert await d.wish(BUY) == "killed"
            assert len(d.simulator.orders()) == 1

    play(work)


def test_gate_that_cannot_be_evaluated_is_a_kill_and_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F-10, for the evaluation of a wish: it is refused with the code of the kill that it is."""

    def judge(*args: object, **named: object) -> object:
        raise ZeroDivisionError("no such limit")

    async def work(loop: VirtualLoop) -> None:
        async with daemon(loop, tmp_path) as d:
            assert await d.wish(BUY) == ""
            with monkeypatch.context() as patch:
                patch.setattr(risk, "judge", judge)
                assert await d.wish(BUY) == "risk_evaluation_failed"
            await pass_time(2)
            assert d.status()["kill"] == {"on": True, "source": "breaker", "reason": "risk_evaluation_failed"}
            assert await d.wish(BUY) == "killed"
            assert len(d.simulator.orders()) == 1

    play(work)


def test_order_above_the_limit_of_an_order_does_not_start() -> None:
    """``order_size``: a profile whose order is above its own limit is refused; one that is at the limit is not."""
    at = {"limits__order_size_max": "0.01", "limits__position_max": "0.01"}
    load_profile("demo", overrides=options(sizing__order_size="0.01", **at), environ={})
    with pytest.raises(ConfigError, match=r"sizing\.order_size"):
        load_profile("demo", overrides=options(sizing__order_size="0.0101", **at), environ={})
