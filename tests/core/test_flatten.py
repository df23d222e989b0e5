"""The flatten: by hand, where each number can be checked, and by properties over a venue that does everything wrong."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.flat_world import COIN, MS, PERP, FlatWorld
from tests.core.scene import CAPITAL, SECOND, SPOT, WIDE, Desk, notices, places
from ztb.core.command import FLATTEN, GTC, IOC, MARKET, Cancel, LookUp, Place
from ztb.core.control import Level
from ztb.core.event import (
    Flatten,
    Kill,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderUnknown,
    Pause,
    Reconciled,
    Resume,
    Started,
    Stop,
    Timer,
    Trade,
)
from ztb.core.flatten import LATE_PAUSE_NS, REST_NS, closing_lots, wants_comparison
from ztb.core.flattening import CANCEL_ONLY, FLAT, FLAT_DUST, LIMIT, MARKET_MODE, ORDERS_OFF, Flattening
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import Decision
from ztb.core.state import EngineConfig, State

PPM_2_PERCENT = 20_000


def wish(mode: str = LIMIT, *, slippage_ppm: int = PPM_2_PERCENT, within_s: int = 60, **more: bool) -> Flatten:
    event = Flatten(0, "test", "drill", mode, slippage_ppm, within_s * SECOND)
    for name, value in more.items():
        assert hasattr(event, name)
        setattr(event, name, value)
    return event


def at(desk: Desk, event: Flatten) -> Flatten:
    event.ts_ns = desk.now_ns
    return event


def running(desk: Desk) -> Flattening:
    found = desk.engine.state.flattening
    assert found is not None
    return found


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_flat_already_it_waits_for_the_venue_to_say_so_and_stays_silent_afterwards() -> None:
    desk = Desk()
    assert notices(desk.step(at(desk, wish()))) == [("emergency", "flatten_begun")]
    assert desk.engine.state.control.level(desk.now_ns) is Level.FLATTENING
    assert wants_comparison(desk.engine.state, running(desk))
    began_ns = desk.now_ns
    desk.wait(SECOND)
    assert desk.step(Reconciled(desk.now_ns, True, "", began_ns)) == [], "asked before anything was known: no proof"
    assert desk.step(Reconciled(desk.now_ns, True)) == [], "nobody says when it was asked"
    assert notices(desk.step(Reconciled(desk.now_ns, False, "?", desk.now_ns))) == [("error", "reconciliation_unclean")]
    assert notices(desk.step(Reconciled(desk.now_ns, True, "", desk.now_ns))) == [("success", "flattened")]
    assert running(desk).outcome == FLAT
    assert desk.refused(BUY) == "flattening"
    assert notices(desk.step(Resume(desk.now_ns, "op", "go on"))) == [("warning", "resumed")]
    assert desk.engine.state.flattening is None
    desk.order(BUY)


def test_everything_is_cancelled_first_and_what_is_held_is_closed_when_nothing_works_any_more() -> None:
    desk = Desk()
    desk.bought(times=3)
    resting = desk.working(BUY, price=990)
    commands = desk.step(at(desk, wish()))
    assert [command.client_id for command in commands if isinstance(command, Cancel)] == [resting.client_id]
    assert places(commands) == [], "it may still fill"
    [close] = places(desk.cancelled(resting))
    assert (close.side, close.lots, close.reduce_only, close.purpose) == (SELL, 30, True, FLATTEN)
    # The last trade was at 990, which is all that is known: 990 - 2 % of it, rounded down.
    assert (close.price, close.reference) == (990 - 19, 990)
    assert places(desk.step(Timer(desk.now_ns + 1))) == [], "one at a time"
    desk.fill(close, price=985)
    desk.wait(SECOND)
    assert notices(desk.step(Reconciled(desk.now_ns, True, "", desk.now_ns))) == [("success", "flattened")]
    [sent] = running(desk).sent
    assert (sent.filled_lots, sent.value) == (30, 30 * 985)


def test_a_fill_between_cancel_and_close_is_closed_as_well() -> None:
    desk = Desk()
    desk.bought()
    resting = desk.working(BUY, price=990)
    desk.step(at(desk, wish()))
    assert places(desk.fill(resting, lots=4, price=990)) == []
    [close] = places(desk.cancelled(resting))
    assert close.lots == 14


def test_what_was_bought_after_the_close_was_sent_is_closed_by_another_order() -> None:
    desk = Desk()
    desk.bought()
    desk.step(OrderUnknown(desk.now_ns, (lost := desk.working(BUY, price=990)).client_id, "no answer"))
    [close] = places(desk.step(at(desk, wish())))
    assert close.lots == 10, "an order of unknown fate on the other side does not hold the close back"
    desk.fill(close)
    [again] = places(desk.fill(lost, lots=10, price=990)) or places(desk.step(Timer(desk.now_ns)))
    assert again.lots == 10


def test_an_order_of_unknown_fate_on_the_closing_side_is_waited_for() -> None:
    desk = Desk()
    desk.bought(times=3)
    lost = desk.working(SELL)
    desk.step(OrderUnknown(desk.now_ns, lost.client_id, "no answer"))
    assert places(desk.step(at(desk, wish()))) == []
    asked: list[object] = []
    for _ in range(70):
        desk.wait(SECOND)
        commands = desk.step(Timer(desk.now_ns))
        assert places(commands) == []
        asked += [command for command in commands if isinstance(command, LookUp)]
    assert len(asked) >= 10
    assert "1 of unknown fate" in desk_texts(desk, "flatten_late")[0]


def desk_texts(desk: Desk, code: str) -> list[str]:
    return [getattr(command, "text", "") for command in desk.commands if getattr(command, "code", "") == code]


def test_silence_for_the_policy_from_the_first_moment() -> None:
    desk = Desk()
    desk.bought()
    desk.step(at(desk, wish()))
    assert desk.refused(BUY) == "flattening"
    assert desk.refused(SELL) == "flattening"


def test_a_panic_is_a_kill_first_and_its_own_orders_are_not_taken_for_policy_ones() -> None:
    desk = Desk()
    desk.bought()
    commands = desk.step(at(desk, wish(kill=True, then_stop=True)))
    assert [code for _, code in notices(commands)] == ["killed", "flatten_begun"]
    [close] = places(commands)
    assert desk.engine.state.control.level(desk.now_ns) is Level.KILLED
    desk.wait(REST_NS // 2)
    assert desk.step(Timer(desk.now_ns)) == [], "killed, and yet its order may work"
    desk.fill(close)
    desk.wait(SECOND)
    desk.step(Reconciled(desk.now_ns, True, "", desk.now_ns))
    assert running(desk).outcome == FLAT
    assert desk.refused(BUY) == "killed"


@pytest.mark.parametrize("before", ["killed", "paused", "stopping", "reduce_only", "unreconciled", "restarted"])
def test_it_works_from_every_state(before: str) -> None:
    desk = Desk()
    desk.bought()
    match before:
        case "killed":
            desk.step(Kill(desk.now_ns, "test", "before"))
        case "paused":
            desk.step(Pause(desk.now_ns, desk.now_ns + 3_600 * SECOND, "test", "before"))
        case "stopping":
            desk.step(Stop(desk.now_ns, "test"))
        case "reduce_only":
            desk.engine.state.control.reduce("test")
        case "unreconciled":
            desk.step(Reconciled(desk.now_ns, False, "a difference"))
        case "restarted":
            desk.step(Started(desk.now_ns, "install", 2))
    commands = desk.step(at(desk, wish()))
    if before in ("unreconciled", "restarted"):
        assert places(commands) == [], "the books may be wrong: the venue is asked first"
        desk.wait(SECOND)
        commands = desk.step(Reconciled(desk.now_ns, False, "still a difference", desk.now_ns))
    [close] = places(commands)
    assert close.lots == 10


def test_without_any_word_of_the_venue_the_ledger_has_to_do_after_a_while() -> None:
    desk = Desk()
    desk.bought()
    desk.step(Started(desk.now_ns, "install", 2))
    desk.step(at(desk, wish()))
    desk.wait(4 * SECOND)
    assert places(desk.step(Timer(desk.now_ns))) == []
    desk.wait(2 * SECOND)
    assert len(places(desk.step(Timer(desk.now_ns)))) == 1


def test_where_there_is_no_way_to_send_it_is_refused() -> None:
    desk = Desk(observe=True)
    assert notices(desk.step(at(desk, wish()))) == [("error", "flatten_refused")]
    assert desk.engine.state.flattening is None
    assert desk.engine.state.control.level(desk.now_ns) is Level.OBSERVE


def test_cancel_only_leaves_what_is_held() -> None:
    desk = Desk()
    desk.bought()
    resting = desk.working(BUY, price=990)
    desk.step(at(desk, wish(CANCEL_ONLY)))
    desk.cancelled(resting)
    desk.wait(SECOND)
    assert notices(desk.step(Reconciled(desk.now_ns, True, "", desk.now_ns))) == [("success", "flattened")]
    assert (running(desk).outcome, running(desk).sent_count, desk.lots()) == (ORDERS_OFF, 0, 10)


def test_what_is_too_small_is_parked() -> None:
    small = replace(SPOT, lots_min=7)
    desk = Desk(instruments=(small,))
    desk.fill(desk.working(BUY), lots=5)
    [resting] = desk.engine.state.working
    commands = desk.step(at(desk, wish()))
    assert [command.client_id for command in commands if isinstance(command, Cancel)] == [resting]
    desk.step(OrderCancelled(desk.now_ns, resting))
    desk.wait(SECOND)
    desk.step(Reconciled(desk.now_ns, True, "", desk.now_ns))
    assert running(desk).outcome == FLAT_DUST
    assert desk.lots() == 5


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (100, [40, 40, 20]),
        # One lot would be left: a little less is sent first, so that the rest can be closed too.
        (41, [39, 2]),
        (82, [40, 40, 2]),
        (40, [40]),
        (1, []),
        (0, []),
    ],
)
def test_large_positions_are_closed_in_parts_that_leave_no_dust(held: int, expected: list[int]) -> None:
    instrument = replace(SPOT, lots_min=2, lots_max=40)
    sizes: list[int] = []
    left = held
    while lots := closing_lots(instrument, 1_000, left):
        sizes.append(lots)
        left -= lots
    assert sizes == expected


def test_a_minimum_value_counts_at_the_price_of_the_order() -> None:
    instrument = replace(SPOT, notional_min=10_000, lots_max=100)
    assert closing_lots(instrument, 1_000, 9) == 0
    assert closing_lots(instrument, 1_000, 10) == 10
    assert closing_lots(instrument, 999, 10) == 0
    assert closing_lots(instrument, 1_000, 105) == 95, "ten lots are needed to be worth it"


# --- price and time in force -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "bid", "last", "limit", "reference"),
    [
        (LIMIT, 1_000, 1_000, 980, 1_000),
        # Nobody is left in the book: the last trade keeps the price.
        (LIMIT, 500, 1_000, 980, 1_000),
        (LIMIT, 1_010, 1_000, 990, 1_010),
        (MARKET_MODE, 500, 1_000, 450, 500),
    ],
)
def test_the_worst_price_is_measured_from_the_better_of_touch_and_last_trade(
    mode: str, bid: int, last: int, limit: int, reference: int
) -> None:
    world = FlatWorld()
    world.hold(SPOT, 10)
    world.price(SPOT, last)
    world.state.desks[SPOT.symbol].bid = bid
    world.flatten(mode=mode)
    [place] = world.sent_by_flatten
    assert (place.price, place.reference) == (limit, reference)


@pytest.mark.parametrize(
    ("mode", "known", "expected"),
    [
        (LIMIT, (GTC,), GTC),
        (LIMIT, (GTC, IOC, MARKET), IOC),
        (MARKET_MODE, (GTC, IOC, MARKET), MARKET),
        (MARKET_MODE, (GTC, IOC), IOC),
        (MARKET_MODE, (GTC,), GTC),
    ],
)
def test_the_kind_of_order_is_the_best_that_the_venue_has(mode: str, known: tuple[str, ...], expected: str) -> None:
    world = FlatWorld(times_in_force=known)
    world.hold(SPOT, 10)
    world.flatten(mode=mode)
    assert [place.time_in_force for place in world.sent_by_flatten] == [expected]


def test_a_short_position_is_bought_back_above_the_market_at_most() -> None:
    world = FlatWorld(instruments=(PERP,))
    world.hold(PERP, -10)
    world.flatten()
    [place] = world.sent_by_flatten
    assert (place.side, place.lots, place.reference, place.price) == (BUY, 10, 1_000, 1_020)


def test_old_prices_are_used_and_that_is_told_once() -> None:
    desk = Desk()
    desk.bought()
    desk.wait(3_600 * SECOND)
    commands = desk.step(at(desk, wish()))
    assert [code for _, code in notices(commands)] == ["flatten_begun", "flatten_old_price"]
    assert places(commands)[0].reference == 1_000


def test_an_order_that_rests_too_long_is_taken_back_and_priced_anew() -> None:
    desk = Desk()
    desk.bought()
    [first] = places(desk.step(at(desk, wish())))
    desk.step(OrderAccepted(desk.now_ns, first.client_id, "v77"))
    desk.wait(REST_NS)
    [taken_back] = desk.step(Timer(desk.now_ns))
    assert isinstance(taken_back, Cancel)
    assert (taken_back.client_id, taken_back.reason) == (first.client_id, "rested")
    desk.market(900)
    assert places(desk.cancelled(first)) == [], "it may still turn out to have filled"
    desk.wait(60 * SECOND)
    assert places(desk.step(Timer(desk.now_ns))) == [], "no clock says that it has not"
    desk.market(900)
    [second] = places(desk.settled(first))
    assert second.price == 900 - 18


# --- going wrong -------------------------------------------------------------------------------------------------


def test_rejections_make_it_slower_and_the_deadline_slower_still() -> None:
    desk = Desk()
    desk.bought()
    sent = places(desk.step(at(desk, wish(within_s=30))))
    times: list[int] = []
    for _ in range(1_200):
        for place in sent:
            times.append(desk.now_ns)
            desk.step(OrderRejected(desk.now_ns, place.client_id, "no", "not now"))
        desk.wait(100 * MS)
        sent = places(desk.step(Timer(desk.now_ns)))
    gaps = [(late - early) // MS for early, late in pairwise(times)]
    assert gaps[:6] == [300, 500, 1_000, 2_000, 4_000, 8_000]
    assert min(gaps[8:]) >= LATE_PAUSE_NS // MS
    assert len(desk_texts(desk, "flatten_late")) == 1
    assert {sent.refusal for sent in running(desk).sent} == {"no"}
    assert "held: 10 btc_jpy; no order works" in desk_texts(desk, "flatten_late")[0]
    assert running(desk).is_active


def test_a_late_fill_after_the_end_begins_it_again() -> None:
    world = FlatWorld()
    world.hold(SPOT, 10)
    lost = world.wish(SPOT, BUY)
    world.tick()
    world.flatten()
    world.run(20)
    assert world.state.flattening is not None
    assert world.state.flattening.outcome == FLAT
    world.there[lost.client_id].left = 4
    world.fill(lost.client_id, 4, delay=0)
    world.run(20)
    assert world.codes.count("flatten_again") == 1
    assert (world.lots, world.state.flattening.outcome) == ({SPOT.symbol: 0}, FLAT)


def test_a_price_that_moves_does_not_wake_what_was_parked() -> None:
    world = FlatWorld(instruments=(COIN,))
    world.hold(COIN, 3)
    world.flatten()
    world.run(5)
    assert world.state.flattening is not None
    assert world.state.flattening.outcome == FLAT_DUST
    world.price(COIN, 2_000)
    world.run(5)
    assert world.sent_by_flatten == []


def test_new_terms_for_one_that_runs() -> None:
    world = FlatWorld(lambda what, choices: 1 if what == "place" else 0)
    world.hold(SPOT, 10)
    world.flatten(within_s=5, then_stop=True)
    world.run(6)
    assert world.codes.count("flatten_late") == 1
    world.choose = lambda what, choices: 0
    world.flatten(mode=MARKET_MODE, within_s=30)
    found = world.state.flattening
    assert found is not None
    assert (found.mode, found.then_stop, found.alarmed_ns) == (MARKET_MODE, True, 0)
    assert world.sent_by_flatten[-1].time_in_force == MARKET
    world.run(5)
    assert found.outcome == FLAT


def test_the_stop_policy_does_not_take_an_operators_silence_away() -> None:
    world = FlatWorld()
    world.hold(SPOT, 10)
    world.flatten()
    world.run(3)
    world.flatten(holds=False)
    world.run(3)
    world.step(Started(0, "install", 2))
    assert world.state.control.flattening


def test_a_flatten_of_the_stop_policy_ends_with_its_session() -> None:
    world = FlatWorld(lambda what, choices: 1 if what == "place" else 0)
    world.hold(SPOT, 10)
    world.flatten(holds=False)
    world.step(Started(0, "install", 2))
    assert world.state.flattening is None
    assert not world.state.control.flattening


def test_one_that_a_crash_interrupted_goes_on() -> None:
    world = FlatWorld(lambda what, choices: 1 if what == "place" else 0)
    world.hold(SPOT, 10)
    world.flatten()
    world.run(2)
    world.choose = lambda what, choices: 0
    world.step(Started(0, "install", 2))
    world.run(20)
    assert world.state.flattening is not None
    assert (world.state.flattening.outcome, world.lots) == (FLAT, {SPOT.symbol: 0})


# --- properties --------------------------------------------------------------------------------------------------

HELD = st.integers(0, 90)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32), badness=st.integers(0, 9), mode=st.sampled_from([LIMIT, MARKET_MODE]),
    spot=HELD, perp=st.integers(-90, 90), coin=HELD, kinds=st.sampled_from([(GTC,), (GTC, IOC), (GTC, IOC, MARKET)]),
    kills=st.booleans(),
)  # fmt: skip
def test_whatever_the_venue_does_it_ends_flat_once_the_venue_is_well(
    seed: int, badness: int, mode: str, spot: int, perp: int, coin: int, kinds: tuple[str, ...], kills: bool
) -> None:
    """The world checks each order as it is sent: one for a side, nothing else there, never more than is held."""
    dice = random.Random(seed)
    is_bad = True

    def choose(what: str, choices: int) -> int:
        return dice.randrange(choices) if is_bad and dice.randrange(10) < badness else 0

    world = FlatWorld(choose, instruments=(SPOT, PERP, COIN), times_in_force=kinds)
    for instrument, lots in ((SPOT, spot), (PERP, perp), (COIN, coin)):
        world.hold(instrument, lots)
    for instrument in (SPOT, PERP, COIN):
        for _ in range(dice.randrange(4)):
            world.policy.answer = Decision(dice.choice([BUY, SELL]), "wish", ())
            world.step(Trade(0, instrument.symbol, 1_000, 1, BUY))
            world.policy.answer = None
    for _ in range(dice.randrange(4)):
        world.tick()
    sequence = world.state.sequence
    world.flatten(mode=mode, kill=kills, within_s=20)
    for _ in range(300):
        world.tick()
        if dice.randrange(20) == 0:
            # A policy that wants something all the time gets nothing.
            world.policy.answer = Decision(dice.choice([BUY, SELL]), "wish", ())
            world.price(dice.choice([SPOT, PERP, COIN]), dice.randint(990, 1_010))
            world.policy.answer = None
    is_bad = False
    world.run(240)
    found = world.state.flattening
    assert found is not None
    assert not found.is_active, world.codes
    assert not any(there.is_working for there in world.there.values())
    dust = {s: lots for s, lots in world.lots.items() if lots}
    desks = world.state.desks
    assert all(desks[s].instrument.is_dust(world.parked_at[s], abs(lots)) for s, lots in dust.items())
    assert found.outcome == (FLAT_DUST if dust else FLAT)
    assert world.state.sequence - sequence == len(world.sent_by_flatten) == found.sent_count
    made = [c for c in world.commands if isinstance(c, Place) and c.sequence > sequence]
    assert all(place.purpose == FLATTEN for place in made), "nothing else left"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), lots=st.integers(1, 90))
def test_a_venue_that_refuses_everything_ends_in_an_alarm_and_in_going_on(seed: int, lots: int) -> None:
    world = FlatWorld(lambda what, choices: 1 if what == "place" else 0)
    world.hold(SPOT, lots)
    world.flatten(within_s=10)
    world.run(120)
    assert world.codes.count("flatten_late") == 1
    assert "flattened" not in world.codes
    before = len(world.sent_by_flatten)
    assert before <= 10 + 120 // 15
    world.run(60)
    assert len(world.sent_by_flatten) > before
    assert world.lots == {SPOT.symbol: lots}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), stop_after=st.integers(0, 60))
def test_restored_at_any_point_it_does_the_same(seed: int, stop_after: int) -> None:
    """The snapshot holds everything that decides: a second engine, restored, answers every further event alike."""
    dice = random.Random(seed)
    world = FlatWorld(lambda what, choices: dice.randrange(choices) if dice.randrange(3) == 0 else 0)
    world.hold(SPOT, dice.randint(1, 60))
    world.flatten()
    for _ in range(stop_after):
        world.tick()
    plain = json.loads(json.dumps(world.state.snapshot()))
    twin = State(EngineConfig((SPOT,), WIDE, CAPITAL, 10, times_in_force=world.engine.config.times_in_force))
    twin.restore(plain)
    twin.control.reconciled = world.state.control.reconciled
    twin.policy_suspended = world.state.policy_suspended
    assert json.loads(json.dumps(twin.snapshot()))["flattening"] == plain["flattening"]
    mirror = FlatWorld(times_in_force=world.engine.config.times_in_force)
    mirror.engine.state.restore(plain)
    mirror.engine.state.control.reconciled = world.state.control.reconciled
    now_ns = world.now_ns + SECOND
    for event in (Timer(now_ns), Reconciled(now_ns + 1, True, "", now_ns), Timer(now_ns + 2 * REST_NS)):
        assert repr(world.engine.step(event)) == repr(mirror.engine.step(event))


def test_a_fill_of_an_order_that_nobody_knows_is_no_progress() -> None:
    world = FlatWorld()
    world.hold(SPOT, 10)
    world.flatten()
    found = world.state.flattening
    assert found is not None
    world.step(OrderFilled(0, "ztb-nobody", "t99", 1, 1_000, 0))
    assert [sent.client_id for sent in found.sent] == [world.sent_by_flatten[0].client_id]


@pytest.mark.parametrize("control", ["kill", "stop"])
def test_a_kill_leaves_the_orders_of_a_flatten_alone_and_a_stop_takes_them_back(control: str) -> None:
    desk = Desk()
    desk.bought()
    [close] = places(desk.step(at(desk, wish())))
    desk.step(OrderAccepted(desk.now_ns, close.client_id, "v77"))
    event = Kill(desk.now_ns, "test", "as well") if control == "kill" else Stop(desk.now_ns, "the end")
    taken_back = [command.client_id for command in desk.step(event) if isinstance(command, Cancel)]
    assert taken_back == ([] if control == "kill" else [close.client_id])
