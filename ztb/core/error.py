"""The tree of every error that ztb raises on purpose; the process exit code of each stands beside it.

ZtbError                      1
├── UsageError                2   the command line or an input file is wrong
│   └── TapeError             2   a tape cannot be read: damaged, cut, of another version
├── ConfigError              78   a profile or setting is wrong (EX_CONFIG)
├── CredentialError          77   a secret is missing or not permitted (EX_NOPERM)
├── StoreError               74   the disk refused: nothing may leave any more (EX_IOERR)
├── StoreLocked              75   another process owns this state directory (EX_TEMPFAIL)
├── StoreCorrupt             65   the journal does not verify; never restart by itself (EX_DATAERR)
├── InvariantBroken          70   a rule of ours was broken by us; stop, keep the evidence (EX_SOFTWARE)
├── AmountError               2   a price, size or sum is not a number that the instrument allows
└── VenueError               69   the exchange; see the four fates below (EX_UNAVAILABLE)
    ├── Rejected                  definitely not done: the venue said no
    ├── Throttled                 definitely not done: over a rate limit, ours or theirs
    ├── Unreachable               definitely not sent
    └── UnknownFate               sent, no usable answer: reconcile before anything else
"""

from __future__ import annotations


class ZtbError(Exception):
    """What went wrong, and in ``remedy`` what the operator can do about it."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message


class UsageError(ZtbError):
    """The command line, or a file named on it, cannot be used as given."""

    exit_code = 2


class TapeError(UsageError):
    """A tape cannot be read; the message names file, offset and remedy."""


class AmountError(ZtbError):
    """A price, size or sum is not a number that the instrument allows."""

    exit_code = 2


class ConfigError(ZtbError):
    """A profile or setting is wrong; restarting does not help."""

    exit_code = 78


class CredentialError(ZtbError):
    """A secret is missing, unreadable or readable by others."""

    exit_code = 77


class StoreError(ZtbError):
    """The disk refused a write; no order leaves any more."""

    exit_code = 74


class StoreLocked(ZtbError):
    """Another process owns the state directory."""

    exit_code = 75


class StoreCorrupt(ZtbError):
    """The journal does not verify; the message says at which record."""

    exit_code = 65


class InvariantBroken(ZtbError):
    """One of our own rules was broken by our own code."""

    exit_code = 70


class VenueError(ZtbError):
    """The exchange's own ``code`` and text; ``kind`` is auth, network, rate_limit or exchange."""

    exit_code = 69

    def __init__(self, message: str, *, kind: str, code: str = "", retryable: bool = False, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        assert kind in ("auth", "network", "rate_limit", "exchange"), kind
        self.kind = kind
        self.code = code
        self.retryable = retryable


class Rejected(VenueError):
    """Definitely not done: the venue answered no."""


class GateClosed(Rejected):
    """Definitely not done: the gate at the wire was closed when the bytes were about to leave."""


class Throttled(VenueError):
    """Definitely not done: a rate limit, ours or the venue's."""


class Unreachable(VenueError):
    """Definitely not sent: no connection was made."""


class UnknownFate(VenueError):
    """Sent, without a usable answer: never repeat it, look it up."""
