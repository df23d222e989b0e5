"""``ztb tape`` as an operator uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import ztb
from tests.store.tape_samples import BTC_JPY, RECORDINGS, small_recording, write_tape
from ztb.cli.main import main
from ztb.store.tape import TapeMeta, TapeReader, TapeWriter

CSV = "ts_ns,price,qty,side\n"
GOOD = CSV + "1735689600001000000,15000005,0.03,b\n1735689601001000000,15000000,0.5,s\n"


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main([*map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def run_json(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict[str, Any]]:
    code, out, err = run(capsys, *words, "--json")
    assert err == ""
    return code, json.loads(out)


def csv_file(tmp_path: Path, text: str = GOOD) -> Path:
    path = tmp_path / "ticks.csv"
    path.write_text(text)
    return path


def test_import_info_and_check_one_after_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = tmp_path / "ticks.tape"
    code, made = run_json(
        capsys, "tape", "import", "--format", "trades-csv", csv_file(tmp_path), "--out", tape, "--source", "a friend"
    )
    assert (code, made["success"], made["command"]) == (0, True, "ztb tape import")
    assert made["data"]["counts"] == {"trades": 2, "quotes": 0, "depths": 0}
    code, info = run_json(capsys, "tape", "info", tape)
    assert code == 0
    assert info["data"]["sha256"] == made["data"]["sha256"]
    assert info["data"]["complete"] is True
    assert info["data"]["source"] == "a friend"
    assert info["data"]["instrument"]["tick_size"] == "5"
    assert info["data"]["span"] == {"first_ns": 1735689600001000000, "last_ns": 1735689601001000000}
    code, checked = run_json(capsys, "tape", "check", tape)
    assert (code, checked["data"]["findings"], checked["data"]["events"]) == (0, {}, 2)


def test_people_get_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = write_tape(tmp_path / "a.tape", small_recording())
    code, out, _err = run(capsys, "tape", "info", tape)
    assert code == 0
    assert "btc_jpy (spot, tick 5 jpy, lot 0.0001 btc, fees 0/1000 ppm maker/taker)" in out
    assert "2024-08-08T23:54:14.000Z .. 2024-08-08T23:54:19.900Z (5.900 s)" in out
    code, out, _err = run(capsys, "tape", "check", tape, "--offset-ms", "0")
    assert code == 3
    assert "clock offset" in out
    assert "1.0 / 1.0 / 1.0 ms at p1/p50/p99 of 60 events" in out


def test_what_somebody_wrote_into_a_tape_neither_drives_the_terminal_nor_looks_like_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meta = TapeMeta(BTC_JPY, source="a\x1b[2Jb", notes="fine\n  complete     yes")
    with TapeWriter(tmp_path / "a.tape", meta) as tape:
        tape.add(small_recording()[1])
    code, out, _err = run(capsys, "tape", "info", tmp_path / "a.tape")
    assert code == 0
    assert "  source       a\\x1b[2Jb\n" in out
    assert "  notes        fine complete yes\n" in out
    assert sum(line.startswith("  complete") for line in out.splitlines()) == 1


def test_rows_that_cannot_be_used_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = csv_file(tmp_path, GOOD + ",1,1,b\n5,-5,1,b\n")
    words = ("tape", "import", "--format", "trades-csv", source, "--out", tmp_path / "a.tape")
    code, out, err = run(capsys, *words)
    assert code == 0
    assert f"warning: 1 rows not used: blank time (first: {source}:4)" in err
    assert f"price not positive (first: {source}:5)" in err
    assert "unused: blank time" in out
    code, info = run_json(capsys, "tape", "info", tmp_path / "a.tape")
    assert info["data"]["summary"] == {"unused.blank_time": 1, "unused.price_not_positive": 1}


def test_a_recording_is_checked_without_an_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "300000000000,500,1,b\n200000000000,500,1,b\n100000000000,500,1,b\n,500,1,b\n100000000000,500,1,b\n"
    code, checked = run_json(capsys, "tape", "check", csv_file(tmp_path, CSV + rows), "--gap", "100")
    assert code == 3
    assert checked["success"] is False
    assert checked["data"]["findings"] == {
        "disorder": 3, "newest_first": 1, "duplicate_row": 1, "unused.blank_time": 1,
    }  # fmt: skip
    assert checked["data"]["backwards_longest_ns"] == 200 * 10**9
    assert checked["data"]["places"]["unused.blank_time"][0].endswith("ticks.csv:5")


def test_a_jsonl_recording_is_converted_as_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "a.jsonl"
    message = {"e": "trade", "E": 1, "s": "BTCUSDT", "t": 1, "p": "100.00", "q": "1.0", "m": False}
    source.write_text(f"1723161253937085768 {json.dumps(message)}\n")
    words = ("tape", "import", "--format", "binance-jsonl", source, "--out")
    code, _made = run_json(capsys, *words, tmp_path / "jpy.tape", "--convert", "btc_jpy", "--rate", "147.00")
    assert code == 0
    (trade,) = TapeReader(tmp_path / "jpy.tape").events()
    assert trade.instrument == "btc_jpy"
    assert getattr(trade, "price", 0) == 100 * 147 // 5
    code, info = run_json(capsys, "tape", "info", tmp_path / "jpy.tape")
    assert info["data"]["conversion"]["rate"] == "147.00"
    code, _made = run_json(capsys, *words, tmp_path / "usdt.tape")
    assert code == 0
    instrument = TapeReader(tmp_path / "usdt.tape").meta.instrument
    assert (instrument.symbol, instrument.base, instrument.quote) == ("btcusdt", "btc", "usdt")
    assert instrument.money_scale == 10  # 0.01 USDT x 0.00000001 BTC


def test_a_cut_tape_is_refused_then_read_as_far_as_it_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = write_tape(tmp_path / "a.tape", small_recording(), flush_every=20)
    data = tape.read_bytes()
    tape.write_bytes(data[: data.rindex(b"BLCK") + 60])
    for verb in ("info", "check"):
        code, out, err = run(capsys, "tape", verb, tape)
        assert code == 2
        assert out == ""
        assert f"ztb: error: {tape}: byte {tape.stat().st_size}: the tape has no end" in err
        assert "remedy: copy the file again; `ztb tape info --allow-cut` shows what is complete" in err
        assert "Traceback" not in err
    code, info = run_json(capsys, "tape", "info", tape, "--allow-cut")
    assert (code, info["data"]["complete"]) == (0, False)
    assert sum(info["data"]["counts"].values()) == 40
    assert f"cut at byte {data.rindex(b'BLCK')}" in info["warnings"][0]
    code, checked = run_json(capsys, "tape", "check", tape, "--allow-cut")
    assert (code, checked["data"]["findings"]) == (3, {"cut": 1})


def test_a_damaged_tape_is_found_by_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = write_tape(tmp_path / "a.tape", small_recording())
    data = bytearray(tape.read_bytes())
    data[data.index(b"BLCK") + 60] ^= 1
    tape.write_bytes(data)
    code, _out, err = run(capsys, "tape", "check", tape)
    assert code == 2
    assert f"byte {data.index(b'BLCK')}: a block is damaged (checksum)" in err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["tape", "info", "missing.tape"], "missing.tape: No such file"),
        (["tape", "check", "missing.csv"], "missing.csv: No such file"),
        (["tape", "info", "empty"], "empty: byte 0: the file is empty"),
        (["tape", "check", "empty"], "empty: byte 0: the file is empty"),
        (["tape", "check", "other"], "other: byte 0: not one of tape"),
        (["tape", "info", "other"], "other: byte 0: this is no ztb tape"),
        (["tape", "check", "ticks.csv", "--gap", "-1"], "'-1' is no whole number from 0 to 1000000000"),
        (["tape", "check", "ticks.csv", "--symbol", "eth_jpy"], "the steps of eth_jpy are not known"),
        (["tape", "check", "ticks.csv", "--convert", "btc_jpy", "--rate", "1"], "only binance-jsonl can be converted"),
        (["tape", "import", "ticks.csv", "--out", "a.tape"], "--format"),
        (["tape", "import", "--format", "csv", "ticks.csv", "--out", "a.tape"], "invalid choice"),
        (["tape", "import", "--format", "trades-csv", "--out", "a.tape"], "FILE"),
        (["tape", "import", "--format", "trades-csv", "missing.csv", "--out", "a.tape"], "missing.csv: No such file"),
        (["tape", "import", "--format", "trades-csv", "ticks.csv", "--out", "ticks.csv"], "the file exists"),
        (["tape", "import", "--format", "trades-csv", "ticks.csv", "--out", "no/a.tape"], "folder you may write"),
        (
            ["tape", "import", "--format", "trades-csv", "ticks.csv", "--out", "a.tape", "--tick", "7"],
            "no row can be used",
        ),
        (["tape", "import", "--format", "trades-csv", "ticks.csv", "--out", "a.tape", "--tick", "nan"], "--tick"),
        (["tape", "import", "--format", "trades-csv", "ticks.csv", "--out", "a.tape", "--tick", "-5"], "not positive"),
        (
            ["tape", "import", "--format", "trades-csv", "ticks.csv", "--out", "a.tape", "--rate", "5"],
            "belong together",
        ),
        (
            ["tape", "import", "--format", "binance-jsonl", "other", "--out", "a.tape", "--depth-interval-ms", "5"],
            "needs",
        ),
        (["tape", "import", "--format", "binance-jsonl", "ticks.csv", "--out", "a.tape"], "no row can be used"),
        (["tape"], "VERB"),
        (["tape", "play"], "invalid choice"),
    ],
)
def test_bad_input_ends_in_a_message_and_exit_code_2(
    words: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    csv_file(tmp_path)
    Path("empty").write_bytes(b"")
    Path("other").write_bytes(b"something else entirely\n")
    code, out, err = run(capsys, *words)
    assert code == 2
    assert out == ""
    assert complaint in err
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "other", "ticks.csv"]
    assert Path("ticks.csv").read_text() == GOOD


def test_replace_replaces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, tape = csv_file(tmp_path), write_tape(tmp_path / "a.tape", small_recording())
    code, _out, _err = run(capsys, "tape", "import", "--format", "trades-csv", source, "--out", tape, "--replace")
    assert code == 0
    assert TapeReader(tape).counts.total == 2


@pytest.mark.parametrize("verb", ["import", "info", "check"])
def test_every_verb_explains_itself(verb: str) -> None:
    outcome = ztb("tape", verb, "--help")
    assert outcome.exit_code == 0
    assert "examples:" in outcome.stdout
    assert f"ztb tape {verb}" in outcome.stdout


def test_the_real_command_runs(tmp_path: Path) -> None:
    outcome = ztb("tape", "check", csv_file(tmp_path))
    assert (outcome.exit_code, outcome.stdout.splitlines()[0].split(": ")[1]) == (0, "2 events, 0 kinds of findings")


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not part of the sources")
def test_the_wrong_clock_of_the_real_recorder_is_flagged(capsys: pytest.CaptureFixture[str]) -> None:
    code, checked = run_json(capsys, "tape", "check", RECORDINGS / "usdm_btcusdt_20240808.jsonl.gz")
    assert code == 3
    assert list(checked["data"]["findings"]) == ["clock_offset"]
    # -1271 / -1269 / -1245 ms says the page that came with the recordings
    for percentile, expected_ms in (("p1", -1271), ("p50", -1269), ("p99", -1245)):
        assert abs(checked["data"]["offsets_ns"][percentile] - expected_ms * 1_000_000) <= 1_000_000
