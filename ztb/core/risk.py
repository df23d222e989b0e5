"""Where the engine evaluates risk: the rules that hold, the floor of the equity, and the one place that catches.

Whatever raises while risk is evaluated is a kill (F-10). The kill itself needs nothing of this: it is ``upkeep.kill``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, ParamSpec

from ztb.core.breakers import judge_fill, judge_losses, loss_floor
from ztb.core.command import Command, Notify
from ztb.core.event import ChooseProfile, Event, OrderFilled
from ztb.core.exits import exit_due
from ztb.core.gate import Verdict, judge
from ztb.core.judging import judge_event, note_peak, turn_day
from ztb.core.lifecycle import apply_order_event
from ztb.core.market import Desk
from ztb.core.policy import plain_text
from ztb.core.reaction import RISK_FAILED
from ztb.core.rules import Rules
from ztb.core.state import EngineConfig, State
from ztb.core.trip import BREAKER
from ztb.core.upkeep import kill
from ztb.core.watch import off_band, roll_bars

_P = ParamSpec("_P")
_NOTHING: Final[tuple[Command, ...]] = ()


class Risk:
    """Of one engine."""

    __slots__ = ("_config", "_has_failed", "_state", "exit_reason", "floor", "floor_peak", "rules")

    def __init__(self, config: EngineConfig, state: State) -> None:
        self._config = config
        self._state = state
        self._has_failed = False
        """In this process: people were told."""
        self.exit_reason = ""
        """Why the position of the trade under way is to be closed without the policy."""
        self.floor = 0
        """The lowest equity that breaks no loss limit."""
        self.floor_peak = 0
        """The peak for which the floor was made."""
        self.rules: Rules = config.rules(conservative=False)
        self.set_rules()

    def set_rules(self) -> None:
        """Take up the rules that hold now: after a start, a kill, a resume, and when an operator chose others."""
        self.rules = self._config.rules(conservative=self._state.control.conservative)
        for desk in self._state.desks.values():
            desk.forget_band()
        self._state.due_ns = 0  # rules that need bars need every minute from now on
        self.set_floor()

    def set_floor(self) -> None:
        """Exact: a limit is broken when the loss is strictly above it."""
        ledger = self._state.ledger
        self.floor_peak = ledger.peak
        self.floor = loss_floor(self.rules.limits, peak=ledger.peak, day_open=ledger.day_open)

    def turn(self, now_ns: int) -> Sequence[Command]:
        """The day, when it is over."""
        turned = self._evaluate(now_ns, turn_day, self._state, now_ns)
        if turned:
            self.set_floor()
        return turned

    def roll(self, now_ns: int) -> Sequence[Command]:
        """The minute, when it is over."""
        return self._evaluate(now_ns, roll_bars, self._state, now_ns)

    def off_band(self, desk: Desk, price: int, now_ns: int) -> Sequence[Command]:
        """A trade outside the quiet band of its desk, before it becomes the mark."""
        self.exit_reason = ""

        def look() -> Sequence[Command]:
            commands = off_band(self._state, desk, self.rules, price, now_ns)
            self.exit_reason = exit_due(desk, self.rules.exits, price)
            return commands

        return self._evaluate(now_ns, look)

    def losses(self, now_ns: int) -> Sequence[Command]:
        """The stop/degrade rules: drawdown aborts (C-44), a daily loss degrades to reduce-only (C-45)."""
        state = self._state
        ledger = state.ledger
        told: Sequence[Command] = _NOTHING
        if ledger.peak > self.floor_peak:
            self.set_floor()
            told = note_peak(state, now_ns)
        if ledger.equity >= self.floor:
            return told
        return [*told, *self._evaluate(now_ns, judge_losses, state, self.rules.limits, now_ns)]

    def fill(self, event: OrderFilled, now_ns: int) -> Sequence[Command]:
        """Book a fill, and judge what it did."""
        state = self._state
        order = state.orders.get(event.client_id)
        if order is None:
            return apply_order_event(state, event, now_ns)
        desk = state.desks[order.instrument]
        known, closed = order.filled_lots, desk.closed_trades
        booked = apply_order_event(state, event, now_ns)
        rules, ledger = self.rules, state.ledger
        if rules.watches_position:
            desk.forget_band()
        losses: Sequence[Command] = _NOTHING
        if ledger.equity < self.floor or ledger.peak > self.floor_peak:
            losses = self.losses(now_ns)
        lots_max = rules.limits.position_lots_max
        is_watched = rules.watches_fills or state.control.reduce_only_reasons
        is_new = order.filled_lots != known
        if not is_new or (not is_watched and -lots_max <= desk.position.lots <= lots_max):
            return [*booked, *losses] if losses else booked
        tripped = self._evaluate(now_ns, judge_fill, state, rules, desk, order, event, closed, now_ns)
        return [*booked, *losses, *tripped]

    def event(self, event: Event, now_ns: int) -> Sequence[Command]:
        """Everything but market and fills."""
        commands = self._evaluate(now_ns, judge_event, self._state, self.rules, event, now_ns)
        if type(event) is ChooseProfile:
            self.set_rules()
        return commands

    def verdict(self, desk: Desk, side: int, now_ns: int, *, closing: bool) -> tuple[Verdict, Sequence[Command]]:
        """What the gate says to a wish; the commands are those of a kill, where the gate itself failed."""
        try:
            return judge(self._state, self._config, self.rules, desk, side, now_ns, closing=closing), _NOTHING
        except Exception as error:  # as below
            return Verdict(RISK_FAILED), self._failed(error, now_ns)

    def _evaluate(
        self, now_ns: int, judge: Callable[_P, Sequence[Command]], *args: _P.args, **kwargs: _P.kwargs
    ) -> Sequence[Command]:
        try:
            commands = judge(*args, **kwargs)
        except Exception as error:  # whatever it is: risk that cannot be evaluated is the greatest
            return self._failed(error, now_ns)
        if commands and self._state.control.killed:
            self.set_rules()  # a kill leaves other rules behind
        return commands

    def _failed(self, error: Exception, now_ns: int) -> list[Command]:
        killed = kill(self._state, source=BREAKER, reason=RISK_FAILED, now_ns=now_ns)
        self.set_rules()
        if self._has_failed and not killed:
            return killed  # it fails with every event from now on, and people know
        self._has_failed = True
        return [Notify(now_ns, "emergency", RISK_FAILED, plain_text(error)), *killed]
