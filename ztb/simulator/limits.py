"""Every bound of the simulated exchange in one place: it must stay up whatever its clients do."""

from __future__ import annotations

from typing import Final

REQUEST_HEAD_BYTES_MAX: Final = 64 * 1024
REQUEST_BODY_BYTES_MAX: Final = 64 * 1024
READ_BYTES: Final = 64 * 1024
CONNECTIONS_MAX: Final = 512
CONNECTION_IDLE_S: Final = 75.0
"""A kept-alive HTTP connection without a request, or a request that does not arrive, is closed after this."""
HANG_S_MAX: Final = 900.0
"""The longest that ``accept_then_hang`` holds a connection open."""

STREAM_MESSAGE_BYTES_MAX: Final = 64 * 1024
STREAM_KERNEL_BUFFER_BYTES: Final = 256 * 1024
"""Left to itself the kernel would hide megabytes of unread frames from us."""
STREAM_BACKLOG_BYTES_MAX: Final = 1024 * 1024
"""A stream client that reads slower than this is dropped, never waited for."""

TICK_WALL_S_MIN: Final = 0.005
"""The tape is applied in batches: one wake-up takes at least this long, however fast time runs."""
TAPE_EVENTS_PER_ADVANCE_MAX: Final = 20_000
TAPE_PRIME_EVENTS_MAX: Final = 10_000
"""At most so many events are taken in advance until the tape shows a bid and an ask."""
TAPE_SEAM_NS: Final = 1_000_000
"""Between the last event of one pass of the tape and the first of the next."""

PRINTS_MAX: Final = 10_000
"""Public trades kept in memory: more than any stream leaves unsent between two wake-ups."""
PUBLIC_TRADES_MAX: Final = 150
PRINTS_KEPT_MAX: Final = 1_000
"""Of one public answer."""
PUBLIC_DEPTH_MAX: Final = 150
TICKER_MINUTES_MAX: Final = 24 * 60

OPEN_ORDERS_MAX: Final = 2_000
"""Of one account."""
FILLS_MAX: Final = 500_000
"""Of one account; after that it may not trade any more."""
ENDED_ORDERS_MAX: Final = 50_000
"""Of one account; older ones are unknown to it."""
ACCOUNT_EVENTS_MAX: Final = 20_000
"""Of one account; a private stream that falls further behind is cut off."""
TINY_FILLS_MAX: Final = 12
"""Into so many pieces, at most, the mood ``tiny_fills`` cuts one."""
RECORD_CALLS_MAX: Final = 500_000
"""Of all accounts; older ones leave the book of record and are counted as dropped."""
RECORD_PAGE_MAX: Final = 100_000
RATE_KEYS_MAX: Final = 10_000
NUMBER_CACHE_MAX: Final = 65_536
