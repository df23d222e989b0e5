"""The hostile soak in its short form: every venue, as real processes, until so many orders were placed.

``ZTB_SOAK_ORDERS`` says how many (150 in a hurry, 2,000 in continuous integration), ``ZTB_SEED`` repeats a run.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.soak.hostile import soak
from tests.soak.protocols import PROTOCOLS

ORDERS = int(os.environ.get("ZTB_SOAK_ORDERS", "150"))
SEED = int(os.environ.get("ZTB_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
TIME_SCALE = 250.0


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("venue", PROTOCOLS)
def test_everything_holds_on_a_hostile_venue(venue: str, tmp_path: Path) -> None:
    print(f"ZTB_SEED={SEED} ZTB_SOAK_ORDERS={ORDERS}")
    outcome = soak(venue, tmp_path, orders=ORDERS, seed=SEED, time_scale=TIME_SCALE)
    print(outcome.text())
    assert outcome.faults == []
    assert outcome.orders >= ORDERS
    assert outcome.fills > 0
    assert sum(count > 0 for count in outcome.struck.values()) >= 5, "too little happened for this to mean anything"
