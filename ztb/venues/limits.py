"""Every limit of this room that is ours: sizes, times, retries. A venue's own are in its ``rules``."""

from __future__ import annotations

from typing import Final

RESPONSE_BYTES_MAX: Final = 16 * 1024 * 1024
"""A longer answer is an attack or a bug; it is dropped while it arrives, never held whole."""
FRAME_BYTES_MAX: Final = 4 * 1024 * 1024
FRAME_QUEUE_MAX: Final = 64
"""Market frames that wait for us; beyond it the socket is not read, so the venue waits."""
CONNECT_S_MAX: Final = 5.0
READ_S_MAX: Final = 10.0
EXCHANGE_S_MAX: Final = 20.0
"""From the first byte asked to the last byte read, however slowly they drip."""
CONNECTIONS_MAX: Final = 8
RETRY_AFTER_S_MAX: Final = 300.0
"""A venue may ask for any pause, and during it not even a cancel can leave: longer than this nobody waits unasked."""
REFUSED_PAUSE_S: Final = 2.0
"""After a refusal for the rate that says no time; each further one soon after it doubles the pause."""
REFUSED_PAUSE_S_MAX: Final = 60.0
REMARK_LENGTH_MAX: Final = 200
"""Characters of a venue's own text that are kept in messages."""

NONCE_ATTEMPTS_MAX: Final = 3
NONCE_AHEAD_US: Final = 60_000_000
NONCE_AHEAD_CALLS: Final = 10_000
HISTORY_PAGES_MAX: Final = 50

FRAMES_REFUSED_IN_ROW_MAX: Final = 10

RECONNECT_FIRST_S: Final = 2.0
RECONNECT_QUICK_S_MAX: Final = 60.0
RECONNECT_QUICK_ATTEMPTS_MAX: Final = 5
RECONNECT_SLOW_S: Final = 600.0
RECONNECT_STABLE_S: Final = 60.0
RECONNECT_JITTER: Final = 0.25

DIGITS_MAX: Final = 30
"""Decimal exponents and digit counts beyond this are refused before they can cost memory."""
ENDED_ORDERS_MAX: Final = 10_000
"""Ended orders whose late fills are still recognised."""
AUTH_REFUSALS_MAX: Final = 5
"""So often in a row a venue may call a key wrong that it took before: tokens expire, and gateways err."""
SETTLED_S: Final = 3.0
"""Fills that are read so long after an order ended are all of its fills."""
ENDED_RECHECK_S: Final = 60
"""For so long after an order ended unfilled its part of the history is read again."""
STRAY_FILLS_MAX: Final = 1_000
VENUE_IDS_MAX: Final = 20_000
"""Ids of the venue that are remembered, to tell what is new from what was there before."""
SIGHTINGS_MAX: Final = 256
"""Orders without a tag that may be lost ones of ours."""
LOOK_UP_IDS_MAX: Final = 100
"""Orders whose status is asked for in one look."""
CONTRADICTIONS_MAX: Final = 100
LOOKS_MAX: Final = 60
"""Attempts to look an unknown order up before the caller has to ask again."""

BREAKER_WINDOW_CALLS: Final = 50
BREAKER_CALLS_MIN: Final = 10
"""A ratio of fewer calls means nothing."""
BREAKER_FAILURE_RATIO: Final = 0.5
BREAKER_FAILED_IN_ROW: Final = 5
BREAKER_LATENCY_S: Final = 30.0
"""An answer that took so long (of the wall) is as good as none."""
BREAKER_OPEN_S: Final = 60.0
BREAKER_TRIALS: Final = 5
