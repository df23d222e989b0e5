"""Loading profiles: what wins, where each value came from, and that every mistake names place and remedy."""

from __future__ import annotations

import dataclasses
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.host_room.profiles import SMALL, load, write_profile
from ztb.core.error import ConfigError, UsageError
from ztb.host.config import load_profile


def line_with(text: str, part: str) -> int:
    """Number of the only line of ``text`` that has ``part``."""
    (number,) = [index for index, line in enumerate(text.splitlines(), 1) if part in line]
    return number


def refusal(directory: Path, text: str, *, environ: dict[str, str] | None = None) -> ConfigError:
    """The error that loading ``text`` ends in."""
    with pytest.raises(ConfigError) as caught:
        load(directory, text, environ=environ)
    return caught.value


def test_amounts_are_exact_decimals(tmp_path: Path) -> None:
    profile = load(tmp_path).profile
    assert profile.sizing.order_size == Decimal("0.0100")
    assert profile.limits.order_size_max == Decimal("0.01")


def test_an_unquoted_number_is_taken_exactly_too(tmp_path: Path) -> None:
    # 0.1 as a binary float is 0.1000000000000000055...
    text = SMALL.replace('position_max = "0.05"', "position_max = 0.1")
    assert load(tmp_path, text).profile.limits.position_max == Decimal("0.1")


def test_a_profile_cannot_be_changed_after_loading(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    with pytest.raises(ValidationError):
        loaded.profile.limits.orders_per_minute_max = 600
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.digest = ""  # type: ignore[misc]


def test_later_sources_win_in_the_documented_order(tmp_path: Path) -> None:
    key = "limits.orders_per_minute_max"
    path = write_profile(tmp_path)
    line = line_with(SMALL, "orders_per_minute_max")
    assert _value(tmp_path, key) == (30, f"{path}:{line}")

    drop_in_directory = tmp_path / "profiles" / "small.toml.d"
    drop_in_directory.mkdir()
    (drop_in_directory / "10-a.toml").write_text("[limits]\norders_per_minute_max = 11\n")
    second = drop_in_directory / "20-b.toml"
    second.write_text("# second\n\n[limits]\norders_per_minute_max = 12\n")
    assert _value(tmp_path, key) == (12, f"{second}:4")

    environ = {"ZTB_LIMITS__ORDERS_PER_MINUTE_MAX": "13"}
    assert _value(tmp_path, key, environ=environ) == (13, "environment ZTB_LIMITS__ORDERS_PER_MINUTE_MAX")

    overrides = [f"{key}=14", f"{key} = 15"]
    assert _value(tmp_path, key, environ=environ, overrides=overrides) == (15, "option --set")


def _value(
    directory: Path, key: str, *, environ: dict[str, str] | None = None, overrides: list[str] | None = None
) -> tuple[object, str]:
    loaded = load_profile("small", config_dir=directory, environ=environ or {}, overrides=overrides or [])
    return loaded.effective()[key], loaded.sources[key]


def test_our_own_variable_wins_over_an_alias(tmp_path: Path) -> None:
    environ = {"DRY_RUN": "0", "ZTB_MODE__EXECUTE_ORDERS": "false"}
    loaded = load(tmp_path, environ=environ)
    assert loaded.profile.mode.execute_orders is False
    assert loaded.sources["mode.execute_orders"] == "environment ZTB_MODE__EXECUTE_ORDERS"


def test_every_effective_value_has_a_source_and_defaults_say_so(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert set(loaded.sources) >= set(loaded.effective())
    assert loaded.sources["service.timer_ms"] == "default"
    assert loaded.sources["mode.live_http_enabled"] == "default"


def test_orders_are_off_unless_the_profile_arms_them(tmp_path: Path) -> None:
    assert load(tmp_path).profile.armed is False
    assert load(tmp_path, overrides=["mode.execute_orders=true"]).profile.armed is True
    assert load(tmp_path, overrides=["mode.execute_orders=true", "mode.trading=observe"]).profile.armed is False


def test_a_real_exchange_needs_the_second_key_too(tmp_path: Path) -> None:
    text = SMALL.replace('kind = "paper"', 'kind = "canary"').replace("simulator = true", "simulator = false")
    one_key = ["mode.execute_orders=true"]
    assert load(tmp_path, text, overrides=one_key).profile.armed is False
    assert load(tmp_path, text, overrides=[*one_key, "mode.live_http_enabled=true"]).profile.armed is True


def test_another_policy_drops_the_parameters_of_the_first_one(tmp_path: Path) -> None:
    assert load(tmp_path).profile.policy.parameters == {"fast": 10, "slow": 20}
    assert load(tmp_path, overrides=["policy.name=buy_hold"]).profile.policy.parameters == {}
    changed = load(tmp_path, overrides=["policy.name=rsi_reversion", "policy.parameters.length=7"])
    assert changed.profile.policy.parameters == {"length": 7}
    same = load(tmp_path, overrides=["policy.name=sma_fast_slow", "policy.parameters.fast=5"])
    assert same.profile.policy.parameters == {"fast": 5, "slow": 20}


def test_the_digest_follows_meaning_not_spelling_or_source(tmp_path: Path) -> None:
    reference = load(tmp_path).digest
    assert len(reference) == 64
    respelled = SMALL.replace('"0.0100"', "0.01").replace("[mode]", "# comment\n[mode]")
    assert load(tmp_path, respelled).digest == reference
    assert load(tmp_path, environ={"ZTB_SIZING__ORDER_SIZE": "0.010"}).digest == reference
    assert load(tmp_path, overrides=["credentials.key_file=/tmp/key"]).digest == reference
    assert load(tmp_path, overrides=["limits.position_max=0.06"]).digest != reference


def test_an_unknown_key_names_its_line_and_the_key_that_was_meant(tmp_path: Path) -> None:
    text = SMALL.replace("open_orders_max = 3", "open_order_max = 3")
    error = refusal(tmp_path, text)
    place = f"{tmp_path}/profiles/small.toml:{line_with(text, 'open_order_max')}"
    assert error.message == f"{place}: unknown key limits.open_order_max; did you mean limits.open_orders_max?"
    assert "ztb config check --profile small" in error.remedy
    assert error.exit_code == 78


def test_a_right_key_in_the_wrong_section_is_recognised(tmp_path: Path) -> None:
    text = SMALL.replace("[mode]", "[mode]\ndaily_loss_max = 3")
    assert "did you mean limits.daily_loss_max?" in refusal(tmp_path, text).message


def test_a_key_like_no_other_gets_no_guess(tmp_path: Path) -> None:
    assert "`ztb config keys` lists all" in refusal(tmp_path, SMALL + "qqqqqqqq = 1\n").message


@pytest.mark.parametrize(
    ("old", "new", "key", "allowed"),
    [
        (
            "orders_per_minute_max = 30",
            'orders_per_minute_max = "many"',
            "limits.orders_per_minute_max",
            "whole number",
        ),
        ("orders_per_minute_max = 30", 'orders_per_minute_max = "30"', "limits.orders_per_minute_max", "whole number"),
        ("orders_per_minute_max = 30", "orders_per_minute_max = 30.5", "limits.orders_per_minute_max", "whole number"),
        ("orders_per_minute_max = 30", "orders_per_minute_max = 601", "limits.orders_per_minute_max", "at most 600"),
        ("orders_per_minute_max = 30", "orders_per_minute_max = 0", "limits.orders_per_minute_max", "at least 1"),
        ("orders_per_minute_max = 30", "orders_per_minute_max = true", "limits.orders_per_minute_max", "whole number"),
        ('position_max = "0.05"', 'position_max = "0,05"', "limits.position_max", "a number above 0"),
        ('position_max = "0.05"', "position_max = true", "limits.position_max", "a number above 0"),
        ('position_max = "0.05"', "position_max = [1]", "limits.position_max", "a number above 0"),
        ('position_max = "0.05"', 'position_max = "-1"', "limits.position_max", "a number above 0"),
        ('position_max = "0.05"', "position_max = 0", "limits.position_max", "a number above 0"),
        ('position_max = "0.05"', "position_max = nan", "limits.position_max", "a number above 0"),
        ('position_max = "0.05"', "position_max = inf", "limits.position_max", "a number above 0"),
        ('position_max = "0.05"', 'position_max = "1e-400"', "limits.position_max", "a number above 0"),
        ('position_max = "0.05"', 'position_max = "0.0000000000000000001"', "limits.position_max", "decimal places"),
        ('position_max = "0.05"', 'position_max = "1e400"', "limits.position_max", "at most 1000000"),
        ('price_collar_pct = "1"', 'price_collar_pct = "10.1"', "limits.price_collar_pct", "at most 10"),
        ('trading = "normal"', 'trading = "full"', "mode.trading", "normal, reduce_only, observe"),
        ('stop_policy = "cancel"', "stop_policy = 1", "mode.stop_policy", "cancel, flatten, leave"),
        ("simulator = true", 'simulator = "yes"', "venue.simulator", "true or false"),
        ("simulator = true", "simulator = 1", "venue.simulator", "true or false"),
        ('instrument = "btc_jpy"', 'instrument = "BTC/JPY"', "venue.instrument", "btc_jpy, BTC, BTC_JPY, BTC-USD"),
        ('kind = "paper"', 'kind = "test"', "kind", "demo, paper, canary, live"),
        ("fast = 10", "fast = 1.5", "policy.parameters.fast", "whole number, a text"),
        ("fast = 10", "fast = 2024-01-01", "policy.parameters.fast", "whole number, a text"),
    ],
)
def test_a_bad_value_names_line_key_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, key: str, allowed: str
) -> None:
    text = SMALL.replace(old, new)
    assert text != SMALL
    error = refusal(tmp_path, text)
    assert error.message.startswith(f"{tmp_path}/profiles/small.toml:{line_with(text, new)}: {key} = ")
    assert allowed in error.message
    assert "\n" not in error.message, "one mistake, one sentence"


def test_a_missing_key_is_named_with_what_may_stand_there(tmp_path: Path) -> None:
    error = refusal(tmp_path, SMALL.replace('stop_policy = "cancel"\n', ""))
    assert error.message == (
        f"{tmp_path}/profiles/small.toml: mode.stop_policy is missing; allowed: one of cancel, flatten, leave"
    )


def test_a_missing_section_names_its_keys(tmp_path: Path) -> None:
    text = SMALL.replace('[sizing]\norder_size = "0.0100"\ncapital = "1000000"\n', "")
    message = refusal(tmp_path, text).message
    assert "sizing.order_size is missing" in message
    assert "sizing.capital is missing" in message


def test_all_mistakes_are_told_at_once_up_to_a_limit(tmp_path: Path) -> None:
    message = refusal(tmp_path, "[mode]\n" + "".join(f"wrong_{number} = 1\n" for number in range(25))).message
    assert message.count("unknown key") == 10
    assert message.endswith("and 15 more")


def test_a_value_where_a_section_belongs(tmp_path: Path) -> None:
    text = SMALL.replace("[policy.parameters]\nfast = 10\nslow = 20\n", "parameters = 3\n")
    assert "policy.parameters is a section, not a value" in refusal(tmp_path, text).message
    assert "venue.name.x" in refusal(tmp_path, SMALL.replace('name = "zaif"', 'name = { x = "zaif" }')).message


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    text = SMALL.replace("open_orders_max = 3", "open_orders_max = = 3")
    line = line_with(text, "= = 3")
    assert refusal(tmp_path, text).message.startswith(f"{tmp_path}/profiles/small.toml:{line}: not TOML")


def test_the_same_key_twice_is_refused(tmp_path: Path) -> None:
    text = SMALL.replace("open_orders_max = 3", "open_orders_max = 3\nopen_orders_max = 4")
    assert "not TOML" in refusal(tmp_path, text).message


@pytest.mark.parametrize("content", [b"kind = \xff\n", b"\xff\xfe" + "kind = 1".encode("utf-16-le")])
def test_a_file_that_is_not_utf_8(tmp_path: Path, content: bytes) -> None:
    write_profile(tmp_path).write_bytes(content)
    with pytest.raises(ConfigError, match=r"small\.toml:1: not UTF-8"):
        load_profile("small", config_dir=tmp_path, environ={})


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 100_000, "a = 1\n" * 3, "\x00"])
def test_hostile_files_end_in_a_config_error(tmp_path: Path, text: str) -> None:
    assert "not TOML" in refusal(tmp_path, text).message


def test_a_huge_file_is_no_profile(tmp_path: Path) -> None:
    assert "larger than" in refusal(tmp_path, "#" * 300_000).message


def test_a_profile_that_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "profiles" / "small.toml").mkdir(parents=True)
    with pytest.raises(ConfigError, match="Is a directory"):
        load_profile("small", config_dir=tmp_path, environ={})


@pytest.mark.parametrize("name", ["profiles", "profiles/small.toml.d"])
def test_a_directory_that_cannot_be_read_is_no_empty_one(tmp_path: Path, name: str) -> None:
    write_profile(tmp_path)
    place = tmp_path / name
    if place.exists():
        shutil.rmtree(place)
    place.symlink_to(place)  # refuses root as well, as a mode would refuse others
    with pytest.raises(ConfigError) as caught:
        load_profile("small", config_dir=tmp_path, environ={})
    assert caught.value.message == f"{place}: Too many levels of symbolic links"


def test_a_mistake_in_a_drop_in_names_the_drop_in(tmp_path: Path) -> None:
    write_profile(tmp_path)
    drop_in = tmp_path / "profiles" / "small.toml.d" / "50-night.toml"
    drop_in.parent.mkdir()
    drop_in.write_text("[limits]\n\nposition_max = -3\n")
    with pytest.raises(ConfigError) as caught:
        load_profile("small", config_dir=tmp_path, environ={})
    assert caught.value.message.startswith(f"{drop_in}:3: limits.position_max = -3: not allowed")


def test_windows_line_ends_keep_their_numbers(tmp_path: Path) -> None:
    text = SMALL.replace("open_orders_max = 3", "open_orders_max = 1000")
    write_profile(tmp_path).write_bytes(text.replace("\n", "\r\n").encode())
    with pytest.raises(ConfigError, match=rf"small\.toml:{line_with(text, '= 1000')}: limits\.open_orders_max"):
        load_profile("small", config_dir=tmp_path, environ={})


def test_an_unknown_profile_lists_the_ones_that_exist(tmp_path: Path) -> None:
    write_profile(tmp_path, name="blue")
    write_profile(tmp_path, name="red")
    with pytest.raises(ConfigError, match="no profile 'green'") as caught:
        load_profile("green", config_dir=tmp_path, environ={})
    assert "blue, red" in caught.value.remedy


@pytest.mark.parametrize("name", ["../profiles/small", "/etc/passwd", "", "Small", "a" * 40, "small\n"])
def test_a_name_that_is_a_path_is_never_opened(tmp_path: Path, name: str) -> None:
    write_profile(tmp_path)
    with pytest.raises(ConfigError, match="no profile"):
        load_profile(name, config_dir=tmp_path, environ={})


def test_a_named_directory_is_the_only_one_searched(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no profile 'demo'"):
        load_profile("demo", config_dir=tmp_path, environ={})
    with pytest.raises(ConfigError, match="no profile 'demo'"):
        load_profile("demo", environ={"ZTB_CONFIG_DIR": str(tmp_path)})


def test_the_option_wins_over_the_variable_for_the_directory(tmp_path: Path) -> None:
    write_profile(tmp_path / "a")
    loaded = load_profile("small", config_dir=tmp_path / "a", environ={"ZTB_CONFIG_DIR": str(tmp_path / "b")})
    assert loaded.files[0].parent == tmp_path / "a" / "profiles"


def test_a_variable_of_ours_without_meaning_is_told(tmp_path: Path) -> None:
    loaded = load(tmp_path, environ={"ZTB_MODE": "x", "ZTB_LOG": "json", "HOME": "/root"})
    assert loaded.warnings == ("environment ZTB_MODE means nothing to ztb; a setting is ZTB_SECTION__KEY",)


def test_an_unknown_setting_in_the_environment_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, SMALL, environ={"ZTB_LIMITS__POSITION_MX": "1"})
    assert error.message.startswith("environment ZTB_LIMITS__POSITION_MX: unknown key limits.position_mx")
    assert "did you mean limits.position_max?" in error.message


@pytest.mark.parametrize("override", ["limits.position_max", "=3", "limits..x=3", ".=1", ""])
def test_an_option_that_is_no_setting(tmp_path: Path, override: str) -> None:
    with pytest.raises(UsageError, match="not a setting"):
        load(tmp_path, overrides=[override])


def test_the_kind_and_so_the_bounds_cannot_be_changed_from_outside(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="kind"):
        load(tmp_path, overrides=["kind=live"])


@pytest.mark.parametrize("text", ["1\nkind = 'live'", "2024-01-01", "{ x = 1 }", "[1]"])
def test_text_from_outside_stays_one_value(tmp_path: Path, text: str) -> None:
    loaded = load(tmp_path, environ={"ZTB_POLICY__PARAMETERS__FAST": text})
    assert loaded.profile.policy.parameters["fast"] == text
    assert loaded.profile.kind == "paper"


def test_text_keys_take_text_from_outside_as_it_is(tmp_path: Path) -> None:
    loaded = load(tmp_path, overrides=["venue.tape=2024", "state.directory=true"])
    assert loaded.profile.venue.tape == "2024"
    assert loaded.profile.state.directory == "true"


def test_amounts_are_shown_in_one_spelling_and_keep_their_size(tmp_path: Path) -> None:
    """Zeros behind the point mean nothing, zeros before it do."""
    text = SMALL.replace('position_max = "0.05"', 'position_max = "10.00"')
    values = load(tmp_path, text).effective()
    shown = [values[key] for key in ("sizing.capital", "sizing.order_size", "limits.position_max")]
    assert shown == ["1000000", "0.01", "10"]
    assert values["limits.orders_per_minute_max"] == 30
    assert values["venue.simulator"] is True


@pytest.mark.parametrize("length", [58, 59, 200])
def test_a_long_value_is_shown_in_short(tmp_path: Path, length: int) -> None:
    """Sixty characters, the two quotation marks among them."""
    error = refusal(tmp_path, SMALL.replace('stop_policy = "cancel"', f'stop_policy = "{"x" * length}"'))
    shown = f"'{'x' * length}'" if length <= 58 else f"'{'x' * 56}..."
    assert f"mode.stop_policy = {shown}: not allowed" in error.message


def test_where_no_profile_is_there_is_none_to_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no profile 'small'") as caught:
        load_profile("small", config_dir=tmp_path, environ={})
    assert caught.value.remedy == "name another directory with --config-dir"


def test_the_hard_bounds_are_held_at_the_door(tmp_path: Path) -> None:
    text = SMALL.replace('kind = "paper"', 'kind = "canary"')
    assert load(tmp_path, text).profile.limits.daily_loss_max == 1500
    assert "may be at most 1500" in refusal(tmp_path, text.replace('"1500"', '"1501"')).message


def test_an_empty_section_says_nothing_and_an_empty_table_is_no_value(tmp_path: Path) -> None:
    text = SMALL.replace("[policy.parameters]\nfast = 10\nslow = 20\n", "[policy.parameters]\n") + "[service]\n"
    assert load(tmp_path, text).profile.policy.parameters == {}
    for line, key in (("position_max = {}", "limits.position_max"), ("[policy.parameters.fast]", "policy.parameters")):
        bad = text.replace('position_max = "0.05"', line) if "=" in line else text + line
        assert key in refusal(tmp_path, bad).message


def test_a_paper_account_that_is_given_keys_says_that_it_reads_none(tmp_path: Path) -> None:
    write_profile(tmp_path, SMALL)
    words = ("venue.paper=true", "venue.simulator=false", "credentials.key_file=/keys/zaif")
    loaded = load(tmp_path, overrides=words)
    why = "is not read: a paper account has no key and no private stream"
    assert loaded.warnings == (f"option --set: credentials.key_file {why}",)
    assert load(tmp_path, overrides=words[:2]).warnings == ()
    assert load(tmp_path, overrides=words[2:]).warnings == ()
