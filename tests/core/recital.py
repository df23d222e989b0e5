"""A long seeded session, printed as bytes: ``python -m tests.core.recital SEED LENGTH``.

Standard output is every command as it would be journalled, every decision row, and the digest of the state now and
then. Two interpreters that print different bytes for one seed are a broken promise.
"""

from __future__ import annotations

import sys
from random import Random

from tests.core.world import WEIGHTS, World
from ztb.core.command import Command
from ztb.core.instrument import BUY, SELL
from ztb.core.step import DecisionRow
from ztb.store.codec import encode, encode_decisions

DIGEST_EACH = 100


def recite(seed: int, length: int) -> list[bytes]:
    """One line for each command, batch of decisions and digest."""
    random = Random(seed)
    world = World(order_lots=random.randint(1, 30))
    engine = world.desk.engine
    lines: list[bytes] = []
    told: list[Command] = world.desk.commands
    take = engine.take_decisions

    def taken() -> list[DecisionRow]:
        rows = take()
        lines.append(encode_decisions(rows))
        return rows

    world.take_decisions = taken
    price = 1_000
    for n, name in enumerate(random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=length)):
        price = min(1_100, max(900, price + random.randint(-6, 6)))
        if name != "stop":
            world.do((name, random.randrange(30), price, random.choice([BUY, SELL, 0])))
        lines += [b" ".join((kind.encode(), body)) for kind, body in map(encode, told)]
        told.clear()
        if n % DIGEST_EACH == 0:
            lines.append(engine.state.digest().encode())
    lines.append(engine.state.digest().encode())
    return lines


if __name__ == "__main__":
    sys.stdout.buffer.write(b"\n".join(recite(int(sys.argv[1]), int(sys.argv[2]))))
