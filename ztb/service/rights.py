"""What the key may do, looked at before anything is sent: it must be able to trade, and should not be able to withdraw.

A venue that does not tell (GMO Coin) is believed: there the owner has to look at the key's settings.
"""

from __future__ import annotations

from ztb.core.error import CredentialError
from ztb.host.log import get_log
from ztb.venues.port import Rights

log = get_log("session")


def check_rights(rights: Rights, *, is_play: bool) -> None:
    """CredentialError where the key cannot do its work, or could move the owner's money away.

    ``is_play``: on the built-in exchange or on paper nobody can lose anything, so a warning is enough.
    """
    lacking = [name for name, has in (("read", rights.read), ("trade", rights.trade)) if has is False]
    if lacking:
        raise CredentialError(
            f"this API key may not {' or '.join(lacking)}",
            remedy="give it that right at the exchange, or name another key",
        )
    if not rights.withdraw:
        return
    if not is_play:
        raise CredentialError(
            "this API key may withdraw: whoever reads it can take everything",
            remedy="make a key without that right at the exchange",
        )
    log.warning("key_may_withdraw", "this API key may withdraw; a key for real money must not")
