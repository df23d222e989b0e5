"""The garbage collector does not walk what a session keeps until its end."""

from __future__ import annotations

import gc

from ztb.service.session import spare_what_stays


class Node:
    """One that refers to itself, so that only the collector can end it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_there_is_spared_and_what_comes_later_is_collected() -> None:
    kept = [Node() for _ in range(1_000)]
    try:
        spare_what_stays()
        assert gc.get_freeze_count() > len(kept)
        later = [Node() for _ in range(100)]
        assert not any(isinstance(one, Node) and one in kept for one in gc.get_objects())
        later.clear()
        assert gc.collect() >= 100
    finally:
        gc.unfreeze()
    assert gc.get_freeze_count() == 0
