"""What a profile may say: every key with its type, range, default and meaning.

The models are strict, frozen and know no extra keys; ``ztb.host.config`` fills them. A key stands here only while
something reads it. Money is in the account currency (the quote currency of the instrument), sizes in base units.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ztb.core.error import AmountError
from ztb.core.money import decimal_from_text

MONEY_MAX: Final = Decimal(10) ** 12
"""Larger sums are typing errors."""

SIZE_MAX: Final = Decimal(10) ** 6
QUOTE_UNSAID: Final = "jpy"
"""GMO Coin's spot is named by its coin alone."""
SECONDS_HOUR: Final = 3_600
SECONDS_DAY: Final = 86_400


DECIMAL_PLACES_MAX: Final = 18
"""No exchange counts finer."""


def _amount(value: object) -> object:
    """Exact Decimal of the text or number of a file; tomllib is told to read numbers as Decimal, so none is rounded."""
    if isinstance(value, str):
        try:
            value = decimal_from_text(value)
        except AmountError as error:
            raise ValueError(str(error)) from None
    elif isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if isinstance(value, Decimal) and value.is_finite() and int(value.as_tuple().exponent) < -DECIMAL_PLACES_MAX:
        raise ValueError(f"more than {DECIMAL_PLACES_MAX} decimal places")
    return value


_Amount = Annotated[Decimal, BeforeValidator(_amount)]
Money = Annotated[_Amount, Field(gt=0, le=MONEY_MAX)]
Size = Annotated[_Amount, Field(gt=0, le=SIZE_MAX)]
Percent = Annotated[_Amount, Field(gt=0, le=100)]
# 0 says that there is no such limit.
MoneyOrNone = Annotated[_Amount, Field(ge=0, le=MONEY_MAX)]
SizeOrNone = Annotated[_Amount, Field(ge=0, le=SIZE_MAX)]
PercentOrNone = Annotated[_Amount, Field(ge=0, le=100)]
Kind = Literal["demo", "paper", "canary", "live"]
Seconds = Annotated[int, Field(ge=1, le=SECONDS_HOUR)]
Millis = Annotated[int, Field(ge=1, le=60_000)]
Trips = Annotated[int, Field(ge=1, le=1_000)]


class Section(BaseModel):
    """Base of every section."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Venue(Section):
    """Where the market data comes from and the orders go."""

    name: Literal["zaif", "gmo", "coinbase"] = Field(description="the exchange, and so the wire protocol")
    instrument: str = Field(
        pattern=r"^[A-Za-z0-9]{2,12}([_-][A-Za-z0-9]{2,6})?$",
        examples=["btc_jpy", "BTC", "BTC_JPY", "BTC-USD"],
        description="what is traded, in the exchange's own spelling: btc_jpy, BTC (spot), BTC_JPY (leverage), BTC-USD",
    )
    simulator: bool = Field(default=False, description="start the built-in exchange and trade there")
    paper: bool = Field(
        default=False, description="the exchange's live market; orders are matched here and never leave this host"
    )
    paper_latency_ms: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=50, description="how long a paper order takes to the market, and its answer back"
    )
    tape: str = Field(
        default="", description="recorded market of the built-in exchange: a file, or a name in the package's data"
    )
    rest_url: str = Field(default="", description="base of the REST interface; empty: the exchange's own")
    stream_url: str = Field(default="", description="the market stream; empty: the exchange's own")
    account_stream_url: str = Field(default="", description="the private stream; empty: the exchange's own")
    fee_currency: str = Field(
        default="",
        pattern=r"^([a-z]{2,6})?$",
        examples=["jpy", "btc", '""'],
        description="the currency in which the exchange takes its fees; empty: the quote currency",
    )

    answer_ms_max: Annotated[int, Field(ge=100, le=60_000)] = Field(
        default=10_000, description="an answer that takes longer is lost; the fate of an order is unknown then"
    )
    rate_factor: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1, description="how many times its published limits the exchange grants this account"
    )

    @property
    def currencies(self) -> tuple[str, str]:
        """Base and quote in lower case, by the exchange's own way to spell an instrument."""
        base, _, quote = self.instrument.lower().replace("-", "_").partition("_")
        return base, quote or QUOTE_UNSAID


class Policy(Section):
    """Which trading policy decides, and with which parameters."""

    name: str = Field(min_length=1, max_length=64, description="the policy; `ztb policy list` names them")
    parameters: dict[str, int | str | bool] = Field(
        default_factory=dict, description="its parameters; the policy itself knows names and ranges"
    )


class Sizing(Section):
    """How much one decision trades."""

    order_size: Size = Field(description="size of one order")
    capital: Money = Field(description="what the bot may account with; losses and drawdown are measured against it")
    risk_budget_pct: PercentOrNone = Field(
        default=Decimal(0),
        description="of the equity: what a move by one average true range of a minute may cost an order; 0: not used",
    )
    order_cap_pct: PercentOrNone = Field(
        default=Decimal(0), description="of the equity: the largest value of an order that opens; 0: not used"
    )
    shrink: bool = Field(
        default=False,
        description="smaller orders in bad times: x0.7 from 2 % drawdown in 24 hours, x0.8 at a high average true "
        "range, x0.5 above 60 orders in an hour, the smallest order when the day is beyond 5 %",
    )
    high_atr_pct: Percent = Field(
        default=Decimal("0.2"), description="of the price: an average true range of a minute above it is high"
    )


class Limits(Section):
    """No order leaves that would break one of these. A limit is broken by a value above it."""

    order_size_max: Size = Field(description="one order")
    order_notional_max: Money = Field(description="value of one order")
    position_max: Size = Field(description="position, with everything that may still fill")
    position_notional_max: Money = Field(description="value of the position, with everything that may still fill")
    daily_loss_max: Money = Field(description="loss since the start of the trading day, realised and not")
    drawdown_max_pct: Percent = Field(description="fall of the equity below its peak")
    orders_per_minute_max: int = Field(ge=1, le=600, description="orders in any 60 seconds")
    open_orders_max: int = Field(ge=1, le=100, description="orders that work at one time")
    price_collar_pct: Annotated[_Amount, Field(gt=0, le=10)] = Field(
        description="distance of an order's price from the last price"
    )
    stale_after_seconds: Seconds = Field(description="age of the last price at which nothing is ordered any more")
    order_ttl_seconds: Annotated[int, Field(ge=1, le=SECONDS_DAY)] = Field(
        description="a resting order is cancelled when it is older"
    )
    daily_loss_max_pct: PercentOrNone = Field(
        default=Decimal(0),
        description="the same in parts of the day's opening balance, whichever is broken first; 0: not limited",
    )
    exposure_max: MoneyOrNone = Field(
        default=Decimal(0), description="value of all positions, with everything that may still fill; 0: not limited"
    )
    leverage_max: Annotated[_Amount, Field(ge=0, le=1)] = Field(
        default=Decimal(1), description="the same in parts of the equity; 0: not limited"
    )
    trade_loss_max: MoneyOrNone = Field(
        default=Decimal(0), description="loss of one trade, from flat to flat, at which all ends; 0: not limited"
    )
    orders_per_day_max: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, description="orders in a trading day; 0: not limited"
    )
    day_notional_max: MoneyOrNone = Field(
        default=Decimal(0), description="value of all orders that open in a trading day; 0: not limited"
    )
    slippage_max_pct: PercentOrNone = Field(
        default=Decimal(0),
        description="how much worse than the best price an order may fill by the book; no book, no order; 0: not asked",
    )


class Mode(Section):
    """What the trader may do at all."""

    trading: Literal["normal", "reduce_only", "observe"] = Field(
        default="observe", description="open and close positions, only shrink them, or only watch"
    )
    execute_orders: bool = Field(default=False, description="first key of arming: orders may be sent")
    live_http_enabled: bool = Field(
        default=False, description="second key of arming: they may be sent to a real exchange"
    )
    stop_policy: Literal["cancel", "flatten", "leave"] = Field(
        description="on a stop: cancel working orders, also close the position, or leave both"
    )


class Risk(Section):
    """How losses are counted, and what else stops, pauses or closes."""

    day_offset_minutes: Annotated[int, Field(ge=-720, le=840)] = Field(
        default=540, description="the trading day begins at midnight of UTC plus this (540: Japan)"
    )
    profile: Literal["none", "conservative", "balanced", "aggressive"] = Field(
        default="none", description="ten limits under one name; they tighten the others and never widen them"
    )
    conservative_after_kill: bool = Field(
        default=True, description="after a kill the conservative profile holds too, until an operator ends that"
    )
    losses_in_row_max: Annotated[int, Field(ge=0, le=1_000)] = Field(
        default=5, description="so many losing trades in a row end the opening of positions; 0: not counted"
    )
    price_move_max_pct: PercentOrNone = Field(
        default=Decimal(10),
        description="move of the price within 60 seconds that pauses the instrument; 0: not watched",
    )
    fill_slippage_max_pct: PercentOrNone = Field(
        default=Decimal("0.5"),
        description="three fills in a row that are this much worse than the price at the decision pause the "
        "instrument; 0: not watched",
    )
    wallet_drift_max: SizeOrNone = Field(
        default=Decimal(0), description="so much less than the ledger says the exchange may hold"
    )
    stop_loss_pct: PercentOrNone = Field(
        default=Decimal(0), description="loss of the entry value at which a position is closed; 0: not used"
    )
    take_profit_pct: PercentOrNone = Field(
        default=Decimal(0), description="gain on the entry value at which a position is closed; 0: not used"
    )
    trailing_stop_pct: PercentOrNone = Field(
        default=Decimal(0), description="distance from the best price at which a position is closed; 0: not used"
    )
    cool_down: bool = Field(default=False, description="after a losing trade nothing is opened for 5 minutes")


class State(Section):
    """What is kept, and where."""

    directory: str = Field(default="", description="state directory; empty: by the rules of this page")
    checkpoint_seconds: Seconds = Field(default=60, description="pause between two checkpoints of the engine's state")


class Service(Section):
    """The rhythm of the daemon."""

    reconcile_seconds: Seconds = Field(default=60, description="pause between two comparisons with the exchange")
    absence_seconds: Annotated[int, Field(ge=5, le=3600)] = Field(
        default=65,
        description="so long an order that the exchange does not show must stay away before that means something",
    )
    timer_ms: Annotated[int, Field(ge=10, le=10_000)] = Field(
        default=250, description="pause between two timer events of the engine"
    )


class Health(Section):
    """When a signal of health warns, and when it is critical: from this value on."""

    order_error_warn_pct: Percent = Field(default=Decimal(5), description="orders refused or failed, in 5 minutes")
    order_error_crit_pct: Percent = Field(default=Decimal(15), description="the same, critical")
    order_retry_warn_pct: Percent = Field(
        default=Decimal(10), description="orders that repeat one that failed, against those that do not, in 5 minutes"
    )
    order_retry_crit_pct: Percent = Field(default=Decimal(25), description="the same, critical")
    broker_latency_warn_ms: Millis = Field(
        default=1_000, description="95th percentile of an order's way to its acceptance, in 5 minutes"
    )
    broker_latency_crit_ms: Millis = Field(default=3_000, description="the same, critical")
    guard_trips_warn: Trips = Field(default=3, description="trips of guards in one hour")
    guard_trips_crit: Trips = Field(default=10, description="the same, critical")
    stream_stale_warn_seconds: Seconds = Field(default=30, description="age of the newest market data")
    stream_stale_crit_seconds: Seconds = Field(default=60, description="the same, critical")


class Credentials(Section):
    """Files that hold the account's key, where systemd credentials are not used."""

    key_file: str = Field(default="", description="file (mode 0600) with the API key; Coinbase: the key's name")
    secret_file: str = Field(
        default="", description="file (mode 0600) with the API secret; Coinbase: the private key (PEM)"
    )


class Profile(Section):
    """A named configuration, complete and checked."""

    kind: Kind = Field(description="decides which hard bounds hold")
    venue: Venue
    policy: Policy
    sizing: Sizing
    limits: Limits
    mode: Mode
    risk: Risk = Risk()
    state: State = State()
    service: Service = Service()
    health: Health = Health()
    credentials: Credentials = Credentials()

    @property
    def armed(self) -> bool:
        """Whether orders may be sent at all; credentials must be there besides."""
        may_reach = self.venue.simulator or self.venue.paper or self.mode.live_http_enabled
        return self.mode.execute_orders and may_reach and self.mode.trading != "observe"
