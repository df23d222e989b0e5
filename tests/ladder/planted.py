"""Defects planted into the real processes of a rung.

A ``sitecustomize`` on PYTHONPATH runs in every Python process before its program; each plant acts in the one command
that it names and leaves the others alone. Policies are planted as somebody would install them: a module and its entry
point.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from typing import Final

_HEAD: Final = """\
import sys
if sys.orig_argv[1:4] == ["-m", "ztb", "{noun}"]:
"""

KILL_LATCH_IGNORED: Final = """
from ztb.core.control import PERMITS, Level, Permit
PERMITS[Level.KILLED] = Permit(opening=True, reducing=True, cancels=True)
"""
ORDERS_SENT_TWICE: Final = """
from ztb.service.metered import MeteredAccount
once = MeteredAccount.place
async def twice(self, order):
    await once(self, order)
    return await once(self, order)
MeteredAccount.place = twice
"""
STATE_WIPED: Final = """
import shutil
shutil.rmtree(sys.orig_argv[sys.orig_argv.index("--state-dir") + 1], ignore_errors=True)
"""
DIES_AT_ONCE: Final = """
import os
print("the disk is on fire", flush=True)
os._exit(3)
"""
DEAF_TO_SIGTERM: Final = """
from ztb.service.session import Session
import signal
Session._listen_to_signals = lambda self: signal.signal(signal.SIGTERM, signal.SIG_IGN)
"""
CARELESS: Final = """
import threading, time, urllib.error, urllib.request
print("hello from a library", file=sys.stderr, flush=True)
url = sys.orig_argv[sys.orig_argv.index("--simulator-url") + 1]
def ask(path, body=None):
    try:
        urllib.request.urlopen(urllib.request.Request(url + path, data=body), timeout=10).read()
    except urllib.error.HTTPError as error:
        error.read()
def careless():
    time.sleep(0.5)
    held.append(b"x" * 520_000_000)
    ask("/tapi", b"method=get_info2&nonce=1")
    for _ in range(700):
        ask("/api/1/last_price/btc_jpy")
held = []
threading.Thread(target=careless, daemon=True).start()
"""
"""Prints what is not structured, asks for private things, asks too often, takes too much memory."""
FEES_BOOKED_TOO_HIGH: Final = """
from ztb.service.loop import EngineLoop
from ztb.core.event import OrderFilled
handle = EngineLoop.handle
def wrong(self, event, arrived_ns):
    if isinstance(event, OrderFilled):
        event.fee += 1
    handle(self, event, arrived_ns)
EngineLoop.handle = wrong
"""
"""Books every fee one smallest unit too high."""

_POLICIES: Final = '''\
"""Policies of somebody who installs them beside ztb."""

from ztb.core.policy import HOLD, Decision, Policy
from ztb.core.instrument import BUY


class Raises(Policy):
    """Divides by zero at its thousandth trade."""

    name = "planted_raises"

    def __init__(self) -> None:
        self._left = 1000

    def on_trade(self, trade, held_lots):
        self._left -= 1
        return Decision(BUY if 1 // self._left else HOLD, "reason", (trade.price,))


class Silent(Policy):
    """Never wants anything."""

    name = "planted_silent"

    def on_trade(self, trade, held_lots):
        return Decision(HOLD, "nothing", (trade.price,))
'''
_ENTRY_POINTS: Final = """\
[ztb.policies]
planted_raises = planted_policies:Raises
planted_silent = planted_policies:Silent
"""


def plant(directory: Path, code: str, *, noun: str = "run") -> Path:
    """A directory for PYTHONPATH that plants ``code`` into ``ztb NOUN``."""
    directory.mkdir(parents=True, exist_ok=True)
    body = indent(dedent(code).strip(), "    ")
    (directory / "sitecustomize.py").write_text(f"{_HEAD.format(noun=noun)}{body}\n")
    return directory


def plant_policies(directory: Path) -> Path:
    """A directory for PYTHONPATH in which a package with policies is installed."""
    metadata = directory / "planted_policies-1.0.dist-info"
    metadata.mkdir(parents=True)
    (directory / "planted_policies.py").write_text(_POLICIES)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: planted-policies\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(_ENTRY_POINTS)
    return directory
