"""How property tests run, for every room, and in which order the tests start.

Property tests take new examples each time at a desk, the same ones each time in CI. No example has a deadline: how fast
a machine is says nothing about what is right. Tests that take long begin first, one on each worker, so that no worker
is still busy with one when the others have nothing left.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.examples import examples

settings.register_profile("desk", deadline=None, print_blob=True, max_examples=examples(100))
# A build must fail for what was changed, not for the dice; the database of a machine that is thrown away is of no use.
settings.register_profile(
    "ci", deadline=None, print_blob=True, derandomize=True, database=None, max_examples=examples(100)
)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_configure(config: pytest.Config) -> None:
    """``long`` is a mark of this suite's own."""
    config.addinivalue_line("markers", "long: takes many seconds; started before everything else")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deals the long tests out to the blocks that the workers begin with; all others keep their order."""
    blocks = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = dealt(
        [item for item in items if item.get_closest_marker("long")],
        [item for item in items if not item.get_closest_marker("long")],
        blocks,
    )


def dealt(long: list[pytest.Item], others: list[pytest.Item], blocks: int) -> list[pytest.Item]:
    """``blocks`` parts of the same length as far as that goes; each begins with its share of the long ones."""
    size = -(-(len(long) + len(others)) // blocks)
    order: list[pytest.Item] = []
    for block in range(blocks):
        share = long[block::blocks]
        taken = min(len(others), max(0, size - len(share)))
        order += share + others[:taken]
        others = others[taken:]
    return order + others
