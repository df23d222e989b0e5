"""What the gate refuses: for each reason code a market in which it does, and one just below in which it does not.

One order is 0.01 BTC (100 lots). Where the price is 1,000,000 JPY its limit is 0.1 % beyond the best ask, so 1,001,000
JPY, and it is worth 10,010 JPY as the limits count it; two of them are worth 20,020 JPY.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from tests.guards.daemon import Daemon
from tests.guards.market import DEEP, PAIR, YEN
from tests.guards.virtual_time import pass_time
from ztb.core.instrument import BUY, SELL, Instrument

Play = Callable[[Daemon], Awaitable[str]]
"""Leads there, and gives what became of the last wish."""


@dataclass(frozen=True)
class Refusal:
    """``above`` fires and ``below`` does not; what they do not name is the same in both."""

    code: str
    row: str
    play: Play
    above: dict[str, object] = field(default_factory=dict)
    below: dict[str, object] = field(default_factory=dict)
    both: dict[str, object] = field(default_factory=dict)
    play_below: Play | None = None
    venue: str = "zaif"
    instrument: Instrument = PAIR
    price: int = YEN


async def one(d: Daemon) -> str:
    """One wish to buy."""
    return await d.wish(BUY)


def times(count: int, *, seconds: float = 0.0) -> Play:
    """Wishes to buy, all but the last of which become orders; ``seconds`` before the last."""

    async def play(d: Daemon) -> str:
        for _ in range(count - 1):
            assert await d.wish(BUY) == ""
        await d.keep_trading(seconds)
        return await d.wish(BUY)

    return play


def asks(*levels: tuple[int, int], then: Play = one, last: int = YEN) -> Play:
    """The ask side of the book, then a wish."""

    async def play(d: Daemon) -> str:
        d.simulator.book([(last - 5, DEEP)], list(levels))
        await pass_time(1)
        return await then(d)

    return play


def quoted(seconds: float, *, traded: bool = True) -> Play:
    """A trade, then silence for so long, then a wish because a best price changes."""

    async def play(d: Daemon) -> str:
        if traded:
            await d.trade()
        d.policy.on_quotes = True
        await pass_time(seconds, quantum_s=1.0)
        before = len(d.wishes())
        d.policy.wants = lambda event, held: BUY
        d.simulator.book([(YEN - 10, DEEP)], [(YEN, DEEP)])
        await d.until(lambda: len(d.wishes()) > before)
        d.policy.wants = None
        return d.outcome(before)

    return play


async def sell(d: Daemon) -> str:
    """One wish to sell."""
    return await d.wish(SELL)


async def bought_and_sell(d: Daemon) -> str:
    """What is held is for sale."""
    assert await d.wish(BUY) == ""
    await d.until(lambda: d.held_lots() == 100)
    return await d.wish(SELL)


async def resting_and_sell(d: Daemon) -> str:
    """A tenth of the order fills, the rest works at 1,001,000 JPY; then a wish to sell."""
    assert await asks((YEN, 10))(d) == ""
    await d.until(lambda: d.held_lots() == 10)
    return await d.wish(SELL)


def left_over(lots: int) -> Play:
    """So little fills before the rest of the order is too old; then a wish to sell it."""

    async def play(d: Daemon) -> str:
        assert await asks((YEN, lots))(d) == ""
        await d.until(lambda: d.held_lots() == lots)
        await d.until(lambda: d.status()["orders"]["working"] == 0)
        return await d.wish(SELL)

    return play


def refused_once(seconds: float) -> Play:
    """The venue refuses an order, and so much later there is the same wish."""

    async def play(d: Daemon) -> str:
        d.simulator.mood("reject_busy", "trade", count=1)
        assert await d.wish(BUY) == ""
        await d.until(lambda: d.setting.meter.orders_rejected == 1)
        await pass_time(seconds)
        return await d.wish(BUY)

    return play


def lost(*, is_read: bool) -> Play:
    """The answer to an order is lost, and the venue's list of orders cannot be read (or it can)."""

    async def play(d: Daemon) -> str:
        d.simulator.mood("accept_then_502", "trade", count=1)
        if not is_read:
            d.simulator.mood("html_instead_of_json", "active_orders", "trade_history")
        assert await d.wish(BUY) == ""
        await d.keep_trading(3 if not is_read else 20)
        assert d.setting.meter.orders_unknown == 1
        return await d.wish(BUY)

    return play


def paused(seconds: float) -> Play:
    """An operator pauses for one minute."""

    async def play(d: Daemon) -> str:
        d.operator_file("pause", '{"minutes": 1, "reason": "a look at it"}')
        await d.until(lambda: d.level == "paused")
        await d.keep_trading(seconds)
        return await d.wish(BUY)

    return play


async def killed(d: Daemon) -> str:
    """A kill file."""
    d.operator_file("kill", "enough")
    await d.until(lambda: d.level == "killed")
    return await d.wish(BUY)


async def killed_and_resumed(d: Daemon) -> str:
    """The same, and an operator's resume."""
    assert await killed(d) == "killed"
    (d.runtime_dir / "operator" / "kill").unlink()
    await pass_time(1)
    d.operator_file("resume", "looked at it")
    await d.until(lambda: d.level == "normal")
    return await d.wish(BUY)


async def flattened(d: Daemon) -> str:
    """A flatten with nothing to close; what follows is refused until an operator resumes."""
    d.operator_file("flatten", "home by six")
    await d.until(lambda: d.level == "flattening")
    return await d.wish(BUY)


async def flattened_and_resumed(d: Daemon) -> str:
    """The same, and the resume."""
    assert await flattened(d) == "flattening"
    await pass_time(5)
    d.operator_file("resume", "back again")
    await d.until(lambda: d.level == "normal")
    return await d.wish(BUY)


async def stopping(d: Daemon) -> str:
    """A stop whose cancel takes the venue a while; the market and the wishes go on meanwhile."""
    assert await asks((YEN, 10))(d) == ""
    await d.until(lambda: d.held_lots() == 10)
    d.simulator.mood("slow", "cancel_order", ms=1_500)
    before = len(d.wishes())
    d.policy.wants = lambda event, held: BUY
    d.session._supervisor.ask_to_stop()
    await pass_time(0.3)
    d.simulator.trade()
    await d.stop()
    return d.outcome(before)


def holds(lots: int) -> Play:
    """After a buy of 100 lots the owner takes bitcoins away until so many are left; then the next comparison."""

    async def play(d: Daemon) -> str:
        assert await d.wish(BUY) == ""
        await d.until(lambda: d.held_lots() == 100)
        units = d.simulator.exchange.purse.units
        d.simulator.account.balances["btc"] = lots * units.per_lot
        await d.keep_trading(75)
        return await d.wish(BUY)

    return play


def ruined(price: int) -> Play:
    """0.1 BTC at 10,000 and 0.4 at 3,000 JPY with a capital of 2,000: at 400 JPY it is all gone, to the yen."""

    async def play(d: Daemon) -> str:
        assert await d.wish(BUY) == ""
        d.simulator.move(3_000)
        for _ in range(4):
            await pass_time(1)
            assert await d.wish(BUY) == ""
        await d.until(lambda: d.held_lots() == 5_000)
        await d.trade(price)
        return await d.wish(BUY)

    return play


def after_minutes(minutes: int, then: Play = one) -> Play:
    """So many minutes of a market that stands still."""

    async def play(d: Daemon) -> str:
        await d.keep_trading(minutes * 60, every_s=25)
        return await then(d)

    return play


def off_by(ms: int) -> Play:
    """The venue's clock is so far ahead of ours when it is measured next, five minutes later."""

    async def play(d: Daemon) -> str:
        d.simulator.mood("wrong_clock", ms=ms)
        await d.keep_trading(310, every_s=25)
        return await d.wish(BUY)

    return play


async def resting_long_and_sell(d: Daemon) -> str:
    """An order that opens a long position works; then a wish to open a short one."""
    d.simulator.book([(YEN - 5_000, DEEP)], [])
    await pass_time(1)
    assert await d.wish(BUY) == ""
    await d.until(lambda: d.simulator.working_lots(BUY) == 100)
    return await d.wish(SELL)


def closing(count: int) -> Play:
    """A long position, and so many wishes to sell while nobody bids: the first offers all of it."""

    async def play(d: Daemon) -> str:
        assert await d.wish(BUY) == ""
        await d.until(lambda: d.held_lots() == 100)
        d.simulator.book([], [(YEN + 5_000, DEEP)])
        await pass_time(1)
        for _ in range(count - 1):
            assert await d.wish(SELL) == ""
            await d.until(lambda: d.simulator.working_lots(SELL) == 100)
        return await d.wish(SELL)

    return play


def ordered_at(*minutes: int) -> Play:
    """After an hour in which the volatility became known: wishes so many minutes after the first, and at last one."""

    async def play(d: Daemon) -> str:
        await d.keep_trading(62 * 60, every_s=25)
        now = 0
        for minute in minutes:
            assert await d.wish(BUY) == ""
            await d.keep_trading((minute - now) * 60, every_s=25)
            now = minute
        return await d.wish(BUY)

    return play


def swinging(high: int) -> Play:
    """An hour in which the price is at ``high`` every other minute."""

    async def play(d: Daemon) -> str:
        for minute in range(63):
            d.simulator.price = high if minute % 2 else YEN
            await d.keep_trading(60, every_s=25)
        return await d.wish(BUY)

    return play


def days(first: int, second: int) -> Play:
    """0.01 BTC are held for three weeks; the price moves by the one and by the other amount, day after day."""

    async def play(d: Daemon) -> str:
        assert await ordered_at()(d) == ""
        price = YEN
        for day in range(22):
            price += second if day % 2 else first
            d.simulator.move(price)
            await pass_time(86_400, quantum_s=14_400.0)
        await d.keep_trading(65 * 60, every_s=25)
        return await d.wish(BUY)

    return play


CAPITAL_OF_RUIN: dict[str, object] = {
    "sizing__capital": 2_000, "sizing__order_size": "0.1", "sizing__order_cap_pct": 100,
    "limits__order_size_max": "0.1", "limits__order_notional_max": 2_000, "limits__position_notional_max": 2_000,
    "limits__daily_loss_max": 2_000,
}  # fmt: skip
CONSERVATIVE: dict[str, object] = {"risk__profile": "conservative"}
COARSE = replace(PAIR, lots_min=10)
"""The smallest order is 0.001 BTC."""

REFUSALS: tuple[Refusal, ...] = (
    Refusal("not_armed", "two-key arming", one, {"mode__execute_orders": "false"}),
    Refusal("observe_only", "A", one, {"mode__trading": "observe"}),
    Refusal("reduce_only", "architecture 4", one, {"mode__trading": "reduce_only"}),
    Refusal("killed", "B-59", killed, play_below=killed_and_resumed, both={"risk__conservative_after_kill": "false"}),
    Refusal("flattening", "B-60", flattened, play_below=flattened_and_resumed),
    Refusal("stopping", "F-09", stopping, play_below=asks((YEN, 10))),
    Refusal("paused", "E", paused(58), play_below=paused(61)),
    Refusal("not_reconciled", "F-06", holds(99), play_below=holds(100)),
    Refusal("no_market_data", "F-31", quoted(1, traded=False), play_below=quoted(1)),
    Refusal("stale_market_data", "F-31", quoted(10.3), play_below=quoted(9.5),
            both={"limits__stale_after_seconds": 10}),
    Refusal("order_unknown", "F-01", lost(is_read=False), play_below=lost(is_read=True)),
    Refusal("rejected_before", "F-19", refused_once(3), play_below=refused_once(5.5)),
    Refusal(
        "open_orders", "F-31", asks((YEN, 10), then=times(2)),
        {"limits__open_orders_max": 1}, {"limits__open_orders_max": 2},
    ),
    Refusal("below_minimum", "F-31", one, {"sizing__order_size": "0.0009"}, {"sizing__order_size": "0.001"},
            instrument=COARSE),
    Refusal("above_maximum", "F-31", one, {"sizing__order_size": "0.01"}, {"sizing__order_size": "0.005"},
            instrument=replace(PAIR, lots_max=50), venue="gmo"),
    Refusal("order_notional", "F-31", one, {"limits__order_notional_max": 10_009},
            {"limits__order_notional_max": 10_010}),
    Refusal("position_size", "C-46", times(2, seconds=2), {"limits__position_max": "0.0199"},
            {"limits__position_max": "0.02"}),
    Refusal("position_notional", "A", times(2, seconds=2), {"limits__position_notional_max": 20_019},
            {"limits__position_notional_max": 20_020}, both={"limits__order_notional_max": 20_000}),
    Refusal("exposure", "D", times(2, seconds=2), {"limits__exposure_max": 20_019}, {"limits__exposure_max": 20_020}),
    Refusal("leverage", "C-48", times(2, seconds=2), {"limits__leverage_max": "0.020019"},
            {"limits__leverage_max": "0.02002"}),
    Refusal("orders_per_minute", "F-31", times(3, seconds=50), play_below=times(3, seconds=60.5),
            both={"limits__orders_per_minute_max": 2}),
    Refusal("orders_per_day", "F-31", times(3), {"limits__orders_per_day_max": 2}, {"limits__orders_per_day_max": 3}),
    Refusal("day_notional", "F-31", times(2), {"limits__day_notional_max": 20_019},
            {"limits__day_notional_max": 20_020}),
    # The limit price is the ask and 0.1 % of it, to the tick below: 1,010,005 and 1,009,995 JPY.
    Refusal("price_collar", "F-31", asks((1_009_000, DEEP)), play_below=asks((1_008_990, DEEP)),
            both={"limits__price_collar_pct": 1}),
    Refusal("nothing_to_sell", "F-25", sell, play_below=bought_and_sell),
    Refusal("own_order", "F-25", resting_and_sell, play_below=bought_and_sell),
    Refusal("dust", "F-14", left_over(9), play_below=left_over(10), instrument=COARSE,
            both={"limits__order_ttl_seconds": 2}),
    Refusal("no_book", "E", asks(), play_below=asks((YEN, DEEP)), both={"limits__slippage_max_pct": "0.1"}),
    Refusal("book_too_thin", "E", asks((YEN, 99)), play_below=asks((YEN, 100)),
            both={"limits__slippage_max_pct": "0.1"}),
    # Half at the touch, half 2,000 JPY above it: 1,000 JPY worse on the average, which is 0.1 %.
    Refusal("slippage", "E", asks((YEN, 50), (1_002_005, 50)), play_below=asks((YEN, 50), (1_002_000, 50)),
            both={"limits__slippage_max_pct": "0.1"}),
    Refusal("no_equity", "C sizing", ruined(400), play_below=ruined(405), both=CAPITAL_OF_RUIN, price=10_000),
    Refusal("no_atr", "C sizing", after_minutes(13), play_below=after_minutes(15), both={"sizing__risk_budget_pct": 1}),
    # 0.0099 % of 1,000,000 JPY is 99 JPY, a lot 100.
    Refusal("order_size_too_small", "C sizing", one, {"sizing__order_cap_pct": "0.0099"},
            {"sizing__order_cap_pct": "0.01"}),
    # The exchange tells whole seconds, so up to one is in doubt; 1 s beyond doubt is the limit.
    Refusal("clock_offset", "F-18", off_by(3_000), play_below=off_by(1_000)),
    Refusal("other_side_works", "E", resting_long_and_sell, play_below=closing(1), venue="gmo"),
    Refusal("nothing_to_close", "E", closing(2), play_below=closing(1), venue="gmo"),
    # Conservative: two orders in an hour, half an hour apart; the volatility needs an hour of minutes.
    Refusal("no_volatility", "A", after_minutes(60), play_below=after_minutes(62), both=CONSERVATIVE),
    Refusal("order_gap", "A", ordered_at(29), play_below=ordered_at(31), both=CONSERVATIVE),
    Refusal("orders_per_hour", "A", ordered_at(31, 58), play_below=ordered_at(31, 63), both=CONSERVATIVE),
    # The deviation of a minute's return times the root of 1,440, 37.9, is that of a day: 10.2 % and 9.9 %.
    Refusal("volatility", "A", swinging(1_002_700), play_below=swinging(1_002_600), both=CONSERVATIVE),
    # +-10 ppm of the capital in a day: a ratio of 0. +10 and +20 ppm: 15 / 5 x 19.1 = 57, and 1.5 is asked for.
    Refusal("sharpe", "A", days(1_000, -1_000), play_below=days(1_000, 2_000), both={"risk__profile": "aggressive"}),
)  # fmt: skip
