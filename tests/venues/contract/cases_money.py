"""C21–C32: what the account holds: balances, positions, fees, dust, histories, and other people's orders."""

from __future__ import annotations

from tests.venues.contract.bench import Bench
from tests.venues.contract.case import case
from tests.venues.contract.cases_orders import INSIDE, prints_at_30, refusal
from tests.venues.contract.exchange import Setup
from tests.venues.contract.script import ASK, BID, PIECES_MIN, Script
from ztb.core.instrument import BUY, SELL
from ztb.core.money import PPM, ceil_div
from ztb.simulator.process import VENUES
from ztb.venues.port import OrderStatus

FILLS = 1_100
"""More than any venue tells in one answer."""


@case("C21", "an account that has done nothing has nothing, and says so without an error", "empty")
async def empty_lists(bench: Bench) -> str:
    assert await bench.account.open_orders(bench.symbol) == []
    assert await bench.account.fills_after(bench.symbol, "") == []
    assert await bench.account.newest_cursor(bench.symbol) == ""
    assert await bench.account.positions(bench.symbol) == []
    assert await bench.account.look_up(bench.symbol, []) == []
    assert await bench.account.cancel_all(bench.symbol, []) == frozenset()
    assert (await bench.tracker.reconcile({})).clean
    return "empty"


@case(
    "C22",
    "balances after fills are the exchange's to the last unit, fees and what is held included",
    {"gmo leverage, paper leverage": "margin", "*": "balances"},
)
async def balances_after_fills(bench: Bench) -> str:
    of = bench.instrument
    before = {name: balance.total for name, balance in (await bench.account.balances()).items()}
    await bench.place(BUY, 173, ASK + 1)
    await bench.place(SELL, 100, BID)
    await bench.place(BUY, 10, INSIDE)
    await bench.settle()
    await bench.agrees()
    after = {name: balance.total for name, balance in (await bench.account.balances()).items()}
    quote = of.quote.lower()
    if bench.kit.is_leveraged:
        assert after[quote] == before[quote]
        return "margin"
    bought = of.notional(ASK, bench.lots(50)) + of.notional(ASK + 1, bench.lots(123))
    sold = of.notional(BID, bench.lots(100))
    # What is paid as a fee is the fee unit's multiple above the rate's share of each order.
    fees = sum(_fee(bench, notional) for notional in (bought, sold))
    assert of.money.exact(before[quote] - after[quote]) == bought - sold + fees
    base = of.base.lower()
    assert of.sizes.exact(after[base] - before[base]) == bench.lots(73)
    assert sum(fill.fee for fills in bench.fills.values() for fill in fills.values()) == fees
    return "balances"


def _fee(bench: Bench, notional: int) -> int:
    """What the taker of one order pays, in money units; the rate and the rounding are the exchange's."""
    there = bench.kit.instrument
    smallest = there.money.decimal(VENUES[bench.kit.venue].fee_unit(there))
    unit = 1 if bench.kit.is_paper else bench.instrument.money.exact(smallest)
    return unit * ceil_div(notional * there.taker_fee_ppm, PPM * unit)


@case("C23", "what is left below the minimum is dust: known as such, refused by the venue, and still ours", "dust",
      Setup())  # fmt: skip
async def dust(bench: Bench) -> str:
    await bench.place(BUY, 2 * PIECES_MIN - 1, ASK)
    await bench.place(SELL, PIECES_MIN, BID, reduce_only=True)
    await bench.settle()
    held = sum(order.side * bench.filled(name) for name, order in bench.sent.items())
    assert held == bench.lots(PIECES_MIN - 1)
    assert bench.instrument.is_dust(BID, held)
    order = await bench.place(SELL, PIECES_MIN - 1, BID, reduce_only=True)
    await refusal(bench, order)
    return "dust"


def many_prints(script: Script) -> None:
    for number in range(FILLS):
        script.trade(10 + number / 10, INSIDE - 1, 1)


@case("C24", "1,100 fills are read to the last, page by page, once each, and onwards from any of them", "1,100 fills",
      Setup(many_prints))  # fmt: skip
async def paging(bench: Bench) -> str:
    order = await bench.place(BUY, FILLS, INSIDE)
    await bench.clock.to(10 + FILLS / 10 + 20)
    await bench.settle()
    assert bench.filled(order) == bench.lots(FILLS)
    fills = await bench.account.fills_after(bench.symbol, "")
    assert len({fill.trade_id for fill in fills}) == len(fills) == FILLS
    assert [fill.venue_ns for fill in fills] == sorted(fill.venue_ns for fill in fills)
    assert {fill.lots for fill in fills} == {bench.lots(1)}
    middle = FILLS // 2
    await bench.clock.advance(60)
    rest = await bench.account.fills_after(bench.symbol, fills[middle].reading_on)
    # A venue whose history begins at a moment may repeat some of that moment; none may be missing.
    assert [fill.trade_id for fill in rest][-(FILLS - middle - 1) :] == [fill.trade_id for fill in fills[middle + 1 :]]
    await bench.clock.advance(60)
    assert await bench.account.newest_cursor(bench.symbol) in {fills[-1].reading_on, fills[-1].trade_id}
    return "1,100 fills"


@case(
    "C25",
    "an order that only reduces closes the position and never opens one",
    {
        "gmo leverage, paper leverage": "closes 15 of 20, and more than the position is refused",
        "*": "a plain sale of what was bought",
    },
)
async def reduce_only(bench: Bench) -> str:
    await bench.place(BUY, 20, ASK)
    await bench.settle()
    closing = await bench.place(SELL, 15, BID, reduce_only=True)
    await bench.settle()
    assert bench.levels(closing) == {BID: bench.lots(15)}
    if not bench.kit.is_leveraged:
        return "a plain sale of what was bought"
    assert bench.account.capabilities.reduce_only
    [position] = await bench.account.positions(bench.symbol)
    assert (position.side, position.lots) == (BUY, bench.lots(5))
    if not bench.kit.is_paper:
        assert (await bench.truth()).positions == ((BUY, bench.lots(5), ASK),)
    assert position.average_price == bench.instrument.prices.decimal(ASK)
    more = await bench.place(SELL, 6, BID, reduce_only=True)
    await refusal(bench, more)
    await bench.settle()
    assert [one.lots for one in await bench.account.positions(bench.symbol)] == [bench.lots(5)]
    return "closes 15 of 20, and more than the position is refused"


@case(
    "C26",
    "an order against the position",
    {"gmo leverage, paper leverage": "opens a second position: nothing is netted", "*": "sells what was bought"},
)
async def against_the_position(bench: Bench) -> str:
    await bench.place(BUY, 20, ASK)
    await bench.place(SELL, 15, BID)
    await bench.settle()
    if not bench.kit.is_leveraged:
        assert await bench.account.positions(bench.symbol) == []
        return "sells what was bought"
    assert not bench.instrument.nets
    held = {position.side: position.lots for position in await bench.account.positions(bench.symbol)}
    assert held == {BUY: bench.lots(20), SELL: bench.lots(15)}
    if not bench.kit.is_paper:
        there = [(SELL, bench.lots(15), BID), (BUY, bench.lots(20), ASK)]
        assert sorted((await bench.truth()).positions) == there
    return "opens a second position: nothing is netted"


@case(
    "C27",
    "cancelling all of ours leaves the owner's order where it is",
    {"papers": "nobody else is in the account", "*": "the owner's order works on"},
)
async def cancel_all(bench: Bench) -> str:
    ours = [await bench.place(BUY, 10, INSIDE - number) for number in range(3)]
    await bench.settle()
    owners = ""
    if not bench.kit.is_paper:
        owners = await owner_places(bench)
        assert len(await bench.account.open_orders(bench.symbol)) == 4
    ids = [bench.venue_ids[order] for order in ours[:2]]
    await bench.clock.advance(5)
    assert await bench.account.cancel_all(bench.symbol, ids) == frozenset(ids)
    for order in ours[:2]:
        bench.tracker.note_cancelled(order)
    await bench.settle()
    assert [bench.ends.get(order) for order in ours] == ["Cancelled", "Cancelled", None]
    if not owners:
        return "nobody else is in the account"
    there = {order.order_id for order in (await bench.truth()).orders}
    assert owners in there
    assert len(there) == 2
    return "the owner's order works on"


async def owner_places(bench: Bench, *, pieces: int = 10, price: int = BID - 3) -> str:
    """A purchase of the owner's, by another way than ours; the exchange's number of it."""
    number = await bench.kit.owner(bench, bench.lots(pieces), price)
    bench.owners.add(number)
    return number


@case(
    "C28",
    "an order in the account that is not ours is neither booked, nor a difference, nor touched",
    {"papers": "nobody else is in the account", "*": "left alone"},
)
async def strangers(bench: Bench) -> str:
    if bench.kit.is_paper:
        return "nobody else is in the account"
    ours = await bench.place(BUY, 10, INSIDE)
    resting = await owner_places(bench)
    await owner_places(bench, pieces=20, price=ASK)
    await bench.settle()
    assert bench.fills == {}
    assert (await bench.tracker.reconcile({ours: bench.lots(10)})).clean
    await bench.finish()
    assert [order.order_id for order in (await bench.truth()).orders] == [resting]
    return "left alone"


@case(
    "C29",
    "a working order with our name, of which this session knows nothing, is a difference",
    {
        "gmo, gmo leverage": "not to be told from the owner's: left alone",
        "*": "told, and not touched",
    },
)
async def unknown_here(bench: Bench) -> str:
    order = bench.order(BUY, 10, INSIDE)
    placed = await bench.account.place(order)
    report = await bench.tracker.reconcile({})
    [shown] = await bench.account.open_orders(bench.symbol)
    assert shown.venue_id == placed.venue_id
    bench.venue_ids[order.client_id] = placed.venue_id
    assert await bench.account.cancel(bench.symbol, placed.venue_id)
    bench.ends[order.client_id] = "Cancelled"
    if report.clean:
        assert not bench.account.capabilities.client_order_id
        return "not to be told from the owner's: left alone"
    assert [(one.tag, one.remaining_lots) for one in report.unknown_here] == [(order.client_id, bench.lots(10))]
    assert order.client_id in report.text()
    return "told, and not touched"


@case(
    "C30",
    "an order is looked up by its id, whatever became of it",
    {"zaif": "the venue cannot be asked", "*": "working, filled and cancelled"},
)
async def look_up(bench: Bench) -> str:
    working = await bench.place(BUY, 10, INSIDE)
    cancelled = await bench.place(BUY, 10, INSIDE - 1)
    filled = await bench.place(BUY, 20, ASK)
    await bench.cancel(cancelled)
    await bench.settle()
    ids = [bench.venue_ids[order] for order in (working, filled, cancelled)]
    reports = {report.venue_id: report for report in await bench.account.look_up(bench.symbol, ids)}
    if not bench.account.capabilities.order_status:
        assert reports == {}
        return "the venue cannot be asked"
    assert [reports[one].status for one in ids] == [OrderStatus.WORKING, OrderStatus.FILLED, OrderStatus.CANCELLED]
    assert [reports[one].filled_lots for one in ids] == [0, bench.lots(20), 0]
    assert [reports[one].lots for one in ids] == [bench.lots(10), bench.lots(20), bench.lots(10)]
    assert [(reports[one].side, reports[one].price) for one in ids] == [(BUY, INSIDE), (BUY, ASK), (BUY, INSIDE - 1)]
    return "working, filled and cancelled"


@case(
    "C31",
    "what the key may do",
    {
        "gmo, gmo leverage": "the venue does not tell",
        "*": "it reads and trades, and cannot withdraw",
    },
)
async def rights(bench: Bench) -> str:
    told = await bench.account.rights()
    if told.read is None:
        assert (told.trade, told.withdraw) == (None, None)
        return "the venue does not tell"
    assert (told.read, told.trade, told.withdraw) == (True, True, False)
    return "it reads and trades, and cannot withdraw"


@case(
    "C32",
    "an order of ours that the owner cancels by hand has ended, and what it filled before counts",
    {"papers": "nobody else is in the account", "*": "4 of 10 filled, the rest cancelled"},
    Setup(prints_at_30),
)
async def cancelled_by_hand(bench: Bench) -> str:
    order = await bench.place(BUY, 10, INSIDE)
    await bench.clock.to(31)
    if bench.kit.is_paper:
        return "nobody else is in the account"
    [there] = (await bench.truth()).orders
    bench.world.exchange.cancel(bench.world.account, int(there.order_id))
    for _ in range(30):
        await bench.settle()
        if order in bench.ends:
            break
        await bench.clock.advance(5)
    assert bench.ends == {order: "Cancelled"}
    assert bench.filled(order) == bench.lots(4)
    return "4 of 10 filled, the rest cancelled"
