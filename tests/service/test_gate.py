"""The gate at the wire: whatever it cannot establish is a refusal with a fixed code."""

from __future__ import annotations

import pytest

from tests.core.scene import SECOND
from tests.service.scene import CONFIG, HandClock
from ztb.core.error import GateClosed, StoreError
from ztb.core.state import State
from ztb.service.gate import SESSION_FAILED, STOPPING, STORE_FAILED, WireGate


class Scene:
    """An open gate."""

    def __init__(self, *, armed: bool = True) -> None:
        self.clock = HandClock()
        self.state = State(CONFIG)
        self.state.control.reconciled = True
        self.failure: StoreError | None = None
        self.gate = WireGate(self.state, self.clock, armed=armed, journal_failure=lambda: self.failure)

    def code(self, *, reduce_only: bool = False) -> str:
        try:
            self.gate.check(reduce_only=reduce_only)
        except GateClosed as closed:
            return closed.code
        return ""


def test_an_open_gate_lets_every_order_through() -> None:
    scene = Scene()
    assert (scene.code(), scene.code(reduce_only=True)) == ("", "")


def test_not_armed_lets_nothing_through() -> None:
    scene = Scene(armed=False)
    assert (scene.code(), scene.code(reduce_only=True)) == ("not_armed", "not_armed")


@pytest.mark.parametrize(
    ("name", "value", "opening", "reducing"),
    [
        ("killed", True, "killed", "killed"),
        ("stopping", True, "stopping", "stopping"),
        ("observe", True, "observe_only", "observe_only"),
        ("reconciled", False, "not_reconciled", "not_reconciled"),
        ("reduce_only_profile", True, "reduce_only", ""),
        ("reduce_only_reasons", {"daily_loss_limit_exceeded": False}, "reduce_only", ""),
    ],
)
def test_the_controls_as_they_are_now_decide(name: str, value: object, opening: str, reducing: str) -> None:
    scene = Scene()
    setattr(scene.state.control, name, value)
    assert (scene.code(), scene.code(reduce_only=True)) == (opening, reducing)


def test_a_pause_ends_by_the_clock() -> None:
    scene = Scene()
    scene.state.control.pause(scene.clock.ns + SECOND, "test")
    assert (scene.code(), scene.code(reduce_only=True)) == ("paused", "")
    scene.clock.advance(1)
    assert scene.code() == ""


def test_a_journal_that_failed_closes_it_for_ever() -> None:
    scene = Scene()
    scene.failure = StoreError("disk full")
    assert scene.code(reduce_only=True) == STORE_FAILED
    scene.failure = None
    assert scene.code(reduce_only=True) == STORE_FAILED


def test_what_closed_it_first_stays() -> None:
    scene = Scene()
    scene.gate.close(SESSION_FAILED)
    scene.gate.close(STOPPING)
    scene.failure = StoreError("disk full")
    assert scene.code() == SESSION_FAILED
