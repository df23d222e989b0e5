"""``ws-auth``: the life cycle of a private stream's token."""

from __future__ import annotations

from typing import Final

from ztb.simulator.accounts import Account
from ztb.simulator.gmo import errors
from ztb.simulator.gmo.calls import Calls, Handlers
from ztb.simulator.gmo.envelope import NOTHING
from ztb.simulator.gmo.parameters import Parameters
from ztb.simulator.gmo.tokens import Tokens
from ztb.simulator.record import Call

TOKEN_LENGTH_MAX: Final = 200


class TokenCalls:
    """Make, extend and end a token."""

    def __init__(self, calls: Calls, tokens: Tokens) -> None:
        self._calls = calls
        self._tokens = tokens
        self.handlers: Final[Handlers] = {
            ("POST", "ws-auth"): self._make,
            ("PUT", "ws-auth"): self._extend,
            ("DELETE", "ws-auth"): self._end,
        }

    def _make(self, account: Account, _params: Parameters, _call: Call) -> str:
        return self._tokens.make(account, self._calls.exchange.now_ns)

    def _extend(self, account: Account, params: Parameters, _call: Call) -> object:
        now_ns, token = self._calls.exchange.now_ns, params.text("token", TOKEN_LENGTH_MAX)
        if self._calls.moods.strike("expired_token", "ws-auth"):
            self._tokens.end(account, token, now_ns)
        if not self._tokens.extend(account, token, now_ns):
            raise errors.parameter()
        return NOTHING

    def _end(self, account: Account, params: Parameters, _call: Call) -> object:
        token = params.text("token", TOKEN_LENGTH_MAX)
        if not self._tokens.end(account, token, self._calls.exchange.now_ns):
            raise errors.parameter()
        return NOTHING
