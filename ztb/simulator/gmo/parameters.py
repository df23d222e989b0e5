"""The parameters of the private calls, checked one by one, from a query string or a JSON body."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from ztb.core.error import AmountError
from ztb.core.instrument import Instrument
from ztb.core.money import Grid, decimal_from_text
from ztb.simulator.gmo.errors import Refusal, parameter
from ztb.simulator.gmo.rules import COUNT_DEFAULT, COUNT_MAX, IDS_MAX, SIDES

_ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_AMOUNT: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
PAGE_MAX: Final = 10_000


class Parameters:
    """What a client sent. Ids may come as numbers or as texts, amounts only as texts."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = members

    def __contains__(self, name: str) -> bool:
        return self._members.get(name) is not None

    def choice(self, name: str, known: Collection[str], default: str | None = None) -> str:
        """One of the known words; the default where it is left out."""
        value = self._members.get(name, default)
        if not isinstance(value, str) or value not in known:
            raise parameter()
        return value

    def text(self, name: str, length_max: int) -> str:
        """A text that must be there."""
        value = self._members.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= length_max:
            raise parameter()
        return value

    def side(self, name: str = "side") -> int:
        return SIDES[self.choice(name, SIDES)]

    def steps(self, name: str, grid: Grid) -> int:
        """An amount on its grid, in steps: ERR-5114 where it has too many decimals, or lies between two steps."""
        value = self._members.get(name)
        if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
            raise parameter()
        try:
            steps = grid.exact(decimal_from_text(value))
        except AmountError:
            raise Refusal("ERR-5114") from None
        return steps

    def size(self, instrument: Instrument, name: str = "size") -> int:
        """In lots, within what the venue takes."""
        lots = self.steps(name, instrument.sizes)
        if not instrument.lots_min <= lots <= instrument.lots_max:
            raise Refusal("ERR-5126")
        return lots

    def price(self, instrument: Instrument) -> int:
        """In ticks, above zero."""
        price = self.steps("price", instrument.prices)
        if price <= 0:
            raise parameter()
        return price

    def number(self, name: str) -> int:
        """An id."""
        return _number(self._members.get(name))

    def numbers(self, name: str) -> list[int]:
        """Ids of a list, or of a text with commas between them; ten at most."""
        value = self._members.get(name)
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list) or not 1 <= len(parts) <= IDS_MAX:
            raise parameter()
        return [_number(part) for part in parts]

    def texts(self, name: str, known: Collection[str]) -> list[str]:
        """A list of known words that is not empty."""
        value = self._members.get(name)
        if not isinstance(value, list) or not value or any(part not in known for part in value):
            raise parameter()
        return value

    def truth(self, name: str) -> bool:
        value = self._members.get(name, False)
        if not isinstance(value, bool):
            raise parameter()
        return value

    def rows(self, name: str) -> list[Parameters]:
        """A list of objects."""
        value = self._members.get(name)
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise parameter()
        return [Parameters(row) for row in value]

    def page(self) -> tuple[int, int]:
        """Which page, from 1 on, and how many rows it has."""
        page = _number(self._members.get("page", "1"))
        count = _number(self._members.get("count", str(COUNT_DEFAULT)))
        if page > PAGE_MAX or count > COUNT_MAX:
            raise parameter()
        return page, count


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**18:
        return value
    if isinstance(value, str) and _ID.fullmatch(value):
        return int(value)
    raise parameter()
