"""What the daemon tells systemd. Outside systemd every call does nothing.

The watchdog is fed by the engine's loop, never by a thread or timer of its own: a hung loop must starve it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Final

STATUS_LENGTH_MAX: Final = 400


class Systemd:
    """Sends to the socket that systemd named in NOTIFY_SOCKET (sd_notify(3)); never blocks and never raises."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self.watchdog_us = _watchdog_us(environ) if address else 0
        """Within this time ``watchdog`` must be called again; 0: nobody watches."""

    def ready(self, status: str = "") -> None:
        """Start-up is complete: reconciliation done, trading may begin."""
        self._send("READY=1" + _status(status))

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(_status(text).lstrip())

    def watchdog(self) -> None:
        """The loop handled events and the journal made progress."""
        self._send("WATCHDOG=1")

    def stopping(self, status: str = "") -> None:
        """The stop has begun."""
        self._send("STOPPING=1" + _status(status))

    def extend_timeout(self, seconds: float) -> None:
        """Start or stop take longer: not before ``seconds`` from now have passed is it to be taken for hung."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def close(self) -> None:
        """Nothing is sent after this."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            # systemd is restarting or its queue is full; the watchdog is the judge of a lasting silence
            return


def _status(text: str) -> str:
    """``text`` as a line of the message; a line break would begin another assignment."""
    return "\nSTATUS=" + " ".join(text.split())[:STATUS_LENGTH_MAX] if text else ""


def _watchdog_us(environ: Mapping[str, str]) -> int:
    """WATCHDOG_USEC, unless WATCHDOG_PID says that it is meant for another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) if text.isascii() and text.isdigit() else 0
