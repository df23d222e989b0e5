"""A session ends when somebody asks or a task ends; what failed first is what it ends with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ztb.core.error import InvariantBroken, StoreError, StoreLocked, ZtbError
from ztb.service.supervision import Supervisor


class Scene:
    """A supervisor, and what it told."""

    def __init__(self) -> None:
        self.told: list[ZtbError] = []
        self.supervisor = Supervisor(self.told.append)


def supervised(act: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        scene = Scene()
        try:
            await asyncio.wait_for(act(scene), 30)
        finally:
            await scene.supervisor.end()

    asyncio.run(run())


async def forever() -> None:
    await asyncio.Event().wait()


async def forever_a_number() -> int:
    await forever()
    return 7


async def broken(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


def test_a_task_that_raises_ends_the_session_with_its_error() -> None:
    async def act(scene: Scene) -> None:
        error = StoreError("disk full")
        scene.supervisor.spawn("quiet", forever())
        scene.supervisor.spawn("loud", broken(error))
        await scene.supervisor.until_ended()
        assert scene.supervisor.failure is error
        assert scene.told == [error]

    supervised(act)


def test_a_failure_is_told_by_its_reason_where_somebody_knows_it() -> None:
    async def act(scene: Scene) -> None:
        behind = StoreLocked("another process took the directory")
        scene.supervisor.explain = lambda error: behind if isinstance(error, StoreError) else error
        scene.supervisor.spawn("loud", broken(StoreError("locked")))
        await scene.supervisor.until_ended()
        assert scene.supervisor.failure is behind
        assert scene.told == [behind]

    supervised(act)


def test_an_exception_that_nobody_expected_is_a_defect_of_ours_with_its_cause() -> None:
    async def act(scene: Scene) -> None:
        error = KeyError("price")
        scene.supervisor.spawn("loud", broken(error))
        await scene.supervisor.until_ended()
        assert isinstance(scene.supervisor.failure, InvariantBroken)
        assert scene.supervisor.failure.__cause__ is error
        assert "the task loud failed" in scene.supervisor.failure.message

    supervised(act)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_task_that_ends_without_an_error_is_a_failure_too(cancelled: bool) -> None:
    async def act(scene: Scene) -> None:
        scene.supervisor.spawn("short", broken(asyncio.CancelledError()) if cancelled else asyncio.sleep(0))
        await scene.supervisor.until_ended()
        assert isinstance(scene.supervisor.failure, InvariantBroken)
        assert "the task short ended by itself" in scene.supervisor.failure.message

    supervised(act)


def test_only_the_first_failure_counts() -> None:
    async def act(scene: Scene) -> None:
        first, second = StoreError("first"), StoreError("second")
        scene.supervisor.fail(first)
        scene.supervisor.fail(second)
        assert scene.supervisor.failure is first
        assert scene.told == [first]

    supervised(act)


def test_to_be_asked_once_is_no_hurry_and_twice_is() -> None:
    async def act(scene: Scene) -> None:
        scene.supervisor.ask_to_stop()
        await scene.supervisor.until_ended()
        assert (scene.supervisor.failure, scene.supervisor.is_hurried) == (None, False)
        scene.supervisor.ask_to_stop()
        assert scene.supervisor.is_hurried

    supervised(act)


def test_ending_leaves_the_one_that_is_named_and_counts_as_no_failure() -> None:
    async def act(scene: Scene) -> None:
        ended: list[str] = []

        async def work(name: str) -> None:
            try:
                await forever()
            finally:
                ended.append(name)

        for name in ("one", "two", "engine"):
            scene.supervisor.spawn(name, work(name))
        await asyncio.sleep(0)
        await scene.supervisor.end(but="engine")
        assert ended == ["one", "two"]
        await scene.supervisor.end()
        assert ended == ["one", "two", "engine"]
        assert scene.told == []

    supervised(act)


def test_a_start_gives_its_result_or_gives_way_to_the_end() -> None:
    async def act(scene: Scene) -> None:
        async def quick() -> int:
            return 7

        assert await scene.supervisor.unless_ended(quick()) == 7
        with pytest.raises(StoreError, match="disk full"):
            await scene.supervisor.unless_ended(broken(StoreError("disk full")))
        asyncio.get_running_loop().call_soon(scene.supervisor.ask_to_stop)
        assert await scene.supervisor.unless_ended(forever_a_number()) is None

    supervised(act)
