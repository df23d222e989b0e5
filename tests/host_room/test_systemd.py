"""What reaches a real notification socket, byte for byte (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ztb.host.systemd import STATUS_LENGTH_MAX, Systemd


@pytest.fixture
def service_manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The end that systemd would hold."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(10)
        yield receiver


def environ_of(receiver: socket.socket, **more: str) -> dict[str, str]:
    """What systemd would put into the environment."""
    return {"NOTIFY_SOCKET": receiver.getsockname(), **more}


def test_the_messages_of_a_life(service_manager: socket.socket) -> None:
    systemd = Systemd(environ_of(service_manager))
    systemd.status("looking up 2 orders")
    systemd.ready("trading btc_jpy")
    systemd.watchdog()
    systemd.stopping("取引を停止")
    systemd.ready()
    received = [service_manager.recv(4096).decode() for _ in range(5)]
    assert received == [
        "STATUS=looking up 2 orders",
        "READY=1\nSTATUS=trading btc_jpy",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=取引を停止",
        "READY=1",
    ]
    systemd.close()


def test_a_status_cannot_smuggle_an_assignment(service_manager: socket.socket) -> None:
    systemd = Systemd(environ_of(service_manager))
    systemd.status("fine\nREADY=1\nMAINPID=1")
    assert service_manager.recv(4096) == b"STATUS=fine READY=1 MAINPID=1"
    systemd.status("x" * 10_000)
    assert len(service_manager.recv(16_384)) == len("STATUS=") + STATUS_LENGTH_MAX
    systemd.close()


def test_an_abstract_socket_works_too() -> None:
    name = f"ztb-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name)
        receiver.settimeout(10)
        systemd = Systemd({"NOTIFY_SOCKET": "@" + name})
        systemd.watchdog()
        assert receiver.recv(100) == b"WATCHDOG=1"
        systemd.close()


def test_outside_systemd_nothing_happens() -> None:
    systemd = Systemd({})
    systemd.ready("x")
    systemd.watchdog()
    assert systemd.watchdog_us == 0
    systemd.close()
    systemd.close()


def test_a_manager_that_is_gone_or_full_blocks_nobody(tmp_path: Path, service_manager: socket.socket) -> None:
    gone = Systemd({"NOTIFY_SOCKET": str(tmp_path / "none")})
    gone.watchdog()
    gone.close()
    full = Systemd(environ_of(service_manager))
    for _ in range(5_000):  # far more than a socket takes before anybody reads
        full.watchdog()
    assert service_manager.recv(100) == b"WATCHDOG=1"
    full.close()
    full.watchdog()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30_000_000),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30_000_000),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
        ({"WATCHDOG_USEC": "-5"}, 0),
        ({}, 0),
    ],
)
def test_the_watchdogs_time(service_manager: socket.socket, more: dict[str, str], expected: int) -> None:
    systemd = Systemd(environ_of(service_manager, **more))
    assert systemd.watchdog_us == expected
    systemd.close()
