"""The gate at the wire: whatever it cannot establish is a refusal with a fixed code."""

from __future__ import annotations

import pytest

from tests.core.scene import SECOND, SPOT
from tests.service.scene import CONFIG, HandClock
from ztb.core.command import FLATTEN, Place
from ztb.core.control import Level
from ztb.core.error import GateClosed, StoreError
from ztb.core.event import Flatten
from ztb.core.flatten import end, resumed, take
from ztb.core.flattening import FLAT, LIMIT
from ztb.core.instrument import SELL
from ztb.core.state import State
from ztb.service.gate import FENCED, FLATTEN_OVER, SESSION_FAILED, STOPPING, STORE_FAILED, WireGate


def an_order(*, reduce_only: bool = False, purpose: str = "") -> Place:
    return Place(0, "ztb-1", SPOT.symbol, SELL, 1, 1_000, reduce_only, 1, "test", purpose=purpose)


class Scene:
    """An open gate."""

    def __init__(self, *, armed: bool = True) -> None:
        self.clock = HandClock()
        self.state = State(CONFIG)
        self.state.control.reconciled = True
        self.failure: StoreError | None = None
        self.is_fenced = False
        self.gate = WireGate(
            self.state, self.clock, armed=armed, journal_failure=lambda: self.failure,
            is_fenced=lambda: self.is_fenced,
        )  # fmt: skip

    def flatten(self) -> None:
        take(self.state, Flatten(0, "test", "drill", LIMIT, 0, SECOND), self.clock.ns)

    def code(self, *, reduce_only: bool = False, purpose: str = "") -> str:
        try:
            self.gate.check(an_order(reduce_only=reduce_only, purpose=purpose))
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


def test_whoever_lost_the_state_directory_never_sends_again() -> None:
    scene = Scene()
    scene.is_fenced = True
    assert scene.code(reduce_only=True) == FENCED
    scene.is_fenced = False
    assert scene.code(reduce_only=True) == FENCED


@pytest.mark.parametrize("control", ["killed", "stopping", "clock_is_off", "reduce_only_profile", "nothing"])
def test_only_a_running_flatten_passes_while_all_else_is_silent(control: str) -> None:
    scene = Scene()
    if control != "nothing":
        setattr(scene.state.control, control, True)
    assert scene.code(reduce_only=True, purpose=FLATTEN) == FLATTEN_OVER
    scene.flatten()
    assert scene.code(reduce_only=True, purpose=FLATTEN) == ""
    assert scene.code(purpose=FLATTEN) == FLATTEN_OVER, "it may only close"
    assert scene.code() != ""
    assert scene.code(reduce_only=True) in ("killed", "flattening")
    running = scene.state.flattening
    assert running is not None
    end(scene.state, running, FLAT, scene.clock.ns)
    assert scene.code(reduce_only=True, purpose=FLATTEN) == FLATTEN_OVER
    assert scene.code() in ("killed", "flattening"), "silent until an operator resumes"
    resumed(scene.state)
    assert scene.code(reduce_only=True, purpose=FLATTEN) == FLATTEN_OVER


def test_a_flatten_leaves_before_the_books_are_reconciled_and_during_a_pause() -> None:
    scene = Scene()
    scene.state.control.reconciled = False
    scene.state.control.pause(scene.clock.ns + SECOND, "test")
    scene.flatten()
    assert scene.code(reduce_only=True, purpose=FLATTEN) == ""


def test_where_there_is_no_way_to_send_a_flatten_has_none_either() -> None:
    scene = Scene()
    scene.state.control.observe = True
    scene.flatten()
    scene.state.control.flattening = False
    assert scene.state.control.level(scene.clock.ns) is Level.OBSERVE
    assert scene.code(reduce_only=True, purpose=FLATTEN) == "observe_only"


def test_not_armed_a_flatten_does_not_leave() -> None:
    scene = Scene(armed=False)
    scene.flatten()
    assert scene.code(reduce_only=True, purpose=FLATTEN) == "not_armed"
