"""The key of a profile's account: from the unit's credentials, files of the profile, or the environment.

Its names are VENUE-key and VENUE-secret (``zaif-key``; in the environment ``ZAIF_API_KEY``). At Coinbase the key is the
name of an API key and the secret its private key, a text of several lines.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ztb.host.config import LoadedProfile
from ztb.host.log import get_log
from ztb.host.secrets import Secret, load_credential

OF_SEVERAL_LINES: Final = frozenset({("coinbase", "secret")})

log = get_log("run")


@dataclass(frozen=True)
class Keys:
    """Of one account."""

    key: Secret
    secret: Secret


def no_keys() -> Keys:
    """Of a paper account, which has none."""
    return Keys(Secret(""), Secret(""))


def credentials(loaded: LoadedProfile, environ: Mapping[str, str] = os.environ) -> Keys:
    """Key and secret of the account; CredentialError when they are missing or open to others."""
    venue, files = loaded.profile.venue.name, loaded.profile.credentials
    found = [
        load_credential(
            f"{venue}-{part}",
            file=file,
            variable=f"{venue.upper()}_API_{part.upper()}",
            environ=environ,
            several_lines=(venue, part) in OF_SEVERAL_LINES,
        )
        for part, file in (("key", files.key_file), ("secret", files.secret_file))
    ]
    for credential in found:
        if credential.warning:
            log.warning("credential_exposed", credential.warning)
    return Keys(found[0].secret, found[1].secret)
