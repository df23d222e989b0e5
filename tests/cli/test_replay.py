"""``ztb replay``: the figures of a market that can be worked out by hand, the files, and a run that differs."""

from __future__ import annotations

import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.cli.command import Outcome, ztb
from tests.cli.test_policy import package
from tests.store.tape_samples import START_NS, write_tape
from ztb.core.event import Trade
from ztb.core.instrument import BUY
from ztb.store.reader import JournalReader

STEP_NS = 100_000_000
PRICES = [1_800_000, 1_800_010, 1_799_000, 1_800_500, 1_801_000]
"""Ticks of 5 JPY: from 9,000,000 JPY down to 8,995,000 and up to 9,005,000, a tenth of a second apart."""


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    trades = [Trade(START_NS + n * STEP_NS, "btc_jpy", price, 7, BUY) for n, price in enumerate(PRICES)]
    return write_tape(tmp_path_factory.mktemp("tape") / "five.tape", trades)


def data_of(outcome: Outcome) -> dict[str, Any]:
    document = json.loads(outcome.stdout)
    assert document["command"] == "ztb replay"
    assert document["exit_code"] == outcome.exit_code
    assert document["success"] is (outcome.exit_code == 0)
    data: dict[str, Any] = document["data"]
    return data


def test_buy_and_hold_by_hand(tape: Path) -> None:
    """0.01 BTC at 9,000,000 JPY costs a fee of 90 JPY (0.1 %); it is worth 50 less at the worst, 50 more at the end."""
    data = data_of(ztb("replay", "--tape", tape, "--policy", "buy_hold", "--json"))
    assert data["tape"]["file"] == "five.tape"
    assert data["span"] == {"begin": "2024-08-08T23:54:14.000Z", "end": "2024-08-08T23:54:14.400Z", "ns": 4 * STEP_NS}
    assert (data["events"], data["currency"], data["held"]) == (5, "jpy", "0.0100")
    assert data["orders"] == {"placed": 1, "filled": 1, "fills": 1}
    assert data["decisions"] == {"count": 5, "by_reason": {"holding": 4, "buy_once": 1}}
    assert {name: Decimal(text) for name, text in data["pnl"].items()} == {
        "realised": 0, "unrealised": 50, "fees": 90, "net": -40,
    }  # fmt: skip
    assert {name: Decimal(text) for name, text in data["equity"].items()} == {
        "begin": 1_000_000, "end": 999_960, "unexplained": 0,
    }  # fmt: skip
    assert Decimal(data["drawdown_max"]["money"]) == 140
    assert data["drawdown_max"]["percent"] == "0.0140"
    assert data["trades"] is None
    assert data["slippage_bps"] == {"mean": "0.000", "max": "0.000"}
    assert (data["orders_after_kill"], data["decisions_after_kill"], data["policy_suspended"]) == (None, None, "")


def test_an_order_under_way_meets_the_market_that_it_finds(tape: Path) -> None:
    """150 ms after the first trade the second one is the last: 10 ticks worse than 1,800,000, which is 0.056 bps."""
    data = data_of(ztb("replay", "--tape", tape, "--policy", "buy_hold", "--latency-ms", "150", "--json"))
    assert data["slippage_bps"] == {"mean": "0.056", "max": "0.056"}
    assert Decimal(data["pnl"]["unrealised"]) == Decimal("49.5")


def test_a_kill_at_the_beginning_lets_nothing_leave(tape: Path) -> None:
    outcome = ztb("replay", "--tape", tape, "--policy", "buy_hold", "--kill-at", "0", "--json")
    data = data_of(outcome)
    assert (data["orders"]["placed"], data["orders_after_kill"], data["decisions_after_kill"]) == (0, 0, 5)
    assert data["refusals"]["count"] == 1
    assert "after the kill: 0 orders, 4 decisions" in ztb(
        "replay", "--tape", tape, "--policy", "buy_hold", "--kill-at", "20"
    ).stdout.replace("\n", " ")


def test_the_files_say_what_the_command_said(tape: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "report"
    words = ("replay", "--tape", tape, "--policy", "buy_hold", "--out", out)
    data = data_of(ztb(*words, "--json"))
    assert sorted(path.name for path in out.iterdir()) == [
        "replay_chart.svg", "replay_report.json", "replay_report.txt",
    ]  # fmt: skip
    assert json.loads((out / "replay_report.json").read_text()) == data
    assert ElementTree.parse(out / "replay_chart.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    outcome = ztb(*words)
    assert outcome.stdout.startswith((out / "replay_report.txt").read_text().rstrip("\n"))
    assert outcome.stdout.endswith(f"written to {out}\n")
    assert outcome.stderr.splitlines() == ["replay: begins", "replay: 100 %"]


def test_a_durable_journal_has_the_head_of_the_one_in_memory(tape: Path, tmp_path: Path) -> None:
    in_memory = data_of(ztb("replay", "--tape", tape, "--policy", "buy_hold", "--json"))
    words = ("replay", "--tape", tape, "--policy", "buy_hold", "--journal", "durable", "--out", tmp_path)
    durable = data_of(ztb(*words, "--json"))
    with closing(JournalReader(tmp_path / "journal.db")) as reader:
        records = list(reader.read())
        assert reader.head.hash.hex() == durable["journal_head"]
    assert len(records) == durable["journal_records"] == in_memory["journal_records"]
    assert [record.kind for record in records].count("place") == 1
    # Each installation has its own genesis, and so other hashes; what is recorded is the same.
    assert durable["pnl"] == in_memory["pnl"]


def test_the_same_run_twice_is_the_same_journal(tape: Path) -> None:
    outcome = ztb("replay", "--tape", tape, "--policy", "buy_hold", "--verify")
    assert outcome.exit_code == 0
    verdict, first, second = outcome.stdout.splitlines()[-1].rpartition(": ")[0], *outcome.stdout.split()[-2:]
    assert verdict == "the second run wrote the same journal"
    assert first == second
    assert outcome.stderr.splitlines()[2:] == ["replay again: begins", "replay again: 100 %"]


MOODY = """
import os
from ztb.core.policy import HOLD, Decision, Policy

class Moody(Policy):
    \"\"\"Never gives the same reason twice.\"\"\"
    name = "moody"
    def on_trade(self, trade, held_lots):
        return Decision(HOLD, "mood_" + os.urandom(8).hex(), ())
"""


def test_a_policy_that_rolls_dice_is_found_out(tape: Path, tmp_path: Path) -> None:
    environ = package(tmp_path, "moody = their_policy:Moody", their_policy=MOODY)
    words = ("replay", "--tape", tape, "--policy", "moody", "--verify")
    outcome = ztb(*words, "--json", environ=environ)
    assert (outcome.exit_code, data_of(outcome)["verified"]) == (1, False)
    assert "THE SECOND RUN DIFFERS: this is a defect" in ztb(*words, environ=environ).stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--journal", "durable"), "a durable journal needs a place"),
        (("--journal", "durable", "--out", ".", "--verify"), "--verify compares journals in memory"),
        (("--journal", "paper"), "invalid choice: 'paper'"),
        (("--latency-ms", "-1"), "--latency-ms"),
        (("--latency-ms", "60001"), "--latency-ms"),
        (("--latency-ms", "1.5"), "--latency-ms"),
        (("--kill-at", "-1"), "--kill-at"),
        (("--kill-at", "101"), "--kill-at"),
        (("--out", "/dev/null/report"), "/dev/null/report: "),
    ],
)
def test_bad_options_are_refused_before_anything_runs(tape: Path, words: tuple[str, ...], complaint: str) -> None:
    outcome = ztb("replay", "--tape", tape, *words, cwd=tape.parent)
    assert outcome.exit_code == 2
    assert complaint in outcome.stderr
    assert "remedy: " in outcome.stderr
    assert outcome.stdout == ""
    assert "begins" not in outcome.stderr
    assert [path.name for path in tape.parent.iterdir()] == ["five.tape"]


@pytest.mark.parametrize("words", [("--latency-ms", "60000"), ("--latency-ms", "0"), ("--kill-at", "100")])
def test_the_ends_of_the_ranges_are_allowed(tape: Path, words: tuple[str, ...]) -> None:
    assert ztb("replay", "--tape", tape, *words, "--quiet").exit_code == 0
