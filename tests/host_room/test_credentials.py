"""The account's key pair, from each of the places that docs/configuration.md names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host_room.profiles import load
from ztb.core.error import CredentialError
from ztb.host.credentials import account_keys


def test_from_the_units_credentials(tmp_path: Path) -> None:
    (tmp_path / "zaif-key").write_text("unit-key-1")
    (tmp_path / "zaif-secret").write_text("unit-secret-1")
    keys = account_keys(load(tmp_path).profile, environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert (keys.key.reveal(), keys.secret.reveal(), keys.warnings) == ("unit-key-1", "unit-secret-1", ())


def test_from_the_profiles_files(tmp_path: Path) -> None:
    for name in ("key", "secret"):
        (tmp_path / name).write_text(f"file-{name}-1\n")
        (tmp_path / name).chmod(0o600)
    files = [f"credentials.key_file={tmp_path}/key", f"credentials.secret_file={tmp_path}/secret"]
    keys = account_keys(load(tmp_path, overrides=files).profile, environ={})
    assert (keys.key.reveal(), keys.secret.reveal(), keys.warnings) == ("file-key-1", "file-secret-1", ())


def test_from_the_environment_with_a_warning_for_each(tmp_path: Path) -> None:
    environ = {"ZAIF_API_KEY": "variable-key-1", "ZAIF_API_SECRET": "variable-secret-1"}
    keys = account_keys(load(tmp_path).profile, environ=environ)
    assert (keys.key.reveal(), keys.secret.reveal()) == ("variable-key-1", "variable-secret-1")
    assert ["ZAIF_API_KEY" in keys.warnings[0], "ZAIF_API_SECRET" in keys.warnings[1]] == [True, True]
    assert "variable" not in repr(keys.key) + repr(keys.secret)


def test_half_a_pair_is_none(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="zaif-secret is missing"):
        account_keys(load(tmp_path).profile, environ={"ZAIF_API_KEY": "variable-key-1"})
