"""The envelope around every answer: ``status``, ``data`` or ``messages``, and the exchange's time."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ztb.simulator.dialect import Reply
from ztb.simulator.disturbed import html_page
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo.errors import Refusal
from ztb.simulator.gmo.shapes import Shapes
from ztb.simulator.moods import Moods

NOTHING: Final = object()
"""What calls answer that return no ``data`` at all."""


class Envelope:
    """Wraps answers and refusals; here the moods of all answers act."""

    def __init__(self, exchange: Exchange, shapes: Shapes, moods: Moods) -> None:
        self._exchange = exchange
        self._shapes = shapes
        self._moods = moods

    def answer(self, data: object, method: str) -> Reply:
        """Carried out."""
        body: dict[str, Any] = {"status": 0}
        if data is not NOTHING:
            body["data"] = self._reordered(data) if self._moods.strike("reordered_maps", method) else data
        body["responsetime"] = self._shapes.iso(self._exchange.now_ns)
        return self._reply(body, 200, method)

    def refusal(self, refusal: Refusal, method: str) -> Reply:
        """Not carried out."""
        message = {"message_code": refusal.code, "message_string": refusal.text}
        body: dict[str, Any] = {"status": refusal.status, "messages": [message]}
        # In maintenance the real one sometimes leaves its time out.
        if refusal.code != "ERR-5201" or self._moods.choice(2):
            body["responsetime"] = self._shapes.iso(self._exchange.now_ns)
        return self._reply(body, refusal.http, method)

    def _reply(self, body: dict[str, Any], http: int, method: str) -> Reply:
        slow = self._moods.strike("slow", method)
        delay_ms = slow.ms if slow else 0
        if self._moods.strike("html_instead_of_json", method):
            return Reply(html_page().body, content_type="text/html", delay_ms=delay_ms)
        return Reply(msgspec.json.encode(body), status=http, delay_ms=delay_ms)

    def _reordered(self, value: object) -> object:
        """Members and rows of a list in another order: fills of a page are in none that a client may rely on."""
        if isinstance(value, dict):
            return {name: self._reordered(member) for name, member in self._moods.shuffled(list(value.items()))}
        if isinstance(value, list):
            return [self._reordered(member) for member in self._moods.shuffled(value)]
        return value
