"""C40–C56: bad days: answers that are lost, exchanges that are closed, clocks, tokens, keys and rates."""

from __future__ import annotations

from tests.venues.contract.bench import Bench
from tests.venues.contract.case import case, refused
from tests.venues.contract.cases_orders import INSIDE, prints_at_30
from tests.venues.contract.exchange import Setup
from tests.venues.contract.script import ASK, BID
from ztb.core.error import Rejected, Throttled, UnknownFate, Unreachable, VenueError
from ztb.core.instrument import BUY

FOUND = "found, and not sent again"
NO_WIRE = "there is no wire that could lose an answer"
HANG_WALL_S = 0.2


async def lost_answer(bench: Bench, mood: str) -> str:
    """An order that was carried out and whose answer never came: one that rests, and one that filled in part."""
    if bench.kit.is_paper:
        return NO_WIRE
    for number, (pieces, price, filled) in enumerate(((10, INSIDE, 0), (200, ASK + 1, 173)), start=1):
        bench.mood(mood, count=1)
        if mood.endswith("hang"):
            bench.hurry(HANG_WALL_S)
        order = await bench.place(BUY, pieces, price)
        assert isinstance(bench.errors[order], UnknownFate)
        await bench.settle()
        assert bench.filled(order) == bench.lots(filled)
        assert bench.working()[order] == bench.lots(pieces - filled)
        received = (await bench.truth()).placed(bench.kit)
        assert len(received) == number
        assert bench.venue_ids[order]
        await bench.cancel(order)
        await bench.settle()
        assert bench.ends[order] == "Cancelled"
    return FOUND


WIRED = {"papers": NO_WIRE, "*": FOUND}


@case("C40", "an order whose answer is a page of a broken gateway (502)", WIRED)
async def lost_502(bench: Bench) -> str:
    return await lost_answer(bench, "accept_then_502")


@case("C41", "an order whose answer never comes", WIRED)
async def lost_hang(bench: Bench) -> str:
    return await lost_answer(bench, "accept_then_hang")


@case("C42", "an order whose connection is reset instead of an answer", WIRED)
async def lost_reset(bench: Bench) -> str:
    return await lost_answer(bench, "accept_then_reset")


@case("C43", "an order whose answer is a page of somebody in front of the venue, with status 200", WIRED)
async def lost_html(bench: Bench) -> str:
    return await lost_answer(bench, "html_instead_of_json")


@case("C44", "an order whose answer is lost and that filled whole", WIRED)
async def lost_and_filled(bench: Bench) -> str:
    if bench.kit.is_paper:
        return NO_WIRE
    bench.mood("accept_then_reset", count=1)
    order = await bench.place(BUY, 50, ASK)
    assert isinstance(bench.errors[order], UnknownFate)
    await bench.settle()
    assert bench.levels(order) == {ASK: bench.lots(50)}
    assert order not in bench.ends
    assert bench.tracker.is_idle
    return FOUND


@case("C45", "an order that never arrived counts as never placed only after looks that agree over a minute",
      "never placed")  # fmt: skip
async def never_placed(bench: Bench) -> str:
    order = bench.order(BUY, 10, INSIDE)
    bench.tracker.watch(order)
    since_ns = bench.clock.now_ns()
    bench.book(await bench.tracker.resolve(order))
    assert bench.ends == {order.client_id: "NotPlaced"}
    assert bench.clock.now_ns() - since_ns >= 60_000_000_000
    assert bench.tracker.is_idle
    return "never placed"


@case("C46", "a cancel whose answer is lost is found out from the order's absence",
      {"papers": NO_WIRE, "*": "cancelled"})  # fmt: skip
async def lost_cancel(bench: Bench) -> str:
    if bench.kit.is_paper:
        return NO_WIRE
    order = await bench.place(BUY, 10, INSIDE)
    await bench.settle()
    bench.mood("accept_then_reset", count=1, of_orders=False)
    await refused(bench.cancel(order), expected=UnknownFate)
    await bench.settle()
    for _ in range(60):
        if order in bench.ends:
            break
        await bench.clock.advance(2)
        await bench.settle()
    assert bench.ends == {order: "Cancelled"}
    return "cancelled"


@case(
    "C47",
    "an exchange that is closed takes no order, and says that it may be asked again",
    {
        "papers": "its market is closed: the order is not placed",
        "coinbase": "its answer says nothing: looked up, never placed; taken when it is open again",
        "*": "refused for now; taken when it is open again",
    },
)
async def maintenance(bench: Bench) -> str:
    if bench.kit.is_paper:
        return await _blind_paper(bench)
    bench.mood("maintenance")
    order = bench.order(BUY, 10, INSIDE)
    bench.tracker.watch(order)
    error = await refused(bench.account.place(order), expected=VenueError)
    bench.world.moods.switch_off("all")
    if isinstance(error, UnknownFate):
        outcome = "its answer says nothing: looked up, never placed; taken when it is open again"
        bench.book(await bench.tracker.resolve(order))
        assert bench.ends == {order.client_id: "NotPlaced"}
    else:
        outcome = "refused for now; taken when it is open again"
        assert isinstance(error, Rejected), error
        assert (error.retryable, error.kind) == (True, "exchange")
        bench.tracker.forget(order.client_id)
        bench.ends[order.client_id] = "Rejected"
    await bench.settle()
    assert bench.working() == {}
    again = await bench.place(BUY, 10, INSIDE)
    await bench.settle()
    assert bench.working() == {again: bench.lots(10)}
    return outcome


async def _blind_paper(bench: Bench) -> str:
    """The paper venue whose market stream is gone and whose market cannot be read."""
    await bench.shut_down()
    order = await bench.place(BUY, 10, INSIDE)
    assert isinstance(bench.errors[order], Unreachable)
    assert await bench.account.open_orders(bench.symbol) == []
    return "its market is closed: the order is not placed"


@case(
    "C48",
    "a clock that is two minutes off",
    {
        "zaif": "does not matter: nonces rise",
        "papers": "does not matter: nothing is signed",
        "*": "refused: the key's time stamps are not believed",
    },
)
async def clock_skew(bench: Bench) -> str:
    bench.mood("wrong_clock", ms=-120_000)
    order = await bench.place(BUY, 10, INSIDE)
    bench.world.moods.switch_off("all")
    await bench.settle()
    if order not in bench.errors:
        assert bench.working() == {order: bench.lots(10)}
        return "does not matter: nothing is signed" if bench.kit.is_paper else "does not matter: nonces rise"
    error = bench.errors[order]
    assert isinstance(error, Rejected), error
    assert error.kind == "auth"
    assert error.remedy
    assert bench.working() == {}
    return "refused: the key's time stamps are not believed"


@case(
    "C49",
    "a key that may look and not trade",
    {"papers": "there is no key", "*": "orders are refused, reading goes on"},
    Setup(may_trade=False),
)
async def no_permission(bench: Bench) -> str:
    if bench.kit.is_paper:
        return "there is no key"
    order = await bench.place(BUY, 10, INSIDE)
    error = bench.errors[order]
    assert isinstance(error, Rejected), error
    assert error.kind == "auth"
    assert not error.retryable
    assert bench.kit.secret not in f"{error!r}{error}"
    assert await bench.account.open_orders(bench.symbol) == []
    assert (await bench.account.balances())[bench.instrument.quote.lower()].total > 0
    return "orders are refused, reading goes on"


@case("C50", "an order beyond the venue's rate limit is definitely not placed, and not sent again by itself",
      {"papers": "there is no rate to keep", "*": "held back, nothing placed"})  # fmt: skip
async def rate_limit(bench: Bench) -> str:
    if bench.kit.is_paper:
        return "there is no rate to keep"
    bench.mood("rate_limit", count=1)
    order = await bench.place(BUY, 10, INSIDE)
    assert isinstance(bench.errors[order], Throttled), bench.errors[order]
    assert bench.errors[order].kind == "rate_limit"
    await bench.clock.advance(70)
    await bench.settle()
    assert (await bench.truth()).orders == ()
    received = (await bench.truth()).placed(bench.kit)
    assert len(received) <= 1
    later = await bench.place(BUY, 10, INSIDE)
    await bench.settle()
    assert bench.working() == {later: bench.lots(10)}
    return "held back, nothing placed"


@case("C51", "our own limit holds an order back before the venue would have to",
      {"papers": "there is no rate to keep", "*": "held back, nothing leaves"})  # fmt: skip
async def own_limit(bench: Bench) -> str:
    if bench.kit.is_paper:
        return "there is no rate to keep"
    placed = held_back = 0
    for number in range(60):
        order = bench.order(BUY, 10, BID - 100 - number)
        bench.tracker.watch(order)
        await bench.send(order)
        error = bench.errors.get(order.client_id)
        assert error is None or (isinstance(error, Throttled) and error.code == "own_limit"), error
        placed += error is None
        held_back += error is not None
        if held_back > 5:
            break
    assert held_back > 5
    # Right now: each further call gives time to the windows.
    assert min(room.free for room in bench.venue.head_room()) == 0
    truth = await bench.truth()
    assert len(truth.orders) == placed
    assert len(truth.placed(bench.kit)) == placed
    await bench.clock.advance(70)
    return "held back, nothing leaves"


@case(
    "C52",
    "an order that fills once more after its cancel was acknowledged",
    {"papers": "a cancel is final", "*": "the late fill is booked, the rest is cancelled"},
)
async def late_fill(bench: Bench) -> str:
    if bench.kit.is_paper:
        return "a cancel is final"
    order = await bench.place(BUY, 10, INSIDE)
    bench.mood("late_fill_after_cancel", ms=3_000, count=1)
    assert await bench.cancel(order)
    bench.book(await bench.tracker.poll())
    await bench.clock.advance(5)
    await bench.settle()
    await bench.clock.advance(5)
    bench.book(await bench.tracker.settle())
    assert bench.ends == {order: "Cancelled"}
    assert bench.filled(order) == bench.lots(5)
    return "the late fill is booked, the rest is cancelled"


@case("C53", "an answer that is slow is waited for, and an order is sent once",
      {"papers": "its latency is configured", "*": "placed once"}, Setup(latency_s=1))  # fmt: skip
async def slow_answers(bench: Bench) -> str:
    if bench.kit.is_paper:
        order = await bench.place(BUY, 10, INSIDE)
        assert bench.clock.now_ns() - bench.sent[order].ts_ns >= 2_000_000_000
        return "its latency is configured"
    bench.mood("slow", ms=5_000, count=1)
    order = await bench.place(BUY, 10, INSIDE)
    assert bench.errors == {}
    await bench.settle()
    assert bench.working() == {order: bench.lots(10)}
    return "placed once"


@case("C54", "an exchange that is not there: nothing was sent, and nothing is unknown", "not sent")
async def unreachable(bench: Bench) -> str:
    await bench.shut_down()
    order = bench.order(BUY, 10, INSIDE)
    bench.tracker.watch(order)
    await bench.send(order)
    error = bench.errors[order.client_id]
    assert isinstance(error, Unreachable), error
    assert error.retryable
    assert bench.ends == {order.client_id: "Unreachable"}
    assert bench.world.account.orders == {}
    return "not sent"


@case(
    "C55",
    "a trader that starts again, while a trade goes through the price of its order",
    {
        "papers": "the order ended with the session, what it filled before is kept",
        "*": "the order works on, and its fill is read",
    },
    Setup(prints_at_30),
)
async def start_again(bench: Bench) -> str:
    whole = await bench.place(BUY, 50, ASK)
    order = await bench.place(BUY, 10, INSIDE)
    await bench.settle()
    assert bench.filled(whole) == bench.lots(50)
    await bench.stop()
    await bench.clock.to(40)
    await bench.start_again()
    for _ in range(30):
        await bench.settle()
        if order in bench.ends or bench.filled(order):
            break
        await bench.clock.advance(5)
    if bench.kit.is_paper:
        assert (bench.ends, bench.filled(order)) == ({order: "Cancelled"}, 0)
        return "the order ended with the session, what it filled before is kept"
    assert (bench.ends, bench.filled(order)) == ({}, bench.lots(4))
    assert (await bench.tracker.reconcile(bench.working())).clean
    return "the order works on, and its fill is read"


@case(
    "C56",
    "an order that was accepted and fails a moment later",
    {"coinbase": "rejected after all, nothing works", "*": "does not happen: what is accepted works"},
)
async def fails_later(bench: Bench) -> str:
    bench.mood("failed_after_success", count=1)
    order = await bench.place(BUY, 10, INSIDE)
    await bench.settle()
    if order not in bench.ends:
        assert bench.working() == {order: bench.lots(10)}
        return "does not happen: what is accepted works"
    assert order not in bench.errors
    assert bench.ends == {order: "Rejected"}
    return "rejected after all, nothing works"
