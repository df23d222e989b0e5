"""The form parameters of ``/tapi``, checked one by one; each refusal names the parameter as Zaif does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from ztb.core.error import AmountError
from ztb.core.instrument import Instrument
from ztb.core.money import Grid
from ztb.simulator.zaif import errors
from ztb.simulator.zaif.rules import COMMENT_LENGTH_MAX
from ztb.simulator.zaif.shapes import SIDES

_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_COMMENT: Final = re.compile(r"[ -.0-~]*", re.ASCII)
"""Half-width letters, digits and symbols, but no slash."""
_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False}


class Parameters:
    """What a client sent, beside nonce and method."""

    def __init__(self, params: Mapping[str, str]) -> None:
        self._params = params

    def decimal(self, name: str) -> Decimal:
        """A number of zero or more."""
        text = self._params.get(name, "")
        if not _NUMBER.fullmatch(text):
            raise errors.invalid(name)
        return Decimal(text)

    def steps(self, name: str, grid: Grid, *, low: int, high: int) -> int:
        """An amount on its grid, in steps."""
        try:
            steps = grid.exact(self.decimal(name))
        except AmountError:
            raise errors.invalid(name) from None
        if not low <= steps <= high:
            raise errors.invalid(name)
        return steps

    def whole(self, name: str, default: int | None = None) -> int | None:
        """A whole number of zero or more."""
        text = self._params.get(name)
        if text is None:
            return default
        if not _WHOLE.fullmatch(text):
            raise errors.invalid(name)
        return int(text)

    def required(self, name: str) -> str:
        """A text that must be there."""
        text = self._params.get(name, "")
        if not text:
            raise errors.invalid(name)
        return text

    def truth(self, name: str) -> bool:
        text = self._params.get(name)
        if text is None:
            return False
        if text.lower() not in _TRUTH:
            raise errors.invalid(name)
        return _TRUTH[text.lower()]

    def side(self) -> int:
        try:
            return SIDES[self._params.get("action", "")]
        except KeyError:
            raise errors.invalid("action") from None

    def pair(self, known: str, *, required: bool) -> bool:
        """Whether a pair was named; only the one of this exchange is known."""
        named = self._params.get("currency_pair")
        if named is None and not required:
            return False
        if named != known:
            raise errors.invalid("currency_pair")
        return True

    def newest_first(self) -> bool:
        order = self._params.get("order", "DESC").upper()
        if order not in ("ASC", "DESC"):
            raise errors.invalid("order")
        return order == "DESC"

    def comment(self) -> str:
        comment = self._params.get("comment", "")
        if len(comment) > COMMENT_LENGTH_MAX or not _COMMENT.fullmatch(comment):
            raise errors.Refusal(errors.COMMENT)
        return comment

    def refuse_take_profit(self, instrument: Instrument, *, price: int, rises: bool) -> None:
        """``limit`` asks for an automatic opposite order, which this exchange does not make."""
        if "limit" not in self._params:
            return
        limit = self.steps("limit", instrument.prices, low=1, high=10**18)
        if rises and limit <= price:
            raise errors.Refusal(errors.LIMIT_TOO_LOW)
        if not rises and limit >= price:
            raise errors.Refusal(errors.LIMIT_TOO_HIGH)
        raise errors.invalid("limit")
