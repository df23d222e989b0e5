"""The market of a case, written by hand: in ticks around one price, and in pieces of a size that every venue takes.

One piece is a number of lots that depends on the venue, so that the same story can be told everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import SELL, Instrument

TAPE_NS = 1_600_000_000_000_000_000
SECOND_NS = 1_000_000_000
BID, ASK = 2_737_990, 2_738_000
"""In ticks; ten of them lie between."""
BIDS = ((BID, 300), (BID - 10, 1_000))
ASKS = ((ASK, 50), (ASK + 1, 123), (ASK + 10, 1_000))
"""In pieces. The first three levels of a purchase: 50, then 123, then 1,000."""
PIECES_MIN = 5
"""The smallest order that the venue takes."""
PIECES_MAX = 1_000_000

MarketEvent = Trade | Quote | Depth
Levels = Sequence[tuple[int, int]]


class Script:
    """Events of one instrument; seconds count from the beginning of the case."""

    def __init__(self, instrument: Instrument, piece: int) -> None:
        self._instrument = instrument
        self._piece = piece
        self.events: list[MarketEvent] = []
        self.book(0, BIDS, ASKS)
        # A market has traded before anybody comes to it.
        self.trade(0, ASK, 20, side=1)

    def book(self, second: float, bids: Levels, asks: Levels) -> None:
        """The whole book from this second on."""
        sides = [tuple((price, pieces * self._piece) for price, pieces in side) for side in (bids, asks)]
        self.events.append(Depth(self._ns(second), self._instrument.symbol, sides[0], sides[1], True))

    def trade(self, second: float, price: int, pieces: int, *, side: int = SELL) -> None:
        """Somebody trades; ``side`` is the taker's."""
        self.events.append(Trade(self._ns(second), self._instrument.symbol, price, pieces * self._piece, side))

    def _ns(self, second: float) -> int:
        return TAPE_NS + round(second * SECOND_NS)


Story = Callable[[Script], None]


def quiet(script: Script) -> None:
    """Nothing happens after the beginning."""
