"""Step, record, act: in this order, on record before anything is begun, and no further after a failure."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest

from tests.core.scene import SECOND
from tests.service.scene import Bench
from ztb.core.command import Cancel, Place
from ztb.core.error import InvariantBroken, StoreError
from ztb.core.event import Feed, Kill, OrderAccepted, OrderFilled, OrderSent, Quote, Timer
from ztb.service.loop import EVENTS_PER_TURN, FLUSH_NS, TIMERS, TIMERS_FLUSH, no_way_out
from ztb.store.codec import DECISIONS


def kinds(bench: Bench) -> list[str]:
    return [record.kind for record in bench.journal.items]


def test_a_decision_and_its_order_are_on_record_before_the_order_is_begun() -> None:
    bench = Bench()
    bench.start()
    seen: list[list[str]] = []
    bench.loop.submit = lambda command: seen.append(kinds(bench)[-2:])
    bench.trade(wish="buy")
    assert seen == [[DECISIONS, "place"]]
    assert bench.tape.flushes == 1


def test_market_events_go_to_the_tape_and_all_others_to_the_journal() -> None:
    bench = Bench()
    bench.start()
    bench.trade()
    bench.handle(Quote(0, "btc_jpy", 999, 1, 1_001, 1))
    bench.handle(Feed(0, True))
    assert [type(event).__name__ for event in bench.tape.events] == ["Trade", "Quote"]
    assert kinds(bench) == ["started", "reconciled", "feed", "notify"]
    assert bench.meter.market_events == 2


def test_decisions_and_timers_are_recorded_once_a_second_also_without_an_order() -> None:
    bench = Bench()
    bench.start()
    for _ in range(40):
        bench.trade(wish="hold")
        bench.tick()
    stamps = [record.ts_ns for record in bench.journal.items if record.kind == DECISIONS]
    assert len(stamps) >= 9
    assert all(after - before <= FLUSH_NS + SECOND // 2 for before, after in itertools.pairwise(stamps))
    rows = [row for batch in bench.records(DECISIONS) for row in batch]
    assert len(rows) >= 36
    timers = [stamp for batch in bench.records(TIMERS) for stamp in batch]
    assert timers == sorted(set(timers))
    assert len(timers) >= 36


def test_timers_do_not_pile_up_while_time_stands_still() -> None:
    bench = Bench()
    bench.start()
    for _ in range(3 * TIMERS_FLUSH):
        bench.handle(Timer(0), after_s=0)
    batches = [len(batch) for batch in bench.records(TIMERS)]
    assert max(batches) == TIMERS_FLUSH
    assert 3 * TIMERS_FLUSH - sum(batches) < TIMERS_FLUSH


def test_the_loop_counts_what_happens_to_orders() -> None:
    bench = Bench()
    bench.start()
    bench.trade(wish="buy")
    [place] = bench.places
    bench.handle(OrderAccepted(0, place.client_id, "v1"))
    bench.handle(OrderFilled(0, place.client_id, "t1", place.lots, place.price, 3))
    bench.handle(Feed(0, True))
    bench.handle(Feed(0, False, "gone"))
    assert (bench.meter.fills, bench.meter.feed_losses, bench.meter.reconciliations) == (1, 1, 1)
    assert bench.meter.step.summary_us()["samples"] == 7


def test_an_exception_in_the_engine_is_told_at_once_and_ends_it() -> None:
    bench = Bench()
    bench.start()
    bench.policy.on_seen = lambda event: setattr(bench.engine, "state", None)
    with pytest.raises(AttributeError) as caught:
        bench.trade(wish="buy")
    assert bench.failures == [caught.value]
    assert bench.loop.has_failed
    with pytest.raises(InvariantBroken, match="has failed before"):
        bench.loop.handle_now(Kill(0, "test", "late"))
    assert "kill" not in kinds(bench)
    assert bench.submitted == []


def test_an_order_that_cannot_be_recorded_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.start()
    append = bench.journal.append

    def full(ts_ns: int, kind: str, body: bytes) -> int:
        if kind == "place":
            raise StoreError("disk full")
        return append(ts_ns, kind, body)

    monkeypatch.setattr(bench.journal, "append", full)
    with pytest.raises(StoreError):
        bench.trade(wish="buy")
    assert bench.submitted == []
    assert isinstance(bench.failures[0], StoreError)


def test_the_running_loop_takes_from_the_inbox_and_beats_once_a_turn() -> None:
    async def run() -> None:
        beats: list[int] = []
        bench = Bench()
        bench.loop._progress = lambda: beats.append(bench.meter.step.summary_us()["samples"] or 0)
        for _ in range(EVENTS_PER_TURN + 10):
            bench.inbox.put_now(Timer(0))
        task = asyncio.create_task(bench.loop.run())
        await bench.inbox.until_empty()
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert beats == [EVENTS_PER_TURN + 1, EVENTS_PER_TURN + 10]

    asyncio.run(run())


def test_the_sending_of_an_order_is_on_record_before_a_kill_that_comes_after_it() -> None:
    bench = Bench()
    bench.start()
    bench.trade(wish="buy")
    [place] = bench.places
    bench.inbox.put_now(Kill(0, "test", "now"), first=True)
    bench.loop.handle_now(OrderSent(0, place.client_id))
    event, arrived_ns = asyncio.run(bench.inbox.take())
    bench.loop.handle(event, arrived_ns)
    assert kinds(bench)[-4:] == ["order_sent", "kill", "notify", "cancel"]
    sent, kill = bench.records("order_sent", "kill")
    assert sent.ts_ns < kill.ts_ns


def test_without_a_way_out_an_order_is_a_defect_and_a_cancel_is_nothing() -> None:
    no_way_out(Cancel(1, "ztb-1", "btc_jpy", "", "test"))
    with pytest.raises(InvariantBroken, match="no way to send"):
        no_way_out(Place(1, "ztb-1", "btc_jpy", 1, 1, 1, False, 1, "test"))
