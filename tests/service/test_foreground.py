"""What ``ztb run`` checks before a trader exists, and what it hands to it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ztb.core.error import ConfigError, CredentialError
from ztb.host.config import load_profile
from ztb.host.credentials import credentials
from ztb.service.foreground import (
    RunOptions,
    StoppedEarly,
    _early_signals,
    _mode,
    run,
    tape_path,
)
from ztb.service.setting import STOP_SIGNALS


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGUSR1)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def options(directory: Path, **more: str) -> RunOptions:
    return RunOptions(directory / "state", directory / "run", **more)  # type: ignore[arg-type]


def test_a_policy_that_does_not_exist_touches_nothing(tmp_path: Path) -> None:
    loaded = load_profile("demo", overrides=["policy.name=martingale"], environ={})
    with pytest.raises(ConfigError, match="martingale"):
        run(loaded, options(tmp_path), environ={})
    assert list(tmp_path.iterdir()) == []


def test_a_profile_of_a_real_exchange_does_not_go_to_a_simulator(tmp_path: Path) -> None:
    loaded = load_profile("demo", overrides=["venue.simulator=false"], environ={})
    with pytest.raises(ConfigError, match="not on the built-in exchange"):
        run(loaded, options(tmp_path, simulator_url="http://127.0.0.1:1"), environ={})


def test_an_armed_trader_without_credentials_does_not_start(tmp_path: Path) -> None:
    loaded = load_profile("demo", environ={})
    with pytest.raises(CredentialError):
        run(loaded, options(tmp_path, simulator_url="http://127.0.0.1:1"), environ={})


def test_the_tape_is_a_file_or_a_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bundled = tape_path(load_profile("demo", environ={}))
    assert bundled.exists()
    assert bundled.parent.name == "data"
    (tmp_path / "demo-btc_jpy.tape").touch()
    assert tape_path(load_profile("demo", environ={})) == Path("demo-btc_jpy.tape")
    named = load_profile("demo", overrides=["venue.tape=/somewhere/else.tape"], environ={})
    assert tape_path(named) == Path("/somewhere/else.tape")
    with pytest.raises(ConfigError, match=r"venue\.tape"):
        tape_path(load_profile("demo", overrides=["venue.tape="], environ={}))


def test_key_and_secret_come_from_their_files(tmp_path: Path) -> None:
    for name in ("key", "secret"):
        (tmp_path / name).write_text(f"the {name}\n")
        (tmp_path / name).chmod(0o600)
    loaded = load_profile(
        "demo",
        overrides=[f"credentials.{name}_file={tmp_path / name}" for name in ("key", "secret")],
        environ={},
    )
    keys = credentials(loaded, {})
    assert (keys.key.reveal(), keys.secret.reveal()) == ("the key", "the secret")
    assert "the key" not in repr(keys)
    assert _mode(loaded, keys) == "simulator"
    assert _mode(loaded, None) == "observe"
    real = load_profile("demo", overrides=["venue.simulator=false"], environ={})
    assert _mode(real, keys) == "live"


def test_a_kill_before_the_session_is_kept_for_it() -> None:
    with _early_signals() as early:
        assert not early.is_killed
        signal.raise_signal(signal.SIGUSR1)
        assert early.is_killed


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_stop_before_the_session_ends_the_start_once(number: signal.Signals) -> None:
    with _early_signals() as early:
        with pytest.raises(StoppedEarly):
            signal.raise_signal(number)
        for again in (*STOP_SIGNALS, signal.SIGUSR1):
            signal.raise_signal(again)
        assert early.is_stopped
