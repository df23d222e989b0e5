"""The built-in exchange of one rung: with one throw-away account, and its own book to ask.

The account's files exist while the exchange runs and no longer.
"""

from __future__ import annotations

import time
from typing import Any, Final

import httpx

from ztb.core.error import UsageError
from ztb.host.child import ExchangeAccount, SimulatorProcess, make_account, start_simulator
from ztb.ladder.context import WORK, Context

BASE_BALANCE: Final = "1.0"
QUOTE_BALANCE_FACTOR: Final = 10
"""The exchange's account holds this many times the bot's capital: the bot must leave the rest alone."""
ANSWER_S_MAX: Final = 10.0
PAGES_MAX: Final = 10_000


class Exchange:
    """One running exchange."""

    def __init__(self, context: Context, name: str) -> None:
        options = context.options
        profile = options.loaded.profile
        if not profile.venue.simulator:
            raise UsageError(
                f"profile {options.loaded.name} trades at {profile.venue.name}",
                remedy="these rungs run on the built-in exchange: use a profile with venue.simulator = true",
            )
        base, quote = profile.venue.currencies
        quote_balance = str(profile.sizing.capital * QUOTE_BALANCE_FACTOR)
        work = context.directory(WORK) / f"{name}-exchange"
        work.mkdir(mode=0o700, exist_ok=True)
        self.account: ExchangeAccount = make_account(
            work, balances={base: BASE_BALANCE, quote: quote_balance}, venue=profile.venue.name
        )
        context.secrets += [self.account.key.reveal(), self.account.secret.reveal()]
        self.epoch_ns = time.time_ns()
        try:
            self._process: SimulatorProcess = start_simulator(
                venue=profile.venue.name, tape=options.tape, accounts=self.account.accounts_file,
                time_scale=options.time_scale, epoch_ns=self.epoch_ns, errors=work / "simulator.log", admin=True,
            )  # fmt: skip
        except BaseException:
            self._forget_account()
            raise
        self._client = httpx.Client(base_url=self._process.url, trust_env=False, timeout=ANSWER_S_MAX)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._process.url

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def status(self) -> dict[str, Any]:
        """``/_sim/status``."""
        plain: dict[str, Any] = self._client.get("/_sim/status").raise_for_status().json()
        return plain

    def rate_refusals(self) -> int:
        """Requests that it refused because they came too fast, public and private ones (A-19)."""
        return sum(int(count) for count in self.status()["rate_refusals"].values())

    def private_requests(self) -> int:
        """Private requests of every kind, refused ones included."""
        return sum(int(count) for count in self.status()["requests"].values())

    def calls(self) -> list[dict[str, Any]]:
        """Every order and every cancel that it received, in order."""
        found: list[dict[str, Any]] = []
        for _ in range(PAGES_MAX):
            after = found[-1]["sequence"] if found else 0
            page = self._client.get("/_sim/book", params={"after": after}).raise_for_status().json()
            if page["calls_dropped"]:
                raise UsageError("the exchange's record overflowed", remedy="shorten the window")
            found += page["calls"]
            if not page["calls_more"]:
                return found
        raise UsageError(f"the exchange's record has over {PAGES_MAX} pages", remedy="shorten the window")

    def account_state(self) -> dict[str, Any]:
        """Balances, working orders and fills of the account."""
        page = self._client.get("/_sim/book").raise_for_status().json()
        plain: dict[str, Any] = page["accounts"][self.account.key.reveal()]
        return plain

    def mood(self, **order: object) -> None:
        """Switch a hostile mood."""
        self._client.post("/_sim/mood", json=order).raise_for_status()

    def stop(self) -> None:
        """End it, and its account with it."""
        try:
            self._client.close()
            self._process.stop()
        finally:
            self._forget_account()

    def _forget_account(self) -> None:
        for file in (self.account.accounts_file, self.account.key_file, self.account.secret_file):
            file.unlink(missing_ok=True)
