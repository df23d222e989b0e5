"""A whole session of the trader on a simulator of this process: real sockets, real files, and time that a test moves.

The policy wants what the case wants. What comes of it is read where an operator or an auditor would read it: in the
journal on disk, in ``status.json``, and in the exchange's own book of what arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

from tests.guards.market import KEY, SECRET, Simulator
from tests.guards.virtual_time import VirtualClock, VirtualLoop, pass_time
from ztb.core.command import Command
from ztb.core.event import Event, Quote, Trade
from ztb.core.policy import Decision, Policy
from ztb.core.step import DecisionRow
from ztb.host.clock import HostClock
from ztb.host.config import load_profile
from ztb.host.credentials import Keys
from ztb.host.secrets import Secret
from ztb.service.session import Session
from ztb.service.setting import SessionOptions, Setting
from ztb.service.status import STATUS_NAME
from ztb.store.chain import Record
from ztb.store.codec import DECISIONS, decode, decode_decisions
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader
from ztb.store.writer import JournalWriter
from ztb.venues.registry import addresses_at

E = TypeVar("E", bound=Event | Command)
PATIENCE_S = 120.0
"""Of virtual time: what has not happened by then does not happen."""
FLUSH_S = 1.5
"""After so long a decision stands in the journal, whether it led to an order or not."""
ASKED = "asked"
"""The reason that the policy of these tests gives for every wish."""


class WatchedWriter(JournalWriter):
    """Tells whether its thread is at work: virtual time must not pass meanwhile."""

    newest: WatchedWriter | None = None

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - those of the writer
        super().__init__(*args, **options)
        WatchedWriter.newest = self

    @property
    def is_at_work(self) -> bool:
        if self.failure is not None or not self._thread.is_alive():
            return False
        is_behind = self.appended_seq > self.committed_seq
        return (is_behind and (bool(self._waiters) or not self._is_wake_planned)) or (
            self._closing and not self._finished.done()
        )


def is_writer_at_work() -> bool:
    return WatchedWriter.newest is not None and WatchedWriter.newest.is_at_work


class Wisher(Policy):
    """Wants what ``wants`` says, and nothing while that is None."""

    name = "wisher"

    def __init__(self) -> None:
        self.wants: Callable[[Trade | Quote, int], int | None] | None = None
        self.on_quotes = False
        self.asked = 0

    def _say(self, event: Trade | Quote, held_lots: int) -> Decision | None:
        self.asked += 1
        side = self.wants(event, held_lots) if self.wants is not None else None
        return None if side is None else Decision(side, ASKED, (held_lots,))

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        return None if self.on_quotes else self._say(trade, held_lots)

    def on_quote(self, quote: Quote, held_lots: int) -> Decision | None:
        return self._say(quote, held_lots) if self.on_quotes else None


class Daemon:
    """One session and what can be seen of it."""

    def __init__(
        self, simulator: Simulator, clock: VirtualClock, directory: Path, overrides: tuple[str, ...], *,
        venue: str, has_keys: bool, policy: Policy | None = None,
    ) -> None:  # fmt: skip
        self.simulator = simulator
        self.clock = clock
        self.policy = Wisher()
        self.state_dir, self.runtime_dir = directory / "state", directory / "run"
        self.runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        loaded = load_profile("demo", overrides=overrides, environ={})
        keys = Keys(Secret(KEY), Secret(SECRET)) if has_keys else None
        options = SessionOptions(
            self.state_dir, self.runtime_dir, addresses_at(venue, simulator.url), keys, "simulator"
        )
        self.setting = Setting(loaded, options, cast(HostClock, clock), policy or self.policy)
        self.session = Session(self.setting)
        self._task = asyncio.create_task(self.session.run())
        self._reader: JournalReader | None = None
        self._records: list[Record] = []
        self.symbol = loaded.profile.venue.instrument

    # --- its life ---------------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], *, within_s: float = PATIENCE_S, what: str = "") -> None:
        """Let time pass until it holds."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + within_s
        while not condition():
            if self._task.done():
                self._task.result()
                raise AssertionError("the session has ended")
            assert loop.time() < end_s, what or self.status()
            await asyncio.sleep(0.05)

    async def ready(self) -> None:
        await self.until(lambda: self.setting.facts.phase == "running", what="never ready")

    async def stop(self) -> None:
        """As SIGTERM does it."""
        if not self._task.done():
            self.session._supervisor.ask_to_stop()
        await asyncio.wait_for(asyncio.shield(self._task), 60)

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        if not self._task.done():
            self.session._supervisor.ask_to_stop()
        with contextlib.suppress(Exception):  # a case may have broken it on purpose, and has looked at it
            await asyncio.wait_for(self._task, 60)

    # --- the operator -----------------------------------------------------------------------------------------------

    def operator_file(self, name: str, text: str) -> None:
        directory = self.runtime_dir / "operator"
        fresh = directory / f".{name}.new"
        fresh.write_text(text)
        fresh.replace(directory / name)

    def status(self) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads((self.runtime_dir / STATUS_NAME).read_text())
        return plain

    @property
    def level(self) -> str:
        """As the status tells it."""
        level: str = self.status()["level"]
        return level

    # --- wishes -----------------------------------------------------------------------------------------------------

    async def wish(self, side: int, *, price: int | None = None) -> str:
        """What became of one wish at the next trade: the reason code of the refusal, or "" when an order was made."""
        before = len(self.wishes())
        self.policy.wants = self._once(side)
        self.simulator.trade(price)
        await self.until(lambda: len(self.wishes()) > before, what="the policy was not asked")
        return self.outcome(before)

    def outcome(self, number: int) -> str:
        """Of that wish."""
        outcome = self.wishes()[number][5]
        return "" if outcome.startswith("ztb-") else outcome

    def held_lots(self) -> int:
        """What the trader believes to hold, as its status tells it."""
        held = Decimal(self.status()["instruments"][self.symbol]["position"]) * 10_000
        return int(held)

    def _once(self, side: int) -> Callable[[Trade | Quote, int], int]:
        def wants(event: Trade | Quote, held_lots: int) -> int:
            self.policy.wants = None
            return side

        return wants

    async def trade(self, price: int | None = None) -> None:
        """The market trades, and the trader has heard of it."""
        before = self.policy.asked
        if price is not None:
            self.simulator.move(price)
        else:
            self.simulator.trade()
        await self.until(lambda: self.policy.asked > before, what="the trade did not arrive")

    async def keep_trading(self, seconds: float, *, every_s: float = 5.0) -> None:
        """A market that goes on at its price."""
        while seconds > 0:
            self.simulator.trade()
            step_s = min(every_s, seconds)
            await pass_time(step_s, quantum_s=max(0.5, step_s))
            seconds -= step_s

    # --- the journal ------------------------------------------------------------------------------------------------

    def records(self, *kinds: str) -> list[Record]:
        """What is on disk."""
        if self._reader is None:
            self._reader = JournalReader(self.state_dir / JOURNAL_NAME)
        self._records += self._reader.read(self._records[-1].seq if self._records else 0)
        return [record for record in self._records if not kinds or record.kind in kinds]

    def told(self, kind: type[E]) -> list[E]:
        """Every event or command of this type."""
        name = "".join(f"_{char.lower()}" if char.isupper() else char for char in kind.__name__).lstrip("_")
        found = [decode(record.kind, record.body) for record in self.records(name)]
        assert all(isinstance(one, kind) for one in found)
        return cast(list[E], found)

    def decisions(self) -> list[DecisionRow]:
        return [row for record in self.records(DECISIONS) for row in decode_decisions(record.body)]

    def wishes(self) -> list[DecisionRow]:
        """Decisions of the policy that wanted something."""
        return [row for row in self.decisions() if row[3] == ASKED]


def options(**values: object) -> tuple[str, ...]:
    """``limits__position_max="0.01"`` is ``limits.position_max=0.01``."""
    return tuple(f"{name.replace('__', '.')}={value}" for name, value in values.items())


WIDE: dict[str, object] = {
    "sizing__order_size": "0.01", "sizing__capital": 1_000_000, "limits__order_size_max": "0.01",
    "limits__order_notional_max": 1_000_000, "limits__position_max": "1",
    "limits__position_notional_max": 1_000_000, "limits__daily_loss_max": 1_000_000,
    "limits__drawdown_max_pct": 100, "limits__orders_per_minute_max": 600, "limits__open_orders_max": 100,
    "limits__price_collar_pct": 10, "limits__stale_after_seconds": 3_600, "limits__order_ttl_seconds": 86_400,
    "limits__leverage_max": 0, "risk__price_move_max_pct": 0, "risk__fill_slippage_max_pct": 0,
    "risk__losses_in_row_max": 0, "venue__rate_factor": 100, "service__timer_ms": 1000,
    "service__reconcile_seconds": 60, "state__checkpoint_seconds": 3600,
}  # fmt: skip
"""A profile in which no guard is near: each case narrows what it is about."""


@asynccontextmanager
async def daemon(
    loop: VirtualLoop, directory: Path, simulator: Simulator | None = None, *, venue: str = "zaif",
    has_keys: bool = True, is_ready: bool = True, policy: Policy | None = None,
    narrow: Mapping[str, object] | None = None,
) -> AsyncIterator[Daemon]:  # fmt: skip
    """A running daemon in the wide profile, narrowed; with ``simulator`` on one that runs already."""
    clock = VirtualClock(loop)
    loop.is_thread_at_work = is_writer_at_work
    own = simulator is None
    simulator = simulator or Simulator(clock, venue=venue)
    if own:
        await simulator.start()
    place = {"venue__name": "gmo", "venue__instrument": "BTC_JPY"} if venue == "gmo" else {}
    running = Daemon(
        simulator,
        clock,
        directory,
        options(**{**WIDE, **place, **(narrow or {})}),
        venue=venue,
        has_keys=has_keys,
        policy=policy,
    )
    try:
        if is_ready:
            await running.ready()
        yield running
    finally:
        await running.close()
        if own:
            await simulator.server.stop()
