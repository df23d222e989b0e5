"""Secrets: order of the places, checks of files, and that they show nowhere."""

from __future__ import annotations

import copy
import json
import os
import pickle
from pathlib import Path
from urllib.parse import urlencode

import pytest

from ztb.core.error import CredentialError
from ztb.host.secrets import SECRET_BYTES_MAX, Secret, load_credential, redact, register


def secret_file(directory: Path, content: str | bytes = "file-secret-1\n", mode: int = 0o600) -> Path:
    """A file with ``content`` and ``mode``."""
    path = directory / "secret"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def test_the_units_credential_comes_first_then_the_file_then_the_environment(tmp_path: Path) -> None:
    (tmp_path / "zaif-key").write_text("unit-secret-1\n")
    file = secret_file(tmp_path)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "ZAIF_API_KEY": "variable-secret-1"}

    first = load_credential("zaif-key", file=str(file), variable="ZAIF_API_KEY", environ=environ)
    assert (first.secret.reveal(), first.source, first.warning) == ("unit-secret-1", str(tmp_path / "zaif-key"), "")

    (tmp_path / "zaif-key").unlink()
    second = load_credential("zaif-key", file=str(file), variable="ZAIF_API_KEY", environ=environ)
    assert (second.secret.reveal(), second.source, second.warning) == ("file-secret-1", str(file), "")

    third = load_credential("zaif-key", variable="ZAIF_API_KEY", environ=environ)
    assert third.secret.reveal() == "variable-secret-1"
    assert "ZAIF_API_KEY" in third.warning
    assert "variable-secret-1" not in third.warning


def test_a_missing_secret_says_how_to_give_it() -> None:
    with pytest.raises(CredentialError, match="zaif-key is missing") as caught:
        load_credential("zaif-key", variable="ZAIF_API_KEY", environ={"ZAIF_API_KEY": ""})
    assert "ZAIF_API_KEY" in caught.value.remedy
    assert caught.value.exit_code == 77


@pytest.mark.parametrize(("value", "why"), [(" ", "is empty"), ("\n", "is empty"), ("ab\ncd", "more than one line")])
def test_a_variable_that_holds_no_secret_is_refused(value: str, why: str) -> None:
    with pytest.raises(CredentialError, match=f"environment ZAIF_API_KEY: .*{why}"):
        load_credential("zaif-key", variable="ZAIF_API_KEY", environ={"ZAIF_API_KEY": value})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601, 0o777])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = secret_file(tmp_path, mode=mode)
    with pytest.raises(CredentialError, match=f"mode {mode:04o}") as caught:
        load_credential("zaif-key", file=str(file), environ={})
    assert caught.value.remedy == f"chmod 600 {file}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    file = secret_file(tmp_path)
    os.chown(file, 12345, 12345)
    with pytest.raises(CredentialError, match="belongs to user 12345"):
        load_credential("zaif-key", file=str(file), environ={})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"first\nsecond\n", "more than one line"),
        (b"abc\x00def", "control characters"),
        (b"\xff\xfe\xfd", "not UTF-8"),
        (b"a" * (SECRET_BYTES_MAX + 1), "larger than"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = secret_file(tmp_path, content)
    with pytest.raises(CredentialError, match=message):
        load_credential("zaif-key", file=str(file), environ={})


def test_what_is_no_plain_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(CredentialError, match="not a regular file"):
            load_credential("zaif-key", file=str(path), environ={})


def test_a_file_that_is_missing_is_an_error_and_not_skipped(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="No such file"):
        load_credential(
            "zaif-key", file=str(tmp_path / "none"), variable="ZAIF_API_KEY", environ={"ZAIF_API_KEY": "abcdef"}
        )


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("do-not-show-me")
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>30}", repr([secret]), repr({"key": secret})):
        assert "do-not-show-me" not in shown
    assert not hasattr(secret, "__dict__")


def test_a_secret_is_not_written_anywhere() -> None:
    secret = Secret("do-not-pickle-me")
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.copy(secret)
    with pytest.raises(TypeError):
        json.dumps({"key": secret})
    with pytest.raises(TypeError):
        hash(secret)


def test_secrets_compare_by_value() -> None:
    assert Secret("same-secret") == Secret("same-secret")
    assert Secret("same-secret") != Secret("other-secret")
    assert Secret("same-secret") != "same-secret"


def test_every_spelling_of_a_secret_is_redacted() -> None:
    value = 'pa"ss\\wörd& 1'
    register(value)
    for spelled in (value, json.dumps(value), json.dumps(value, ensure_ascii=False), urlencode({"key": value})):
        line = redact(f"before {spelled} after")
        assert "ss" not in line
        assert line.startswith("before ")
        assert line.endswith(" after")
        assert "[redacted]" in line


def test_a_secret_that_begins_with_another_one_is_redacted_whole() -> None:
    register("prefix-secret")
    register("prefix-secret-and-more")
    assert redact("x prefix-secret-and-more y prefix-secret z") == "x [redacted] y [redacted] z"


def test_short_texts_are_not_taken_for_secrets() -> None:
    register("e")
    assert redact("one event") == "one event"


def test_a_line_loses_the_secret_and_nothing_else() -> None:
    """Also in the spellings of JSON and of a URL, to the last character."""
    value = '"quoted" & wörtlich \\'
    register(value)
    spellings = (
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        urlencode({"": value})[1:],
    )
    assert len(set(spellings)) == 4
    for spelled in spellings:
        assert redact(f"<{spelled}>") == "<[redacted]>"


@pytest.mark.parametrize(("value", "shown"), [("xq7", "xq7"), ("xq7z", "[redacted]")])
def test_four_characters_are_a_secret(value: str, shown: str) -> None:
    register(value)
    assert redact(value) == shown


@pytest.mark.parametrize("length", [SECRET_BYTES_MAX, SECRET_BYTES_MAX + 1])
def test_a_file_may_be_as_long_as_its_bound(tmp_path: Path, length: int) -> None:
    file = secret_file(tmp_path, "s" * length)
    if length <= 16 * 1024:
        assert load_credential("zaif-key", file=str(file), environ={}).secret.reveal() == "s" * length
        return
    with pytest.raises(CredentialError, match="larger than 16384 bytes"):
        load_credential("zaif-key", file=str(file), environ={})


def test_no_file_stays_open(tmp_path: Path) -> None:
    good, bad = secret_file(tmp_path), tmp_path / "bad"
    bad.write_text("")
    bad.chmod(0o644)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        load_credential("zaif-key", file=str(good), environ={})
        with pytest.raises(CredentialError):
            load_credential("zaif-key", file=str(bad), environ={})
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
