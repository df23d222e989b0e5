"""Every refusal of the gate through a whole daemon: it fires, and just below it does not (see ``refusal_cases``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guards.daemon import daemon
from tests.guards.market import Simulator
from tests.guards.refusal_cases import REFUSALS, Refusal
from tests.guards.virtual_time import VirtualClock, VirtualLoop, pass_time, play


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.code)
def test_it_fires(case: Refusal, tmp_path: Path) -> None:
    outcome, arrived, wished = play(lambda loop: _played(loop, case, tmp_path, fires=True))
    assert outcome == case.code
    assert arrived == wished


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.code)
def test_it_does_not_fire_just_below(case: Refusal, tmp_path: Path) -> None:
    outcome, arrived, wished = play(lambda loop: _played(loop, case, tmp_path, fires=False))
    assert outcome == ""
    assert arrived == wished


async def _played(loop: VirtualLoop, case: Refusal, directory: Path, *, fires: bool) -> tuple[str, int, int]:
    """What became of the last wish; the orders that arrived at the exchange, and those that the journal says were
    made."""
    simulator = Simulator(VirtualClock(loop), venue=case.venue, price=case.price, instrument=case.instrument)
    await simulator.start()
    narrow = {**case.both, **(case.above if fires else case.below)}
    try:
        async with daemon(loop, directory, simulator, venue=case.venue, narrow=narrow) as d:
            outcome = await (case.play if fires else case.play_below or case.play)(d)
            await pass_time(2)
            made = sum(row[5].startswith("ztb-") for row in d.wishes())
            return outcome, len(simulator.orders()), made
    finally:
        await simulator.server.stop()
