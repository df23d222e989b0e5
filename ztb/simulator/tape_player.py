"""Plays recorded market events on the exchange's own time axis.

The recording's start is put on the exchange's start (``anchor``); after its end it is played again, with time going
on, so that prices jump at the seam but clocks and ids never go back. A recording whose clock steps back keeps its
order: time then stands still for those events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ztb.core.error import UsageError
from ztb.core.event import Depth, Quote, Trade
from ztb.simulator.limits import TAPE_SEAM_NS

MarketEvent = Trade | Quote | Depth
Tape = Callable[[], Iterator[MarketEvent]]
"""Opens the recording from its beginning; called again for each pass."""


class TapePlayer:
    """Events of a tape, each with the exchange's time at which it happens."""

    def __init__(self, tape: Tape, *, loop: bool) -> None:
        self._tape = tape
        self._loop = loop
        self._events = tape()
        self._next: MarketEvent | None = next(self._events, None)
        if self._next is None:
            raise UsageError("the tape holds no market events", remedy="import market data with `ztb tape import`")
        self._first_ns = self._next.ts_ns
        self._latest_ns = self._first_ns
        self._shift_ns = 0
        self.passes = 1
        """How often the tape was begun."""
        self.passes_skipped = 0
        self.events = 0

    @property
    def exhausted(self) -> bool:
        """The tape ended and is not played again."""
        return self._next is None

    @property
    def position_ns(self) -> int:
        """How far into the tape the last event was."""
        return self._latest_ns - self._first_ns

    @property
    def next_position_ns(self) -> int:
        """How far into the tape the next event is (the last one, when none follows)."""
        return (self._latest_ns if self._next is None else self._next.ts_ns) - self._first_ns

    @property
    def time_ns(self) -> int:
        """When the last event happened, in the exchange's time."""
        return self._latest_ns + self._shift_ns

    def anchor(self, now_ns: int, *, offset_ns: int = 0) -> None:
        """What lies ``offset_ns`` after the tape's beginning happens at ``now_ns``."""
        self._shift_ns = now_ns - self._first_ns - offset_ns

    def anchor_here(self, now_ns: int) -> None:
        """The last event happened at ``now_ns``."""
        self._shift_ns = now_ns - self._latest_ns

    def pop(self) -> MarketEvent | None:
        """The next event of this pass, whenever it is due; None at the end of the tape."""
        event = self._next
        if event is None:
            return None
        self._latest_ns = max(self._latest_ns, event.ts_ns)
        self._next = next(self._events, None)
        self.events += 1
        return event

    def due(self, now_ns: int, count_max: int) -> Iterator[tuple[int, MarketEvent]]:
        """Events that happen until ``now_ns``, at most ``count_max`` of them."""
        for _ in range(count_max):
            if self._next is None and not (self._loop and self._restart(now_ns)):
                return
            assert self._next is not None
            happens_ns = max(self._latest_ns, self._next.ts_ns) + self._shift_ns
            if happens_ns > now_ns:
                return
            event = self.pop()
            assert event is not None
            yield happens_ns, event

    def _restart(self, now_ns: int) -> bool:
        """Begin the tape again. Whole passes that are already over (the host slept) are left out and counted."""
        seam_ns = self._latest_ns + self._shift_ns + TAPE_SEAM_NS
        if seam_ns > now_ns:
            return False
        length_ns = self._latest_ns - self._first_ns + TAPE_SEAM_NS
        skipped = (now_ns - seam_ns) // length_ns
        self._events = self._tape()
        self._next = next(self._events, None)
        if self._next is None:
            raise UsageError("the tape became empty while it was played", remedy="do not change a tape in use")
        self._shift_ns = seam_ns + skipped * length_ns - self._next.ts_ns
        self._first_ns = self._latest_ns = self._next.ts_ns
        self.passes += 1
        self.passes_skipped += skipped
        return True
