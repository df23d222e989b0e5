"""The calls about an account itself: wallets in pages, fees, permissions."""

from __future__ import annotations

from typing import Any

from ztb.simulator.accounts import Account
from ztb.simulator.coinbase import errors
from ztb.simulator.coinbase.account_shapes import AccountShapes
from ztb.simulator.coinbase.query import Query, cursor_text
from ztb.simulator.coinbase.rules import ACCOUNTS_LIMIT, ACCOUNTS_LIMIT_MAX


class AccountCalls:
    """Answers about one account."""

    def __init__(self, shapes: AccountShapes) -> None:
        self._shapes = shapes

    def accounts(self, account: Account, query: Query) -> dict[str, Any]:
        """The wallets; ``size`` is how many this page has."""
        wallets = self._shapes.wallets(account)
        skip = query.cursor()
        page = wallets[skip : skip + query.whole("limit", ACCOUNTS_LIMIT, most=ACCOUNTS_LIMIT_MAX)]
        has_next = skip + len(page) < len(wallets)
        return {
            "accounts": page,
            "has_next": has_next,
            "cursor": cursor_text(skip + len(page)) if has_next else "",
            "size": len(page),
        }

    def account(self, account: Account, text: str) -> dict[str, Any]:
        """One wallet by its id."""
        for wallet in self._shapes.wallets(account):
            if wallet["uuid"] == text:
                return {"account": wallet}
        raise errors.not_found("account was not found")

    def summary(self, account: Account) -> dict[str, Any]:
        return self._shapes.summary(account)

    def permissions(self, account: Account) -> dict[str, Any]:
        return self._shapes.permissions(account)
