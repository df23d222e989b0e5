"""What lies between the sockets and a venue's protocol: requests in, outcomes out, no input or output here.

The server knows HTTP and WebSocket framing and nothing of any venue; a dialect (``zaif``) knows its venue's words
and nothing of sockets. An outcome can be worse than an answer, because that is what exchanges do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, final


class Clock(Protocol):
    """The time of the exchange, which may run faster than the wall's."""

    def now_ns(self) -> int:
        """Unix nanoseconds, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` of this clock's time."""
        ...

    @property
    def scale(self) -> float:
        """How many seconds of this clock pass in one second of the wall."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, its body complete and untouched. Header names are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    peer: str
    received_ns: int


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, sent ``delay_ms`` of the exchange's time after the request was carried out."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delay_ms: int = 0


@final
@dataclass(frozen=True, slots=True)
class Hang:
    """Never answer; keep the connection open until the client gives up."""


@final
@dataclass(frozen=True, slots=True)
class Reset:
    """Tear the connection down with a TCP reset instead of an answer."""


Outcome = Reply | Hang | Reset


@final
@dataclass(frozen=True, slots=True)
class Drop:
    """Close a stream without a close frame: its client sees code 1006."""


DROP: Final = Drop()


Action = bytes | Sequence[bytes | Drop] | Drop | None
"""One text frame, several, several and then the end, the end, or nothing."""


class Stream(Protocol):
    """The venue's side of one WebSocket."""

    def opened(self, now_ns: int) -> Action:
        """What the client gets at once after the handshake."""
        ...

    def received(self, payload: bytes, now_ns: int) -> Action:
        """The client sent a text or binary frame."""
        ...

    def tick(self, now_ns: int) -> Action:
        """Time passed and the market may have moved."""
        ...

    @property
    def idle_s_max(self) -> float:
        """Close when the client sent nothing, not even a ping or pong, for so many seconds of the wall."""
        ...

    @property
    def ping_s(self) -> float | None:
        """Ping the client every so many seconds of the wall, and close when three stay unanswered; None: never."""
        ...


class Dialect(Protocol):
    """One venue's protocol on top of the exchange."""

    def handle(self, request: Request) -> Outcome:
        """Carry out a request; errors of the venue are replies, never exceptions."""
        ...

    def open_stream(self, request: Request) -> Stream | Reply:
        """A stream for this upgrade request, or the refusal that a wrong one gets."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int
    text: str = field(init=False)

    def __post_init__(self) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        object.__setattr__(self, "text", f"{host}:{self.port}")
