"""What the journal alone says of the bot's books: positions with their cost, fees, and orders that are over.

The market is not in the journal, and so no marks, no equity and no peaks; what is here does not depend on them. It
follows from the first record on, through every session, with or without any checkpoint.
"""

from __future__ import annotations

from typing import Any

from ztb.core.order import TERMINAL
from ztb.core.state import EngineConfig, State
from ztb.service.recovery import recover
from ztb.store.reader import JournalReader


class Books:
    """Folds a journal record by record; asked for rising places it walks only once."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal
        self._state: State | None = None
        self._seq = 0

    def before(self, seq: int, config: EngineConfig) -> dict[str, Any]:
        """The books right before the record ``seq``, in the form of ``books_of``."""
        symbols = {instrument.symbol for instrument in config.instruments}
        if self._state is None or seq <= self._seq or set(self._state.desks) != symbols:
            self._state, self._seq = State(config), 0
        state = self._state
        recover(state, None, (record for record in self._journal.read(self._seq) if record.seq < seq))
        self._seq = seq - 1
        return books_of(state.snapshot())


def books_of(snapshot: dict[str, Any]) -> dict[str, Any]:
    """The part of a state's snapshot that the journal alone decides."""
    orders = [order for order in snapshot["orders"] if order["state"] in TERMINAL]
    return {
        "sequence": snapshot["sequence"],
        "epoch": snapshot["epoch"],
        "killed": snapshot["control"]["killed"],
        # Lots, cost, realised profit and fees; the last member is the unrealised profit at the last mark.
        "positions": {symbol: held[:4] for symbol, held in snapshot["ledger"]["positions"].items()},
        "orders": {order["client_id"]: [order["state"], order["filled_lots"], order["fills"]] for order in orders},
    }
