"""C60–C66: private streams, and what takes their place where there is none: nothing is lost, nothing counts twice."""

from __future__ import annotations

from tests.venues.contract.bench import Bench
from tests.venues.contract.case import case
from tests.venues.contract.cases_orders import INSIDE
from tests.venues.contract.exchange import Setup
from tests.venues.contract.script import ASK, Script
from ztb.core.instrument import BUY, SELL

NO_STREAM = "there is no private stream: looks find it"


def busy(script: Script) -> None:
    for number in range(40):
        script.trade(20 + number, INSIDE - 2, 3)


@case(
    "C60",
    "a fill of a resting order is told by the private stream, before anybody looks",
    {"zaif": NO_STREAM, "coinbase": "the stream tells how much, and looks tell the fills", "*": "told by the stream"},
    Setup(busy),
)
async def told_by_the_stream(bench: Bench) -> str:
    order = await bench.place(BUY, 6, INSIDE)
    await bench.settle()
    looks = bench.tracker.looks
    if bench.venue.account_feed({bench.symbol: bench.instrument}) is None:
        assert not bench.account.capabilities.private_stream
        await bench.clock.to(30)
        assert bench.fills == {}
        await bench.settle()
        assert bench.filled(order) == bench.lots(6)
        return NO_STREAM
    assert bench.account.capabilities.private_stream
    await bench.clock.to(30)
    await bench.until(lambda: bench.heard > 0)
    for _ in range(20):
        await bench.clock.advance(0.5)
    assert bench.tracker.looks == looks
    if not bench.filled(order):
        await bench.settle()
        assert bench.filled(order) == bench.lots(6)
        return "the stream tells how much, and looks tell the fills"
    assert bench.filled(order) == bench.lots(6)
    return "told by the stream"


async def trade_about(bench: Bench) -> None:
    """Orders of every kind in a market that moves: some fill whole, some in part, some not, some are cancelled."""
    for number in range(6):
        resting = await bench.place(BUY, 12, INSIDE - number % 2)
        if number % 2:
            await bench.place(SELL, 20, ASK + 5 + number)
            await bench.place(BUY, 15, ASK + 1)
        if number == 4:
            await bench.cancel(resting)
        await bench.settle()
    await bench.clock.to(70)
    await bench.settle()


async def disturbed(bench: Bench, *moods: str, probability: float) -> str:
    """A stream on which these happen, and the same ledger in the end."""
    on = [bench.mood(name, probability=probability) for name in moods]
    await trade_about(bench)
    assert sum(bench.filled(order) for order in bench.sent) > bench.lots(60)
    if not bench.account.capabilities.private_stream:
        return NO_STREAM
    if not bench.kit.is_paper:
        assert all(mood.struck > 0 for mood in on)
    return "the same ledger"


STREAMED = {"zaif": NO_STREAM, "*": "the same ledger"}


@case("C61", "events of the private stream that come twice are booked once", STREAMED, Setup(busy))
async def duplicates(bench: Bench) -> str:
    return await disturbed(bench, "duplicate_events", probability=0.5)


@case("C62", "events of the private stream that come in another order end in the same ledger", STREAMED, Setup(busy))
async def reordered(bench: Bench) -> str:
    bench.mood("reordered_maps")
    return await disturbed(bench, "reordered_events", probability=0.5)


@case("C63", "garbage between the frames of a stream is no news", STREAMED, Setup(busy))
async def garbage(bench: Bench) -> str:
    return await disturbed(bench, "garbage_frames", probability=0.2)


@case("C64", "fills in very small pieces are all booked", "every piece", Setup(busy))
async def tiny_fills(bench: Bench) -> str:
    bench.mood("tiny_fills")
    order = await bench.place(BUY, 173, ASK + 1)
    await bench.settle()
    assert bench.levels(order) == {ASK: bench.lots(50), ASK + 1: bench.lots(123)}
    if not bench.kit.is_paper:
        assert len(bench.fills[order]) > 10
    return "every piece"


@case("C65", "what happens while the private stream is away is read when it is back", "nothing is missing", Setup(busy))
async def gap(bench: Bench) -> str:
    first = await bench.place(BUY, 9, INSIDE)
    await bench.settle()
    if bench.account.capabilities.private_stream and not bench.kit.is_paper:
        bench.mood("stream_drop", count=1)
        await bench.until(lambda: not bench.tracker.is_stream_live)
        bench.world.moods.switch_off("all")
        await bench.until(lambda: bench.tracker.is_stream_live)
    await bench.clock.to(70)
    bench.book(await bench.tracker.poll())
    await bench.settle()
    assert bench.filled(first) == bench.lots(9)
    return "nothing is missing"


@case(
    "C66",
    "a token that runs out",
    {
        "zaif": "there are no tokens: a nonce that is too low is replaced",
        "papers": "there are no tokens",
        "*": "a new one is made, and nothing is missing",
    },
    Setup(busy),
)
async def expired_token(bench: Bench) -> str:
    order = await bench.place(BUY, 9, INSIDE)
    await bench.settle()
    expired = bench.mood("expired_token", count=1)
    if not bench.account.capabilities.private_stream:
        # Somebody else has used a higher nonce of this key.
        await _use_up_nonces(bench)
        assert len(await bench.account.open_orders(bench.symbol)) == 1
        outcome = "there are no tokens: a nonce that is too low is replaced"
    elif bench.kit.is_paper:
        outcome = "there are no tokens"
    else:
        bench.mood("stream_drop", count=1)
        await bench.until(lambda: not bench.tracker.is_stream_live)
        bench.world.moods.switch_off("stream_drop")
        await bench.until(lambda: bench.tracker.is_stream_live)
        assert expired.struck == 1
        outcome = "a new one is made, and nothing is missing"
    await bench.clock.to(90)
    await bench.settle()
    assert bench.filled(order) == bench.lots(9)
    return outcome


async def _use_up_nonces(bench: Bench) -> None:
    """The same key in another hand, whose clock is a little ahead."""
    other = await bench.account_with(bench.instrument)
    await other.balances()
