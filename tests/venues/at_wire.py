"""A word at the wire, played: an order's intent is on disk at once, and the test says whether the order may leave."""

from __future__ import annotations

from collections.abc import Callable

from ztb.core.command import Place


class AtWire:
    """``port.AtWire`` made of its second half."""

    def __init__(self, check: Callable[[Place], None]) -> None:
        self._check = check

    async def durable(self, order: Place) -> None:
        """It is."""

    def check(self, order: Place) -> None:
        """What the test says."""
        self._check(order)
