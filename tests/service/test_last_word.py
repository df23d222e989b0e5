"""The last word before a request leaves: said when all waiting is over, and a no means that nothing was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.venues.loopback import Loopback, reply
from ztb.core.error import GateClosed, InvariantBroken, StoreError
from ztb.venues import transport as transport_module
from ztb.venues.transport import LastWord, Transport


def word(check: Callable[[], None]) -> LastWord:
    """Without a first half to wait for."""

    async def durable() -> None:
        """At once."""

    return LastWord(durable, check)


def against(server: Loopback, act: Callable[[Transport], Awaitable[None]]) -> None:
    async def run() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        transport = Transport(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        try:
            await act(transport)
        finally:
            await transport.close()
            listening.close()

    asyncio.run(run())


def test_it_is_said_once_for_each_request_on_new_and_on_kept_connections() -> None:
    said: list[int] = []
    server = Loopback([reply("{}")])

    async def act(transport: Transport) -> None:
        for number in range(3):
            await transport.post(
                "/", b"x", {}, changes_state=True, last_word=word(lambda: said.append(len(server.requests)))
            )
            assert len(said) == number + 1

    against(server, act)
    assert said == [0, 1, 2]
    assert server.connections == 1


@pytest.mark.parametrize("error", [GateClosed("no", kind="exchange", code="killed"), StoreError("no")])
def test_a_no_is_raised_as_it_is_and_nothing_arrives(error: Exception) -> None:
    server = Loopback([reply("{}")])

    def no() -> None:
        raise error

    async def act(transport: Transport) -> None:
        with pytest.raises(type(error)) as caught:
            await transport.post("/", b"x", {}, changes_state=True, last_word=word(no))
        assert caught.value is error
        # The next request goes on a connection of its own, for on the old one a body is owed.
        await transport.post("/", b"y", {}, changes_state=True, last_word=word(lambda: None))

    against(server, act)
    assert [request.body for request in server.requests] == [b"y"]


def test_a_request_that_left_without_it_is_a_defect_that_cannot_be_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_LAST_MOMENT", "a moment that never comes")

    async def act(transport: Transport) -> None:
        with pytest.raises(InvariantBroken, match="without the last word"):
            await transport.post("/", b"x", {}, changes_state=True, last_word=word(lambda: None))

    against(Loopback([reply("{}")]), act)
