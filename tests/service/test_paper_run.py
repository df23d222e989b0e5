"""``ztb run`` on paper: a live market, orders matched here, and an exchange that never hears of any of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import clean_environ
from tests.service.processes import exchange

PATIENCE_S = 60
POLICY = (
    "policy.name=sma_fast_slow", "policy.parameters.fast=2", "policy.parameters.slow=4",
    "policy.parameters.bar_seconds=1", "limits.orders_per_minute_max=60",
)  # fmt: skip


@pytest.mark.long
def test_orders_are_filled_here_and_nowhere_else(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange", time_scale=1.0) as venue:
        settings = [word for setting in POLICY for word in ("--set", setting)] + ["--simulator-url", venue.url]
        directories = ["--state-dir", str(tmp_path / "state"), "--runtime-dir", str(tmp_path / "run")]
        trader = subprocess.Popen(
            [sys.executable, "-m", "ztb", "run", "--profile", "paper", *directories, *settings],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**clean_environ(), "ZTB_LOG": "json", "ZAIF_API_KEY": "must-not-be-read", "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        lines: list[str] = []
        try:
            assert trader.stdout is not None
            for line in trader.stdout:
                lines.append(line)
                if '"order_filled"' in line:
                    break
        finally:
            trader.terminate()
            rest, _ = trader.communicate(timeout=PATIENCE_S)
        said = "".join(lines) + rest
        assert trader.returncode == 0, said
        assert '"order_filled"' in said, said
        assert "must-not-be-read" not in said
        assert venue.calls() == []
        assert sum(venue.status()["requests"].values()) == 0, "no private request of any kind"
    assert (tmp_path / "state").exists()
