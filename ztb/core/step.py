"""``Engine.step(event) -> commands``: the whole of trading as one function of state and event.

Everything that decides is below: the market moves the marks, the loss limits are checked on each mark, the policy is
asked, and what it wants becomes an order or a recorded refusal. No clock, no I/O: time is in the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ztb.core.command import Command, Notify, Place
from ztb.core.condition import judge_breaker, judge_clock, judge_data, listen_anew
from ztb.core.control import PERMITS, REFUSALS
from ztb.core.error import InvariantBroken
from ztb.core.event import (
    BreakerTurned,
    ClockMeasured,
    Depth,
    Event,
    Feed,
    Kill,
    OrderAccepted,
    OrderDurable,
    OrderFilled,
    OrderSent,
    OrderUnknown,
    Pause,
    Quote,
    Reconciled,
    Resume,
    Started,
    Stop,
    Timer,
    Trade,
)
from ztb.core.guard import OWN_ORDER, Proposal, in_the_way, refusal
from ztb.core.lifecycle import apply_order_event
from ztb.core.market import AMOUNT_MAX, Desk
from ztb.core.money import PPM
from ztb.core.order import Order, client_id_of
from ztb.core.policy import HOLD, Decision, Policy, flaw_of, plain_text
from ztb.core.rejection import REJECTED_BEFORE, is_paused
from ztb.core.sizing import fit
from ztb.core.state import EngineConfig, State
from ztb.core.upkeep import cancel, cancel_all, look_soon, orders_due

DecisionRow = tuple[int, str, int, str, tuple[int, ...], str]
"""ts_ns, instrument, action, the policy's reason, its inputs, and the outcome: a client order id or a refusal."""

CLOCK_BACKSTEP_NS_MAX: Final = 1_000_000_000
"""A larger step back is told to people; time inside the engine never goes back."""
DECISION_ROWS_MAX: Final = 65_536
"""Whoever drives the engine takes the rows long before this; a driver that forgets is a bug."""

_NOTHING: Final[tuple[Command, ...]] = ()


class Engine:
    """Deterministic: the same events give the same commands, byte for byte."""

    __slots__ = ("_decisions", "_floor", "_floor_peak", "config", "policy", "state")

    def __init__(self, config: EngineConfig, policy: Policy) -> None:
        self.config = config
        self.policy = policy
        self.state = State(config)
        self._decisions: list[DecisionRow] = []
        self._floor = 0
        self._floor_peak = 0
        self._set_floor()

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
            if state.ledger.turn_day(now_ns):
                self._set_floor()
            due = [*due, *orders_due(state, now_ns, order_ttl_ns=self.config.limits.order_ttl_ns)]
        commands: Sequence[Command] = _NOTHING
        match event:
            case Trade():
                commands = self._on_trade(event, now_ns)
            case Quote():
                commands = self._on_quote(event, now_ns)
            case Depth():
                commands = self._on_depth(event, now_ns)
            case OrderFilled():
                commands = apply_order_event(state, event, now_ns)
                tripped = self._check_losses(now_ns)
                if tripped:
                    commands = [*commands, *tripped]
            case OrderDurable() | OrderSent() | OrderAccepted():
                commands = apply_order_event(state, event, now_ns)
            case Timer():
                commands = judge_data(state, now_ns)
            case Started():
                commands = self._on_started(event, now_ns)
            case Reconciled():
                commands = self._on_reconciled(event, now_ns)
            case Feed():
                commands = self._on_feed(event, now_ns)
            case ClockMeasured():
                commands = judge_clock(state, event, now_ns)
            case BreakerTurned():
                commands = judge_breaker(event, now_ns)
            case Pause():
                state.control.pause(event.until_ns, event.reason)
                commands = [Notify(now_ns, "warning", "paused", f"{event.reason} (by {event.source})")]
            case Kill():
                commands = self._kill(source=event.source, reason=event.reason, now_ns=now_ns)
            case Resume():
                commands = self._on_resume(event, now_ns)
            case Stop():
                state.control.stopping = True
                commands = cancel_all(state, "stopping", now_ns)
            case _:
                commands = apply_order_event(state, event, now_ns)
        return [*due, *commands] if due else commands

    # --- the market ---------------------------------------------------------------------------------------------

    def _on_trade(self, event: Trade, now_ns: int) -> Sequence[Command]:
        state = self.state
        price, symbol = event.price, event.instrument
        desk = state.desks.get(symbol)
        # A chained comparison is also false for a NaN, so nothing that is not a number gets past it.
        if desk is None or not (0 < price < AMOUNT_MAX and 0 < event.lots < AMOUNT_MAX):
            return self._refuse_market(event, now_ns)
        desk.last_price = price
        desk.last_ns = now_ns
        position = desk.position
        held_lots = position.lots
        tripped: Sequence[Command] = _NOTHING
        if held_lots:
            ledger = state.ledger
            ledger.mark(position, price)
            if ledger.equity < self._floor or ledger.peak > self._floor_peak:
                tripped = self._check_losses(now_ns)
        if state.policy_suspended:
            return tripped
        try:
            decision = self.policy.on_trade(event, held_lots)
        except Exception as error:  # a policy is somebody else's code: whatever it raises must not stop the engine
            return [*tripped, self._suspend_policy(plain_text(error), now_ns)]
        if decision is None:
            return tripped
        if not flaw_of(decision) and decision.action == HOLD:
            # By far the most frequent answer takes the short way; a full list is told on the long one.
            rows = self._decisions
            if len(rows) < DECISION_ROWS_MAX:
                rows.append((now_ns, symbol, HOLD, decision.reason, decision.inputs, ""))
                return tripped
        acted = self._decide(desk, decision, now_ns)
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
        return _NOTHING if decision is None else self._decide(desk, decision, now_ns)

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
            desk.quote_ns = now_ns
        return _NOTHING

    def _refuse_market(self, event: Trade | Quote | Depth, now_ns: int) -> list[Command]:
        """Nonsense is counted and told once; it moves nothing."""
        self.state.refused_market_events += 1
        if self.state.refused_market_events > 1:
            return []
        return [Notify(now_ns, "error", "nonsense_market_data", repr(event)[:300])]

    # --- from a wish to an order --------------------------------------------------------------------------------

    def _decide(self, desk: Desk, decision: Decision, now_ns: int) -> Sequence[Command]:
        flaw = flaw_of(decision)
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

    def _propose(self, desk: Desk, side: int, reason: str, now_ns: int) -> tuple[str, Sequence[Command]]:
        """The order for a wish, or the code of the refusal: ``(client id or code, commands)``."""
        state, config = self.state, self.config
        level = state.control.level(now_ns)
        permit = PERMITS[level]
        if not (permit.opening or permit.reducing):
            return REFUSALS[level], _NOTHING
        working = list(state.working.values())
        at_stake = state.at_stake() if state.settling else working
        lots, reduce_only, code = fit(desk, side, config.order_lots, at_stake, may_open=permit.opening)
        if code:
            # What cannot be closed because nothing is there would be an order that opens, if that were allowed.
            return (code if permit.opening or code == "dust" else REFUSALS[level]), _NOTHING
        symbol = desk.instrument.symbol
        if state.rejections and is_paused(state.rejections, symbol, side, now_ns, reduce_only=reduce_only):
            return REJECTED_BEFORE, _NOTHING
        limits = config.limits
        price = desk.aggressive_price(side, cross_ppm=config.cross_ppm, now_ns=now_ns, stale_ns_max=limits.stale_ns_max)
        proposal = Proposal(desk.instrument, side, lots, price, desk.last_price, desk.last_ns, reduce_only)
        code = refusal(
            proposal, limits=limits, held_lots=desk.position.lots, working=working, at_stake=at_stake,
            rate=state.rate, now_ns=now_ns,
        )  # fmt: skip
        if code == OWN_ORDER:
            blocking = in_the_way(proposal, working)
            return code, [cancel(state, one, code, now_ns) for one in blocking if not one.cancel_asked_ns]
        if code:
            return code, _NOTHING
        return self._place(proposal, reason, now_ns)

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
            state.sequence,
        )  # fmt: skip
        state.add_order(order)
        state.rate.add(now_ns)
        look_soon(state, now_ns)
        place = Place(
            now_ns, client_id, symbol, order.side, order.lots, order.price, order.reduce_only, order.sequence, reason
        )
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
        state.control.reconciled = False
        state.control.stopping = False
        listen_anew(state, now_ns)
        self._set_floor()
        commands: list[Command] = []
        for order in list(state.working.values()):
            commands += apply_order_event(state, OrderUnknown(now_ns, order.client_id, "restart"), now_ns)
        return commands

    def _on_feed(self, event: Feed, now_ns: int) -> Sequence[Command]:
        state = self.state
        is_news = event.connected != state.feed_up
        state.feed_up = event.connected
        if not is_news:
            return [Notify(now_ns, "info", "feed_note", event.text)] if event.text else _NOTHING
        code = "feed_up" if event.connected else "feed_down"
        return [Notify(now_ns, "info" if event.connected else "warning", code, event.text)]

    def _on_reconciled(self, event: Reconciled, now_ns: int) -> Sequence[Command]:
        self.state.control.reconciled = event.clean
        return _NOTHING if event.clean else [Notify(now_ns, "error", "reconciliation_unclean", event.text)]

    def _on_resume(self, event: Resume, now_ns: int) -> list[Command]:
        control = self.state.control
        if not control.reconciled:
            return [Notify(now_ns, "error", "resume_refused", "orders and fills are not reconciled with the venue")]
        control.resume()
        # The losses that led here are accounted for; from now on they are measured from where the operator resumed.
        self.state.ledger.peak = self.state.ledger.equity
        self.state.ledger.day_open = self.state.ledger.equity
        self._set_floor()
        return [Notify(now_ns, "warning", "resumed", f"{event.reason} (by {event.source})")]

    def _kill(self, *, source: str, reason: str, now_ns: int) -> list[Command]:
        if not self.state.control.kill(source=source, reason=reason, now_ns=now_ns):
            return []
        notice = Notify(now_ns, "emergency", "killed", f"{reason} (by {source})")
        return [notice, *cancel_all(self.state, "killed", now_ns)]

    # --- losses, the clock --------------------------------------------------------------------------------------

    def _set_floor(self) -> None:
        """The lowest equity that breaks no loss limit (exact: a limit is broken when the loss is strictly above)."""
        ledger, limits = self.state.ledger, self.config.limits
        self._floor_peak = ledger.peak
        self._floor = max(
            ledger.peak - ledger.peak * limits.drawdown_ppm_max // PPM, ledger.day_open - limits.daily_loss_max
        )

    def _check_losses(self, now_ns: int) -> Sequence[Command]:
        """The stop/degrade rules: drawdown aborts (C-44), a daily loss degrades to reduce-only (C-45)."""
        ledger, control, limits = self.state.ledger, self.state.control, self.config.limits
        if ledger.peak > self._floor_peak:
            self._set_floor()
        if ledger.equity >= self._floor:
            return _NOTHING
        if (ledger.peak - ledger.equity) * PPM > limits.drawdown_ppm_max * ledger.peak:
            return self._kill(source="breaker", reason="max_drawdown_exceeded", now_ns=now_ns)
        if control.reduce_only_reason:
            return []
        control.reduce_only_reason = "daily_loss_limit_exceeded"
        return [Notify(now_ns, "error", "daily_loss_limit_exceeded", "reduce-only until an operator resumes")]

    def _backstep(self, event_ns: int) -> Sequence[Command]:
        self.state.clock_backsteps += 1
        step_ns = self.state.now_ns - event_ns
        if step_ns <= CLOCK_BACKSTEP_NS_MAX:
            return []
        return [Notify(self.state.now_ns, "warning", "clock_went_back", f"by {step_ns} ns; time stands still inside")]
