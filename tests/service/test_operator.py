"""Files and signals of an operator: a kill counts whatever it looks like, a resume only when it is whole."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.service.scene import HandClock
from ztb.core.event import Event, Kill, Resume
from ztb.service.inbox import Inbox
from ztb.service.operator import OperatorFiles, kill_by_signal


class Scene:
    """The operator directory of one trader."""

    def __init__(self, runtime: Path) -> None:
        self.inbox = Inbox(HandClock())
        self.files = OperatorFiles(runtime, self.inbox)
        self.kill = runtime / "operator" / "kill"
        self.resume = runtime / "operator" / "resume"

    def look(self) -> list[Event]:
        self.files.look()
        events: list[Event] = []
        while not self.inbox.is_empty():
            events.append(asyncio.run(self.inbox.take())[0])
        return events


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "run")


def test_nothing_there_means_nothing(scene: Scene) -> None:
    assert scene.look() == []
    assert scene.kill.parent.stat().st_mode & 0o777 == 0o700


def test_a_kill_file_kills_once_for_as_long_as_it_lies_there(scene: Scene) -> None:
    scene.kill.write_text("smoke in the server room\nmore\n")
    [kill] = scene.look()
    assert isinstance(kill, Kill)
    assert (kill.source, kill.reason) == ("kill file", "smoke in the server room")
    assert scene.look() == []
    scene.kill.unlink()
    assert scene.look() == []
    scene.kill.touch()
    [again] = scene.look()
    assert isinstance(again, Kill)
    assert again.reason == "kill file present"


def test_a_kill_counts_whatever_it_is(scene: Scene) -> None:
    makers: dict[str, Callable[[], object]] = {
        "directory": scene.kill.mkdir,
        "pipe": lambda: os.mkfifo(scene.kill),
        "broken link": lambda: scene.kill.symlink_to("nowhere"),
        "no text": lambda: scene.kill.write_bytes(b"\xff\x00\x1b[2J\n"),
    }
    for name, make in makers.items():
        make()
        [kill] = scene.look()
        assert isinstance(kill, Kill), name
        assert kill.reason.isprintable(), name
        scene.kill.rmdir() if name == "directory" else scene.kill.unlink()
        assert scene.look() == []


def test_a_directory_that_cannot_be_looked_into_may_hold_a_kill(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("ztb.service.operator_file.os.lstat", refuse)
    [kill] = scene.look()
    assert isinstance(kill, Kill)
    assert scene.look() == []


def test_a_resume_is_taken_away_and_asked_for_once(scene: Scene) -> None:
    scene.resume.write_text("the smoke was a kettle")
    [resume] = scene.look()
    assert isinstance(resume, Resume)
    assert (resume.source, resume.reason) == ("operator", "the smoke was a kettle")
    assert not scene.resume.exists()
    assert scene.look() == []


@pytest.mark.parametrize("text", ["", "  \n", "\x1b\x07\n", "\nsecond line"])
def test_a_resume_without_a_reason_does_not_count(scene: Scene, text: str) -> None:
    scene.resume.write_text(text)
    assert scene.look() == []
    assert not scene.resume.exists()


def test_a_resume_beside_a_kill_file_does_not_count(scene: Scene) -> None:
    scene.kill.touch()
    scene.resume.write_text("please")
    assert [type(event) for event in scene.look()] == [Kill]
    assert not scene.resume.exists()
    scene.kill.unlink()
    assert scene.look() == []


def test_a_resume_that_cannot_be_taken_away_does_not_count_again_and_again(scene: Scene) -> None:
    scene.resume.mkdir()
    assert scene.look() == []
    assert scene.look() == []
    scene.resume.rmdir()
    assert scene.look() == []
    scene.resume.write_text("now")
    assert [type(event) for event in scene.look()] == [Resume]


def test_a_signal_is_a_kill() -> None:
    inbox = Inbox(HandClock())
    kill_by_signal(inbox)()
    kill = asyncio.run(inbox.take())[0]
    assert isinstance(kill, Kill)
    assert kill.source == "signal"
