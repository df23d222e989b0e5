"""Commands on a socket: ``subscribe`` and ``unsubscribe``, one channel each, without an answer unless they are wrong.

One command a second from one address, all its sockets together; a faster one is refused and lost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import msgspec

from ztb.simulator.limits import RATE_KEYS_MAX

TOO_MANY: Final = b'{"error":"ERR-5003 Request too many."}'


@final
@dataclass(frozen=True, slots=True)
class Command:
    """``symbol`` is "" on private channels, ``option`` "" where none was named."""

    subscribe: bool
    channel: str
    symbol: str
    option: str


class BadCommand(Exception):
    """A command that makes no sense; ``frame`` says so to the client, whose socket stays open."""

    def __init__(self, member: str) -> None:
        super().__init__(member)
        self.frame = f'{{"error":"ERR-5106 Invalid request parameter. {member}"}}'.encode()


def read_command(payload: bytes, options: Mapping[str, frozenset[str]], symbols: tuple[str, ...]) -> Command:
    """What the client wants. ``options``: by channel; ``symbols`` empty: the channels have none."""
    try:
        members = msgspec.json.decode(payload, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadCommand("command") from None
    command, channel = members.get("command"), members.get("channel")
    if command not in ("subscribe", "unsubscribe"):
        raise BadCommand("command")
    if not isinstance(channel, str) or channel not in options:
        raise BadCommand("channel")
    symbol = members.get("symbol", "") if symbols else ""
    if not isinstance(symbol, str) or (symbols and symbol not in symbols):
        raise BadCommand("symbol")
    option = members.get("option", "")
    if not isinstance(option, str) or (option and option not in options[channel]):
        raise BadCommand("option")
    return Command(command == "subscribe", channel, symbol, option)


class CommandLimit:
    """When each address sent its last command that was taken. 0 ns: no limit."""

    def __init__(self, interval_ns: int) -> None:
        self._interval_ns = interval_ns
        self._last_ns: OrderedDict[str, int] = OrderedDict()

    def admit(self, peer: str, now_ns: int) -> bool:
        last_ns = self._last_ns.get(peer)
        if last_ns is not None and now_ns - last_ns < self._interval_ns:
            return False
        self._last_ns[peer] = now_ns
        self._last_ns.move_to_end(peer)
        if len(self._last_ns) > RATE_KEYS_MAX:
            self._last_ns.popitem(last=False)
        return True
