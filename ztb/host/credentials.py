"""The key pair of the account that a profile trades on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ztb.host.profile import Profile
from ztb.host.secrets import Secret, load_credential


@dataclass(frozen=True)
class AccountKeys:
    """What signs private calls; ``warnings`` are for the operator."""

    key: Secret
    secret: Secret
    warnings: tuple[str, ...]


def account_keys(profile: Profile, *, environ: Mapping[str, str] = os.environ) -> AccountKeys:
    """Key and secret of ``profile``'s venue; CredentialError if one is missing or others can read it.

    For zaif: the credentials ``zaif-key`` and ``zaif-secret``, the profile's files, ZAIF_API_KEY and ZAIF_API_SECRET.
    """
    venue, files = profile.venue.name, profile.credentials
    prefix = venue.upper()
    key = load_credential(f"{venue}-key", file=files.key_file, variable=f"{prefix}_API_KEY", environ=environ)
    secret = load_credential(
        f"{venue}-secret", file=files.secret_file, variable=f"{prefix}_API_SECRET", environ=environ
    )
    warnings = tuple(loaded.warning for loaded in (key, secret) if loaded.warning)
    return AccountKeys(key.secret, secret.secret, warnings)
