"""``ztb config`` as a real process: what it shows, and each bad profile with its place, remedy and exit code."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.command import Outcome, clean_environ, ztb
from tests.host_room.profiles import write_profile
from ztb.host.bounds import BOUNDS
from ztb.host.config import SHIPPED_DIRECTORY

DEMO = (SHIPPED_DIRECTORY / "profiles" / "demo.toml").read_text(encoding="utf-8")


def check(directory: Path, text: str, *words: str, environ: dict[str, str] | None = None) -> Outcome:
    """``ztb config check`` of a profile with this content."""
    path = directory / "profiles" / "mine.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return ztb("config", "check", "--profile", "mine", "--config-dir", directory, *words, environ=environ)


def line_with(text: str, part: str) -> int:
    """Number of the only line that has ``part``."""
    (number,) = [index for index, line in enumerate(text.splitlines(), 1) if part in line]
    return number


def assert_refused(outcome: Outcome, *parts: str) -> None:
    """Exit code 78, a message with all ``parts``, a remedy, and no trace."""
    assert outcome.exit_code == 78
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("ztb: error: ")
    for part in parts:
        assert part in outcome.stderr
    assert "\n  remedy: " in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_the_shipped_demo_is_sound_from_anywhere(tmp_path: Path) -> None:
    outcome = ztb("config", "check", "--profile", "demo", cwd=tmp_path)
    assert outcome.exit_code == 0
    assert "profile demo is sound" in outcome.stdout
    assert "armed: orders go to the built-in exchange" in outcome.stdout


def test_show_risk_is_what_the_noun_risk_shows() -> None:
    words = ("--profile", "demo", "--set", "limits.daily_loss_max=1000")
    outcome = ztb("config", "show", "--risk", *words)
    assert outcome.exit_code == 0
    assert outcome.stdout == ztb("risk", "limits", *words).stdout
    assert "max_drawdown_exceeded" in outcome.stdout
    assert [line for line in outcome.stdout.splitlines() if len(line) > 80] == []


def test_show_prints_every_value_with_its_source(tmp_path: Path) -> None:
    environ = clean_environ(ZTB_LIMITS__OPEN_ORDERS_MAX="2")
    outcome = ztb("config", "show", "--profile", "demo", "--set", "sizing.order_size=0.0050", environ=environ)
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in outcome.stdout.splitlines() if "." in line}
    assert rows["sizing.order_size"] == ["0.005", "option --set"]
    assert rows["limits.open_orders_max"] == ["2", "environment ZTB_LIMITS__OPEN_ORDERS_MAX"]
    place = f"{SHIPPED_DIRECTORY}/profiles/demo.toml:{line_with(DEMO, 'slow = 20')}"
    assert rows["policy.parameters.slow"] == ["20", place]
    assert rows["venue.rest_url"] == ['""', "default"]


def test_show_as_json() -> None:
    document = json.loads(ztb("config", "show", "--json").stdout)
    assert document["success"] is True
    assert document["command"] == "ztb config show"
    data = document["data"]
    assert data["profile"] == "demo"
    assert len(data["digest"]) == 64
    assert data["values"]["mode.live_http_enabled"]["value"] is False
    assert set(data["values"]["risk.day_offset_minutes"]) == {"value", "source"}


def test_keys_lists_what_show_can_show() -> None:
    listed = {row["key"] for row in json.loads(ztb("config", "keys", "--json").stdout)["data"]["keys"]}
    shown = set(json.loads(ztb("config", "show", "--json").stdout)["data"]["values"])
    assert {key for key in shown if not key.startswith("policy.parameters.")} == listed - {"policy.parameters.NAME"}


def test_an_unknown_key(tmp_path: Path) -> None:
    text = DEMO.replace("open_orders_max = 3", "open_ordrs_max = 3")
    place = f"{tmp_path}/profiles/mine.toml:{line_with(text, 'open_ordrs_max')}: "
    assert_refused(
        check(tmp_path, text), place, "unknown key limits.open_ordrs_max", "did you mean limits.open_orders_max?"
    )


def test_a_wrong_type(tmp_path: Path) -> None:
    text = DEMO.replace("orders_per_minute_max = 30 ", 'orders_per_minute_max = "a lot" ')
    place = f"{tmp_path}/profiles/mine.toml:{line_with(text, 'a lot')}: "
    assert_refused(check(tmp_path, text), place, "limits.orders_per_minute_max", "'a lot'", "a whole number")


def test_a_number_above_its_range(tmp_path: Path) -> None:
    text = DEMO.replace('price_collar_pct = "1" ', 'price_collar_pct = "25" ')
    place = f"{tmp_path}/profiles/mine.toml:{line_with(text, 'price_collar_pct')}: "
    assert_refused(check(tmp_path, text), place, "limits.price_collar_pct", "'25'", "at most 10")


def test_a_number_above_the_bound_of_its_kind(tmp_path: Path) -> None:
    text = DEMO.replace('kind = "demo"', 'kind = "canary"')
    place = f"{tmp_path}/profiles/mine.toml:{line_with(text, 'daily_loss_max')}: "
    assert_refused(check(tmp_path, text), place, "limits.daily_loss_max", "at most 1500", "canary")


def test_two_limits_that_contradict(tmp_path: Path) -> None:
    outcome = check(tmp_path, DEMO, "--set", "sizing.order_size=1")
    assert_refused(outcome, "option --set: sizing.order_size may not be above limits.order_size_max")


def test_a_missing_key(tmp_path: Path) -> None:
    text = DEMO.replace('stop_policy = "cancel"', "")
    assert_refused(check(tmp_path, text), "mode.stop_policy is missing", "cancel, flatten, leave")


def test_broken_toml(tmp_path: Path) -> None:
    text = DEMO.replace("[sizing]", "[sizing")
    assert_refused(check(tmp_path, text), f"{tmp_path}/profiles/mine.toml:{line_with(text, '[sizing')}: not TOML")


def test_an_unknown_profile(tmp_path: Path) -> None:
    assert_refused(ztb("config", "check", "--profile", "dmo"), "there is no profile 'dmo'", "profiles here: ", "demo")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_profile_that_may_not_be_read(tmp_path: Path) -> None:
    check(tmp_path, DEMO)
    (tmp_path / "profiles" / "mine.toml").chmod(0)
    assert_refused(ztb("config", "check", "--profile", "mine", "--config-dir", tmp_path), "Permission denied")


def test_a_bad_variable(tmp_path: Path) -> None:
    assert_refused(ztb("config", "show", environ=clean_environ(DRY_RUN="perhaps")), "environment DRY_RUN", "0 or 1")
    assert_refused(ztb("config", "show", environ=clean_environ(RISK_MAX_TRADES="1")), "environment RISK_MAX_TRADES")


def test_an_error_under_json(tmp_path: Path) -> None:
    outcome = check(tmp_path, DEMO + "\n[nonsense]\nx = 1\n", "--json")
    document = json.loads(outcome.stdout)
    assert (outcome.exit_code, document["exit_code"], document["success"]) == (78, 78, False)
    assert document["errors"][0]["code"] == "config_error"
    assert "nonsense.x" in document["errors"][0]["message"]


def test_a_warning_is_shown_beside_the_result() -> None:
    outcome = ztb("config", "check", environ=clean_environ(ZTB_FOO="1"))
    assert outcome.exit_code == 0
    assert outcome.stderr.startswith("ztb: warning: environment ZTB_FOO means nothing")


def test_the_demo_fits_the_market_of_its_tape() -> None:
    values = {
        key: row["value"] for key, row in json.loads(ztb("config", "show", "--json").stdout)["data"]["values"].items()
    }
    # the recording has prices from 61,556 to 61,860 USDT, and the tape takes 147 JPY for one
    highest_jpy = 61_860 * 147
    assert float(values["limits.order_size_max"]) * highest_jpy < float(values["limits.order_notional_max"])
    assert float(values["limits.position_max"]) * highest_jpy < float(values["limits.position_notional_max"])
    assert values["mode.live_http_enabled"] is False
    assert values["kind"] in BOUNDS


def armed_line(*words: str) -> str:
    outcome = ztb("config", "show", *words)
    assert outcome.exit_code == 0, outcome.stderr
    return outcome.stdout.splitlines()[-1]


def test_where_orders_go_is_the_last_thing_that_is_said(tmp_path: Path) -> None:
    """One key of the two is not enough on a real exchange, and then it is named."""
    text = DEMO.replace('kind = "demo"', 'kind = "canary"').replace("simulator = true", "simulator = false")
    write_profile(tmp_path, text.replace('daily_loss_max = "20000"', 'daily_loss_max = "1500"'), "real")
    real = ("--profile", "real", "--config-dir", str(tmp_path))
    assert armed_line() == "armed: orders go to the built-in exchange"
    assert armed_line("--set", "mode.execute_orders=false") == "not armed: no order is sent"
    assert armed_line(*real) == "not armed: no order is sent"
    assert armed_line(*real, "--set", "mode.live_http_enabled=true") == "armed: orders go to https://api.zaif.jp"


def test_values_are_shown_as_a_profile_would_write_them() -> None:
    shown = ztb("config", "show", "--set", "state.directory=").stdout.splitlines()
    rows = {line.split()[0]: line.split()[1] for line in shown if "  " in line}
    assert rows["state.directory"] == '""'
    assert (rows["venue.simulator"], rows["mode.live_http_enabled"]) == ("true", "false")
    assert rows["sizing.capital"] == "1000000"
