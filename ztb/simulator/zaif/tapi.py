"""Zaif's private API: ``POST /tapi``, every application error as HTTP 200 with ``success: 0``.

The checks come in this order: signature, nonce, permission, rate, parameters. The signature is over the raw bytes of
the body; the content type is ignored, as real clients send none. A nonce is used up once the signature is right,
whatever becomes of the call.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, final
from urllib.parse import parse_qsl

import msgspec

from ztb.simulator.accounts import Account
from ztb.simulator.dialect import Hang, Outcome, Reply, Request, Reset
from ztb.simulator.disturbed import html_page
from ztb.simulator.exchange import Exchange
from ztb.simulator.moods import Moods
from ztb.simulator.rate_window import RateWindows
from ztb.simulator.record import Call, Record
from ztb.simulator.zaif import errors
from ztb.simulator.zaif.methods import Methods
from ztb.simulator.zaif.parameters import Parameters
from ztb.simulator.zaif.rest import html
from ztb.simulator.zaif.rules import METHODS, NONCE_MAX, ZaifRules
from ztb.simulator.zaif.shapes import Shapes

PATH: Final = "/tapi"
FORM_FIELDS_MAX: Final = 100
RECORDED: Final = frozenset({"trade", "cancel_order"})


@final
@dataclass(frozen=True, slots=True)
class _Signed:
    """A call whose signature is right."""

    account: Account
    method: str
    form: Mapping[str, str]
    received_ns: int


class Tapi:
    """Admits calls, has them carried out, and answers, or not, as the moods want it."""

    def __init__(self, exchange: Exchange, shapes: Shapes, moods: Moods, record: Record, rules: ZaifRules) -> None:
        self._exchange = exchange
        self._moods = moods
        self._record = record
        self._rules = rules
        self._methods = Methods(exchange, shapes, moods, rules)
        self._windows = RateWindows()
        self._nonces: dict[str, Decimal] = {}

    def handle(self, request: Request) -> Outcome:
        try:
            signed = self._authenticate(request)
        except errors.Refusal as refusal:
            self._record.requests[refusal.text] += 1
            return self._reply({"success": 0, "error": refusal.text}, "")
        self._record.requests[signed.method if signed.method in METHODS else errors.METHOD] += 1
        call = self._written_down(signed)
        try:
            self._admit(signed)
            answer = {"success": 1, "return": self._carry_out(signed, call)}
        except errors.Refusal as refusal:
            call.result = refusal.text
            self._record.rate_refusals["private"] += refusal.text == errors.RATE
            return self._reply({"success": 0, "error": refusal.text}, signed.method)
        return self._accident(signed.method, call) or self._reply(answer, signed.method)

    def _authenticate(self, request: Request) -> _Signed:
        account = self._exchange.account(request.headers.get("key", ""))
        if account is None:
            raise errors.Refusal(errors.NO_SUCH_KEY)
        expected = hmac.new(account.secret.encode(), request.body, hashlib.sha512).hexdigest()
        given = request.headers.get("sign", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(expected.encode(), given):
            raise errors.Refusal(errors.SIGNATURE)
        try:
            text = request.body.decode("utf-8")
            form = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX))
        except ValueError:
            raise errors.invalid("nonce") from None
        return _Signed(account, form.get("method", ""), form, request.received_ns)

    def _written_down(self, signed: _Signed) -> Call:
        """The call's line in the book of record; calls that cannot move money get one that nobody keeps."""
        form = {name: value for name, value in signed.form.items() if name not in ("nonce", "method")}
        nonce = signed.form.get("nonce", "")
        if signed.method not in RECORDED:
            return Call(0, signed.received_ns, signed.account.key, signed.method, nonce, form)
        return self._record.add(
            received_ns=signed.received_ns, key=signed.account.key, method=signed.method, nonce=nonce, params=form
        )

    def _admit(self, signed: _Signed) -> None:
        """Nonce, permission and rate, in this order."""
        key = signed.account.key
        nonce = Parameters(signed.form).decimal("nonce")
        if nonce > NONCE_MAX:
            raise errors.Refusal(errors.NONCE_OUT_OF_RANGE)
        if nonce < 1:
            raise errors.invalid("nonce")
        if nonce <= self._nonces.get(key, Decimal(0)):
            raise errors.Refusal(errors.NONCE_NOT_INCREMENTED)
        self._nonces[key] = nonce
        method = METHODS.get(signed.method)
        if method is None:
            raise errors.Refusal(errors.METHOD)
        if method.right not in signed.account.rights:
            raise errors.no_permission(method.right)
        if self._moods.strike("rate_limit", signed.method):
            raise errors.Refusal(errors.RATE)
        factor = signed.account.limits_factor
        if (
            self._rules.private_limits
            and method.window is not None
            and not self._windows.admit(key, signed.method, method.window, signed.received_ns, factor=factor)
        ):
            raise errors.Refusal(errors.RATE)

    def _carry_out(self, signed: _Signed, call: Call) -> dict[str, Any]:
        if self._moods.strike("reject_busy", signed.method) or self._moods.state("maintenance", signed.received_ns):
            raise errors.Refusal(errors.BUSY)
        return self._methods.carry_out(signed.method, signed.account, signed.form, call)

    def _accident(self, method: str, call: Call) -> Outcome | None:
        """What may happen on the way back to an order that was carried out."""
        if method not in RECORDED:
            return None
        if self._moods.strike("accept_then_502", method):
            call.answer = "502"
            return html(errors.bad_gateway_page(), status=502)
        if self._moods.strike("accept_then_hang", method):
            call.answer = "hang"
            return Hang()
        if self._moods.strike("accept_then_reset", method):
            call.answer = "reset"
            return Reset()
        if self._moods.strike("html_instead_of_json", method):
            call.answer = "html"
            return html_page()
        return None

    def _reply(self, answer: dict[str, Any], method: str) -> Reply:
        ordered = self._reordered(answer) if self._moods.strike("reordered_maps", method) else answer
        slow = self._moods.strike("slow", method)
        if method not in RECORDED and self._moods.strike("html_instead_of_json", method):
            return html_page()
        return Reply(msgspec.json.encode(ordered), delay_ms=slow.ms if slow else 0)

    def _reordered(self, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: self._reordered(member) for name, member in self._moods.shuffled(list(value.items()))}
