"""What the account owns and may do: ``account/margin``, ``account/assets``, ``account/tradingVolume``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from ztb.simulator.accounts import Account
from ztb.simulator.gmo.calls import Calls, Handlers
from ztb.simulator.gmo.parameters import Parameters
from ztb.simulator.gmo.rules import DAY_NS
from ztb.simulator.gmo.shapes import plain
from ztb.simulator.record import Call

LIMIT_TODAY: Final = "10000"
"""Nobody is limited by the day here."""


class AccountCalls:
    """Money, margin and volume."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.handlers: Final[Handlers] = {
            ("GET", "account/margin"): self._margin,
            ("GET", "account/assets"): self._assets,
            ("GET", "account/tradingVolume"): self._volume,
        }

    def _margin(self, account: Account, _params: Parameters, _call: Call) -> dict[str, str]:
        exchange, shapes = self._calls.exchange, self._calls.shapes
        purse = exchange.purse
        exchange.mark()
        quote = purse.units.quote
        profit = purse.unrealised(account)
        equity = account.balances.get(quote, 0) + profit
        pledged = account.pledged.get(quote, 0)
        available = shapes.whole_money(max(0, purse.margin_available(account)))
        answer = {
            "actualProfitLoss": shapes.whole_money(equity),
            "availableAmount": available,
            "margin": shapes.whole_money(pledged),
            "marginCallStatus": "NORMAL",
            "marginRatio": "",
            "profitLoss": shapes.whole_money(profit),
            "transferableAmount": available,
        }
        if pledged:
            answer["marginRatio"] = plain((Decimal(equity) * 100 / pledged).quantize(Decimal("0.1")))
        else:
            del answer["marginRatio"]
        return answer

    def _assets(self, account: Account, _params: Parameters, _call: Call) -> list[dict[str, str]]:
        exchange, shapes = self._calls.exchange, self._calls.shapes
        units = exchange.purse.units
        last = exchange.prints.last
        price = shapes.price(last.price) if last is not None else "0"
        rates = {units.quote: "1", units.base: price}
        names = dict.fromkeys((units.quote, units.base, *account.balances))
        return [
            {
                "amount": plain(units.grid(name).decimal(account.balances.get(name, 0))),
                "available": plain(units.grid(name).decimal(max(0, account.available(name)))),
                "conversionRate": rates.get(name, "0"),
                "symbol": name.upper(),
            }
            for name in names
        ]

    def _volume(self, account: Account, _params: Parameters, _call: Call) -> dict[str, Any]:
        exchange, shapes = self._calls.exchange, self._calls.shapes
        week_ns = exchange.now_ns - 7 * DAY_NS
        volume = sum(
            exchange.instrument.notional(fill.price, fill.lots) for fill in account.fills if fill.ts_ns >= week_ns
        )
        limits: list[dict[str, str]] = []
        for symbol in shapes.symbols:
            taker, maker = shapes.fees(symbol, account)
            names = ("todayLimitOpenSize",) if symbol == shapes.leverage else (
                "todayLimitBuySize", "todayLimitSellSize",
            )  # fmt: skip
            sizes = dict.fromkeys(names, LIMIT_TODAY)
            limits.append({"symbol": symbol, **sizes, "takerFee": taker, "makerFee": maker})
        return {"jpyVolume": shapes.whole_money(volume), "tierLevel": 1, "limit": limits}
