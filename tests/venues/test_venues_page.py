"""docs/venues.md says what the adapters declare, names every setting as the profile does, and every error class."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.venues.scripted_clock import ScriptedClock
from tests.venues.venues_page import PAGE, VENUES, written
from ztb.core import error
from ztb.host.profile import Service
from ztb.host.profile import Venue as VenueKeys
from ztb.venues import limits
from ztb.venues.port import Terms
from ztb.venues.registry import VENUE_NAMES, addresses_at, open_venue
from ztb.venues.sending import TURN_S_MAX

TEXT = PAGE.read_text("utf-8")


def test_tables_are_those_of_the_adapters() -> None:
    assert written(TEXT) == TEXT, "run `python -m tests.venues.venues_page`"


def test_no_venue_is_missing() -> None:
    assert set(VENUES) == {*VENUE_NAMES, "paper"}


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"`(venue|service)\.(\w+)`", TEXT))
    assert len(named) >= 6
    known = {"venue": set(VenueKeys.model_fields), "service": set(Service.model_fields)}
    assert [key for room, key in named if key not in known[room]] == []


@pytest.mark.parametrize("name", ["Rejected", "GateClosed", "Throttled", "Unreachable", "UnknownFate"])
def test_every_fate_is_told(name: str) -> None:
    assert issubclass(getattr(error, name), error.VenueError)
    assert f"`{name}`" in TEXT


def test_numbers() -> None:
    assert f"waits at most {TURN_S_MAX:g} s for its turn" in TEXT
    assert f"at most {limits.RETRY_AFTER_S_MAX:g} s" in TEXT
    assert f"{limits.BREAKER_FAILED_IN_ROW} failures in a row" in TEXT


@pytest.mark.parametrize("name", VENUE_NAMES)
def test_what_the_operator_allows_for_an_answer_is_all_that_is_waited_for(name: str) -> None:
    venue = open_venue(
        name, addresses_at(name, "http://127.0.0.1:9"), clock=ScriptedClock(), jitter=lambda: 0.0, terms=Terms("", 30.0)
    )
    transport = venue._transport  # type: ignore[attr-defined]
    assert transport._exchange_s_max == 30.0 + 2 * limits.CONNECT_S_MAX


def test_page_is_linked() -> None:
    assert "docs/venues.md" in (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
