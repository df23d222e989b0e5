"""The account's key, for each exchange: names, places, and a private key of several lines that stays out of the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host_room.profiles import load
from ztb.core.error import CredentialError
from ztb.host.credentials import credentials, no_keys
from ztb.host.secrets import redact

BODY = "MHcCAQEEIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeoAoGCCqG"
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{BODY}\nSM49AwEHoUQDQgAEzzzzFake\n-----END EC PRIVATE KEY-----\n"
COINBASE = ["venue.name=coinbase", "venue.instrument=BTC-USD"]


@pytest.mark.parametrize(
    ("overrides", "name"), [([], "ZAIF"), (["venue.name=gmo", "venue.instrument=BTC"], "GMO"), (COINBASE, "COINBASE")]
)
def test_each_exchange_has_its_own_names(tmp_path: Path, overrides: list[str], name: str) -> None:
    loaded = load(tmp_path, overrides=overrides)
    environ = {f"{name}_API_KEY": "the-key", f"{name}_API_SECRET": "the-secret-word"}
    keys = credentials(loaded, environ)
    assert (keys.key.reveal(), keys.secret.reveal()) == ("the-key", "the-secret-word")
    for missing in environ:
        with pytest.raises(CredentialError, match=f"secret {name.lower()}-.* is missing"):
            credentials(loaded, {other: text for other, text in environ.items() if other != missing})


def test_a_private_key_has_several_lines_and_any_other_secret_one(tmp_path: Path) -> None:
    environ = {"COINBASE_API_KEY": "organizations/o/apiKeys/k", "COINBASE_API_SECRET": PEM.replace("\n", "\r\n")}
    assert credentials(load(tmp_path, overrides=COINBASE), environ).secret.reveal() == PEM.strip()
    with pytest.raises(CredentialError, match="more than one line"):
        credentials(load(tmp_path), {"ZAIF_API_KEY": "k" * 8, "ZAIF_API_SECRET": "two\nlines"})
    with pytest.raises(CredentialError, match="more than one line or control"):
        credentials(load(tmp_path, overrides=COINBASE), environ | {"COINBASE_API_SECRET": "bell\x07\nline"})
    with pytest.raises(CredentialError, match="is empty"):
        credentials(load(tmp_path, overrides=COINBASE), environ | {"COINBASE_API_SECRET": " \n "})


def test_files_and_the_unit_s_credentials_work_alike(tmp_path: Path) -> None:
    for name, text in (("coinbase-key", "organizations/o/apiKeys/k\n"), ("coinbase-secret", PEM)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    files = [f"credentials.key_file={tmp_path}/coinbase-key", f"credentials.secret_file={tmp_path}/coinbase-secret"]
    for loaded, environ in (
        (load(tmp_path, overrides=[*COINBASE, *files]), {}),
        (load(tmp_path, overrides=COINBASE), {"CREDENTIALS_DIRECTORY": str(tmp_path)}),
    ):
        assert credentials(loaded, environ).secret.reveal() == PEM.strip()


@pytest.mark.parametrize(
    "text",
    [
        PEM,
        PEM.strip(),
        PEM.replace("\n", "\\n"),
        f"ValueError: cannot load {BODY}",
        f"line {BODY}\nnext",
    ],
)
def test_no_line_of_a_private_key_gets_into_a_log(tmp_path: Path, text: str) -> None:
    for written in (PEM, PEM.replace("\n", "\\n")):
        environ = {"COINBASE_API_KEY": "organizations/o/apiKeys/k", "COINBASE_API_SECRET": written}
        credentials(load(tmp_path, overrides=COINBASE), environ)
    assert BODY not in redact(text)


def test_paper_has_no_keys() -> None:
    keys = no_keys()
    assert (keys.key.reveal(), keys.secret.reveal()) == ("", "")
