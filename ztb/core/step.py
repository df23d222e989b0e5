"""``Engine.step(event) -> commands``: the whole of trading as one function of state and event.

Everything that decides is below: the market moves the marks, the loss limits are checked on each mark, the policy is
asked, and what it wants becomes an order or a recorded refusal. No clock, no I/O: time is in the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ztb.core import flatten
from ztb.core.command import Command, Notify, Place
from ztb.core.condition import judge_clock, listen_anew
from ztb.core.error import InvariantBroken
from ztb.core.event import (
    CLOCK_BACKSTEP_NS_MAX,
    CancelFailed,
    ClockMeasured,
    Depth,
    Event,
    Flatten,
    Kill,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRecovered,
    OrderRejected,
    OrderSent,
    OrderSettled,
    OrderUnknown,
    Quote,
    Reconciled,
    Resume,
    Started,
    Stop,
    Trade,
)
from ztb.core.gate import SIZING
from ztb.core.guard import Proposal
from ztb.core.instrument import BUY, SELL
from ztb.core.judging import apply_resume, balance
from ztb.core.lifecycle import apply_order_event
from ztb.core.market import AMOUNT_MAX, BOOK_LEVELS, Desk
from ztb.core.order import Order, client_id_of
from ztb.core.policy import HOLD, Decision, Policy, flaw_of, plain_text
from ztb.core.risk import Risk
from ztb.core.state import EngineConfig, State
from ztb.core.upkeep import cancel, cancel_all, kill, look_soon, orders_due

DecisionRow = tuple[int, str, int, str, tuple[int, ...], str]
"""ts_ns, instrument, action, the policy's reason, its inputs, and the outcome: a client order id or a refusal."""

DECISION_ROWS_MAX: Final = 65_536
"""Whoever drives the engine takes the rows long before this; a driver that forgets is a bug."""

_NOTHING: Final[tuple[Command, ...]] = ()


class Engine:
    """Deterministic: the same events give the same commands, byte for byte."""

    __slots__ = ("_decisions", "config", "policy", "risk", "state")

    def __init__(self, config: EngineConfig, policy: Policy) -> None:
        self.config = config
        self.policy = policy
        self.state = State(config)
        self._decisions: list[DecisionRow] = []
        self.risk = Risk(config, self.state)

    def take_decisions(self) -> list[DecisionRow]:
        """Every decision since the last call, with its inputs, its reason and what became of it."""
        rows = self._decisions
        self._decisions = []
        return rows

    @property
    def decision_count(self) -> int:
        """Rows that wait to be taken."""
        return len(self._decisions)

    def step(self, event: Event) -> Sequence[Command]:
        """Take one event; returns what the outside has to do, in order."""
        state = self.state
        now_ns = event.ts_ns
        due: Sequence[Command] = _NOTHING
        if now_ns < state.now_ns:
            due = self._backstep(now_ns)
            now_ns = state.now_ns
        state.now_ns = now_ns
        if now_ns >= state.due_ns:
            due = [*due, *self._look(now_ns)]
        # What comes by the thousand first, by the cheapest question there is.
        if type(event) is Trade:
            commands = self._on_trade(event, now_ns)
        elif type(event) is OrderFilled:
            commands = self.risk.fill(event, now_ns)
        elif type(event) is OrderDurable or type(event) is OrderSent:
            commands = apply_order_event(state, event, now_ns)
        elif type(event) is Quote:
            commands = self._on_quote(event, now_ns)
        elif type(event) is Depth:
            commands = self._on_depth(event, now_ns)
        else:
            commands = self._on_other(event, now_ns)
        if due is _NOTHING:
            return commands
        if state.flattening is not None:
            commands = [*commands, *flatten.advance(state, self.config, now_ns, state.flattening)]
        return [*due, *commands]

    def _look(self, now_ns: int) -> list[Command]:
        """What is due because time passed."""
        state = self.state
        due: list[Command] = []
        if now_ns >= state.ledger.day_end_ns:
            due += self.risk.turn(now_ns)
        due += orders_due(state, now_ns, order_ttl_ns=self.config.limits.order_ttl_ns)
        if self.risk.rules.needs_bars:
            due += self.risk.roll(now_ns)
        return due

    def _on_other(self, event: Event, now_ns: int) -> Sequence[Command]:
        """Everything but the market and the steps of an order that nothing goes wrong with."""
        state = self.state
        match event:
            case OrderAccepted():
                commands = apply_order_event(state, event, now_ns)
                if state.control.reduce_only_reasons:
                    commands = [*commands, *self.risk.event(event, now_ns)]
                return commands
            case OrderRejected():
                return [*apply_order_event(state, event, now_ns), *self.risk.event(event, now_ns)]
            case (
                OrderRecovered() | OrderCancelled() | OrderExpired() | OrderUnknown() | OrderNotPlaced()
                | OrderSettled() | CancelFailed()
            ):  # fmt: skip
                return apply_order_event(state, event, now_ns)
            case Started():
                return self._on_started(event, now_ns)
            case Reconciled():
                return self._on_reconciled(event, now_ns)
            case ClockMeasured():
                return judge_clock(state, event, now_ns)
            case Kill():
                return self._kill(source=event.source, reason=event.reason, now_ns=now_ns)
            case Resume():
                return self._on_resume(event, now_ns)
            case Flatten():
                return self._on_flatten(event, now_ns)
            case Stop():
                state.control.stopping = True
                return cancel_all(state, "stopping", now_ns)
            case _:
                return self.risk.event(event, now_ns)

    # --- the market ---------------------------------------------------------------------------------------------

    def _on_trade(self, event: Trade, now_ns: int) -> Sequence[Command]:
        state = self.state
        price, symbol = event.price, event.instrument
        desk = state.desks.get(symbol)
        # A chained comparison is also false for a NaN, so nothing that is not a number gets past it.
        tripped: Sequence[Command] = _NOTHING
        if desk is None or not (desk.band_low <= price <= desk.band_high and 0 < event.lots < AMOUNT_MAX):
            if desk is None or not (0 < price < AMOUNT_MAX and 0 < event.lots < AMOUNT_MAX):
                return self._refuse_market(event, now_ns)
            tripped = self.risk.off_band(desk, price, now_ns)
        desk.last_price = price
        desk.last_ns = now_ns
        position = desk.position
        held_lots = position.lots
        if held_lots:
            ledger = state.ledger
            ledger.mark(position, price)
            risk = self.risk
            if ledger.equity < risk.floor or ledger.peak > risk.floor_peak:
                tripped = [*tripped, *risk.losses(now_ns)]
            if risk.exit_reason:
                tripped = [*tripped, *self._leave(desk, risk.exit_reason, now_ns)]
        if state.policy_suspended:
            return tripped
        try:
            decision = self.policy.on_trade(event, held_lots)
        except Exception as error:  # a policy is somebody else's code: whatever it raises must not stop the engine
            return [*tripped, self._suspend_policy(plain_text(error), now_ns)]
        if decision is None:
            return tripped
        flaw = flaw_of(decision)
        if not flaw and decision.action == HOLD:
            # By far the most frequent answer takes the short way; a full list is told on the long one.
            rows = self._decisions
            if len(rows) < DECISION_ROWS_MAX:
                rows.append((now_ns, symbol, HOLD, decision.reason, decision.inputs, ""))
                return tripped
        acted = self._decide(desk, decision, flaw, now_ns)
        return [*tripped, *acted] if tripped else acted

    def _on_quote(self, event: Quote, now_ns: int) -> Sequence[Command]:
        desk = self.state.desks.get(event.instrument)
        if desk is None or not (0 <= event.bid < AMOUNT_MAX and 0 <= event.ask < AMOUNT_MAX):
            return self._refuse_market(event, now_ns)
        desk.bid = event.bid
        desk.ask = event.ask
        desk.quote_ns = desk.heard_ns = now_ns
        if self.state.policy_suspended:
            return _NOTHING
        try:
            decision = self.policy.on_quote(event, desk.position.lots)
        except Exception as error:  # as above
            return [self._suspend_policy(plain_text(error), now_ns)]
        return _NOTHING if decision is None else self._decide(desk, decision, flaw_of(decision), now_ns)

    def _on_depth(self, event: Depth, now_ns: int) -> Sequence[Command]:
        """A snapshot tells the best prices; single level changes are for those who keep a whole book."""
        desk = self.state.desks.get(event.instrument)
        if desk is None:
            return self._refuse_market(event, now_ns)
        desk.heard_ns = now_ns
        if event.is_snapshot:
            bid = event.bids[0][0] if event.bids else 0
            ask = event.asks[0][0] if event.asks else 0
            if not (0 <= bid < AMOUNT_MAX and 0 <= ask < AMOUNT_MAX):
                return self._refuse_market(event, now_ns)
            desk.bid = bid
            desk.ask = ask
            desk.quote_ns = desk.book_ns = now_ns
            desk.bids = event.bids[:BOOK_LEVELS]
            desk.asks = event.asks[:BOOK_LEVELS]
        return _NOTHING

    def _leave(self, desk: Desk, reason: str, now_ns: int) -> Sequence[Command]:
        """Close the position without the policy, unless an order that closes it works already."""
        self.risk.exit_reason = ""
        position = desk.position
        side = SELL if position.lots > 0 else BUY
        symbol = desk.instrument.symbol
        if any(
            order.instrument == symbol and order.side == side and order.reduce_only
            for order in self.state.working.values()
        ):
            return _NOTHING
        outcome, commands = self._propose(desk, side, reason, now_ns, closing=True)
        self._row((now_ns, symbol, side, reason, (desk.last_price, position.average_price(), desk.best_price), outcome))
        return commands

    def _refuse_market(self, event: Trade | Quote | Depth, now_ns: int) -> list[Command]:
        """Nonsense is counted and told once; it moves nothing."""
        self.state.refused_market_events += 1
        if self.state.refused_market_events > 1:
            return []
        return [Notify(now_ns, "error", "nonsense_market_data", repr(event)[:300])]

    # --- from a wish to an order --------------------------------------------------------------------------------

    def _decide(self, desk: Desk, decision: Decision, flaw: str, now_ns: int) -> Sequence[Command]:
        if flaw:
            return [self._suspend_policy(f"returned {flaw}", now_ns)]
        rows = self._decisions
        if len(rows) >= DECISION_ROWS_MAX:
            raise InvariantBroken("decision rows are not taken by the driver")
        action = decision.action
        outcome = ""
        commands: Sequence[Command] = _NOTHING
        if action != HOLD:
            outcome, commands = self._propose(desk, action, decision.reason, now_ns)
        rows.append((now_ns, desk.instrument.symbol, action, decision.reason, decision.inputs, outcome))
        return commands

    def _row(self, row: DecisionRow) -> None:
        if len(self._decisions) >= DECISION_ROWS_MAX:
            raise InvariantBroken("decision rows are not taken by the driver")
        self._decisions.append(row)

    def _propose(
        self, desk: Desk, side: int, reason: str, now_ns: int, *, closing: bool = False
    ) -> tuple[str, Sequence[Command]]:
        """The order for a wish, or the code of the refusal: ``(client id or code, commands)``."""
        verdict, failed = self.risk.verdict(desk, side, now_ns, closing=closing)
        if verdict.sizing:
            self._row((now_ns, desk.instrument.symbol, HOLD, SIZING, verdict.sizing, verdict.code))
        if verdict.proposal is None:
            blocking = [one for one in verdict.blocking if not one.cancel_asked_ns]
            return verdict.code, failed or [cancel(self.state, one, verdict.code, now_ns) for one in blocking]
        return self._place(verdict.proposal, reason, now_ns)

    def _place(self, proposal: Proposal, reason: str, now_ns: int) -> tuple[str, Sequence[Command]]:
        state = self.state
        if not state.install:
            raise InvariantBroken("no order before the session has started")
        assert proposal.lots > 0
        assert proposal.price > 0
        state.sequence += 1
        client_id = client_id_of(state.install, state.epoch, state.sequence)
        symbol = proposal.instrument.symbol
        order = Order(
            client_id, symbol, proposal.side, proposal.lots, proposal.price, proposal.reduce_only, now_ns,
            state.sequence, mark=proposal.last_price,
        )  # fmt: skip
        state.add_order(order)
        state.rate.add(now_ns)
        notional = proposal.instrument.notional(order.price, order.lots)
        state.tally.add_order(now_ns, notional, opens=not order.reduce_only)
        look_soon(state, now_ns)
        place = Place(
            now_ns, client_id, symbol, order.side, order.lots, order.price, order.reduce_only, order.sequence, reason,
            reference=order.mark,
        )  # fmt: skip
        return client_id, [place]

    def _suspend_policy(self, why: str, now_ns: int) -> Notify:
        self.state.policy_suspended = why
        return Notify(now_ns, "error", "policy_suspended", f"{self.policy.name or type(self.policy).__name__}: {why}")

    # --- sessions and emergency controls ------------------------------------------------------------------------

    def _on_started(self, event: Started, now_ns: int) -> list[Command]:
        """A session begins: nothing is proven yet, and what was working when the last one ended is unknown."""
        state = self.state
        state.install = event.install
        state.epoch = event.epoch
        state.started_ns = now_ns
        state.control.reconciled = False
        state.control.stopping = False
        listen_anew(state, now_ns)
        flatten.restart(state, now_ns)
        state.feed_up = state.feed_was_up = False
        state.policy_suspended = ""
        self.risk.set_rules()
        commands: list[Command] = []
        for order in list(state.working.values()):
            commands += apply_order_event(state, OrderUnknown(now_ns, order.client_id, "restart"), now_ns)
        return commands

    def _on_reconciled(self, event: Reconciled, now_ns: int) -> Sequence[Command]:
        self.state.control.reconciled = event.clean
        flatten.compared(self.state, event)
        return _NOTHING if event.clean else [Notify(now_ns, "error", "reconciliation_unclean", event.text)]

    def _on_resume(self, event: Resume, now_ns: int) -> list[Command]:
        if not self.state.control.reconciled:
            return [Notify(now_ns, "error", "resume_refused", "orders and fills are not reconciled with the venue")]
        apply_resume(self.state)
        self.risk.set_rules()
        told = Notify(now_ns, "warning", "resumed", f"{event.reason} (by {event.source})")
        return [told, balance(self.state, now_ns)]

    def _on_flatten(self, event: Flatten, now_ns: int) -> list[Command]:
        """Panic is a kill first; what is cancelled by it need not be cancelled again."""
        killed = self._kill(source=event.source, reason=event.reason, now_ns=now_ns) if event.kill else []
        return [*killed, *flatten.begin(self.state, self.config, event, now_ns)]

    def _kill(self, *, source: str, reason: str, now_ns: int) -> list[Command]:
        commands = kill(self.state, source=source, reason=reason, now_ns=now_ns)
        self.risk.set_rules()
        return commands

    # --- the clock ----------------------------------------------------------------------------------------------

    def _backstep(self, event_ns: int) -> Sequence[Command]:
        self.state.clock_backsteps += 1
        step_ns = self.state.now_ns - event_ns
        if step_ns <= CLOCK_BACKSTEP_NS_MAX:
            return []
        return [Notify(self.state.now_ns, "warning", "clock_went_back", f"by {step_ns} ns; time stands still inside")]
