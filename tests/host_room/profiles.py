"""Profiles for the tests of this room: a complete small one, and the way to write and load variants of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ztb.host.config import LoadedProfile, load_profile

SMALL = """\
kind = "paper"
[venue]
name = "zaif"
instrument = "btc_jpy"
simulator = true
tape = "small.tape"
[policy]
name = "sma_fast_slow"
[policy.parameters]
fast = 10
slow = 20
[sizing]
order_size = "0.0100"
capital = "1000000"
[limits]
order_size_max = "0.01"
order_notional_max = "150000"
position_max = "0.05"
position_notional_max = "500000"
daily_loss_max = "1500"
drawdown_max_pct = "5"
orders_per_minute_max = 30
open_orders_max = 3
price_collar_pct = "1"
stale_after_seconds = 10
order_ttl_seconds = 30
[mode]
trading = "normal"
stop_policy = "cancel"
"""


def write_profile(directory: Path, text: str = SMALL, name: str = "small") -> Path:
    """The file of a profile below the configuration directory ``directory``."""
    path = directory / "profiles" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load(
    directory: Path,
    text: str = SMALL,
    *,
    overrides: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
) -> LoadedProfile:
    """The profile with the content ``text``, in an environment that holds nothing else."""
    write_profile(directory, text)
    return load_profile("small", config_dir=directory, overrides=overrides, environ=environ or {})
