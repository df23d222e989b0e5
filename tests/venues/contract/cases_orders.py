"""C01–C20: one order at a time: accepted, refused, filled, ended, and the market that it meets."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.venues.contract.bench import Bench
from tests.venues.contract.case import case
from tests.venues.contract.exchange import Setup
from tests.venues.contract.script import ASK, ASKS, BID, BIDS, PIECES_MAX, PIECES_MIN, Script
from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY, Place
from ztb.core.error import Rejected, VenueError
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.venues.port import Account

INSIDE = BID + 5
"""A price at which nobody is, between the best bid and the best ask."""
ENDS = {"Expired": "expires", "Cancelled": "is cancelled"}
UNSUPPORTED = "refused by the adapter, nothing leaves"


async def calls(bench: Bench) -> int:
    """Orders that reached the exchange; a paper order reaches none."""
    if bench.kit.is_paper:
        return 0
    return len((await bench.truth()).placed(bench.kit))


async def refusal(bench: Bench, order: str) -> str:
    """How an order was refused: definitely, with nothing working and nothing filled."""
    error = bench.errors[order]
    assert isinstance(error, Rejected), error
    assert not error.retryable
    assert bench.ends[order] == "Rejected"
    assert bench.filled(order) == 0
    if error.code == "unsupported":
        assert await calls(bench) == 0
        return UNSUPPORTED
    assert error.kind == "exchange"
    assert error.message
    return "refused"


@case(
    "C01",
    "an order is accepted, rests, and is shown with side, price and what remains of it",
    {"gmo, gmo leverage": "shown by its id", "*": "shown with our tag"},
)
async def accepted(bench: Bench) -> str:
    order = await bench.place(BUY, 10, INSIDE)
    [shown] = await bench.account.open_orders(bench.symbol)
    assert (shown.side, shown.price, shown.remaining_lots) == (BUY, INSIDE, bench.lots(10))
    assert shown.venue_id == bench.venue_ids[order] != ""
    assert shown.lots in (0, bench.lots(10))
    assert abs(shown.created_ns - bench.sent[order].ts_ns) < 3_000_000_000
    await bench.settle()
    assert bench.working() == {order: bench.lots(10)}
    assert shown.tag in ("", order)
    return "shown with our tag" if shown.tag else "shown by its id"


@case("C02", "an order that the venue does not take is refused, and nothing of it works", "refused")
async def refused_order(bench: Bench) -> str:
    order = await bench.place(BUY, PIECES_MAX + 1, BID)
    await bench.settle()
    return await refusal(bench, order)


@case(
    "C03",
    "an order that crosses takes the levels it reaches and rests with what is left",
    "173 of 200 filled, 27 rest",
)
async def partial_fill(bench: Bench) -> str:
    order = await bench.place(BUY, 200, ASK + 1)
    await bench.settle()
    assert bench.levels(order) == {ASK: bench.lots(50), ASK + 1: bench.lots(123)}
    assert all(not fill.maker for fill in bench.fills[order].values())
    assert bench.working() == {order: bench.lots(27)}
    return "173 of 200 filled, 27 rest"


@case(
    "C04",
    "an order that fills whole at once has its fill told and works no more",
    {"zaif": "filled, and the order never had an id", "*": "filled"},
)
async def whole_fill(bench: Bench) -> str:
    order = await bench.place(SELL, 300, BID)
    await bench.settle()
    assert bench.levels(order) == {BID: bench.lots(300)}
    assert bench.tracker.is_idle
    return "filled" if bench.venue_ids[order] else "filled, and the order never had an id"


def prints_at_30(script: Script) -> None:
    script.trade(30, INSIDE - 1, 4)
    script.trade(60, INSIDE - 1, 400)


@case("C05", "a resting order is filled in parts by trades through its price, as maker", "filled in two parts",
      Setup(prints_at_30))  # fmt: skip
async def maker_fills(bench: Bench) -> str:
    order = await bench.place(BUY, 10, INSIDE)
    await bench.clock.to(40)
    await bench.settle()
    assert bench.levels(order) == {INSIDE: bench.lots(4)}
    await bench.clock.to(70)
    await bench.settle()
    assert bench.levels(order) == {INSIDE: bench.lots(10)}
    return "filled in two parts"


@case(
    "C06",
    "fills of an order that is not acknowledged yet are booked once",
    {
        "zaif": "calls go one after another: told after the answer, booked once",
        "gmo, gmo leverage": "not known as ours before the answer, booked once",
        "*": "told before the answer, booked once",
    },
    Setup(latency_s=20),
)
async def fill_before_acknowledgement(bench: Bench) -> str:
    bench.mood("slow", ms=40_000, count=1)
    order = bench.order(BUY, 50, ASK)
    bench.tracker.watch(order)
    sending = asyncio.create_task(bench.send(order))
    # The order is at the exchange after 20 seconds at the latest, and its answer comes at the fortieth.
    await bench.clock.advance(30)
    bench.book(await bench.tracker.poll())
    is_before = not sending.done()
    told = bench.levels(order.client_id)
    assert told in ({}, {ASK: bench.lots(50)})
    await bench.until(sending.done)
    await sending
    await bench.settle()
    assert bench.levels(order.client_id) == {ASK: bench.lots(50)}
    if is_before:
        return "told before the answer, booked once" if told else "not known as ours before the answer, booked once"
    return "calls go one after another: told after the answer, booked once"


@case("C07", "a cancel that comes after the fill finds nothing; one that comes between two fills ends the rest",
      "nothing to cancel, and 6 of 10 cancelled", Setup(prints_at_30))  # fmt: skip
async def cancel_races_fill(bench: Bench) -> str:
    first = await bench.place(BUY, 10, INSIDE)
    await bench.clock.to(31)
    assert await bench.cancel(first)
    await bench.settle()
    assert (bench.filled(first), bench.ends[first]) == (bench.lots(4), "Cancelled")
    late = await bench.place(BUY, 10, INSIDE)
    await bench.clock.to(61)
    assert not await bench.cancel(late)
    await bench.settle()
    assert bench.filled(late) == bench.lots(10)
    return "nothing to cancel, and 6 of 10 cancelled"


@case("C08", "a finished order can be cancelled as often as one likes: there is nothing to cancel", "nothing to cancel")
async def cancel_twice(bench: Bench) -> str:
    order = await bench.place(BUY, 10, INSIDE)
    assert await bench.cancel(order)
    await bench.settle()
    assert bench.ends[order] == "Cancelled"
    for _ in range(2):
        assert not await bench.account.cancel(bench.symbol, bench.venue_ids[order])
    return "nothing to cancel"


@case(
    "C09",
    "an order that was placed a moment ago is cancelled",
    {"zaif": "`order is too new` may be asked again, and then it is cancelled", "*": "cancelled"},
)
async def too_new(bench: Bench) -> str:
    if bench.kit.venue == "zaif":
        bench.mood("too_new", count=1)
    order = await bench.place(BUY, 10, INSIDE)
    outcome = "cancelled"
    try:
        await bench.cancel(order)
    except Rejected as error:
        assert error.retryable
        assert error.code == "order is too new"
        await bench.settle()
        assert bench.working() == {order: bench.lots(10)}
        outcome = "`order is too new` may be asked again, and then it is cancelled"
        assert await bench.cancel(order)
    await bench.settle()
    assert bench.ends[order] == "Cancelled"
    return outcome


@case(
    "C10",
    "a post-only order that would take does not take",
    {
        "zaif, paper": UNSUPPORTED,
        "gmo, gmo leverage": "accepted, and expires",
        "*": "refused",
    },
)
async def post_only_would_take(bench: Bench) -> str:
    order = await bench.place(BUY, 10, ASK, POST_ONLY)
    await bench.settle()
    assert bench.filled(order) == 0
    assert bench.working() == {}
    if order in bench.errors:
        return await refusal(bench, order)
    assert bench.ends[order] == "Expired"
    return "accepted, and expires"


@case("C11", "a post-only order that would not take rests", {"zaif, paper": UNSUPPORTED, "*": "rests"})
async def post_only_rests(bench: Bench) -> str:
    order = await bench.place(BUY, 10, INSIDE, POST_ONLY)
    await bench.settle()
    if order in bench.errors:
        return await refusal(bench, order)
    assert bench.working() == {order: bench.lots(10)}
    return "rests"


async def takes_now(bench: Bench, pieces: int, price: int, time_in_force: str) -> str:
    """An order that may not rest: how much of it filled, and how it ended."""
    order = await bench.place(BUY, pieces, price, time_in_force)
    await bench.settle()
    assert bench.working() == {}
    if order in bench.errors:
        return await refusal(bench, order)
    filled, rest = divmod(bench.filled(order), bench.kit.piece)
    assert not rest
    if not bench.lots(pieces) - bench.filled(order):
        return f"all {pieces} filled"
    return f"{filled} of {pieces} filled, the rest {ENDS[bench.ends[order]]}"


@case(
    "C12",
    "an immediate-or-cancel order takes what is there, and its rest expires",
    {
        "zaif, paper": UNSUPPORTED,
        "coinbase": "173 of 200 filled, the rest is cancelled",
        "*": "173 of 200 filled, the rest expires",
    },
)
async def immediate_or_cancel(bench: Bench) -> str:
    return await takes_now(bench, 200, ASK + 1, IOC)


@case(
    "C13",
    "a fill-or-kill order fills whole or not at all",
    {
        "zaif, paper": UNSUPPORTED,
        "coinbase": "0 of 174 filled, the rest is cancelled; all 173 filled",
        "*": "0 of 174 filled, the rest expires; all 173 filled",
    },
)
async def fill_or_kill(bench: Bench) -> str:
    outcome = await takes_now(bench, 174, ASK + 1, FOK)
    if outcome == UNSUPPORTED:
        return outcome
    return f"{outcome}; {await takes_now(bench, 173, ASK + 1, FOK)}"


@case(
    "C14",
    "a market order takes at any price",
    {"zaif, paper": UNSUPPORTED, "*": "all 200 filled"},
)
async def market_order(bench: Bench) -> str:
    return await takes_now(bench, 200, ASK, MARKET)


@case(
    "C15",
    "an order that the account cannot pay is refused; one that it can pay just so is not",
    "refused",
    Setup(balances={}),
)
async def insufficient_funds(bench: Bench) -> str:
    balances = await bench.account.balances()
    quote = bench.instrument.quote.lower()
    notional = bench.instrument.money.decimal(bench.instrument.notional(BID, bench.kit.piece))
    # The venue lends as much again as there is; paper lends nothing.
    factor = 2 if bench.kit.is_leveraged and not bench.kit.is_paper else 1
    affordable = int(balances[quote].available * factor / notional)
    assert affordable < PIECES_MAX
    order = await bench.place(BUY, affordable + affordable // 50 + 2, BID)
    outcome = await refusal(bench, order)
    fine = await bench.place(BUY, affordable * 9 // 10, BID - 20)
    await bench.settle()
    assert list(bench.working()) == [fine]
    if not bench.kit.is_leveraged:
        coins = balances[bench.instrument.base.lower()].available
        too_many = int(coins / bench.instrument.sizes.decimal(bench.kit.piece)) + 1
        await refusal(bench, await bench.place(SELL, too_many, ASK + 100))
    return outcome


@case("C16", "an order below the venue's minimum is refused", "refused")
async def below_minimum(bench: Bench) -> str:
    assert bench.instrument.is_dust(BID, bench.lots(PIECES_MIN - 1))
    assert not bench.instrument.is_dust(BID, bench.lots(PIECES_MIN))
    outcome = await refusal(bench, await bench.place(BUY, PIECES_MIN - 1, BID))
    least = await bench.place(BUY, PIECES_MIN, BID)
    await bench.settle()
    assert bench.working() == {least: bench.lots(PIECES_MIN)}
    return outcome


async def off_grid(bench: Bench, believed: Instrument, price: int, lots: int) -> str:
    """An order of an adapter that believes in finer steps than the venue has."""
    account = await bench.account_with(believed)
    order = bench.order(BUY, PIECES_MIN, price)
    order = Place(
        order.ts_ns, order.client_id, order.instrument, BUY, lots, price, False, order.sequence, "contract", GTC
    )
    bench.sent[order.client_id] = order
    error = await _error_of(account, order)
    bench.errors[order.client_id], bench.ends[order.client_id] = error, "Rejected"
    return await refusal(bench, order.client_id)


async def _error_of(account: Account, order: Place) -> VenueError:
    try:
        await account.place(order)
    except VenueError as error:
        return error
    raise AssertionError("the venue took it")


@case("C17", "a price between two ticks is refused", "refused")
async def off_tick(bench: Bench) -> str:
    finer = replace(bench.instrument, tick_size=bench.instrument.tick_size / 2, money_scale=12)
    return await off_grid(bench, finer, 2 * BID + 1, bench.lots(10))


@case("C18", "a size between two steps is refused", "refused")
async def off_step(bench: Bench) -> str:
    finer = replace(bench.instrument, lot_size=bench.instrument.lot_size / 2, money_scale=12)
    return await off_grid(bench, finer, BID, 2 * bench.lots(10) + 1)


@case(
    "C19",
    "two orders of one account that meet",
    {
        "zaif": "trade with each other, and both fills are told",
        "coinbase": "do not trade; the newer one is cancelled",
        "*": "do not trade; the newer one expires",
    },
)
async def self_trade(bench: Bench) -> str:
    older = await bench.place(BUY, 10, INSIDE)
    newer = await bench.place(SELL, 10, INSIDE)
    await bench.settle()
    if bench.filled(newer):
        assert bench.account.capabilities.self_trade
        assert bench.levels(older) == bench.levels(newer) == {INSIDE: bench.lots(10)}
        return "trade with each other, and both fills are told"
    assert not bench.account.capabilities.self_trade
    assert list(bench.ends) == [newer]
    assert bench.working() == {older: bench.lots(10)}
    return f"do not trade; the newer one {ENDS[bench.ends[newer]]}"


@case("C20", "the book of the market and the levels in it are the exchange's", "the exchange's")
async def public_book(bench: Bench) -> str:
    of = bench.kit.instrument
    instruments = await bench.venue.market.instruments()
    assert (instruments[bench.symbol].tick_size, instruments[bench.symbol].lot_size) == (of.tick_size, of.lot_size)
    assert bench.instrument.lots_min == bench.lots(PIECES_MIN)
    assert bench.instrument.leveraged is bench.kit.is_leveraged
    book = await bench.venue.market.depth(bench.instrument)
    assert book.bids[: len(BIDS)] == tuple((price, bench.lots(pieces)) for price, pieces in BIDS)
    assert book.asks[: len(ASKS)] == tuple((price, bench.lots(pieces)) for price, pieces in ASKS)
    [trade] = await bench.venue.market.trades(bench.instrument)
    assert (trade.price, trade.lots, trade.side) == (ASK, bench.lots(20), BUY)
    told = await bench.venue.market.server_time()
    assert abs(told.now_ns - bench.clock.now_ns()) <= max(told.resolution_ns, 1_000_000_000)
    return "the exchange's"
