"""What the private calls have in common: the exchange, its shapes, and how a page of rows is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar, final

from ztb.simulator.accounts import Account
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo.parameters import Parameters
from ztb.simulator.gmo.rules import GmoRules
from ztb.simulator.gmo.shapes import Shapes
from ztb.simulator.moods import Moods
from ztb.simulator.record import Call, Record

Handler = Callable[[Account, Parameters, Call], object]
"""Answers the ``data`` member or raises ``Refusal``."""
Handlers = Mapping[tuple[str, str], Handler]
"""By HTTP method and the path after ``/private/v1/``."""

T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True)
class Calls:
    """Given to every family of calls."""

    exchange: Exchange
    shapes: Shapes
    moods: Moods
    record: Record
    rules: GmoRules

    def symbol(self, params: Parameters) -> str:
        """One of the two symbols of this exchange."""
        return params.choice("symbol", self.shapes.symbols)


def page_of(rows: Iterator[T], params: Parameters, shape: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """One page of rows, nothing at all where it is empty."""
    page, count = params.page()
    told = [shape(row) for row in islice(rows, (page - 1) * count, page * count)]
    return {"pagination": {"currentPage": page, "count": count}, "list": told} if told else {}


def list_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows without pages, nothing at all where there are none."""
    return {"list": list(rows)} if rows else {}


SETTLE_TYPES: Final = ("OPEN", "CLOSE")
