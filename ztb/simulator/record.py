"""The exchange's book of record: every call that could move money, as it was received, and what became of it.

Auditors compare it with what the client believes: what is not here never arrived.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from ztb.simulator.limits import RECORD_CALLS_MAX


@final
@dataclass(slots=True)
class Call:
    """``result`` is ``ok`` or the refusal's text; ``answer`` how it was answered: sent, 502, hang, reset."""

    sequence: int
    received_ns: int
    key: str
    method: str
    nonce: str
    params: Mapping[str, str]
    result: str = "ok"
    order_id: int = 0
    """Of the order placed or cancelled, even where the wire says 0."""
    filled_lots: int = 0
    answer: str = "sent"


class Record:
    """Bounded; what falls out at the old end is counted."""

    def __init__(self) -> None:
        self.calls: Final[deque[Call]] = deque(maxlen=RECORD_CALLS_MAX)
        self.requests: Final[Counter[str]] = Counter()
        """Every authenticated request, and refused ones, by method or refusal."""
        self.rate_refusals: Final[Counter[str]] = Counter()
        """Requests refused because they came too fast, by ``public`` and ``private``."""
        self._sequence = 0

    @property
    def dropped(self) -> int:
        return self._sequence - len(self.calls)

    def add(self, *, received_ns: int, key: str, method: str, nonce: str, params: Mapping[str, str]) -> Call:
        self._sequence += 1
        call = Call(self._sequence, received_ns, key, method, nonce, params)
        self.calls.append(call)
        return call
