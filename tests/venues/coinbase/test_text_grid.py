"""The short way from digits to steps comes to the same as the long one, whatever is written."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.core.error import AmountError, VenueError
from ztb.core.money import Grid, decimal_from_text
from ztb.venues.coinbase.text_grid import StepsOf

GRIDS = st.sampled_from([Decimal(text) for text in ("0.01", "0.00000001", "1", "5", "0.25", "10", "0.010", "1E+2")])
PLAIN = st.builds(
    "{}.{}".format, st.text("0123456789", min_size=1, max_size=15), st.text("0123456789", min_size=1, max_size=15)
)
WHOLE = st.text("0123456789", min_size=1, max_size=20)
ODD = st.text("0123456789.-+eE_ ٣NaInf", max_size=12)


@given(GRIDS, PLAIN | WHOLE | ODD)
def test_exact_steps_are_those_of_the_grid(step: Decimal, text: str) -> None:
    try:
        value = decimal_from_text(text)
        wanted = Grid(step).exact(value) if value >= 0 else None
    except AmountError:
        wanted = None
    if wanted is None:
        with pytest.raises(VenueError) as caught:
            StepsOf(Grid(step), "test")[text]
        assert caught.value.code == "undecodable"
    else:
        assert StepsOf(Grid(step), "test")[text] == wanted


@given(GRIDS, PLAIN | WHOLE | ODD)
def test_steps_rounded_down_are_those_of_the_grid(step: Decimal, text: str) -> None:
    try:
        value = decimal_from_text(text)
        wanted = Grid(step).rounded(value, "floor") if value >= 0 else None
    except AmountError:
        wanted = None
    if wanted is None:
        with pytest.raises(VenueError):
            StepsOf(Grid(step), "test", cut=True)[text]
    else:
        assert StepsOf(Grid(step), "test", cut=True)[text] == wanted


@pytest.mark.parametrize(
    ("step", "text", "steps"),
    [("0.01", "68900.00", 6_890_000), ("0.01", "0.01", 1), ("5", "13690000", 2_738_000), ("0.25", "1.50", 6)],
)
def test_steps_worked_out_by_hand(step: str, text: str, steps: int) -> None:
    assert StepsOf(Grid(Decimal(step)), "test")[text] == steps


@pytest.mark.parametrize("text", ["0", "0.00", "0.009"])
def test_less_than_a_step_is_refused_where_one_is_needed(text: str) -> None:
    with pytest.raises(VenueError) as caught:
        StepsOf(Grid(Decimal("0.01")), "test", at_least=1)[text]
    assert caught.value.code == "undecodable"


def test_what_is_finer_than_a_step_is_cut_off() -> None:
    assert StepsOf(Grid(Decimal("0.00000001")), "test", cut=True)["0.999999999999"] == 99_999_999
    assert StepsOf(Grid(Decimal("5")), "test", cut=True)["14.9"] == 2


@given(GRIDS, st.lists(PLAIN | WHOLE | ODD, max_size=8), st.booleans())
def test_what_was_read_before_is_read_alike(step: Decimal, texts: list[str], cut: bool) -> None:
    steps = StepsOf(Grid(step), "test", cut=cut)
    for text in [*texts, *texts]:
        anew = StepsOf(Grid(step), "test", cut=cut)
        try:
            wanted = anew[text]
        except VenueError:
            with pytest.raises(VenueError):
                steps[text]
            assert text not in steps, "what is no amount is not remembered"
        else:
            assert steps[text] == steps[text] == wanted


def test_not_more_is_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.venues.coinbase.text_grid._KNOWN_MAX", 3)
    steps = StepsOf(Grid(Decimal(1)), "test")
    for number in range(20):
        assert steps[str(number)] == number
        assert len(steps) <= 3
