"""What a session was told at its start, as one record of the journal: enough to run it again without its profile.

The record stands before every event of its session. The rule: whatever the engine is made of is in it, and the state
in which it began; so an audit needs nothing but the journal and the tape of the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ztb.core.error import StoreCorrupt, ZtbError
from ztb.core.state import EngineConfig

SESSION: Final = "session"
"""Kind of the record."""


@dataclass(frozen=True)
class SessionRecord:
    """The engine of one session, and where it began."""

    build: str
    config_digest: str
    """Of the profile, as `ztb config show` prints it."""
    policy: str
    parameters: dict[str, int | str | bool]
    engine: EngineConfig
    tape: str
    """File name of the session's tape, in the directory ``tapes``."""
    checkpoint_seq: int
    """Of the record after which the checkpoint was made from which the state came; 0: from no checkpoint."""
    state: dict[str, Any]
    """The whole recovered state, right before the first event, as `State.snapshot` gives it."""


def encode_session(record: SessionRecord) -> bytes:
    """The body: compact JSON, members in the order of their definition."""
    return msgspec.json.encode(record)


def decode_session(body: bytes) -> SessionRecord:
    """StoreCorrupt for anything that ``encode_session`` would not write."""
    try:
        record = msgspec.json.decode(body, type=SessionRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, ZtbError) as error:
        raise StoreCorrupt(f"{SESSION}: {error}", remedy="was it written by another ztb?") from error
    if encode_session(record) != body:
        raise StoreCorrupt(f"{SESSION}: the body is not in its one spelling", remedy="was it written by another ztb?")
    return record
