"""What may happen on the way back to the client, the same for every venue: lost answers, and streams gone wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ztb.simulator.dialect import DROP, Drop, Hang, Outcome, Reply, Reset
from ztb.simulator.moods import Moods
from ztb.simulator.record import Call

HELD_FRAMES_MAX: Final = 1_000
_BAD_GATEWAY: Final = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"</body>\r\n</html>\r\n"
)
_PAGE: Final = b"<!DOCTYPE html>\n<html><head><title>Please wait</title></head><body>Checking</body></html>\n"
_NOT_JSON: Final = b"upstream connect error or disconnect/reset before headers"
_NOT_UTF8: Final = b'{"channel":"\xff\xfe\xfd"}'


def lost_answer(moods: Moods, method: str, call: Call) -> Outcome | None:
    """The order was carried out; None: its answer arrives. What became of the answer is written into ``call``."""
    if moods.strike("accept_then_502", method):
        call.answer = "502"
        return Reply(_BAD_GATEWAY, status=502, content_type="text/html")
    if moods.strike("accept_then_hang", method):
        call.answer = "hang"
        return Hang()
    if moods.strike("accept_then_reset", method):
        call.answer = "reset"
        return Reset()
    if moods.strike("html_instead_of_json", method):
        call.answer = "html"
        return html_page()
    return None


def html_page() -> Reply:
    """A page of whoever stands in front of the exchange, sent as if all were well."""
    return Reply(_PAGE, content_type="text/html")


class Disturbance:
    """The moods of one stream. Nothing is lost by ``duplicate``, ``reordered`` and ``garbage``: it only comes oddly."""

    def __init__(self, moods: Moods, *, numbered: bool = False) -> None:
        """``numbered``: the frames count themselves; none comes twice or late, what is in them does."""
        self._moods = moods
        self._numbered = numbered
        self._held: list[bytes] = []

    def sent(self, frames: Sequence[bytes], channel: str = "") -> list[bytes | Drop]:
        """What the client gets instead of ``frames``; call it with none at every tick, so that nothing is held long."""
        told: list[bytes | Drop] = []
        late, self._held = self._held, []
        for frame in frames:
            if self._moods.strike("stream_drop", channel):
                return [*told, DROP]
            if self._moods.strike("stream_silence", channel):
                continue
            if self._moods.strike("garbage_frames", channel):
                told.append((_NOT_JSON, frame[: len(frame) // 2], _NOT_UTF8)[self._moods.choice(3)])
            if self._numbered:
                told.append(frame)
                continue
            if len(self._held) < HELD_FRAMES_MAX and self._moods.strike("reordered_events", channel):
                self._held.append(frame)
                continue
            told.append(frame)
            if self._moods.strike("duplicate_events", channel):
                told.append(frame)
        return [*told, *late]
