"""What each trip does, as one table: what is cancelled, what may still leave, for how long, and who lifts it.

A trip is the moment at which a value passes its limit (strictly above it) or something that the trader relies on fails.
Nobody configures what follows: an operator who needs another reaction needs another release. Where several trip at
once, ``abort`` wins (C-50).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SECOND_NS: Final = 1_000_000_000


class Status(StrEnum):
    """How the trader stands after a trip; the words of the stop/degrade matrix (C-44 to C-50)."""

    OK = "ok"
    DEGRADED = "degraded"
    ABORT = "abort"


class Category(StrEnum):
    """What kind of thing went wrong; a label of the metric of trips."""

    LIMIT = "limit"
    DATA = "data"
    ACTION = "action"
    COMPUTATION = "computation"
    TELEMETRY = "telemetry"


class Scope(StrEnum):
    """What is cancelled and paused: the instrument that tripped, or everything."""

    INSTRUMENT = "instrument"
    ALL = "all"


class Cancels(StrEnum):
    """Which working orders are cancelled."""

    NONE = "none"
    OPENING = "opening"
    """Those that could open or grow a position."""
    ALL = "all"


class ReduceOnly(StrEnum):
    """Whether only orders that shrink a position may leave, and what ends that."""

    NO = "no"
    WHILE = "while it lasts"
    UNTIL_RESUME = "until resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """One row."""

    code: str
    row: str
    """Where the requirement stands."""
    status: Status
    category: Category
    words: str
    """For people: what happened."""
    scope: Scope = Scope.ALL
    cancels: Cancels = Cancels.NONE
    reduce_only: ReduceOnly = ReduceOnly.NO
    kill: bool = False
    pause_ns: int = 0
    recoverable: bool = True
    """Passes without an operator."""

    def __post_init__(self) -> None:
        assert self.kill == (self.status is Status.ABORT), self.code
        assert self.kill or self.pause_ns or self.reduce_only is not ReduceOnly.NO, self.code
        assert self.recoverable == (not self.kill and self.reduce_only is not ReduceOnly.UNTIL_RESUME), self.code

    @property
    def severity(self) -> str:
        """Of the notice to people: an abort wakes them; what only waits, or costs a little, is no failure (B-26)."""
        if self.status is Status.ABORT:
            return "emergency"
        return "warning" if self.code in _MILD else "error"

    def action(self) -> str:
        """For people: everything that follows from it."""
        if self.kill:
            return "kill: cancel everything, nothing leaves until an operator resumes"
        parts = []
        if self.cancels is not Cancels.NONE:
            what = "all orders" if self.cancels is Cancels.ALL else "orders that open"
            parts.append(f"cancel {what}")
        if self.reduce_only is not ReduceOnly.NO:
            parts.append(f"reduce-only {self.reduce_only}")
        if self.pause_ns:
            target = "all" if self.scope is Scope.ALL else "the instrument"
            parts.append(f"pause {target} {self.pause_ns // SECOND_NS} s")
        return ", ".join(parts)


def _abort(code: str, row: str, category: Category, words: str) -> Reaction:
    return Reaction(
        code=code, row=row, status=Status.ABORT, category=category, words=words, cancels=Cancels.ALL, kill=True,
        recoverable=False,
    )  # fmt: skip


def _reduce(code: str, row: str, category: Category, words: str, until: ReduceOnly, pause_s: int = 0) -> Reaction:
    return Reaction(
        code=code, row=row, status=Status.DEGRADED, category=category, words=words, cancels=Cancels.OPENING,
        reduce_only=until, pause_ns=pause_s * SECOND_NS, recoverable=until is ReduceOnly.WHILE,
    )  # fmt: skip


def _pause(code: str, row: str, category: Category, words: str, pause_s: int, scope: Scope = Scope.ALL) -> Reaction:
    return Reaction(
        code=code, row=row, status=Status.DEGRADED, category=category, words=words, scope=scope,
        pause_ns=pause_s * SECOND_NS,
    )  # fmt: skip


MAX_DRAWDOWN: Final = "max_drawdown_exceeded"
DAILY_LOSS: Final = "daily_loss_limit_exceeded"
POSITION_SIZE: Final = "max_position_size_exceeded"
TRADE_LOSS: Final = "max_trade_loss_exceeded"
LEVERAGE: Final = "max_leverage_exceeded"
WALLET_DRIFT: Final = "wallet_drift_exceeded"
CONSECUTIVE_LOSSES: Final = "consecutive_losses"
PRICE_MOVE: Final = "price_move"
API_HEALTH: Final = "api_health"
STALE_MARK: Final = "stale_mark"
SLIPPAGE: Final = "slippage_guard"
VALIDATION: Final = "validation_failures"
BROKER_READS: Final = "broker_read_failures"
STREAM_STALE: Final = "stream_stale"
STREAM_RECONNECTED: Final = "stream_reconnected"
STREAM_LOST: Final = "stream_attempts_failed"
TOO_MANY_TRIPS: Final = "too_many_trips"
COOL_DOWN: Final = "cooldown_active"
RISK_FAILED: Final = "risk_evaluation_failed"

_LIMIT, _DATA, _ACTION = Category.LIMIT, Category.DATA, Category.ACTION
_WHILE, _RESUME = ReduceOnly.WHILE, ReduceOnly.UNTIL_RESUME
_ROWS: Final = (
    _abort(RISK_FAILED, "F-10", Category.COMPUTATION, "the evaluation of risk itself failed"),
    _abort(MAX_DRAWDOWN, "C-44, B-56", _LIMIT, "the equity fell further below its peak than allowed"),
    _abort(TRADE_LOSS, "C-47", _LIMIT, "one trade, from flat to flat, lost more than allowed"),
    _reduce(DAILY_LOSS, "C-45, B-55", _LIMIT, "the day lost more than allowed", _RESUME),
    _reduce(CONSECUTIVE_LOSSES, "B-57", _LIMIT, "as many trades in a row lost as end the trading", _RESUME),
    _reduce(POSITION_SIZE, "C-46", _LIMIT, "a position is larger than allowed", _WHILE),
    _reduce(LEVERAGE, "C-48", _LIMIT, "positions are worth more than the equity allows", _WHILE),
    _reduce(WALLET_DRIFT, "C-49", _DATA, "the venue holds less of ours than the ledger says", _WHILE),
    Reaction(
        code=PRICE_MOVE, row="B-58", status=Status.DEGRADED, category=_LIMIT, cancels=Cancels.OPENING,
        words="the price moved further within 60 seconds than allowed", scope=Scope.INSTRUMENT,
        pause_ns=900 * SECOND_NS,
    ),
    Reaction(
        code=API_HEALTH, row="E", status=Status.DEGRADED, category=_ACTION, cancels=Cancels.ALL,
        words="the venue's interface failed: errors, rate limit nearly used up, or its breaker opened",
        reduce_only=_WHILE, pause_ns=300 * SECOND_NS,
    ),
    _pause(STALE_MARK, "E", _DATA, "the price by which a position is valued is too old", 120, Scope.INSTRUMENT),
    _pause(SLIPPAGE, "E", _ACTION, "fills were much worse than the price at the decision", 60, Scope.INSTRUMENT),
    _reduce(VALIDATION, "E", _ACTION, "the venue refused order after order", _WHILE, 180),
    _pause(BROKER_READS, "E", _DATA, "orders and balances could not be read from the venue", 120),
    _reduce(STREAM_STALE, "E", _DATA, "market data stopped arriving", _WHILE, 30),
    _pause(STREAM_RECONNECTED, "E", _DATA, "the market stream is back; what was missed is compared first", 30),
    _pause(STREAM_LOST, "E", _DATA, "the market stream could not be had", 300),
    _pause(COOL_DOWN, "A", _LIMIT, "a trade lost, the next one waits", 300, Scope.INSTRUMENT),
    _pause(TOO_MANY_TRIPS, "E-69", _LIMIT, "more trips within an hour than a healthy trader has", 3_600),
)  # fmt: skip

_MILD: Final = frozenset({COOL_DOWN, SLIPPAGE, STREAM_RECONNECTED})

REACTIONS: Final[dict[str, Reaction]] = {row.code: row for row in _ROWS}
assert len(REACTIONS) == len(_ROWS)


def strongest(codes: Iterable[str]) -> list[str]:
    """The codes without repetition, aborts first, then in the order of the table."""
    wanted = dict.fromkeys(codes)
    if len(wanted) < 2:
        return list(wanted)
    ordered = sorted(REACTIONS.values(), key=lambda reaction: reaction.status is not Status.ABORT)
    return [reaction.code for reaction in ordered if reaction.code in wanted]


def status_of(codes: Iterable[str]) -> Status:
    """How the trader stands when ``codes`` tripped: abort wins."""
    first = next(iter(strongest(codes)), None)
    return Status.OK if first is None else REACTIONS[first].status
