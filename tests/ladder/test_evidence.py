"""What was not measured has failed, whatever the criterion asks."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ladder.world import rung
from ztb.ladder.evidence import EXIT_CODES, NAMES, Findings, Mark, Verdict, overall, overall_of


def only(judge: Callable[[Findings], None]) -> tuple[Mark, object, str]:
    """The one criterion that ``judge`` adds: its mark, what it shows as measured and as threshold."""
    findings = Findings()
    judge(findings)
    (criterion,) = findings.criteria
    return criterion.verdict, criterion.measured, criterion.threshold


@pytest.mark.parametrize(
    "judge",
    [
        lambda f: f.at_most("A-1", "t", None, 5, "ms"),
        lambda f: f.below("A-1", "t", None, 5, "ms"),
        lambda f: f.at_least("A-1", "t", None, 0, "ms"),
        lambda f: f.equal("A-1", "t", None, 0),
        lambda f: f.equal("A-1", "t", None, None),
        lambda f: f.same_digest("A-1", "t", None, "ab"),
        lambda f: f.same_digest("A-1", "t", None, ""),
        lambda f: f.same_digest("A-1", "t", "", ""),
    ],
)
def test_a_missing_value_fails(judge: Callable[[Findings], None]) -> None:
    mark, measured, _ = only(judge)
    assert mark is Mark.FAIL
    assert measured in (None, "")


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_number_fails(number: float) -> None:
    assert only(lambda f: f.at_most("A-1", "t", number, 5, "ms"))[0] is Mark.FAIL
    assert only(lambda f: f.below("A-1", "t", number, 5, "ms"))[0] is Mark.FAIL
    assert only(lambda f: f.at_least("A-1", "t", -number, 5, "ms"))[0] is Mark.FAIL


@pytest.mark.parametrize(
    ("measured", "at_most", "below", "at_least"),
    [(4, True, True, False), (5, True, False, True), (6, False, False, True), (4.999, True, True, False)],
)
def test_the_bounds_are_where_they_are_said_to_be(measured: float, at_most: bool, below: bool, at_least: bool) -> None:
    def passed(judge: Callable[[Findings], None]) -> bool:
        return only(judge)[0] is Mark.PASS

    assert passed(lambda f: f.at_most("A-1", "t", measured, 5, "s")) == at_most
    assert passed(lambda f: f.below("A-1", "t", measured, 5, "s")) == below
    assert passed(lambda f: f.at_least("A-1", "t", measured, 5, "s")) == at_least


def test_equal_means_equal_in_kind_too() -> None:
    assert only(lambda f: f.equal("A-1", "t", 0, 0)) == (Mark.PASS, 0, "= 0")
    assert only(lambda f: f.equal("A-1", "t", True, True)) == (Mark.PASS, True, "= yes")
    assert only(lambda f: f.equal("A-1", "t", "0", 0))[0] is Mark.FAIL
    assert only(lambda f: f.equal("A-1", "t", True, 1))[0] is Mark.FAIL
    assert only(lambda f: f.equal("A-1", "t", False, 0))[0] is Mark.FAIL


def test_a_digest_is_compared_whole_and_shown_short() -> None:
    one, other = "a" * 64, "a" * 63 + "b"
    assert only(lambda f: f.same_digest("A-1", "t", one, one)) == (Mark.PASS, "a" * 16, f"= {'a' * 16}")
    assert only(lambda f: f.same_digest("A-1", "t", other, one))[0] is Mark.FAIL


def test_what_is_shown() -> None:
    assert only(lambda f: f.at_least("A-1", "t", 1, 1, "orders")) == (Mark.PASS, "1 order", ">= 1 order")
    assert only(lambda f: f.at_least("A-1", "t", 12_345, 2, "orders")) == (Mark.PASS, "12,345 orders", ">= 2 orders")
    assert only(lambda f: f.below("A-1", "t", 0.25, 1, "s")) == (Mark.PASS, "0.250 s", "< 1 s")
    assert only(lambda f: f.at_most("A-1", "t", 1, 1, "ms")) == (Mark.PASS, "1 ms", "<= 1 ms")
    assert only(lambda f: f.holds("A-1", "t", False, "seen")) == (Mark.FAIL, "seen", "holds")


MARKS = {
    Mark.PASS: lambda f: f.holds("A-1", "t", True, "seen"),
    Mark.FAIL: lambda f: f.fail("A-1", "t", "seen"),
    Mark.WARN: lambda f: f.warn("A-1", "t", "seen", "better"),
    Mark.SKIPPED: lambda f: f.skip("A-1", "t", "on request"),
}


@given(st.lists(st.sampled_from(sorted(MARKS)), max_size=6))
def test_a_rung_is_as_good_as_its_worst_criterion(marks: list[Mark]) -> None:
    findings = Findings()
    for mark in marks:
        MARKS[mark](findings)
    assert [criterion.verdict for criterion in findings.criteria] == marks
    if not marks or Mark.FAIL in marks:
        expected = Verdict.NO_GO
    elif set(marks) == {Mark.PASS}:
        expected = Verdict.GO
    else:
        expected = Verdict.CONDITIONAL
    assert findings.verdict() is expected


def test_no_criteria_are_no_go() -> None:
    assert Findings().verdict() is Verdict.NO_GO


@pytest.mark.parametrize("verdicts", list(product(Verdict, repeat=2)))
def test_a_run_is_as_good_as_its_worst_rung(verdicts: tuple[Verdict, Verdict]) -> None:
    worst = max(verdicts, key=[Verdict.GO, Verdict.CONDITIONAL, Verdict.NO_GO].index)
    assert overall_of({"a": verdicts[0], "b": verdicts[1]}, ("a", "b")) is worst


@pytest.mark.parametrize("missing", NAMES)
def test_a_run_without_one_of_its_rungs_is_no_go(missing: str) -> None:
    assert overall([rung(name) for name in NAMES]) is Verdict.GO
    assert overall([rung(name) for name in NAMES if name != missing]) is Verdict.NO_GO


def test_nothing_at_all_is_no_go() -> None:
    assert overall([]) is Verdict.NO_GO


def test_the_exit_codes() -> None:
    assert {verdict.value: code for verdict, code in EXIT_CODES.items()} == {"GO": 0, "NO-GO": 1, "CONDITIONAL": 3}
