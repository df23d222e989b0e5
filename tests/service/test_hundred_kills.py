"""SIGKILL at any moment, again and again: nothing is lost, nothing is sent twice, and the books agree at the end.

The judge is the exchange's own book of what it received. ``ZTB_KILLS`` says how often (30 in a hurry, 100 in continuous
integration), ``ZTB_SEED`` repeats a run's moments.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.service.processes import BUSY, Exchange, Trader, exchange, net, trader
from ztb.core.command import Place
from ztb.store.codec import decode
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader
from ztb.store.verify import verify

KILLS = int(os.environ.get("ZTB_KILLS", "30"))
SEED = int(os.environ.get("ZTB_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
TIME_SCALE = 50.0
START_UP_SHARE = 0.25
"""So many of the kills come while the trader starts: before READY, or before it has done anything at all."""
START_UP_S = 0.7
TRADING_S = 0.35


class Audit:
    """What was seen so far; each look must hold against it."""

    def __init__(self, exchange: Exchange, state_dir: Path) -> None:
        self._exchange = exchange
        self._path = state_dir / JOURNAL_NAME
        self.places: dict[str, Place] = {}
        self.received: dict[str, dict[str, Any]] = {}
        self._calls_seen = 0

    def look(self) -> None:
        """The exchange's book first, then the journal: what left must have been written before."""
        for call in self._exchange.calls(after=self._calls_seen):
            self._calls_seen = call["sequence"]
            tag = call["params"]["comment"]
            assert tag not in self.received, f"{tag} was sent twice"
            self.received[tag] = call
        if not self._path.exists():
            assert not self.received
            return
        report = verify(self._path)
        assert report.ok, report
        before = self.places
        with closing(JournalReader(self._path)) as reader:
            found = [decode(record.kind, record.body) for record in reader.read(kinds={"place"})]
        places = [place for place in found if isinstance(place, Place)]
        self.places = {place.client_id: place for place in places}
        assert len(self.places) == len(places), "a client id was used for two orders"
        assert before.items() <= self.places.items(), "an intent was lost"
        for tag, call in self.received.items():
            assert tag in self.places, f"{tag} left without an intent"
            assert self.places[tag].ts_ns <= call["received_ns"], f"{tag} left before its intent"


@pytest.mark.long
@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    print(f"ZTB_SEED={SEED} ZTB_KILLS={KILLS}")
    moments = random.Random(SEED)
    begin = time.monotonic()
    with exchange(
        tmp_path / "exchange", "--no-private-limits", "--public-per-second", "0", time_scale=TIME_SCALE
    ) as venue:
        venue.mood(name="slow", ms=400, probability=0.3, seed=SEED)
        venue.mood(name="accept_then_502", probability=0.05)
        audit = Audit(venue, tmp_path / "trader" / "state")
        ready = 0
        running = Trader(venue, tmp_path / "trader", *BUSY)
        try:
            for _ in range(KILLS):
                if moments.random() < START_UP_SHARE:
                    time.sleep(moments.random() * START_UP_S)
                else:
                    running.wait_for("ready")
                    time.sleep(moments.random() * TRADING_S)
                ready += "ready" in running.events()
                assert running.process.poll() is None, running.text()
                running.close()
                running = Trader(venue, tmp_path / "trader", *BUSY)
                audit.look()
        finally:
            running.close()
        orders = len(audit.received)
        print(f"{KILLS} kills, {ready} after READY, {orders} orders, {time.monotonic() - begin:.0f} s")
        assert orders >= KILLS // 2, "too few orders for this to mean anything"
        _end_in_peace(venue, tmp_path / "trader", audit)


def _end_in_peace(venue: Exchange, directory: Path, audit: Audit) -> None:
    """A last session without accidents: it finds out everything, trades, and stops. Then the books must agree."""
    venue.mood(name="all", off=True)
    with trader(venue, directory, *BUSY) as last:
        last.wait_for("ready")
        last.wait_for("order_filled")
        code, _ = last.stop()
        assert code == 0, last.text()
        status = last.status()
    audit.look()
    book = venue.book()
    position, fees = net(book["fills"])
    ours = status["instruments"]["btc_jpy"]
    assert (Decimal(ours["position"]), Decimal(ours["fees"])) == (position, fees)
    assert status["orders"] == {"working": 0, "unknown": 0}
    assert book["orders"] == []
    assert {fill["comment"] for fill in book["fills"]} <= audit.places.keys()
