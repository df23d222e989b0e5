"""Everything that the engine remembers, as one value with a canonical hash.

Two engines whose states have the same digest answer every further event alike.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from ztb.core.command import GTC
from ztb.core.control import Control
from ztb.core.error import InvariantBroken
from ztb.core.flattening import Flattening
from ztb.core.guard import Limits, RateWindow
from ztb.core.instrument import Instrument
from ztb.core.market import Desk
from ztb.core.order import Order
from ztb.core.position import Ledger
from ztb.core.rejection import Rejections
from ztb.core.rules import CONSERVATIVE, FIXED_SIZE, NO_EXITS, Exits, Rules, SizePlan, tightened
from ztb.core.tally import Tally

SNAPSHOT_VERSION: Final = 3
TRIPS_MAX: Final = 1_024
FINISHED_ORDERS_MAX: Final = 512
"""So many finished orders stay known, so that a late or repeated event still finds its order."""
FINISHED_ORDERS_TOGETHER: Final = 64
"""So many are forgotten at once: the first entries of a dict are slow to find once many before them are gone."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What an engine is told once: instruments, limits, sizes. Lots, ticks, money units, ppm, ns."""

    instruments: tuple[Instrument, ...]
    limits: Limits
    capital: int
    order_lots: int
    cross_ppm: int = 1_000
    """How far beyond the touch an aggressive limit price reaches."""
    day_offset_ns: int = 0
    observe: bool = False
    reduce_only: bool = False
    times_in_force: tuple[str, ...] = (GTC,)
    """What the venue knows, sorted; a flatten takes the best of them."""
    armed: bool = True
    """Both keys and the credentials are there; False: what is decided is refused."""
    plan: SizePlan = FIXED_SIZE
    exits: Exits = NO_EXITS
    risk_profile: str = ""
    """Tightens all of the above; "": none does."""
    conservative_after_kill: bool = False
    """After a kill the conservative profile holds as well, until an operator ends it."""

    def rules(self, *, conservative: bool) -> Rules:
        """What holds; ``conservative``: a kill came, and no operator has ended what it left behind."""
        rules = Rules(self.limits, self.plan, self.exits)
        if self.risk_profile:
            rules = tightened(rules, self.risk_profile, self.instruments[0])
        if conservative and self.conservative_after_kill:
            rules = tightened(rules, CONSERVATIVE, self.instruments[0])
        return rules


class State:
    """Orders, ledger, controls, markets and counters."""

    __slots__ = (
        "clock_backsteps", "clock_offset_ns", "clock_stage", "clock_uncertainty_ns", "control", "desks", "due_ns",
        "epoch", "failed_attempts", "feed_up", "feed_was_up", "flattening", "install", "ledger", "now_ns", "orders",
        "policy_suspended", "rate", "reacting_until_ns", "read_failures", "refused_in_row", "refused_market_events",
        "rejections", "sequence", "settling", "started_ns", "tally", "told_peak", "trips", "working",
    )  # fmt: skip

    def __init__(self, config: EngineConfig) -> None:
        self.now_ns = 0
        self.due_ns = 0
        """When the engine next looks at what is due because time passed."""
        self.install = ""
        self.epoch = 0
        self.sequence = 0
        """Of the last client order id; durable, never reused (F-27)."""
        self.ledger = Ledger(config.instruments, capital=config.capital, day_offset_ns=config.day_offset_ns)
        self.desks = {i.symbol: Desk(i, self.ledger.positions[i.symbol]) for i in config.instruments}
        self.orders: dict[str, Order] = {}
        self.working: dict[str, Order] = {}
        """Those of ``orders`` that are not terminal."""
        self.settling: dict[str, Order] = {}
        """Those that ended without all their lots, until the venue's history, read again, says that this is all."""
        self.control = Control(observe=config.observe, reduce_only_profile=config.reduce_only)
        self.rate = RateWindow()
        self.tally = Tally()
        self.trips: deque[tuple[int, str, str]] = deque(maxlen=TRIPS_MAX)
        """Of the last hour: when, which code, and the instrument ("": all)."""
        self.reacting_until_ns: dict[tuple[str, str], int] = {}
        """By code and instrument: until then the reaction to the last trip holds, and it does not trip again."""
        self.told_peak = config.capital
        """The peak of the equity that is on record."""
        self.refused_in_row = 0
        """Orders that the venue refused since it last took one."""
        self.read_failures = 0
        """Times in a row that orders and balances could not be read."""
        self.failed_attempts = 0
        """Times in a row that the market stream could not be had."""
        self.started_ns = 0
        """When this session began."""
        self.feed_was_up = False
        """In this session: a stream that comes back then may have missed something."""
        self.flattening: Flattening | None = None
        """The newest flatten, while it runs and until an operator resumes."""
        self.feed_up = False
        """Whether the market stream said that it is connected; every session begins without one."""
        self.policy_suspended = ""
        self.rejections: Rejections = {}
        self.clock_offset_ns = 0
        """Of the venue's clock against ours, as measured last; 0 with an uncertainty of 0: not measured."""
        self.clock_uncertainty_ns = 0
        self.clock_stage = 0
        """What people were told of it: 0 all is well, 1 a warning, 2 nothing is opened."""
        self.clock_backsteps = 0
        self.refused_market_events = 0

    def add_order(self, order: Order) -> None:
        """Keep a new order; the oldest finished ones are forgotten."""
        if order.client_id in self.orders:
            raise InvariantBroken(f"client order id {order.client_id} was used before")
        self.orders[order.client_id] = order
        if not order.is_terminal:
            self.working[order.client_id] = order
        if len(self.orders) - len(self.working) >= FINISHED_ORDERS_MAX + FINISHED_ORDERS_TOGETHER:
            finished = (client_id for client_id in self.orders if client_id not in self.working)
            for client_id in list(islice(finished, FINISHED_ORDERS_TOGETHER)):
                del self.orders[client_id]

    def at_stake(self) -> list[Order]:
        """Every order that may still fill: those that work, and those that ended and have not settled yet.

        Venues tell fills after they confirmed a cancel, and the limit on exposure must hold then too. No clock ends the
        wait: only the venue's own history, read later, can say that nothing more will come.
        """
        return [*self.working.values(), *self.settling.values()]

    def snapshot(self) -> dict[str, Any]:
        """Plain values, for a checkpoint and for the digest."""
        return {
            "version": SNAPSHOT_VERSION,
            "now_ns": self.now_ns,
            "due_ns": self.due_ns,
            "install": self.install,
            "epoch": self.epoch,
            "sequence": self.sequence,
            "ledger": self.ledger.snapshot(),
            "markets": {symbol: desk.snapshot() for symbol, desk in sorted(self.desks.items())},
            "orders": [order.snapshot() for order in self.orders.values()],
            "control": self.control.snapshot(),
            "made_ns": list(self.rate.made_ns),
            "tally": self.tally.snapshot(),
            "trips": [list(one) for one in self.trips],
            "reacting_until_ns": [[*key, until_ns] for key, until_ns in sorted(self.reacting_until_ns.items())],
            "told_peak": self.told_peak,
            "in_row": [self.refused_in_row, self.read_failures, self.failed_attempts],
            "started_ns": self.started_ns,
            "feed_up": self.feed_up,
            "feed_was_up": self.feed_was_up,
            "policy_suspended": self.policy_suspended,
            "flattening": None if self.flattening is None else self.flattening.snapshot(),
            "rejections": [[*key, *value] for key, value in sorted(self.rejections.items())],
            "clock": [self.clock_offset_ns, self.clock_uncertainty_ns, self.clock_stage],
            "clock_backsteps": self.clock_backsteps,
            "refused_market_events": self.refused_market_events,
        }

    def restore(self, plain: dict[str, Any]) -> None:
        """Take back what ``snapshot`` described, except what every start has to prove anew."""
        if plain["version"] != SNAPSHOT_VERSION:
            raise InvariantBroken(f"snapshot version {plain['version']}, this build reads {SNAPSHOT_VERSION}")
        unknown = sorted(set(plain["markets"]) - set(self.desks))
        if unknown:
            raise InvariantBroken(f"the checkpoint holds instruments that the profile does not name: {unknown}")
        self.now_ns = plain["now_ns"]
        self.due_ns = plain["due_ns"]
        self.install = plain["install"]
        self.epoch = plain["epoch"]
        self.started_ns = plain["started_ns"]
        self.sequence = plain["sequence"]
        self.ledger.restore(plain["ledger"])
        for symbol, market in plain["markets"].items():
            instrument = self.desks[symbol].instrument
            self.desks[symbol] = Desk.restored(instrument, self.ledger.positions[symbol], market)
        self.orders = {}
        self.working = {}
        self.settling = {}
        for order in plain["orders"]:
            self.add_order(restored := Order.restored(order))
            if restored.ended_ns:
                self.settling[restored.client_id] = restored
        self.control.restore(plain["control"])
        self.flattening = None if plain["flattening"] is None else Flattening.restored(plain["flattening"])
        self.rate.made_ns.clear()
        self.rate.made_ns.extend(plain["made_ns"])
        self.tally.restore(plain["tally"])
        self.trips = deque(((at_ns, code, where) for at_ns, code, where in plain["trips"]), maxlen=TRIPS_MAX)
        self.reacting_until_ns = {(code, where): until_ns for code, where, until_ns in plain["reacting_until_ns"]}
        # Told in the units of the account as it was: a changed capital shifts it, as it shifts the ledger.
        self.told_peak = plain["told_peak"] + self.ledger.capital - int(plain["ledger"]["capital"])
        self.refused_in_row, self.read_failures, self.failed_attempts = plain["in_row"]
        self.rejections = {
            (symbol, side, reduces): (in_row, until_ns)
            for symbol, side, reduces, in_row, until_ns in plain.get("rejections", ())
        }
        self.clock_backsteps = plain["clock_backsteps"]
        self.refused_market_events = plain["refused_market_events"]

    def digest(self) -> str:
        """SHA-256 of the canonical snapshot, as hex."""
        canonical = json.dumps(self.snapshot(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()
