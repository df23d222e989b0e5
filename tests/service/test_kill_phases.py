"""Kill and panic in every phase of an order's life, through the whole daemon: silent at once, flat in the end.

What happens before an order's bytes leave (queued, waiting for the disk, for its turn, for a connection) is in
``test_kill_under_way``, where each of these can be held. Here the order is at the venue, or nobody knows.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service.flatten_scene import HELD_LOTS, Scene, report_of, scene
from tests.service.processes import Trader
from tests.service.test_flatten_run import nothing_is_left
from ztb.core.command import FLATTEN, Place
from ztb.core.event import Flatten, Kill, OrderSent
from ztb.store.codec import COMMAND_KINDS, EVENT_KINDS, decode
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader

CANCELS = ("cancel_order", "cancelOrder", "cancelOrders")
PART_LOTS = HELD_LOTS + 4
"""Offered, where the fourth order is to be filled in part."""
SETTLED_WALL_S = 0.4
"""Four seconds of the exchange: whatever was on its way has arrived."""


def nothing(flat: Scene) -> None:
    """The exchange is in a good mood."""


def moody(name: str, **more: object) -> Callable[[Scene], None]:
    """Some of the orders meet this mood, from the first on."""
    return lambda flat: flat.venue.mood(
        name=name, methods=list(flat.protocol.place_methods), probability=0.4, seed=3, **more
    )  # fmt: skip


def struck(name: str, event: str = "") -> Callable[[Scene, Trader], None]:
    """One of them has met it, and the trader has said ``event``; the others find the exchange in a good mood."""

    def wait(flat: Scene, running: Trader) -> None:
        running.wait_for("order_filled")
        flat.venue.wait_until_struck(name)
        if event:
            running.wait_for(event)
        flat.venue.mood(name=name, off=True)

    return wait


def accepted(flat: Scene, running: Trader) -> None:
    """They rest."""
    flat.laden(running)


def partly_filled(flat: Scene, running: Trader) -> None:
    """One of them has filled in part."""
    flat.laden(running, held="0.0034")


def cancel_pending(flat: Scene, running: Trader) -> None:
    """Killed before, and the cancels of that are not answered yet."""
    flat.laden(running)
    methods = [name for name in CANCELS if name in flat.venue.get("/_sim/mood").get("methods", CANCELS)]
    flat.venue.mood(name="slow", ms=3_000, methods=methods)
    running.operator_file("kill", "and now the cancels")
    flat.venue.wait_until_struck("slow")
    flat.venue.mood(name="slow", off=True)


def cancel_refused(flat: Scene, running: Trader) -> None:
    """Every other cancel is refused: the order is too new."""
    flat.laden(running)
    if "too_new" in flat.venue.get("/_sim/mood")["known"]:
        flat.venue.mood(name="too_new", probability=0.5, seed=1)


def settling(flat: Scene, running: Trader) -> None:
    """Killed before, everything is cancelled, and fills of it may still be told."""
    flat.laden(running)
    flat.venue.mood(name="late_fill_after_cancel", ms=2_000, count=2)
    running.operator_file("kill", "and now the late fills")
    running.wait_for("order_cancelled")


PHASES: dict[str, tuple[Callable[[Scene], None], Callable[[Scene, Trader], None]]] = {
    # Sent and carried out, and the answer is awaited.
    "unanswered": (moody("slow", ms=5_000), struck("slow")),
    # No answer will come, and the trader does not know that yet.
    "unknown": (moody("accept_then_hang"), struck("accept_then_hang")),
    # The connection broke: by now the trader knows that it does not know.
    "lost": (moody("accept_then_reset"), struck("accept_then_reset", "order_unknown")),
    "accepted": (nothing, accepted),
    "partly_filled": (nothing, partly_filled),
    "cancel_pending": (nothing, cancel_pending),
    "cancel_refused": (nothing, cancel_refused),
    "settling": (nothing, settling),
}
"""What the exchange does before the trader starts, and what is waited for then."""


@contextlib.contextmanager
def in_phase(venue: str, phase: str, directory: Path) -> Iterator[tuple[Scene, Trader]]:
    """A trader one of whose orders is just there."""
    before, during = PHASES[phase]
    with scene(venue, directory, offered=PART_LOTS if phase == "partly_filled" else HELD_LOTS) as flat:
        before(flat)
        with flat.trader() as running:
            during(flat, running)
            yield flat, running


def sent_after_the_kill(state_dir: Path) -> list[str]:
    """Purposes of the orders that left after the latch was set, by the journal; that of an ordinary one is ""."""
    kinds = {name for name, kind in (EVENT_KINDS | COMMAND_KINDS).items() if kind in (Kill, Flatten, OrderSent, Place)}
    purposes: dict[str, str] = {}
    is_killed, found = False, []
    with contextlib.closing(JournalReader(state_dir / JOURNAL_NAME)) as reader:
        for record in reader.read(kinds=kinds):
            what = decode(record.kind, record.body)
            match what:
                case Place():
                    purposes[what.client_id] = what.purpose
                case OrderSent() if is_killed:
                    found.append(purposes[what.client_id])
                case Kill():
                    is_killed = True
                case Flatten():
                    is_killed = is_killed or what.kill
    return found


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("venue", ["zaif", "gmo"])
def test_killed_in_it_nothing_leaves_and_then_a_panic_ends_flat(venue: str, phase: str, tmp_path: Path) -> None:
    with in_phase(venue, phase, tmp_path) as (flat, running):
        running.operator_file("kill", "drill")
        running.wait_for("kill_latched")
        time.sleep(0.05)  # what left before the latch has been read by then
        before = flat.orders_received()
        time.sleep(SETTLED_WALL_S)
        assert flat.orders_received() == before
        assert sent_after_the_kill(running.state_dir) == []
        flatten_and_prove(flat, running)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("venue", ["zaif", "gmo-leverage"])
def test_a_panic_in_it_ends_flat_and_sends_nothing_else(venue: str, phase: str, tmp_path: Path) -> None:
    with in_phase(venue, phase, tmp_path) as (flat, running):
        flatten_and_prove(flat, running)


def flatten_and_prove(flat: Scene, running: Trader) -> None:
    done = flat.operator("panic", running, "--deadline", "600")
    assert done.returncode == 0, (done.stdout, done.stderr, running.text()[-3_000:])
    report = report_of(done)
    assert report["is_flat"], json.dumps(report)
    assert report["venue"]["agrees"]
    assert running.wait() == 0
    assert set(sent_after_the_kill(running.state_dir)) <= {FLATTEN}
    nothing_is_left(flat)
