"""``ztb risk`` and ``ztb health`` to the letter and in 80 columns, from status files of every kind."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.test_status_text import document
from ztb.cli.main import main
from ztb.cli.reaction_text import WIDTH, reaction_lines, reaction_rows
from ztb.cli.risk_text import bar, limit_lines, number, preview_lines, state
from ztb.core.reaction import REACTIONS
from ztb.service.health import WORDS, Health, without_engine

NOW_NS = 1_700_000_000_000_000_000
MINUTE_NS = 60_000_000_000


def use(name: str, used: str, limit: str, unit: str, used_ppm: int | None, instrument: str = "") -> dict[str, Any]:
    return {
        "name": name, "instrument": instrument, "used": used, "limit": limit, "unit": unit, "used_ppm": used_ppm
    }  # fmt: skip


LIMITS = [
    use("position", "0.0104", "0.0250", "btc", 416_000, "btc_jpy"),
    use("position_value", "450000.0000", "500000.0000", "jpy", 900_000, "btc_jpy"),
    use("daily_loss", "0.0000", "1500.0000", "jpy", 0),
    use("drawdown", "5.01", "5.00", "%", 1_002_000),
    use("orders_per_minute", "6", "6", "orders", 1_000_000),
    use("open_orders", "1", "3", "orders", 333_333),
]
RISK: dict[str, Any] = {
    "status": "degraded",
    "limits": LIMITS,
    "guards": [{"code": "daily_loss_limit_exceeded", "status": "degraded", "category": "limit", "recoverable": False,
                "words": "w", "action": "reduce-only until resumed"}],
    "reduce_only": ["daily_loss_limit_exceeded"],
    "conservative": True,
    "pauses": [
        {"instrument": "btc_jpy", "until_ns": 1, "remaining_ms": 299_100, "reason": "lunch", "allows_reducing": True},
        {"instrument": "", "until_ns": 1, "remaining_ms": 3_700_000, "reason": "storm", "allows_reducing": False},
    ],
    "trips_last_hour": 2,
    "trips": [
        {"ts_ns": NOW_NS - 59 * MINUTE_NS, "code": "price_move", "instrument": "btc_jpy"},
        {"ts_ns": NOW_NS - 1, "code": "daily_loss_limit_exceeded", "instrument": ""},
    ],
}  # fmt: skip
CALM: dict[str, Any] = {
    **RISK, "status": "ok", "guards": [], "reduce_only": [], "conservative": False, "pauses": [],
    "trips_last_hour": 0, "trips": [],
}  # fmt: skip
TRIPS = [{"category": "limit", "recoverable": False, "count": 1}, {"category": "data", "recoverable": True, "count": 4}]


def shock(change: int, *, trips: tuple[str, ...] = (), status: str = "ok") -> dict[str, Any]:
    return {
        "instrument": "btc_jpy", "change_pct": change, "equity": "980000.0000", "drawdown_ppm": 20_000,
        "day_loss": "20000.0000", "exposure": "180000.0000", "leverage_ppm": 183_674, "trips": list(trips),
        "status": status, "exits": ["stop_loss"] if trips else [],
    }  # fmt: skip


PREVIEW = [shock(-10, trips=("max_drawdown_exceeded", "daily_loss_limit_exceeded"), status="abort"), shock(10)]


def run(
    capsys: pytest.CaptureFixture[str],
    directory: Path,
    *words: str,
    age_s: float = 0.0,
    **members: Any,  # noqa: ANN401
) -> tuple[int, list[str]]:
    """Exit code and lines for a status file with ``members``, written ``age_s`` ago."""
    path = directory / "status.json"
    path.write_text(json.dumps(document(updated_ns=NOW_NS, **members)))
    written_s = time.time() - age_s
    os.utime(path, (written_s, written_s))
    code = main([*words, "--runtime-dir", str(directory)])
    captured = capsys.readouterr()
    assert [line for line in captured.out.splitlines() if len(line) > WIDTH] == []
    lines = (captured.out + captured.err).splitlines()
    return code, [re.sub(r"\d+\.\d s", "AGE", line) for line in lines]


def test_status_of_a_bad_night(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, lines = run(
        capsys, tmp_path, "risk", "status", risk=RISK, level="reduce_only", says="reduce-only",
        reduce_only="daily_loss_limit_exceeded", meter={"trips": TRIPS},
    )  # fmt: skip
    assert code == 0
    assert lines == [
        "risk of profile demo: guards degraded, level reduce_only (reported AGE ago)",
        "  reduce-only",
        "",
        "  position btc_jpy        ████████░░░░░░░░░     0.0104 / 0.025 btc  OK ●",
        "  position value btc_jpy  ████████████████░  450,000 / 500,000 jpy  WARN ▲",
        "  daily loss              ░░░░░░░░░░░░░░░░░          0 / 1,500 jpy  OK ●",
        "  drawdown                █████████████████             5.01 / 5 %  CRIT ✖",
        "  orders per minute       █████████████████           6 / 6 orders  WARN ▲",
        "  open orders             ██████░░░░░░░░░░░           1 / 3 orders  OK ●",
        "",
        "  pause        HOLD ◐ btc_jpy, 5 min 0 s left: lunch",
        "  pause        HOLD ◐ everything, 1 h 1 min left: storm, nothing is closed",
        "               either",
        "  reduce-only  HOLD ◐ the day lost more than allowed",
        "  profile      HOLD ◐ the conservative limits hold, until `ztb risk profile",
        "               configured`",
        "  guard        daily_loss_limit_exceeded: reduce-only until resumed",
        "",
        "  trips        2 in the last hour",
        "     59 min ago  price_move (btc_jpy)",
        "      0 min ago  daily_loss_limit_exceeded",
        "  since start  1 limit (not recoverable), 4 data (recoverable)",
    ]


def test_status_of_a_calm_night(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, lines = run(capsys, tmp_path, "risk", "status", risk=CALM)
    assert code == 0
    assert lines[0] == "risk of profile demo: guards ok, level normal (reported AGE ago)"
    assert lines[-3:] == ["  controls     OK ● none is on", "", "  trips        0 in the last hour"]


def test_a_kill_is_told_first(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    kill = {"on": True, "source": "breaker", "reason": "max_drawdown_exceeded"}
    _, lines = run(capsys, tmp_path, "risk", "status", risk=CALM, kill=kill, level="killed")
    assert lines[-4:-2] == [
        "  kill         CRIT ✖ by breaker: the equity fell further below its peak than",
        "               allowed; `ztb resume` lifts it",
    ]


def test_preview(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, lines = run(capsys, tmp_path, "risk", "preview", preview=PREVIEW)
    assert code == 0
    assert lines == [
        "shock preview of profile demo (reported AGE ago)",
        "  holds 0.0100 btc_jpy at 9005000",
        "",
        "  instrument   change          equity  drawdown      day loss  leverage",
        "  btc_jpy       -10 %         980,000    2.00 %        20,000      0.18",
        "                 CRIT ✖ max_drawdown_exceeded, daily_loss_limit_exceeded",
        "                 HOLD ◐ position closed: stop_loss",
        "  btc_jpy       +10 %         980,000    2.00 %        20,000      0.18",
    ]


def test_a_preview_without_trips_says_so_and_without_a_price_too() -> None:
    assert preview_lines([shock(2)])[-1] == "  no guard would trip"
    unknown = {**shock(2), "equity": None, "drawdown_ppm": None, "day_loss": None, "leverage_ppm": None}
    assert preview_lines([{**unknown, "trips": ["no_market_data"], "status": "unknown"}])[1:] == [
        "  btc_jpy        +2 %         unknown   unknown       unknown         -",
        "                 UNKNOWN ◌ no_market_data",
    ]


@pytest.mark.parametrize("verb", ["status", "preview"])
def test_old_numbers_are_not_shown_as_if_they_were_of_now(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str
) -> None:
    code, lines = run(capsys, tmp_path, "risk", verb, age_s=2.6, risk=CALM, preview=PREVIEW)
    assert code == 1
    assert lines[0] == "STALE ◌: it has not reported for AGE; do not trust these numbers"


@pytest.mark.parametrize("words", [("risk", "status"), ("risk", "preview"), ("health",)])
def test_a_status_of_another_build_or_of_nobody(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    code, lines = run(capsys, tmp_path, *words)
    assert code == 65
    assert "has no" in lines[0]
    code, lines = run(capsys, tmp_path, *words, phase="stopped", risk=CALM, preview=PREVIEW, health={})
    assert code == 69
    assert lines[0].startswith("ztb: error: no trader of profile demo runs")


@pytest.mark.parametrize("verb", ["status", "preview"])
def test_in_safe_mode_there_is_no_engine_to_ask(capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: str) -> None:
    says = "safe mode: 3 starts in a row failed"
    code, lines = run(capsys, tmp_path, "risk", verb, phase="safe", level="safe", says=says, risk=None, preview=None)
    assert code == 69
    assert lines[0].endswith(says)
    assert "no engine runs in PID" in lines[0]
    code, lines = run(capsys, tmp_path, "health", phase="safe", says=says, health=without_engine(says))
    assert code == 1
    assert lines[2] == f"  ! {says}"


def test_limits_need_no_trader_and_tell_their_source(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["risk", "limits", "--set", "limits.position_max=0.02"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > WIDTH] == []
    [line] = [line for line in lines if line.startswith("  limits.position_max ")]
    assert line.split() == ["limits.position_max", "0.02", "option", "--set"]
    assert any(re.search(r"demo\.toml:\d+$", line) for line in lines)
    # 0 is no limit of nothing, except where it is.
    assert {line.split()[0] for line in lines if " off " in line} >= {"limits.trade_loss_max", "risk.losses_in_row_max"}
    assert [line.split()[1] for line in lines if line.startswith("  risk.wallet_drift_max ")] == ["0"]
    assert [line.split()[0] for line in lines if re.match(r"  [a-z_]+ +(abort|degraded) ", line)] == list(REACTIONS)
    assert main(["risk", "limits", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["limits"]["limits.daily_loss_max"]["source"].endswith(tuple("0123456789"))
    assert [row["code"] for row in data["reactions"]] == list(REACTIONS)


# --- health -----------------------------------------------------------------------------------------------------------


def health(state: Health) -> dict[str, Any]:
    words = WORDS[state]
    return {
        **without_engine("x"), "status": words.status, "state": state.name.lower(),
        "monitor_status": words.monitor_status, "go": words.go, "reasons": ["the reason"],
        "signals": {"status": "WARN", "message": "WARN: order_error_rate", "items": [
            {"name": "order_error_rate", "status": "WARN", "value": 66_666, "warn": 50_000, "crit": 150_000,
             "unit": "ppm", "details": "2 of 30"},
            {"name": "broker_latency_p95", "status": "UNKNOWN", "value": None, "warn": 1_000, "crit": 3_000,
             "unit": "ms", "details": ""},
        ]},
    }  # fmt: skip


@pytest.mark.parametrize("state", list(Health))
def test_the_exit_code_is_the_states(capsys: pytest.CaptureFixture[str], tmp_path: Path, state: Health) -> None:
    code, lines = run(capsys, tmp_path, "health", health=health(state))
    words = WORDS[state]
    assert code == words.exit_code
    assert lines[0] == f"{words.status}: {words.go}, monitor {words.monitor_status}"
    assert lines[1] == f"  profile demo, PID {os.getpid()}, reported AGE ago"
    assert lines[2:] == [
        "  ! the reason",
        "  broker       unknown",
        "  websocket    not connected, STALE",
        "  degradation  not paused, reduce-only off",
        "  signals      WARN: order_error_rate",
        "    order_error_rate    WARN        6.6 %  warn 5.0 %, crit 15.0 %",
        "    broker_latency_p95  UNKNOWN         -  warn 1000 ms, crit 3000 ms",
    ]


def test_the_health_of_a_trader_that_does_not_report_is_not_believed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, lines = run(capsys, tmp_path, "health", age_s=2.6, health=health(Health.HEALTHY))
    assert code == 1
    assert lines[0] == "unhealthy: NO-GO, monitor degraded"
    assert lines[2] == "  ! it has not reported for AGE"


def test_the_envelope(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words, members in (
        (("health",), ("health", "pid", "profile", "stale")),
        (("risk", "status"), ("kill", "level", "pid", "profile", "risk", "stale", "trips_since_start")),
        (("risk", "preview"), ("pid", "preview", "profile", "stale")),
    ):
        (tmp_path / "status.json").write_text(
            json.dumps(document(health=health(Health.UNPROVEN), risk=RISK, preview=PREVIEW))
        )
        assert main([*words, "--runtime-dir", str(tmp_path), "--json"]) == 0
        plain = json.loads(capsys.readouterr().out)
        assert (plain["success"], plain["exit_code"], plain["errors"]) == (True, 0, [])
        assert plain["command"] == f"ztb {' '.join(words)}"
        assert tuple(sorted(plain["data"])) == members


# --- bars and tables --------------------------------------------------------------------------------------------------


@given(st.integers(0, 3_000_000), st.integers(2, 40))
def test_a_bar_is_as_long_as_it_should_be(used_ppm: int, width: int) -> None:
    drawn = bar(used_ppm, width)
    full = sum(cell in "█#" for cell in drawn)
    assert len(drawn) == width
    assert (full == 0) == (used_ppm == 0)
    assert (full == width) == (used_ppm >= 1_000_000)
    assert full * 1_000_000 >= min(used_ppm, 1_000_000) * width - 1_000_000


def test_a_bar_of_what_nobody_knows() -> None:
    assert bar(None, 4) == "????"
    assert state(None) == "UNKNOWN ◌"


@pytest.mark.parametrize(
    ("used_ppm", "shown"),
    [(0, "OK ●"), (799_999, "OK ●"), (800_000, "WARN ▲"), (1_000_000, "WARN ▲"), (1_000_001, "CRIT ✖")],
)
def test_at_its_limit_nothing_is_broken(used_ppm: int, shown: str) -> None:
    assert state(used_ppm) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1500.0000", "1,500"), ("0.0100", "0.01"), ("-12.50", "-12.5"), ("0", "0"), ("1000", "1,000"),
        ("unknown", "unknown"), (None, "unknown"),
    ],
)  # fmt: skip
def test_numbers_for_people(text: str | None, shown: str) -> None:
    assert number(text) == shown


def test_long_numbers_take_their_room_from_the_bar() -> None:
    wide = use("position_value", "999999999999.99", "1000000000000.00", "jpy", 999_999, "btc_jpy")
    [line] = limit_lines([wide])
    assert len(line) <= WIDTH
    assert "999,999,999,999.99 / 1,000,000,000,000 jpy" in line
    assert limit_lines([]) == []


def test_the_reaction_table_is_whole_and_narrow() -> None:
    lines = reaction_lines()
    assert [line for line in lines if len(line) > WIDTH] == []
    text = " ".join(" ".join(lines).split())
    for row in reaction_rows():
        assert row["code"] in text
        assert row["words"] in text
        assert row["action"] in text
        assert row["kill"] == (row["status"] == "abort")
