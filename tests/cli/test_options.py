"""The types of options that several nouns share: what they take, and how they refuse the rest."""

from __future__ import annotations

import argparse

import pytest

from tests.cli.command import ztb
from ztb.cli.options import loopback_url, number, whole


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("007", 7), ("100", 100), ("-5", -5)])
def test_a_whole_number_in_its_range(text: str, value: int) -> None:
    assert whole(-5, 100)(text) == value


@pytest.mark.parametrize("text", ["", "-", "--1", "+1", "1_0", " 1", "1.0", "1e1", "x", "-6", "101", "٣", "9" * 5_000])
def test_what_is_no_whole_number_in_the_range(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no whole number from -5 to 100$"):
        whole(-5, 100)(text)


@pytest.mark.parametrize(("text", "value"), [("0.01", 0.01), ("20", 20.0), ("1e1", 10.0)])
def test_a_number(text: str, value: float) -> None:
    assert number(20)(text) == value


@pytest.mark.parametrize("text", ["", "0", "-1", "20.01", "nan", "inf", "-inf", "x"])
def test_what_is_no_number_above_0(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no number above 0 and at most 20$"):
        number(20)(text)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:8080", "http://127.9.9.9"]
)
def test_where_a_built_in_exchange_may_listen(url: str) -> None:
    assert loopback_url(url) == loopback_url(url + "/") == url


@pytest.mark.parametrize(
    "url",
    [
        "https://api.zaif.jp", "http://api.zaif.jp", "http://10.0.0.1:80", "http://127.0.0.1.example.com", "",
        "https://127.0.0.1:80", "ws://127.0.0.1", "127.0.0.1:80", "http://", "http://user@127.0.0.1", "http://[::2]",
        "http://0.0.0.0", "http://[::", "http://127.1",
    ],
)  # fmt: skip
def test_no_other_address_is_taken_for_one(url: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no address like http://127.0.0.1:PORT$"):
        loopback_url(url)


def test_play_money_never_reaches_a_real_exchange() -> None:
    """Armed by the built-in exchange alone, the demo profile with somebody's real keys in the environment."""
    environ = {"ZAIF_API_KEY": "a-real-key", "ZAIF_API_SECRET": "a-real-secret"}
    outcome = ztb("run", "--simulator-url", "https://api.zaif.jp", environ=environ)
    assert outcome.exit_code == 2
    assert "'https://api.zaif.jp' is no address like http://127.0.0.1:PORT" in outcome.stderr


def test_a_log_file_that_cannot_be_written_is_told() -> None:
    outcome = ztb("run", "--log-file", "/no-such-directory/log")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("ztb: error: /no-such-directory/log: No such file or directory\n  remedy: ")


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "A", "x" * 33])
def test_no_name_of_a_profile_leads_out_of_its_directory(name: str) -> None:
    outcome = ztb("kill", "--reason", "x", "--profile", name, "--state-dir", "/no-such-directory")
    assert outcome.exit_code == 2
    assert f"--profile is {name!r}" in outcome.stderr
