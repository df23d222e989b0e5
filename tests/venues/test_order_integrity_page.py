"""docs/order-integrity.md says the numbers that the code keeps, and names the rows that it answers to."""

from __future__ import annotations

from pathlib import Path

import pytest

from ztb.core.lifecycle import LOOK_UP_EVERY_NS
from ztb.host.profile import Service
from ztb.service.reconciliation import LOOKS_MAX
from ztb.service.starts import FAILED_STARTS_MAX, STARTS_NAME
from ztb.venues.identity import CERTAIN_NS, POSSIBLE_NS, TURN_UP_NS
from ztb.venues.pacing import PollingPace
from ztb.venues.tracker import LOOK_UP_EVERY_S
from ztb.venues.verdict import GONE_LOOKS_MIN, Patience

PAGE = " ".join((Path(__file__).resolve().parents[2] / "docs" / "order-integrity.md").read_text("utf-8").split())
IN_WORDS = {2: "two", 3: "three", 4: "four"}
SECOND = 1_000_000_000
PATIENCE = Patience()


@pytest.mark.parametrize(
    "phrase",
    [
        f"`service.absence_seconds` is {PATIENCE.absent_s:g}",
        f"absent in {IN_WORDS[PATIENCE.absent_looks_min]} looks over {PATIENCE.absent_s:g} s",
        f"fills in {IN_WORDS[PATIENCE.absent_looks_min]} looks over {PATIENCE.absent_s:g} s",
        f"{IN_WORDS[GONE_LOOKS_MIN]} looks over {PATIENCE.gone_s:g} s",
        f"at most once in {LOOK_UP_EVERY_NS // SECOND} s",
        f"no earlier than {CERTAIN_NS // SECOND} s before",
        f"older than the sending by {CERTAIN_NS // SECOND} s to {POSSIBLE_NS // SECOND // 60} min",
        f"concluded without it ({TURN_UP_NS // SECOND // 60} min)",
        f"looks go on every {PollingPace().stream_s:g} s",
        f"stays for {IN_WORDS[LOOKS_MAX]} looks",
        f"After {IN_WORDS[FAILED_STARTS_MAX]} in a row",
        f"`{STARTS_NAME}`",
    ],
)
def test_numbers(phrase: str) -> None:
    assert phrase in PAGE


def test_the_profile_and_the_tracker_agree() -> None:
    assert Service().absence_seconds == PATIENCE.absent_s
    assert LOOK_UP_EVERY_S * SECOND == LOOK_UP_EVERY_NS


@pytest.mark.parametrize(
    "row", ["F-01", "F-02", "F-03", "F-04", "F-05", "F-06", "F-07", "F-08", "F-13", "F-20", "F-25"]
)
def test_rows(row: str) -> None:
    assert f"({row}" in PAGE or f" {row}" in PAGE
