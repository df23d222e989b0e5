"""Pause files: taken away and counted once, by their owner; what cannot be understood changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import MINUTE, T0
from tests.service.scene import HandClock
from ztb.core.event import ChooseProfile, Event, LiftPause, Pause
from ztb.service.inbox import Inbox
from ztb.service.pausing import MINUTES_MAX, PauseFiles
from ztb.service.who import who

US = who(os.geteuid())


class Scene:
    """The operator directory of one trader."""

    def __init__(self, directory: Path) -> None:
        self.clock = HandClock()
        self.inbox = Inbox(self.clock)
        self.files = PauseFiles(directory, self.inbox, self.clock)
        self.pause = directory / "pause"
        self.unpause = directory / "unpause"
        self.profile = directory / "risk-profile"

    def look(self) -> list[Event]:
        self.files.look()
        events: list[Event] = []
        while not self.inbox.is_empty():
            events.append(asyncio.run(self.inbox.take())[0])
        return events


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_pause_is_taken_away_and_asked_for_once(scene: Scene) -> None:
    assert scene.look() == []
    scene.pause.write_text('{"minutes": 5, "reason": "the central bank speaks"}')
    [pause] = scene.look()
    assert isinstance(pause, Pause)
    assert (pause.until_ns, pause.source, pause.reason) == (T0 + 5 * MINUTE, US, "the central bank speaks")
    assert (pause.instrument, pause.freeze) == ("", False)
    assert not scene.pause.exists()
    assert scene.look() == []


def test_a_pause_of_one_instrument(scene: Scene) -> None:
    scene.pause.write_text(json.dumps({"minutes": 1, "reason": "価格", "instrument": "btc_jpy"}))
    [pause] = scene.look()
    assert isinstance(pause, Pause)
    assert (pause.instrument, pause.reason) == ("btc_jpy", "価格")


def test_a_pause_is_lifted(scene: Scene) -> None:
    scene.unpause.write_text('{"reason": "all is calm", "instrument": "btc_jpy"}')
    [lift] = scene.look()
    assert isinstance(lift, LiftPause)
    assert (lift.source, lift.reason, lift.instrument) == (US, "all is calm", "btc_jpy")
    assert scene.look() == []


@pytest.mark.parametrize(("name", "conservative"), [("configured", False), ("conservative", True)])
def test_the_limits_after_a_kill_are_chosen(scene: Scene, name: str, conservative: bool) -> None:
    scene.profile.write_text(json.dumps({"profile": name, "reason": "the cause was found"}))
    [choice] = scene.look()
    assert isinstance(choice, ChooseProfile)
    assert (choice.conservative, choice.source, choice.reason) == (conservative, US, "the cause was found")
    assert scene.look() == []


@pytest.mark.parametrize(
    "text",
    [
        '{"profile": "aggressive", "reason": "x"}',
        '{"profile": "configured"}',
        '{"reason": "x"}',
        '{"profile": "configured", "reason": " "}',
        '{"profile": "configured", "reason": "x", "minutes": 5}',
    ],
)
def test_a_choice_that_cannot_be_understood_changes_nothing(scene: Scene, text: str) -> None:
    scene.profile.write_text(text)
    assert scene.look() == []
    assert not scene.profile.exists()


def test_of_both_the_pause_holds(scene: Scene) -> None:
    scene.unpause.write_text('{"reason": "all is calm"}')
    scene.pause.write_text('{"minutes": 1, "reason": "or not"}')
    assert [type(event) for event in scene.look()] == [LiftPause, Pause]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "[]",
        "{}",
        '{"minutes": 5}',
        '{"reason": "x"}',
        '{"minutes": 0, "reason": "x"}',
        '{"minutes": -5, "reason": "x"}',
        f'{{"minutes": {MINUTES_MAX + 1}, "reason": "x"}}',
        '{"minutes": 1.5, "reason": "x"}',
        '{"minutes": true, "reason": "x"}',
        '{"minutes": "5", "reason": "x"}',
        '{"minutes": 5, "reason": ""}',
        '{"minutes": 5, "reason": "  "}',
        '{"minutes": 5, "reason": "two\\nlines"}',
        '{"minutes": 5, "reason": "\\u001b[31m"}',
        '{"minutes": 5, "reason": "' + "x" * 501 + '"}',
        '{"minutes": 5, "reason": "' + "x" * 3_000 + '"}',
        '{"minutes": 5, "reason": "x", "instrument": "' + "x" * 33 + '"}',
        '{"minutes": 5, "reason": "x", "until": 5}',
    ],
)
def test_what_cannot_be_understood_changes_nothing(scene: Scene, text: str) -> None:
    scene.pause.write_text(text)
    assert scene.look() == []
    assert not scene.pause.exists()


@given(st.binary(max_size=300))
def test_no_content_breaks_the_trader(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        scene = Scene(Path(directory))
        for path in (scene.pause, scene.unpause, scene.profile):
            path.write_bytes(content)
        assert scene.look() == []
        assert list(Path(directory).iterdir()) == []


def test_odd_files_do_not_stop_the_trader(scene: Scene) -> None:
    makers: dict[str, Callable[[], object]] = {
        "directory": scene.pause.mkdir,
        "pipe": lambda: os.mkfifo(scene.pause),
        "link": lambda: scene.pause.symlink_to("nowhere"),
        "not text": lambda: scene.pause.write_bytes(b"\xff\xfe\x00"),
    }
    for name, make in makers.items():
        make()
        assert scene.look() == [], name
        assert scene.look() == [], name
        if name == "directory":
            scene.pause.rmdir()
        else:
            scene.pause.unlink(missing_ok=True)
    assert scene.look() == []
    scene.pause.write_text('{"minutes": 5, "reason": "now"}')
    assert [type(event) for event in scene.look()] == [Pause]


def test_a_file_that_cannot_be_taken_away_does_not_count(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    scene.pause.write_text('{"minutes": 5, "reason": "x"}')
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        assert scene.look() == []
        assert scene.look() == []
    scene.pause.unlink()
    assert scene.look() == []
