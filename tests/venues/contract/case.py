"""A case of the contract: a number, a sentence, what it needs, and what every venue is expected to do.

A case acts and returns the *outcome* in words; the table says which outcome is right for which venue. So a venue that
cannot do a thing is never passed over: what it does instead is said here and asserted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from tests.venues.contract.bench import Bench
from tests.venues.contract.exchange import Setup

E = TypeVar("E", bound=Exception)
Run = Callable[[Bench], Awaitable[str]]
USUAL: Final = Setup()
ALL: Final = "*"
PAPERS: Final = "papers"


@dataclass(frozen=True)
class Case:
    """``outcomes`` by kit; a key may name several, ``papers`` are all paper kits, ``*`` is for whom no key names."""

    number: str
    title: str
    run: Run
    outcomes: Mapping[str, str]
    setup: Setup

    def expected(self, kit: str) -> str:
        """The right outcome for this venue."""
        named = {name: outcome for names, outcome in self.outcomes.items() for name in names.split(", ")}
        keys = (kit, PAPERS, ALL) if kit.startswith("paper") else (kit, ALL)
        return next(named[key] for key in keys if key in named)


CASES: Final[dict[str, Case]] = {}


def case(number: str, title: str, outcomes: str | Mapping[str, str], setup: Setup = USUAL) -> Callable[[Run], Run]:
    """Enter a case into the table; a number may be given once."""

    def enter(run: Run) -> Run:
        assert number not in CASES, number
        told = {ALL: outcomes} if isinstance(outcomes, str) else outcomes
        CASES[number] = Case(number, title, run, told, setup)
        return run

    return enter


async def refused(work: Awaitable[object], *, expected: type[E]) -> E:
    """The error that this call must raise."""
    try:
        await work
    except expected as error:
        return error
    raise AssertionError(f"no {expected.__name__}")
