"""The hostile soak: a real trader on a real simulator with every mood mixed in, until so many orders were placed.

One seed decides the market, the policy's dice and the exchange's moods, so that a run can be repeated.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.service.processes import Exchange, Trader, setting
from tests.service.tapes import plug_in
from tests.soak import judge
from tests.soak.market import BTC_JPY, write_market
from tests.soak.policy import SOURCE
from tests.soak.protocols import PROTOCOLS, Protocol, movements
from ztb.store.database import JOURNAL_NAME

ORDER_SIZE = "0.0010"
POSITION_LOTS_MAX = 30
"""Three orders: the limit is reached all the time, which is the point."""
LOOK_S = 0.5
PEACE_S_MAX = 120.0
STUCK_S_MAX = 240.0
"""So long without an order, and something holds the trader back for good."""
RICH = {"jpy": "100000000", "btc": "1.0"}
"""Enough to pay the fees of many thousand orders."""

MOODS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("accept_then_502", {}),
    ("accept_then_hang", {}),
    ("accept_then_reset", {}),
    ("reject_busy", {}),
    ("rate_limit", {}),
    ("too_new", {"probability": 0.2}),
    ("slow", {"ms": 1500}),
    ("html_instead_of_json", {}),
    ("tiny_fills", {}),
    ("late_fill_after_cancel", {"ms": 1000, "probability": 0.2}),
    ("garbage_frames", {}),
    ("exponent_numbers", {}),
    ("reordered_maps", {}),
    ("failed_after_success", {}),
)
"""Each strikes with a probability of 1 or 2 %; those that a venue does not have are left out. Together that is one call
in seven that fails. From one in five on, the trader is to reduce only, and is right: then few orders would be placed.
One order in twenty or so is cancelled, so what happens to cancels strikes more often, to be as frequent in the end."""

STREAM_MOODS = ("stream_drop", "stream_silence", "skip_sequence")
"""What ends a connection is no matter of one frame in a hundred: each of these is on for 3 % of the looks."""
DISORDER = ("duplicate_events", "reordered_events")
"""On a numbered stream these end a connection too."""


@dataclass
class Outcome:
    """What a soak found; ``faults`` empty: everything held."""

    venue: str
    seed: int
    orders: int
    wall_s: float
    market_s: float
    fills: int
    struck: dict[str, int]
    worst_exposure: int
    faults: list[str] = field(default_factory=list)

    def text(self) -> str:
        """One line for people, then the faults."""
        rate = f"{self.orders / self.wall_s:.0f}/s of the wall, {self.orders / self.market_s:.2f}/s of the market"
        struck = " ".join(f"{name}={count}" for name, count in sorted(self.struck.items()))
        head = (
            f"{self.venue}: seed {self.seed}, {self.orders} orders ({rate}), {self.fills} fills, "
            f"worst exposure {self.worst_exposure} of {POSITION_LOTS_MAX} lots; {struck}"
        )
        return "\n".join([head, *(f"  FAULT {fault}" for fault in self.faults)])


def soak(venue: str, directory: Path, *, orders: int, seed: int, time_scale: float) -> Outcome:
    """Run until ``orders`` were received by the exchange; then peace, a stop, and the judgement."""
    protocol = PROTOCOLS[venue]
    tape = write_market(directory / "soak.tape", seed=seed, seconds=1800)
    exchange = Exchange(
        directory / "exchange", "--public-per-second", "0", "--no-private-limits", "--seed", str(seed),
        time_scale=time_scale, tape=str(tape), venue=protocol.venue, balances=RICH,
    )  # fmt: skip
    running: Trader | None = None
    begin = time.monotonic()
    try:
        running = _trader(protocol, exchange, directory, seed)
        running.wait_for("ready")
        known = set(exchange.get("/_sim/mood")["known"])
        dice = random.Random(seed + 1)
        for mood in _moods(seed, known):
            exchange.mood(**mood)
        moved, last = time.monotonic(), 0
        while (received := _arrived(exchange, protocol)) < orders:
            assert running.process.poll() is None, running.text()[-4000:]
            moved, last = (time.monotonic(), received) if received > last else (moved, last)
            assert time.monotonic() - moved < STUCK_S_MAX, (running.status()["says"], running.text()[-4000:])
            _disturb_streams(exchange, dice, is_numbered=venue == "coinbase")
            time.sleep(LOOK_S)
        struck = {name: mood["struck"] for name, mood in exchange.status()["moods"].items()}
        wall_s = time.monotonic() - begin
        exchange.mood(name="all", off=True)
        faults = _peace(running)
        code, _ = running.stop()
        if code != 0:
            faults.append(f"the trader ended with exit code {code}")
        outcome = Outcome(venue, seed, received, wall_s, wall_s * time_scale, 0, struck, 0, faults)
        _judge(outcome, protocol, exchange, directory, running.status())
        return outcome
    finally:
        if running is not None:
            running.close()
        exchange.stop()


def _arrived(exchange: Exchange, protocol: Protocol) -> int:
    requests = exchange.status()["requests"]
    return sum(int(requests.get(method, 0)) for method in protocol.place_methods)


def _disturb_streams(exchange: Exchange, dice: random.Random, *, is_numbered: bool) -> None:
    for name in STREAM_MOODS + DISORDER:
        if name in DISORDER and not is_numbered:
            exchange.mood(name=name, probability=0.03)
        elif dice.random() < 0.03:
            exchange.mood(name=name, count=None if name == "stream_silence" else 1)
        else:
            exchange.mood(name=name, off=True)


def _trader(protocol: Protocol, exchange: Exchange, directory: Path, seed: int) -> Trader:
    # The account is a big one, and an answer that hangs costs 0.1 s of the wall: so the orders come fast. Trips are
    # many here, and an hour's pause after ten of them would be all that is seen.
    environ = plug_in(directory / "package", "dice", SOURCE)
    words = setting(
        policy__name="dice", venue__name=protocol.venue, venue__instrument=protocol.symbol,
        sizing__order_size=ORDER_SIZE, limits__order_size_max=ORDER_SIZE,
        limits__position_max=f"0.{POSITION_LOTS_MAX:04d}", limits__orders_per_minute_max=600,
        limits__open_orders_max=20, limits__order_ttl_seconds=3, limits__daily_loss_max=90000000,
        limits__drawdown_max_pct=90, limits__position_notional_max=900000, sizing__capital=100000000,
        service__reconcile_seconds=20,
        service__absence_seconds=15, venue__answer_ms_max=100, venue__rate_factor=10,
        limits__stale_after_seconds=60, health__guard_trips_crit=1000,
    )  # fmt: skip
    words += setting(policy__parameters__seed=seed % 1000)
    return Trader(exchange, directory / "trader", *words, environ=environ)


def _moods(seed: int, known: set[str]) -> Iterator[dict[str, Any]]:
    dice = random.Random(seed)
    for name, more in MOODS:
        percent = dice.randint(1, 2)
        if name in known:
            yield {"name": name, "probability": percent / 100, "seed": seed, **more}


def _peace(running: Trader) -> list[str]:
    """Nothing hostile any more: what is unknown must become known by itself."""
    deadline = time.monotonic() + PEACE_S_MAX
    running.operator_file("kill", "the soak ends\n")
    while time.monotonic() < deadline:
        status = running.status()
        if status["kill"]["on"] and status["orders"] == {"working": 0, "unknown": 0}:
            return []
        assert running.process.poll() is None, running.text()[-4000:]
        time.sleep(0.2)
    return [f"after {PEACE_S_MAX:g} s of peace: {running.status()['orders']}"]


def _judge(outcome: Outcome, protocol: Protocol, exchange: Exchange, directory: Path, status: dict[str, Any]) -> None:
    written = judge.read_journal(directory / "trader" / "state" / JOURNAL_NAME)
    page = exchange.get("/_sim/book?ended=1")
    assert not page["calls_more"]
    assert not page["calls_dropped"]
    book = page["accounts"][exchange.account.key.reveal()]
    calls = page["calls"]
    faults = outcome.faults
    orders = [call for call in calls if call["method"] in protocol.place_methods]
    # A call that was refused before its body was read has no parameters on record; it still counts as one arrival.
    faults += judge.duplicates(written, [protocol.received(call) for call in orders if call["params"]])
    if len(orders) > len(written.sent):
        faults.append(f"{len(orders)} orders arrived, {len(written.sent)} were sent")
    theirs = sorted(judge.fills_of(book, BTC_JPY))
    if theirs != sorted(written.fills):
        mine, other = Counter(written.fills), Counter(theirs)
        example = f"only there {(other - mine).most_common(2)}, only here {(mine - other).most_common(2)}"
        faults.append(f"{len(theirs)} fills at the exchange, {len(written.fills)} in the journal: {example}")
    position = sum(side * lots for side, lots, _, _ in theirs)
    told = BTC_JPY.sizes.parse(status["instruments"][protocol.symbol]["position"])
    if told != position:
        faults.append(f"the ledger holds {told} lots, the exchange's fills make {position}")
    if book["orders"]:
        faults.append(f"{len(book['orders'])} orders still work at the exchange")
    outcome.fills = len(theirs)
    outcome.worst_exposure = judge.worst_exposure(movements(book))
    if outcome.worst_exposure > POSITION_LOTS_MAX:
        faults.append(f"exposure of {outcome.worst_exposure} lots, {POSITION_LOTS_MAX} are allowed")
