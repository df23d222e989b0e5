"""The old kill file does nothing, and whoever relies on it is told so."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ztb.core.error import ConfigError
from ztb.service.old_kill_file import OLD_KILL_FILE, OldKillFile, refuse_configured

REAL = Path("/run/ztb/live/operator/kill")


def test_it_is_the_one_of_the_old_programs() -> None:
    assert Path("/tmp/ztb.stop") == OLD_KILL_FILE


@pytest.mark.parametrize("name", ["KILL_FILE", "ZTB_KILL_FILE"])
def test_configured_it_is_refused_with_the_reason_and_the_real_one(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_configured({name: "/tmp/ztb.stop"}, REAL)
    assert caught.value.exit_code == 78
    assert "a /tmp of its own does not see it" in caught.value.message
    assert str(REAL) in caught.value.remedy
    with pytest.raises(ConfigError, match="no kill file of ztb"):
        refuse_configured({name: "/var/lib/other"}, REAL)


def test_nothing_configured_or_the_real_one_is_fine() -> None:
    refuse_configured({}, REAL)
    refuse_configured({"KILL_FILE": "", "ZTB_KILL_FILE": str(REAL)}, REAL)


def test_found_it_is_told_once_for_as_long_as_it_lies_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = OldKillFile(REAL, tmp_path / "ztb.stop")
    with caplog.at_level(logging.ERROR):
        old.look()
        assert caplog.records == []
        (tmp_path / "ztb.stop").touch()
        old.look()
        old.look()
        assert len(caplog.records) == 1
        assert "does NOT stop this trader" in caplog.text
        assert str(REAL) in caplog.text
        (tmp_path / "ztb.stop").unlink()
        old.look()
        (tmp_path / "ztb.stop").touch()
        old.look()
        assert len(caplog.records) == 2
