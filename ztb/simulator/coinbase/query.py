"""The query string of a request, checked one parameter at a time; what is not understood is a 400 that names it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import parse_qs

from ztb.simulator.coinbase import errors
from ztb.simulator.coinbase.texts import ns_of

FIELDS_MAX: Final = 1_000
_WHOLE: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_NS_MAX: Final = (1 << 63) - 1


class Query:
    """Unknown parameters are ignored, as the venue ignores them."""

    def __init__(self, text: str) -> None:
        try:
            self._fields = parse_qs(text, max_num_fields=FIELDS_MAX)
        except ValueError:
            raise errors.invalid("too many parameters") from None

    def one(self, name: str, default: str = "") -> str:
        """The last value of a parameter."""
        return self._fields.get(name, [default])[-1]

    def many(self, name: str) -> list[str]:
        """All values of a parameter that may be repeated."""
        return self._fields.get(name, [])

    def whole(self, name: str, default: int, *, most: int) -> int:
        """A whole number of 0 or more; larger ones than ``most`` mean ``most``, and 0 the default."""
        text = self.one(name)
        if not text:
            return default
        if not _WHOLE.fullmatch(text):
            raise errors.invalid(f"{name} is no whole number")
        return min(int(text), most) or default

    def time_ns(self, name: str, default: int) -> int:
        """An RFC 3339 time."""
        text = self.one(name)
        if not text:
            return default
        try:
            # A plus sign in a query is a blank, and some clients do not escape it.
            return min(ns_of(text.replace(" ", "+")), _NS_MAX)
        except (ValueError, OverflowError):
            raise errors.invalid(f"{name} is no RFC 3339 time") from None

    def cursor(self) -> int:
        """Where the page before ended; 0: this is the first one."""
        text = self.one("cursor")
        if not text:
            return 0
        try:
            number = base64.urlsafe_b64decode(text.encode()).decode()
        except (binascii.Error, ValueError):
            raise errors.invalid("cursor is not one of ours") from None
        if not _WHOLE.fullmatch(number):
            raise errors.invalid("cursor is not one of ours")
        return int(number)


def cursor_text(number: int) -> str:
    """What the client sends back to go on."""
    return base64.urlsafe_b64encode(str(number).encode()).decode()
