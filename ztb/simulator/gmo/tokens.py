"""Tokens of the private stream: five for an account, an hour each; a sixth ends the one that would end first."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, final

from ztb.simulator.accounts import Account
from ztb.simulator.gmo.rules import GmoRules


@final
@dataclass(slots=True)
class _Life:
    account: Account
    ends_ns: int


class Tokens:
    """All live tokens of the exchange."""

    def __init__(self, rules: GmoRules) -> None:
        self._rules: Final = rules
        self._lives: dict[str, _Life] = {}
        self._made = 0

    def make(self, account: Account, now_ns: int) -> str:
        """A new token; nobody can guess it without the account's secret."""
        own = [token for token, life in self._lives.items() if life.account is account]
        for token in own:
            if self._lives[token].ends_ns <= now_ns:
                del self._lives[token]
        own = [token for token in own if token in self._lives]
        if len(own) >= self._rules.tokens_max:
            del self._lives[min(own, key=lambda token: self._lives[token].ends_ns)]
        self._made += 1
        seed = f"{account.key}/{account.secret}/{self._made}"
        token = hashlib.sha256(seed.encode()).hexdigest()[:40]
        self._lives[token] = _Life(account, now_ns + self._rules.token_ns)
        return token

    def extend(self, account: Account, token: str, now_ns: int) -> bool:
        """An hour from now; False for a token that is not this account's, or that ended."""
        if self.owner(token, now_ns) is not account:
            return False
        self._lives[token].ends_ns = now_ns + self._rules.token_ns
        return True

    def end(self, account: Account, token: str, now_ns: int) -> bool:
        """The token works no more; False as for ``extend``."""
        if self.owner(token, now_ns) is not account:
            return False
        del self._lives[token]
        return True

    def owner(self, token: str, now_ns: int) -> Account | None:
        """Whose token it is, while it lives."""
        life = self._lives.get(token)
        return life.account if life is not None and now_ns < life.ends_ns else None
