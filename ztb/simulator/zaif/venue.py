"""Zaif as a whole: which part of its protocol answers a request."""

from __future__ import annotations

from urllib.parse import parse_qs

from ztb.simulator.dialect import Outcome, Reply, Request, Stream
from ztb.simulator.disturbed import html_page
from ztb.simulator.exchange import Exchange
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record
from ztb.simulator.zaif import errors, stream, tapi
from ztb.simulator.zaif.rest import PublicRest, html
from ztb.simulator.zaif.rules import ZaifRules
from ztb.simulator.zaif.shapes import Shapes


class ZaifVenue:
    """The dialect ``zaif``."""

    def __init__(self, exchange: Exchange, *, moods: Moods, record: Record, rules: ZaifRules | None = None) -> None:
        self._rules = rules if rules is not None else ZaifRules()
        self._exchange = exchange
        self._moods = moods
        self._shapes = Shapes(exchange)
        self._rest = PublicRest(exchange, self._shapes, moods, record, self._rules)
        self._tapi = tapi.Tapi(exchange, self._shapes, moods, record, self._rules)
        self._frames = stream.FrameSource(exchange, self._shapes)

    def handle(self, request: Request) -> Outcome:
        self._shapes.with_exponent = self._moods.strike("exponent_numbers") is not None
        if request.path == tapi.PATH and request.method == "POST":
            return self._tapi.handle(request)
        reply = self._rest.handle(request)
        if self._moods.strike("html_instead_of_json", "public"):
            reply = html_page()
        slow = self._moods.strike("slow", "public")
        return Reply(reply.body, reply.status, reply.content_type, delay_ms=slow.ms if slow else 0)

    def open_stream(self, request: Request) -> Stream | Reply:
        if request.path != stream.PATH:
            return html(errors.not_found_page(), status=404)
        pair = parse_qs(request.query).get("currency_pair", [""])[0]
        if not pair:
            return stream.ClosedStream()
        source = self._frames if pair == self._exchange.pair else None
        return stream.ZaifStream(source, self._moods, idle_s_max=self._rules.stream_idle_s_max)
