"""Leverage: ``openPositions`` and ``positionSummary``, ``closeOrder`` by id and ``closeBulkOrder`` over many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ztb.core.instrument import BUY, SELL
from ztb.simulator.accounts import Account
from ztb.simulator.gmo import errors
from ztb.simulator.gmo.calls import Calls, Handlers, list_of, page_of
from ztb.simulator.gmo.orders import Terms, place, terms
from ztb.simulator.gmo.parameters import Parameters
from ztb.simulator.margin import Position, PositionRefused
from ztb.simulator.record import Call

_BY_ID: Final[Mapping[str, str]] = {
    "not_found": "ERR-254",
    "side": "ERR-70",
    "size": "ERR-189",
    "locked": "ERR-200",
}
_BULK: Final[Mapping[str, str]] = {**_BY_ID, "not_found": "ERR-422"}


class PositionCalls:
    """Positions are closed by orders on the other side that name them, or by size."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.handlers: Final[Handlers] = {
            ("GET", "openPositions"): self._open_positions,
            ("GET", "positionSummary"): self._summary,
            ("POST", "closeOrder"): self._close,
            ("POST", "closeBulkOrder"): self._close_bulk,
            ("POST", "changeLosscutPrice"): self._change_losscut,
        }

    def _open_positions(self, account: Account, params: Parameters, _call: Call) -> dict[str, Any]:
        shapes = self._calls.shapes
        newest_first = reversed(tuple(account.positions.values()))
        wanted = self._calls.symbol(params)
        rows = (position.now() for position in newest_first if position.symbol == wanted)
        return page_of(rows, params, shapes.position)

    def _summary(self, account: Account, params: Parameters, _call: Call) -> dict[str, Any]:
        shapes = self._calls.shapes
        wanted = self._calls.symbol(params) if "symbol" in params else shapes.leverage
        positions = [position.now() for position in account.positions.values() if position.symbol == wanted]
        rows = (shapes.summary(positions, side) for side in (BUY, SELL))
        return list_of([row for row in rows if row is not None])

    def _close(self, account: Account, params: Parameters, call: Call) -> str:
        self._require_leverage(params)
        settle = params.rows("settlePosition")
        if len(settle) != 1:
            raise errors.parameter()
        lots = settle[0].size(self._calls.exchange.instrument)
        ordered = terms(self._calls, params, lots)
        wanted = [(settle[0].number("positionId"), lots)]
        margin = self._calls.exchange.purse.margin
        try:
            chosen = margin.choose(account.positions.values(), wanted, side=ordered.side)
        except PositionRefused as refused:
            raise errors.Refusal(_BY_ID[refused.code]) from None
        return self._send(account, ordered, chosen, call)

    def _close_bulk(self, account: Account, params: Parameters, call: Call) -> str:
        self._require_leverage(params)
        ordered = terms(self._calls, params, params.size(self._calls.exchange.instrument))
        margin = self._calls.exchange.purse.margin
        try:
            chosen = margin.choose_oldest(account.positions.values(), ordered.lots, side=ordered.side)
        except PositionRefused as refused:
            raise errors.Refusal(_BULK[refused.code]) from None
        return self._send(account, ordered, chosen, call)

    def _send(self, account: Account, ordered: Terms, chosen: list[tuple[Position, int]], call: Call) -> str:
        return place(self._calls, account, ordered, self._calls.shapes.leverage, call, closes=chosen)

    def _require_leverage(self, params: Parameters) -> None:
        if self._calls.symbol(params) != self._calls.shapes.leverage:
            raise errors.parameter()

    def _change_losscut(self, account: Account, params: Parameters, _call: Call) -> object:
        if params.number("positionId") not in account.positions:
            raise errors.Refusal("ERR-254")
        params.steps("losscutPrice", self._calls.exchange.instrument.prices)
        raise errors.Refusal("ERR-5118")
