"""What somebody does in the first ten minutes: help everywhere, the bundled tape, a replay, a short run, its audit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Outcome, ztb
from tests.e2e.product import BUSY, Trader, trader
from ztb.cli.main import NOUNS
from ztb.store.tape import DEMO_TAPE

ENVELOPE = {"success", "exit_code", "command", "data", "errors", "warnings"}


@cache
def help_of(*words: str) -> str:
    outcome = ztb(*words, "--help")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    return outcome.stdout


def verbs_of(noun: str) -> list[str]:
    """As its own help lists them."""
    listed = re.search(r"^  VERB\n((?:    .*\n)+)", help_of(noun), re.MULTILINE)
    return [] if listed is None else re.findall(r"^    (\S+)", listed[1], re.MULTILINE)


def test_the_first_help_names_every_noun() -> None:
    for noun, (_, summary) in NOUNS.items():
        assert re.search(rf"^    {noun} +{re.escape(summary)}$", help_of(), re.MULTILINE), noun


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_says_what_it_is_for_and_shows_examples(noun: str) -> None:
    text = help_of(noun)
    summary = text.split("\n\n")[1]
    assert re.fullmatch(r"[A-Z][^\n]*(\n[^\n]+)*\.", summary), summary
    examples = text[text.index("examples:") :]
    assert f"  ztb {noun}" in examples


@pytest.mark.parametrize("noun", NOUNS)
def test_every_example_is_a_command_that_exists(noun: str) -> None:
    """Noun, verb and long options of each example stand in the help of that command."""
    texts = [help_of(noun), *(help_of(noun, verb) for verb in verbs_of(noun))]
    examples = {line.strip() for text in texts for line in text.splitlines() if line.startswith("  ztb ")}
    assert examples
    for example in examples:
        words = re.split(r"  +|\|", example)[0].split()
        assert words[1] in NOUNS, example
        verbs = verbs_of(words[1])
        shown = help_of(words[1], words[2]) if verbs else help_of(words[1])
        assert not verbs or words[2] in verbs, example
        for option in (word for word in words if word.startswith("--")):
            assert option.partition("=")[0] in shown, example


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_fails_in_one_form_under_json(noun: str) -> None:
    verbs = verbs_of(noun)
    for words in ((noun, "--no-such-option"), *((noun, verb, "--no-such-option") for verb in verbs)):
        outcome = ztb(*words, "--json")
        document = json.loads(outcome.stdout)
        assert set(document) == ENVELOPE
        assert (document["success"], document["exit_code"], outcome.exit_code) == (False, 2, 2), words
        assert document["data"] == {}
        [error] = document["errors"]
        assert error["code"] == "usage_error"
        assert error["remedy"]
        assert outcome.stderr == ""


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("replay", "--tpae", "x"), "--tape"),
        (("audit", "verify", "--state-dri=x"), "--state-dir"),
        (("config", "show", "--profil", "demo"), "--profile"),
        (("run", "--timescale", "20"), "--time-scale"),
    ],
)
def test_an_option_that_is_nearly_one_gets_a_suggestion(words: tuple[str, ...], meant: str) -> None:
    outcome = ztb(*words)
    assert outcome.exit_code == 2
    assert f"did you mean {meant}?" in outcome.stderr


def test_an_option_like_no_other_gets_no_guess() -> None:
    assert "did you mean" not in ztb("replay", "--colour").stderr


# --- the bundled tape -----------------------------------------------------------------------------------------------


def test_the_bundled_tape_is_known_by_its_name(tmp_path: Path) -> None:
    """From any directory; its origin and its instrument are shown."""
    outcome = ztb("tape", "info", DEMO_TAPE.name, cwd=tmp_path)
    assert outcome.exit_code == 0, outcome.stderr
    assert "btc_jpy" in outcome.stdout
    told = data_of(ztb("tape", "info", DEMO_TAPE.name, "--json", cwd=tmp_path))
    assert told["complete"] is True
    assert told["instrument"]["symbol"] == "btc_jpy"
    assert told["licence"]
    assert told["attribution"]
    assert ztb("tape", "check", DEMO_TAPE.name, cwd=tmp_path).exit_code in (0, 3)
    # A file of that name in the present directory is meant before it.
    (tmp_path / DEMO_TAPE.name).write_bytes(b"")
    assert "the file is empty" in ztb("tape", "info", DEMO_TAPE.name, cwd=tmp_path).stderr


def test_a_replay_needs_no_arguments(tmp_path: Path) -> None:
    outcome = ztb("replay", cwd=tmp_path)
    assert outcome.exit_code == 0, outcome.stderr
    assert DEMO_TAPE.name in outcome.stdout
    assert re.search(r"^  orders +[1-9]\d* placed", outcome.stdout, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


def test_config_show_needs_no_arguments(tmp_path: Path) -> None:
    outcome = ztb("config", "show", cwd=tmp_path)
    assert outcome.exit_code == 0
    assert "armed: orders go to the built-in exchange" in outcome.stdout


# --- a short run and what it leaves ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    """A trader of the profile demo that traded and was stopped."""
    with trader(tmp_path_factory.mktemp("newcomer") / "t", *BUSY) as running:
        running.wait_orders(3)
        assert running.stop() == 0, running.said()
        yield running


def data_of(outcome: Outcome) -> dict[str, Any]:
    document = json.loads(outcome.stdout)
    assert document["exit_code"] == outcome.exit_code
    data: dict[str, Any] = document["data"]
    return data


def test_its_log_is_one_json_object_a_line(stopped: Trader) -> None:
    events = [json.loads(line)["event"] for line in stopped.log.read_text().splitlines()]
    assert [name for name in events if name in ("ready", "stopping", "stopped")] == ["ready", "stopping", "stopped"]
    assert events.count("order_intent") >= 3


def test_its_journal_is_found_below_its_state_directory_and_verifies(stopped: Trader) -> None:
    outcome = ztb("audit", "verify", *stopped.places[:2])
    assert outcome.exit_code == 0, outcome.stdout
    assert f"{stopped.state_dir / 'journal.db'}: " in outcome.stdout
    assert "the chain is unbroken" in outcome.stdout
    by_name = ztb("audit", "verify", "--set", f"state.directory={stopped.base / 'state'}", "--json")
    assert data_of(by_name)["ok"] is True


def test_its_journal_can_be_exported_and_read_without_ztb(stopped: Trader, tmp_path: Path) -> None:
    out = tmp_path / "records.jsonl"
    assert ztb("audit", "export", *stopped.places[:2], "--out", out).exit_code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    placed = [row["body"]["client_id"] for row in rows if row["kind"] == "place"]
    filled = [row["body"]["client_id"] for row in rows if row["kind"] == "order_filled"]
    assert len(placed) == len(set(placed)) >= 3
    assert set(filled) <= set(placed)
    # Nothing left before its intent was durable, and each was sent once.
    for client_id in placed:
        story = [
            row["kind"] for row in rows if isinstance(row["body"], dict) and row["body"].get("client_id") == client_id
        ]
        assert story[0] == "place"
        assert story.count("order_sent") <= 1
        if "order_sent" in story:
            assert story.index("order_durable") < story.index("order_sent"), story
        else:  # the stop came first, and it was held back at the wire
            assert "order_rejected" in story, story
            assert client_id not in filled


def test_its_recording_is_a_tape_like_any_other(stopped: Trader) -> None:
    [recording] = (stopped.state_dir / "tapes").iterdir()
    told = data_of(ztb("tape", "info", recording, "--json"))
    assert told["complete"] is True
    outcome = ztb("replay", "--tape", recording, "--verify", "--quiet")
    assert outcome.exit_code == 0, outcome.stdout
