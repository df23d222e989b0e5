"""A server in a thread that answers every connection with the same bytes, or takes it and stays silent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HTML = b"<html><body>We are down for maintenance</body></html>"


def http(body: bytes, *, status: str = "200 OK", kind: str = "text/html", more: str = "") -> bytes:
    """A whole HTTP answer that closes its connection."""
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{more}\r\n"
    )
    return head.encode() + body


@contextmanager
def odd_server(answer: bytes | None) -> Iterator[str]:
    """Its URL; ``answer`` None: silence, with the connection open."""
    listening = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):  # the test is over: the listening socket was closed
            while True:
                connection, _ = listening.accept()
                kept.append(connection)
                if answer is None:
                    continue
                with suppress(OSError):
                    connection.recv(65_536)
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(timeout=30)
        for connection in kept:
            connection.close()


def closed_port() -> str:
    """The URL of a port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
