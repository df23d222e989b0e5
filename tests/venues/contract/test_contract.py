"""Every case of the contract, at every venue, over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.venues.contract.bench import opened
from tests.venues.contract.case import CASES
from tests.venues.contract.kits import KITS
from tests.venues.contract.table import MODULES

assert MODULES, "cases enter the table when their modules are loaded"


@pytest.mark.parametrize("kit", KITS)
@pytest.mark.parametrize("number", CASES)
def test_contract(number: str, kit: str, tmp_path: Path) -> None:
    case = CASES[number]

    async def run() -> None:
        async with opened(KITS[kit], tmp_path, case.setup) as bench:
            outcome = await case.run(bench)
            if not bench.is_over:
                await bench.finish()
                await bench.agrees()
            assert outcome == case.expected(kit)

    asyncio.run(run())
