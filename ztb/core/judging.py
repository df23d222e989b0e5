"""Which breaker looks at which event, and what a timer lets pass: the part of the engine that only ever restricts.

Whatever raises in here is a kill; the engine catches it in one place and the kill needs nothing of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ztb.core import breakers, flatten, reaction
from ztb.core.command import Balance, Command, Notify
from ztb.core.condition import judge_breaker, judge_data
from ztb.core.control import EVERYTHING
from ztb.core.event import (
    ApiHealth,
    BreakerTurned,
    BrokerRead,
    ChooseProfile,
    Event,
    Feed,
    LiftPause,
    OrderAccepted,
    OrderRejected,
    Pause,
    Timer,
    WalletMeasured,
)
from ztb.core.rules import Rules
from ztb.core.state import State
from ztb.core.trip import clear, forget_reactions, trip

PEAK_STEP_PPM: Final = 1_000
"""A peak is put on record when it has risen by so much of the one on record."""
_LOSSES: Final = frozenset({reaction.DAILY_LOSS, reaction.CONSECUTIVE_LOSSES})
_NOTHING: Final[tuple[Command, ...]] = ()


def judge_event(state: State, rules: Rules, event: Event, now_ns: int) -> Sequence[Command]:
    """Everything but market and fills."""
    match event:
        case Timer():
            return _on_timer(state, rules, now_ns)
        case OrderRejected() | OrderAccepted():
            return breakers.judge_refusals(state, now_ns)
        case ApiHealth():
            return breakers.judge_api(state, event, now_ns)
        case BreakerTurned():
            return _on_breaker(state, event, now_ns)
        case BrokerRead():
            return breakers.judge_read(state, event, now_ns)
        case WalletMeasured():
            return breakers.judge_wallet(state, rules.limits, event, now_ns)
        case Feed():
            return _on_feed(state, event, now_ns)
        case Pause() | LiftPause() | ChooseProfile():
            return apply_operator(state, event, now_ns)
        case _:
            return _NOTHING


def apply_operator(state: State, event: Pause | LiftPause | ChooseProfile, now_ns: int) -> list[Command]:
    """What somebody asked for; also when a recovery finds it in the journal."""
    match event:
        case Pause():
            return _on_pause(state, event, now_ns)
        case LiftPause():
            return _lift_pauses(state, event, now_ns)
        case ChooseProfile():
            return _choose_profile(state, event, now_ns)


def _on_timer(state: State, rules: Rules, now_ns: int) -> list[Command]:
    """What passes with time, and what is wrong because nothing happens."""
    commands = judge_data(state, now_ns)
    for name, reason in state.control.expire(now_ns):
        commands.append(Notify(now_ns, "info", "pause_over", f"{name or 'everything'}: {reason}"))
    if any(desk.lateness for desk in state.desks.values()):
        commands += trip(state, reaction.STREAM_STALE, now_ns)
    else:
        commands += clear(state, reaction.STREAM_STALE, now_ns)
    if state.refused_in_row and now_ns >= state.reacting_until_ns.get((reaction.VALIDATION, EVERYTHING), now_ns + 1):
        # Its pause is over: the next order shows whether the venue takes them again.
        commands += clear(state, reaction.VALIDATION, now_ns)
    commands += breakers.judge_marks(state, rules.limits, now_ns)
    # Also where no order could lead there: a new start may have brought a smaller limit.
    commands += breakers.judge_holdings(state, rules.limits, now_ns)
    state.tally.note_equity(state.ledger.equity, now_ns)
    return commands


def _on_breaker(state: State, event: BreakerTurned, now_ns: int) -> list[Command]:
    told = judge_breaker(event, now_ns)
    if event.is_open:
        return told + trip(state, reaction.API_HEALTH, now_ns, text=event.text)
    return told + clear(state, reaction.API_HEALTH, now_ns)


def _on_feed(state: State, event: Feed, now_ns: int) -> list[Command]:
    tripped = breakers.judge_feed(state, event, now_ns)
    is_news = event.connected != state.feed_up
    state.feed_up = event.connected
    if is_news:
        code = "feed_up" if event.connected else "feed_down"
        return [Notify(now_ns, "info" if event.connected else "warning", code, event.text), *tripped]
    return [Notify(now_ns, "info", "feed_note", event.text), *tripped] if event.text else tripped


def _on_pause(state: State, event: Pause, now_ns: int) -> list[Command]:
    taken = state.control.pause(
        event.until_ns, event.reason, event.instrument, allow_reduce_only=not event.freeze
    )  # fmt: skip
    where = f"{event.instrument}: " if event.instrument else ""
    text = f"{where}{event.reason} (by {event.source})"
    if taken:
        return [Notify(now_ns, "warning", "paused", text)]
    return [Notify(now_ns, "info", "paused_longer", f"{text}: a pause that ends later stays")]


def _lift_pauses(state: State, event: LiftPause, now_ns: int) -> list[Command]:
    """An operator ends pauses, also those of guards; what trips again pauses again."""
    state.control.lift_pauses(event.instrument)
    forget_reactions(state, event.instrument)
    text = f"{event.instrument or 'everything'}: {event.reason} (by {event.source})"
    return [Notify(now_ns, "warning", "pause_lifted", text)]


def _choose_profile(state: State, event: ChooseProfile, now_ns: int) -> list[Command]:
    """An operator says which limits hold after a kill."""
    state.control.conservative = event.conservative
    words = "the conservative profile holds" if event.conservative else "the configured profile holds again"
    return [Notify(now_ns, "warning", "risk_profile", f"{words}: {event.reason} (by {event.source})")]


def apply_resume(state: State) -> None:
    """An operator lifts what is on; also when a recovery finds it in the journal.

    Losses that led to a kill, or to reduce-only, are accounted for: from now on they are measured from here. Whoever
    resumes after a pause, or after a flatten, has accounted for none.
    """
    control = state.control
    if control.killed or not _LOSSES.isdisjoint(control.reduce_only_reasons):
        state.ledger.peak = state.ledger.day_open = state.ledger.equity
        state.tally.losses_in_row = 0
    state.refused_in_row = 0
    control.resume()
    forget_reactions(state)
    flatten.resumed(state)


def turn_day(state: State, now_ns: int) -> list[Command]:
    """At the configured midnight: the opening balance is put on record."""
    ledger = state.ledger
    day_open = ledger.day_open
    if not ledger.turn_day(now_ns):
        return []
    state.tally.turn_day(day_open=day_open, equity=ledger.equity)
    return [balance(state, now_ns)]


def note_peak(state: State, now_ns: int) -> Sequence[Command]:
    """Put a peak on record before a restart could forget it, but not each of its many small steps."""
    peak = state.ledger.peak
    if peak - state.told_peak <= state.told_peak * PEAK_STEP_PPM // 1_000_000:
        return _NOTHING
    return [balance(state, now_ns)]


def balance(state: State, now_ns: int) -> Balance:
    """What losses are measured against, relative to the capital."""
    ledger = state.ledger
    state.told_peak = ledger.peak
    capital = ledger.capital
    return Balance(
        now_ns, ledger.equity - capital, ledger.peak - capital, ledger.day_open - capital, ledger.day_end_ns
    )  # fmt: skip


def apply_balance(state: State, record: Balance) -> None:
    """What a recovery takes from the record."""
    ledger = state.ledger
    if record.day_end_ns > ledger.day_end_ns:
        state.tally.turn_day(day_open=ledger.day_open, equity=ledger.capital + record.profit)
    ledger.peak = state.told_peak = ledger.capital + record.peak_profit
    ledger.day_open = ledger.capital + record.day_open_profit
    ledger.day_end_ns = record.day_end_ns
