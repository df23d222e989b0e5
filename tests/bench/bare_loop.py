"""The plain Python loop that somebody would write for the SMA job: read, parse, average, count. Nothing else.

It is the measure for everything else, so it is written naturally and never slowed on purpose: floats, deques, no
checks. Its arithmetic is the job's: SMA 10 and 30, a market order of 0.01 BTC, a fee of 0.1 %.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

CAPITAL = 100_000_000.0
SIZE = 0.01
FEE = 0.001
FAST = 10
SLOW = 30


def bare_loop(path: Path) -> tuple[int, int, float]:
    """Ticks, orders and the money at the end, of a file with the columns ts_ns, price, qty, side."""
    fast: deque[float] = deque()
    slow: deque[float] = deque()
    fast_sum = slow_sum = 0.0
    cash, held = CAPITAL, 0.0
    ticks = orders = 0
    with path.open() as lines:
        next(lines)
        for line in lines:
            ts_text, price_text, qty_text, side = line.rstrip("\n").split(",")
            ts_ns = int(ts_text)  # noqa: F841 - whoever reads a tape wants the time, the size and the side as well
            price = float(price_text)
            qty = float(qty_text)  # noqa: F841
            is_buy = side == "b"  # noqa: F841
            ticks += 1
            fast.append(price)
            fast_sum += price
            if len(fast) > FAST:
                fast_sum -= fast.popleft()
            slow.append(price)
            slow_sum += price
            if len(slow) > SLOW:
                slow_sum -= slow.popleft()
            if len(slow) < SLOW:
                continue
            fast_mean = fast_sum / FAST
            slow_mean = slow_sum / SLOW
            if fast_mean > slow_mean and held == 0.0:
                cash -= price * SIZE * (1 + FEE)
                held = SIZE
                orders += 1
            elif fast_mean < slow_mean and held > 0.0:
                cash += price * SIZE * (1 - FEE)
                held = 0.0
                orders += 1
    return ticks, orders, cash
