"""What an operator asks for by the files ``operator/flatten`` and ``operator/panic`` in the runtime directory.

Either holds one line of text, which is the reason, or one JSON object with the terms (see ``FlattenWish``). It counts
once, and is taken away when it was read. Panic is a kill, a flatten and the end of the service. The rule: terms that
make no sense do not make an emergency wait, the ordinary ones count then, and that is told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from ztb.core.event import Flatten
from ztb.core.flattening import LIMIT, MODES
from ztb.core.money import PPM
from ztb.host.log import get_log
from ztb.service.inbox import Inbox
from ztb.service.operator_file import cleaned, lies_there, read_file
from ztb.service.who import who_laid

FLATTEN_NAME: Final = "flatten"
PANIC_NAME: Final = "panic"
SLIPPAGE_PPM: Final = 20_000
WITHIN_S: Final = 90
"""Long enough for an order of unknown fate to be told from one that never arrived."""
WITHIN_S_MAX: Final = 86_400
SECOND_NS: Final = 1_000_000_000

log = get_log("operator")


class FlattenWish(msgspec.Struct, forbid_unknown_fields=True):
    """The terms that a file may hold."""

    reason: str
    mode: str = LIMIT
    slippage_ppm_max: int = SLIPPAGE_PPM
    within_s: int = WITHIN_S
    then_stop: bool = False


class FlattenFiles:
    """Watches ``directory`` for both files; ``look`` is called by whoever watches the directory."""

    def __init__(self, directory: Path, inbox: Inbox) -> None:
        self._directory = directory
        self._inbox = inbox
        self._stuck: set[str] = set()

    def look(self) -> None:
        """One look; panic first."""
        for name in (PANIC_NAME, FLATTEN_NAME):
            path = self._directory / name
            if not lies_there(path, if_unknown=False):
                self._stuck.discard(name)
            elif name not in self._stuck:
                self._take(path)

    def _take(self, path: Path) -> None:
        who, body = who_laid(path), read_file(path)
        self._inbox.put_now(event_of(path.name, body, who), first=True)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            # It counts, once: an emergency is not put off because a file cannot be removed.
            self._stuck.add(path.name)
            log.error("operator_file_stays", f"{path} cannot be taken away: {error.strerror}")


def event_of(name: str, body: bytes, who: str) -> Flatten:
    """The event that a file of this name and content asks for."""
    wish = _wish(name, body)
    is_panic = name == PANIC_NAME
    return Flatten(
        0, f"{name} file", wish.reason, wish.mode, wish.slippage_ppm_max, wish.within_s * SECOND_NS,
        then_stop=wish.then_stop or is_panic, kill=is_panic, by=who,
    )  # fmt: skip


def encode_wish(wish: FlattenWish) -> str:
    """What a file has to hold for ``wish``."""
    return msgspec.json.encode(wish).decode()


def _wish(name: str, body: bytes) -> FlattenWish:
    if not body.lstrip().startswith(b"{"):
        return FlattenWish(cleaned(body) or f"{name} file present")
    try:
        wish = msgspec.json.decode(body, type=FlattenWish)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.error("flatten_terms_unreadable", f"{error}; the ordinary ones count")
        return FlattenWish(f"{name} file present, its terms are unreadable")
    is_sound = (
        wish.mode in MODES and 0 <= wish.slippage_ppm_max < PPM and 1 <= wish.within_s <= WITHIN_S_MAX
    )  # fmt: skip
    reason = cleaned(wish.reason.encode()) or f"{name} file present"
    if not is_sound:
        log.error("flatten_terms_refused", f"{body[:200]!r}; the ordinary ones count")
        return FlattenWish(reason, then_stop=wish.then_stop)
    return FlattenWish(reason, wish.mode, wish.slippage_ppm_max, wish.within_s, wish.then_stop)
