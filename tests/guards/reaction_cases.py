"""What trips: for each guard a cause, what must follow from it, and a cause just below that does nothing.

What must follow is written down here from the requirements, not taken from the product's table. In most cases 0.1 BTC
(1,000 lots) is held that cost 100,000 JPY, of a capital of 1,000,000 JPY.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.guards.daemon import Daemon
from tests.guards.market import DEEP, YEN
from tests.guards.virtual_time import pass_time
from ztb.core.event import Feed
from ztb.core.instrument import BUY, SELL

Cause = Callable[[Daemon], Awaitable[None]]
TENTH: dict[str, object] = {"sizing__order_size": "0.1", "limits__order_size_max": "0.1"}


@dataclass(frozen=True)
class Guard:
    """``pause_s`` 0: none. ``reduce_only``: "", ``while`` its cause lasts, or ``resume``: until an operator resumes.

    ``cancelled``: lots of ours that the reaction takes off the book; ``left``: that it leaves there.
    """

    code: str
    row: str
    above: Cause
    below: Cause
    narrow: dict[str, object] = field(default_factory=dict)
    kill: bool = False
    pause_s: int = 0
    everything: bool = True
    reduce_only: str = ""
    cancelled: int = 0
    left: int = 0
    undo: Cause | None = None
    """The cause passes."""
    is_deaf: bool = False
    """No market arrives at that moment, so there is no wish to refuse."""
    refused: str = ""
    """What a wish to open is told; "": by the strongest control of the reaction itself."""


async def buy(d: Daemon) -> None:
    """One order, filled at 1,000,000 JPY."""
    held = d.held_lots()
    assert await d.wish(BUY) == ""
    await d.until(lambda: d.held_lots() > held)


async def rest_to_sell(d: Daemon) -> None:
    """All that is held is offered 0.1 % below the last price, and nobody bids."""
    await buy(d)
    d.simulator.book([], [(YEN, DEEP)])
    await pass_time(1)
    assert await d.wish(SELL) == ""
    await d.until(lambda: d.simulator.working_lots(SELL) == 1_000)
    await pass_time(1)


async def rest_to_buy(d: Daemon) -> None:
    """Ten lots fill, the rest of an order works at 1,001,000 JPY."""
    d.simulator.book([(YEN - 5, DEEP)], [(YEN, 10)])
    await pass_time(1)
    await buy(d)
    assert d.simulator.working_lots(BUY) == 990
    await pass_time(1)


def to(price: int, first: Cause = buy) -> Cause:
    """The market moves there, in one step."""

    async def cause(d: Daemon) -> None:
        await first(d)
        await d.trade(price)

    return cause


async def back(d: Daemon) -> None:
    """The price is what it was."""
    await d.trade(YEN)


def round_trips(count: int, *, bid: int = YEN - 5) -> Cause:
    """So many times bought at 1,000,000 JPY and sold at ``bid``."""

    async def cause(d: Daemon) -> None:
        d.simulator.book([(bid, DEEP)], [(YEN, DEEP)] if bid < YEN else [(YEN + 5, DEEP)])
        for _ in range(count):
            await pass_time(1)
            assert await d.wish(BUY) == ""
            await d.until(lambda: d.held_lots() > 0)
            if bid >= YEN:
                d.simulator.book([(YEN + 5, DEEP)], [(YEN + 10, DEEP)])
                await pass_time(1)
            assert await d.wish(SELL) == ""
            await d.until(lambda: d.held_lots() == 0)

    return cause


def missing(lots: int) -> Cause:
    """So many lots of those that fell to an order leave the account; then the next comparison."""

    async def cause(d: Daemon) -> None:
        await rest_to_buy(d)
        d.simulator.account.balances["btc"] = (10 - lots) * d.simulator.exchange.purse.units.per_lot
        await d.keep_trading(70)

    return cause


async def found_again(d: Daemon) -> None:
    """What was missing is there."""
    d.simulator.account.balances["btc"] = 10 * d.simulator.exchange.purse.units.per_lot
    await d.keep_trading(70)


async def moved_slowly(d: Daemon) -> None:
    """More than 10 %, but the two prices are more than 60 s apart."""
    await rest_to_buy(d)
    await d.trade(YEN)
    await d.keep_trading(20)
    await d.trade(1_050_000)
    for _ in range(14):
        await pass_time(5)
        d.simulator.trade(1_050_000)
    await d.trade(1_100_005)


def unread(count: int | None) -> Cause:
    """So many answers to the list of orders are pages of somebody else (None: all)."""

    async def cause(d: Daemon) -> None:
        await rest_to_sell(d)
        d.simulator.mood("html_instead_of_json", "active_orders", count=count)
        await d.keep_trading(20, every_s=2)

    return cause


async def calm(d: Daemon) -> None:
    """No mood is on, and everything that failed was long ago."""
    d.simulator.moods.switch_off("all")
    await d.keep_trading(130)


async def readable(d: Daemon) -> None:
    """The next comparison can be made."""
    d.simulator.moods.switch_off("all")
    await d.keep_trading(65)


def silent_trades(seconds: float) -> Cause:
    """A position, and so long no trade."""

    async def cause(d: Daemon) -> None:
        await buy(d)
        d.simulator.book([(YEN - 10, DEEP)], [(YEN, DEEP)])
        await d.trade()
        await pass_time(seconds)

    return cause


def bad_fills(ask: int, count: int = 3) -> Cause:
    """So many orders in a row that fill at ``ask``, while the last price is 1,000,000 JPY."""

    async def cause(d: Daemon) -> None:
        d.simulator.book([(YEN - 5, DEEP)], [(ask, DEEP)])
        await pass_time(1)
        for _ in range(count):
            await buy(d)

    return cause


def refused_orders(count: int) -> Cause:
    """The venue refuses so many orders in a row, the next wish always coming as soon as one may."""

    async def cause(d: Daemon) -> None:
        d.simulator.mood("reject_busy", "trade", count=count)
        for number in range(count):
            assert await d.wish(BUY) == ""
            await d.until(lambda number=number: d.setting.meter.orders_rejected == number + 1)  # type: ignore[misc]
            if number + 1 < count:
                await d.keep_trading(5 * 2**number + 1)

    return cause


async def waited_out(d: Daemon) -> None:
    """The venue takes orders again; that is known once the pause is over and one may be tried."""
    await d.keep_trading(1)


def unreadable_balances(count: int) -> Cause:
    """A comparison looks at most three times; so many of its looks cannot read the balances."""

    async def cause(d: Daemon) -> None:
        await buy(d)
        d.simulator.mood("html_instead_of_json", "get_info", "get_info2", count=count)
        await d.keep_trading(75)

    return cause


def silence(seconds: float) -> Cause:
    """An order works, and so long nothing is heard."""

    async def cause(d: Daemon) -> None:
        await rest_to_buy(d)
        await d.trade()
        d.simulator.mood("stream_silence")
        await pass_time(seconds)

    return cause


async def heard(d: Daemon) -> None:
    """The market goes on."""
    d.simulator.moods.switch_off("all")
    await d.trade()


def drops(count: int, *, apart_s: float = 70) -> Cause:
    """The stream is lost so often, each time after it was back for a while."""

    async def cause(d: Daemon) -> None:
        for _ in range(count):
            d.simulator.mood("stream_drop", count=1)
            d.simulator.trade()
            await d.keep_trading(apart_s)

    return cause


async def garbage(d: Daemon) -> None:
    """A frame that makes no sense; the connection stands."""
    d.simulator.mood("garbage_frames", count=1)
    await d.keep_trading(10)


def failed_attempts(count: int) -> Cause:
    """So many connections in a row end before they bring anything."""

    async def cause(d: Daemon) -> None:
        d.simulator.mood("stream_drop", count=count)
        d.simulator.trade()
        while "stream_drop" in d.simulator.moods.active():
            await pass_time(20, quantum_s=10.0)
        await pass_time(1)
        assert sum(not feed.connected for feed in d.told(Feed)) == count

    return cause


GUARDS: tuple[Guard, ...] = (
    # 0.1 BTC lose 10,000 JPY, which is 1 % of the peak, at 900,000 JPY: that is the limit, one tick less is beyond it.
    Guard("max_drawdown_exceeded", "C-44, B-56", to(899_995, rest_to_sell), to(900_000, rest_to_sell),
          {**TENTH, "limits__drawdown_max_pct": 1}, kill=True, cancelled=1_000),
    Guard("max_trade_loss_exceeded", "C-47", to(899_995, rest_to_sell), to(900_000, rest_to_sell),
          {**TENTH, "limits__trade_loss_max": 10_000}, kill=True, cancelled=1_000, undo=back),
    Guard("daily_loss_limit_exceeded", "C-45, B-55", to(899_995, rest_to_sell), to(900_000, rest_to_sell),
          {**TENTH, "limits__daily_loss_max": 10_000}, reduce_only="resume", left=1_000),
    Guard("consecutive_losses", "B-57", round_trips(5), round_trips(4), {"risk__losses_in_row_max": 5},
          reduce_only="resume"),
    # 0.1 p > 0.11 x (900,000 + 0.1 p) from p = 1,112,359.6 on.
    Guard("max_leverage_exceeded", "C-48", to(1_112_360), to(1_112_355), {**TENTH, "limits__leverage_max": "0.11"},
          reduce_only="while", undo=back),
    Guard("wallet_drift_exceeded", "C-49", missing(2), missing(1), {**TENTH, "risk__wallet_drift_max": "0.0001"},
          reduce_only="while", cancelled=990, undo=found_again, refused="not_reconciled"),
    Guard("price_move", "B-58", to(1_100_005, rest_to_buy), to(1_100_000, rest_to_buy),
          {**TENTH, "risk__price_move_max_pct": 10}, pause_s=900, everything=False, cancelled=990),
    Guard("price_move", "B-58", to(899_995, rest_to_sell), moved_slowly,
          {**TENTH, "risk__price_move_max_pct": 10}, pause_s=900, everything=False, left=1_000),
    Guard("api_health", "E", unread(None), unread(1), TENTH, pause_s=300, reduce_only="while", cancelled=1_000,
          undo=calm),
    Guard("stale_mark", "E", silent_trades(11), silent_trades(9), {"limits__stale_after_seconds": 10}, pause_s=120,
          everything=False, undo=heard),
    # 0.5 % of 1,000,000 JPY are 5,000.
    Guard("slippage_guard", "E", bad_fills(1_005_005), bad_fills(1_005_000),
          {"risk__fill_slippage_max_pct": "0.5"}, pause_s=60, everything=False),
    Guard("slippage_guard", "E", bad_fills(1_005_005), bad_fills(1_005_005, 2),
          {"risk__fill_slippage_max_pct": "0.5"}, pause_s=60, everything=False),
    Guard("validation_failures", "E", refused_orders(5), refused_orders(4), pause_s=180, reduce_only="while",
          undo=waited_out),
    Guard("broker_read_failures", "E", unreadable_balances(3), unreadable_balances(2), pause_s=120,
          refused="not_reconciled", undo=readable),
    Guard("stream_stale", "E", silence(31), silence(29), TENTH, pause_s=30, reduce_only="while", cancelled=990,
          undo=heard, is_deaf=True),
    Guard("stream_reconnected", "E", drops(1, apart_s=8), garbage, pause_s=30),
    Guard("stream_attempts_failed", "E", failed_attempts(10), failed_attempts(9), pause_s=300, is_deaf=True),
    Guard("cooldown_active", "A", round_trips(1), round_trips(1, bid=YEN), {"risk__cool_down": "true"}, pause_s=300,
          everything=False),
    Guard("too_many_trips", "E-69", drops(11), drops(10), pause_s=3_600),
)  # fmt: skip
