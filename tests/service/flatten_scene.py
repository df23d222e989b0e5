"""A real trader on a real exchange that holds three orders' worth and has ten more working: to be flattened."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.cli.command import clean_environ
from tests.service.processes import PATIENCE_S, Exchange, Trader, exchange, setting, trader
from tests.service.tapes import BTC_JPY, SAW, START_NS, STEP_NS, plug_in
from tests.soak.protocols import PROTOCOLS, Protocol
from ztb.core.event import Quote, Trade
from ztb.core.instrument import BUY
from ztb.store.tape import TapeMeta, TapeWriter

ORDER_LOTS = 10
HELD_LOTS = 3 * ORDER_LOTS
WORKING = 10
BUYER = '''
from ztb.core.instrument import BUY
from ztb.core.policy import Decision, Policy


class Theirs(Policy):
    """Always wants to buy."""

    name = "buyer"

    def __init__(self, fast: int = 0, slow: int = 0, bar_seconds: int = 0) -> None:
        pass

    def on_trade(self, trade, held_lots):
        return Decision(BUY, "always", ())
'''


def market(path: Path, *, seconds: int = 1_800, offered: int = HELD_LOTS) -> Path:
    """So much is offered as is to be held, and nothing after it; many are there to buy, not far below."""
    with TapeWriter(path, TapeMeta(BTC_JPY, source="made for a test")) as tape:
        tape.add(Quote(START_NS, "btc_jpy", 1_799_000, 100_000, 1_800_500, offered))
        for number in range(seconds * 10):
            tape.add(Trade(START_NS + (number + 1) * STEP_NS, "btc_jpy", SAW[number % len(SAW)], 1, BUY))
    return path


class Scene:
    """The exchange, its trader, and the commands of an operator."""

    def __init__(
        self, name: str, venue: Exchange, directory: Path, package: dict[str, str], *, rate_factor: int = 10
    ) -> None:
        self.rate_factor = rate_factor
        self.protocol: Protocol = PROTOCOLS[name]
        self.venue = venue
        self.directory = directory
        self.environ = package

    def words(self) -> list[str]:
        return setting(
            policy__name="buyer", venue__name=self.protocol.venue, venue__instrument=self.protocol.symbol,
            sizing__order_size="0.0010", limits__order_size_max="0.0010", limits__position_max="0.0200",
            limits__orders_per_minute_max=600, limits__open_orders_max=WORKING, limits__order_ttl_seconds=86400,
            limits__daily_loss_max=900000, limits__drawdown_max_pct=90, limits__position_notional_max=900000,
            limits__stale_after_seconds=3600, venue__answer_ms_max=1000, service__absence_seconds=10,
            venue__rate_factor=self.rate_factor,
        )  # fmt: skip

    @contextlib.contextmanager
    def trader(self, *more: str, environ: dict[str, str] | None = None) -> Iterator[Trader]:
        words = [*self.words(), *more]
        with trader(self.venue, self.directory / "t", *words, environ={**self.environ, **(environ or {})}) as running:
            yield running

    def laden(self, running: Trader, *, held: str = "0.0030", working: int = WORKING) -> None:
        """Wait until it holds what it shall hold, and ten orders work."""
        running.wait_for_status(
            lambda status: (
                status["orders"]["working"] >= working
                and Decimal(status["instruments"][self.protocol.symbol]["position"]) == Decimal(held)
            )
        )

    def operator(self, noun: str, running: Trader, *words: str) -> subprocess.CompletedProcess[str]:
        """``ztb NOUN`` with ``--json``."""
        return subprocess.run(
            [
                sys.executable, "-m", "ztb", noun, "--profile", "demo", "--reason", "drill", "--json",
                "--state-dir", str(running.state_dir), "--runtime-dir", str(running.runtime_dir), *words,
            ],
            capture_output=True, text=True, env=clean_environ(**self.environ), timeout=4 * PATIENCE_S,
        )  # fmt: skip

    def direct(self, running: Trader, *words: str) -> subprocess.CompletedProcess[str]:
        """``ztb flatten --direct`` as the profile of the trader says."""
        account = self.venue.account
        credentials = setting(credentials__key_file=account.key_file, credentials__secret_file=account.secret_file)
        return self.operator(
            "flatten", running, "--direct", "--simulator-url", self.venue.url,
            "--time-scale", repr(self.venue.time_scale), "--epoch-ns", str(self.venue.epoch_ns), *credentials,
            *self.words(), *words,
        )  # fmt: skip

    def net_lots(self) -> int:
        """What the account really bought and sold; nobody else trades in it."""
        signs = {"buy": 1, "sell": -1, "both": 0}  # a late fill may be one with our own closing order
        fills = self.venue.book()["fills"]
        return sum(signs[fill["side"]] * BTC_JPY.sizes.parse(fill["amount"]) for fill in fills)

    def orders_received(self) -> int:
        requests = self.venue.status()["requests"]
        return sum(int(requests.get(method, 0)) for method in self.protocol.place_methods)


@contextlib.contextmanager
def scene(name: str, directory: Path, *, time_scale: float = 10.0, offered: int = HELD_LOTS) -> Iterator[Scene]:
    """On the venue of this name in the soak's list."""
    tape = market(directory / "market.tape", offered=offered)
    package = plug_in(directory / "package", "buyer", BUYER)
    with exchange(
        directory / "exchange", "--public-per-second", "0", "--no-private-limits", tape=str(tape),
        venue=PROTOCOLS[name].venue, time_scale=time_scale,
    ) as venue:  # fmt: skip
        yield Scene(name, venue, directory, package)


def report_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The flatness report in a command's answer."""
    assert done.stdout, done.stderr
    envelope: dict[str, Any] = json.loads(done.stdout)
    assert envelope["data"].get("report"), (envelope, done.stderr)
    report: dict[str, Any] = envelope["data"]["report"]
    return report


def wait_until_frozen() -> None:
    """A status older than two seconds is one of a trader that hangs."""
    time.sleep(2.3)
