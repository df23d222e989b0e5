"""What the public side of every venue has: one transport, one set of limits, and an end.

A venue's own class adds its market and its stream; its whole (``venue``) adds the account to that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ztb.venues import limits
from ztb.venues.clock import Clock
from ztb.venues.limiter import Limiter, RateRule
from ztb.venues.port import Addresses, HeadRoom, Terms
from ztb.venues.transport import Transport


class CommonSide:
    """The half of ``port.PublicSide`` that is the same everywhere."""

    def __init__(
        self,
        addresses: Addresses,
        rate_rules: Mapping[str, RateRule],
        *,
        clock: Clock,
        jitter: Callable[[], float],
        terms: Terms,
    ) -> None:
        self._addresses = addresses
        self._clock = clock
        self._jitter = jitter
        # What the operator allows for an answer is for the answer alone: finding a connection comes on top.
        exchange_s_max = terms.answer_s_max + 2 * limits.CONNECT_S_MAX
        self._transport = Transport(addresses.rest, read_s_max=terms.answer_s_max, exchange_s_max=exchange_s_max)
        self._limiter = Limiter(rate_rules, clock=clock, private_factor=terms.rate_factor)

    def head_room(self) -> tuple[HeadRoom, ...]:
        """Every rate limit, for people."""
        return self._limiter.rooms()

    async def close(self) -> None:
        """Close every socket; what was used up of the rate limits stays on disk for the next process."""
        await self._transport.close()
        self._limiter.close()
