"""Every reason code and every guard has its two cases, or stands here with why nobody outside can cause it."""

from __future__ import annotations

from tests.guards.reaction_cases import GUARDS
from tests.guards.refusal_cases import REFUSALS
from ztb.core.control import REFUSALS as OF_LEVELS
from ztb.core.gate import REASONS
from ztb.core.reaction import REACTIONS

ELSEWHERE = {
    "risk_evaluation_failed": "test_special: a defect is put in",
    "max_position_size_exceeded": "test_special: no order can lead there, only a smaller limit at the next start",
    "order_size": "test_special: such a profile does not start, and sizing only shrinks",
}
INSIDE = {
    "would_flip": "an order that reduces is made as small as what it may close; the gate checks that once more",
    "frozen": "no file, signal or guard asks for a pause in which not even positions are shrunk",
}


def test_every_refusal_has_its_cases() -> None:
    known = {case.code for case in REFUSALS}
    assert known | ELSEWHERE.keys() | INSIDE.keys() >= set(REASONS)
    assert not known & INSIDE.keys()


def test_every_refusal_of_a_control_has_its_words() -> None:
    assert set(OF_LEVELS.values()) <= set(REASONS)


def test_every_guard_has_its_cases() -> None:
    assert {case.code for case in GUARDS} | ELSEWHERE.keys() >= set(REACTIONS)


def test_every_case_is_of_a_code_that_exists() -> None:
    assert {case.code for case in REFUSALS} <= set(REASONS)
    assert {case.code for case in GUARDS} <= set(REACTIONS)
    assert ELSEWHERE.keys() | INSIDE.keys() <= set(REASONS) | set(REACTIONS)


def test_every_refusal_has_two_different_cases() -> None:
    for case in REFUSALS:
        assert case.above != case.below or case.play_below is not None, case.code
