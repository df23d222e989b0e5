"""``ztb venue`` as a process, against a real simulator, closed ports, silent sockets and pages of HTML."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.bench.recorded import account_of
from tests.cli.command import Outcome, clean_environ, ztb
from tests.cli.odd_server import HTML, closed_port, http, odd_server
from tests.cli.test_simulator import command, started, write_tape
from tests.simulator.world import ALICE, QUIET, SECRETS
from tests.venues.coinbase.samples import rest_answer
from ztb.store.tape import DEMO_TAPE
from ztb.venues.registry import VENUE_NAMES

SYMBOLS = {"zaif": ["btc_jpy"], "gmo": ["BTC", "BTC_JPY"], "coinbase": ["BTC-JPY"]}
MANY = ("--samples", "3")
COLUMNS = 80
"""Of a terminal that nobody has made wider."""


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A simulator with its admin desk, for the tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("exchange")
    accounts = folder / "accounts.toml"
    accounts.write_text(
        f'[[account]]\nkey = "{ALICE}"\nsecret = "{SECRETS[ALICE]}"\nbalances = {{ jpy = "1000000", btc = "1.0" }}\n'
    )
    tape = write_tape(folder / "market.tape", QUIET)
    with started(command(tape, accounts, "--admin", "--public-per-second", "0")) as (_, url):
        yield url


@pytest.fixture
def moody(exchange: str) -> Iterator[str]:
    """The same simulator; every mood that a test sets is taken off again."""
    yield exchange
    for name in httpx.get(f"{exchange}/_sim/mood").json()["active"]:
        httpx.post(f"{exchange}/_sim/mood", json={"name": name, "off": True}).raise_for_status()


def mood(url: str, **words: object) -> None:
    httpx.post(f"{url}/_sim/mood", json=words).raise_for_status()


def probe(url: str, *options: str) -> Outcome:
    return ztb("venue", "probe", "--venue", "zaif", "--url", url, *options)


def told(outcome: Outcome) -> dict[str, Any]:
    """``data`` of the envelope, which must agree with the exit code."""
    envelope = json.loads(outcome.stdout)
    assert envelope["exit_code"] == outcome.exit_code
    assert envelope["success"] == (outcome.exit_code == 0)
    assert envelope["command"] == "ztb venue probe"
    assert outcome.stderr == ""
    data = envelope["data"]
    assert isinstance(data, dict)
    return data


def test_healthy(exchange: str) -> None:
    outcome = probe(exchange, *MANY, "--json")
    data = told(outcome)
    assert (outcome.exit_code, data["verdict"], data["reasons"]) == (0, "healthy", [])
    assert data["calls"] == {"answered": 3, "failed": 0}
    latency = data["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] == latency["max"]
    # Simulator and probe read the same clock; Zaif tells its own in whole seconds.
    assert abs(data["clock"]["offset_ms"]) <= data["clock"]["uncertainty_ms"] <= 520
    assert data["stream"]["instrument"] == "btc_jpy"
    assert data["stream"]["first_data_ms"] > 0
    public = {room["name"]: room for room in data["rate_limits"]}["public"]
    assert public["calls"] == 10
    assert 0 < public["free"] < 10, "the probe's own calls take places"


def test_healthy_as_text(exchange: str) -> None:
    outcome = probe(exchange, *MANY)
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith("zaif: healthy\n")
    for words in ("latency p95", "clock offset", "limit public", "stream btc_jpy", "first data after"):
        assert words in outcome.stdout
    assert "probe zaif: 100 %" in outcome.stderr


def test_slow_is_degraded(moody: str) -> None:
    mood(moody, name="slow", ms=1_200, methods=["public"])
    outcome = probe(moody, "--samples", "1", "--json")
    data = told(outcome)
    assert (outcome.exit_code, data["verdict"]) == (1, "degraded")
    assert data["latency_ms"]["p95"] >= 1_200
    assert any("slow: p95 is" in reason for reason in data["reasons"])


def test_silent_stream_is_degraded(moody: str) -> None:
    mood(moody, name="stream_silence", probability=1)
    outcome = probe(moody, "--samples", "1", "--timeout", "0.5", "--json")
    data = told(outcome)
    assert (outcome.exit_code, data["verdict"]) == (1, "degraded")
    assert data["reasons"] == ["stream of btc_jpy: silent for 0.5 s"]
    assert data["stream"]["first_data_ms"] is None


def test_stream_that_is_dropped_is_degraded(moody: str) -> None:
    mood(moody, name="stream_drop", probability=1)
    outcome = probe(moody, "--samples", "1")
    assert outcome.exit_code == 1
    assert "stream of btc_jpy: lost: " in outcome.stdout


def test_unknown_instrument_is_named(exchange: str) -> None:
    outcome = probe(exchange, "--samples", "1", "--instrument", "doge_jpy")
    assert outcome.exit_code == 1
    assert "stream of doge_jpy: the venue lists no instrument of this name" in outcome.stdout


def test_clock_that_is_off_is_degraded(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(f'[[account]]\nkey = "{ALICE}"\nsecret = "x"\nbalances = {{ jpy = "1", btc = "1" }}\n')
    tape = write_tape(tmp_path / "market.tape", QUIET)
    # Scaled time that agreed with the wall long ago is far ahead of it by now.
    with started(command(tape, accounts, "--time-scale", "2", "--epoch-ns", "1700000000000000000")) as (_, url):
        outcome = probe(url, "--samples", "1", "--json")
    data = told(outcome)
    assert outcome.exit_code == 1
    assert data["clock"]["offset_ms"] > 1_000_000
    assert [reason.partition(":")[0] for reason in data["reasons"]] == ["clock"]


def test_closed_port_is_down() -> None:
    outcome = probe(closed_port(), "--json")
    data = told(outcome)
    assert (outcome.exit_code, data["verdict"]) == (2, "down")
    assert data["calls"] == {"answered": 0, "failed": 2}
    assert data["latency_ms"] == {}
    assert data["clock"] is None
    assert "no connection" in data["reasons"][0]
    assert all(failure["kind"] == "network" and failure["remedy"] for failure in data["failures"])


DOWN = {
    "silence": (None, "no answer within 0.5 s"),
    "maintenance page": (http(HTML), "undecodable"),
    "bad gateway": (http(HTML, status="502 Bad Gateway"), "HTTP 502"),
    "redirect": (http(b"", status="302 Found", more="location: http://127.0.0.1:1/\r\n"), "HTTP 302"),
    "no http": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "RemoteProtocolError"),
    "nothing": (b"", "RemoteProtocolError"),
    "cut": (http(b"[" * 100)[:-50], "RemoteProtocolError"),
    "deep": (http(b"[" * 100_000, kind="application/json"), "undecodable"),
    "not text": (http(b'[{"currency_pair":"\xff\xfe"}]', kind="application/json"), "undecodable"),
    "refused": (http(b'{"error":"unsupported method"}', kind="application/json"), "unsupported method"),
    "empty": (http(b"[]", kind="application/json"), "lists no instrument"),
    "forbidden": (http(HTML, status="403 Forbidden", more="retry-after: 60\r\n"), "HTTP 403"),
    "escape": (http(b'{"error":"\\u001b[2J\\u0007"}', kind="application/json"), "the venue answered"),
}


@pytest.mark.parametrize("name", DOWN)
def test_no_usable_answer_is_down_and_says_why(name: str) -> None:
    answer, reason = DOWN[name]
    with odd_server(answer) as url:
        outcome = probe(url, "--timeout", "0.5")
    assert outcome.exit_code == 2
    assert outcome.stdout.startswith("zaif: down\n")
    assert reason in outcome.stdout
    assert "Traceback" not in outcome.stdout + outcome.stderr
    assert "\x1b" not in outcome.stdout
    assert "\x07" not in outcome.stdout


def test_instruments(exchange: str) -> None:
    text = ztb("venue", "instruments", "--venue", "zaif", "--url", exchange)
    assert text.exit_code == 0
    heading, row, _, *legend = text.stdout.splitlines()
    assert heading.split() == ["symbol", "pair", "kind", "tick", "lot", "min", "max", "value", "fees", "%"]
    assert "value: smallest value of one order" in legend[1]
    # What the exchange of this test is built with; Zaif's published taker fee of this pair.
    assert row.split() == ["btc_jpy", "btc/jpy", "spot", "5", "0.0001", "0.0001", "100000", "0", "0/0.1"]
    outcome = ztb("venue", "instruments", "--venue", "zaif", "--url", exchange, "--json")
    envelope = json.loads(outcome.stdout)
    assert envelope["success"]
    [shown] = envelope["data"]["instruments"]
    assert {name: shown[name] for name in ("symbol", "tick", "lot", "size_min", "kind", "nets")} == {
        "symbol": "btc_jpy",
        "tick": "5",
        "lot": "0.0001",
        "size_min": "0.0001",
        "kind": "spot",
        "nets": True,
    }


@pytest.mark.parametrize("answer", [None, http(HTML), http(b"{}"), http(HTML, status="503 Unavailable")])
def test_instruments_of_a_venue_that_gives_none(answer: bytes | None) -> None:
    with odd_server(answer) as url:
        outcome = ztb("venue", "instruments", "--venue", "zaif", "--url", url, "--timeout", "0.5")
    assert outcome.exit_code == 69
    assert outcome.stdout == ""
    assert "ztb: error: " in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_an_instrument_that_cannot_be_read_is_told_and_hides_no_other() -> None:
    products = [rest_answer("public_product"), rest_answer("public_product") | {"product_id": "X", "base_increment": 1}]
    body = json.dumps({"products": products, "num_products": 2}).encode()
    with odd_server(http(body, kind="application/json")) as url:
        outcome = ztb("venue", "instruments", "--venue", "coinbase", "--url", url, "--json")
    envelope = json.loads(outcome.stdout)
    assert (outcome.exit_code, envelope["success"]) == (0, True)
    assert [row["symbol"] for row in envelope["data"]["instruments"]] == ["BTC-USD"]
    assert envelope["warnings"] == ["1 of the venue's instruments could not be read and are left out"]


def test_instruments_of_a_closed_port_say_what_to_do() -> None:
    outcome = ztb("venue", "instruments", "--venue", "zaif", "--url", closed_port())
    assert outcome.exit_code == 69
    assert "remedy: nothing listens there: start the exchange (`ztb simulator`)" in outcome.stderr


def test_another_venues_address_is_told_with_what_to_do(exchange: str) -> None:
    remedy = f"does an exchange of --venue gmo listen at {exchange}?"
    listed = ztb("venue", "instruments", "--venue", "gmo", "--url", exchange)
    assert listed.exit_code == 69
    assert remedy in listed.stderr
    probed = ztb("venue", "probe", "--venue", "gmo", "--url", exchange)
    assert probed.exit_code == 2
    assert remedy in probed.stdout


@pytest.mark.parametrize("name", VENUE_NAMES)
def test_every_venue_can_be_probed_and_listed(name: str, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(account_of(name))
    words = [sys.executable, "-m", "ztb", "simulator", "--venue", name, "--tape", DEMO_TAPE.name]
    words += ["--accounts", str(accounts), "--listen", "127.0.0.1:0"]
    simulator = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert simulator.stdout is not None
        url = simulator.stdout.readline().split()[3]
        outcome = ztb("venue", "probe", "--venue", name, "--url", url, "--samples", "2", "--json")
        data = told(outcome)
        assert (outcome.exit_code, data["reasons"]) == (0, [])
        assert data["stream"]["first_data_ms"] > 0
        assert abs(data["clock"]["offset_ms"]) <= data["clock"]["uncertainty_ms"] + 1
        listed = json.loads(ztb("venue", "instruments", "--venue", name, "--url", url, "--json").stdout)
        rows = listed["data"]["instruments"]
        assert [row["symbol"] for row in rows] == SYMBOLS[name]
        for verb in ("probe", "instruments"):
            options = ("--samples", "1") if verb == "probe" else ()
            text = ztb("venue", verb, "--venue", name, "--url", url, *options).stdout
            assert max(map(len, text.splitlines())) <= COLUMNS
        # What the bundled tape says of its market.
        assert {(row["tick"], row["lot"]) for row in rows} == {("5", "0.0001")}
        assert {row["kind"] for row in rows} == ({"spot", "leverage"} if name == "gmo" else {"spot"})
    finally:
        simulator.kill()
        simulator.communicate()


def test_help_has_examples_and_exit_codes() -> None:
    shown = ztb("venue", "probe", "--help").stdout
    assert "0 healthy, 1 degraded (the reasons are named), 2 down" in shown
    assert "ztb venue probe --venue zaif --samples 100 --json" in shown
    assert "ztb venue instruments --venue coinbase --url" in ztb("venue", "instruments", "--help").stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("probe",), "--venue"),
        (("probe", "--venue", "mtgox"), "mtgox"),
        (("probe", "--venue", "zaif", "--samples", "0"), "no whole number from 1"),
        (("probe", "--venue", "zaif", "--timeout", "0"), "no number above 0"),
        (("probe", "--venue", "zaif", "--url", "http://example.com"), "no address like http://127.0.0.1:PORT"),
        (("instruments", "--venue", "zaif", "--url", "https://127.0.0.1:1"), "no address like"),
        ((), "VERB"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], text: str) -> None:
    outcome = ztb("venue", *words)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert text in outcome.stderr
    assert "--help" in outcome.stderr


def test_progress_is_a_bar_on_a_terminal(exchange: str) -> None:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "ztb", "venue", "probe", "--venue", "zaif", "--url", exchange, "--samples", "1"]
    environ = clean_environ(TERM="xterm-256color", COLUMNS="80")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, env=environ) as process:
        os.close(theirs)
        shown = bytearray()
        try:
            while chunk := os.read(ours, 65_536):
                shown += chunk
        except OSError:
            shown += b""  # EIO: the process closed its side
        out = process.communicate(timeout=60)[0]
    os.close(ours)
    assert process.returncode == 0
    assert b"probe zaif" in shown
    assert b"100%" in shown
    assert out.startswith(b"zaif: healthy\n")
