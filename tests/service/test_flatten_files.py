"""The files ``operator/flatten`` and ``operator/panic``: what they hold, and that they count once."""

from __future__ import annotations

import asyncio
import os
import pwd
from pathlib import Path

import pytest

from tests.service.scene import HandClock
from ztb.core.event import Event, Flatten
from ztb.core.flattening import LIMIT, MARKET_MODE
from ztb.service.flatten_files import SLIPPAGE_PPM, WITHIN_S, FlattenFiles, FlattenWish, encode_wish
from ztb.service.inbox import Inbox

SECOND = 1_000_000_000
ORDINARY = (LIMIT, SLIPPAGE_PPM, WITHIN_S * SECOND)


class Scene:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.inbox = Inbox(HandClock())
        self.files = FlattenFiles(directory, self.inbox)

    def look(self) -> list[Event]:
        self.files.look()
        events: list[Event] = []
        while not self.inbox.is_empty():
            events.append(asyncio.run(self.inbox.take())[0])
        return events

    def one(self) -> Flatten:
        [event] = self.look()
        assert isinstance(event, Flatten)
        return event


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def terms(event: Flatten) -> tuple[str, int, int]:
    return event.mode, event.slippage_ppm_max, event.within_ns


def test_a_line_of_text_is_a_reason(scene: Scene) -> None:
    (scene.directory / "flatten").write_text("smoke\nand fire\n")
    event = scene.one()
    assert (event.source, event.reason) == ("flatten file", "smoke")
    assert terms(event) == ORDINARY
    assert (event.kill, event.then_stop, event.holds) == (False, False, True)
    assert not (scene.directory / "flatten").exists()
    assert scene.look() == []


def test_panic_kills_and_stops(scene: Scene) -> None:
    (scene.directory / "panic").touch()
    event = scene.one()
    assert (event.reason, event.kill, event.then_stop) == ("panic file present", True, True)


def test_who_laid_it_is_told_by_the_owner_of_the_file(scene: Scene) -> None:
    (scene.directory / "flatten").write_text("me")
    name, uid = pwd.getpwuid(os.getuid()).pw_name, os.getuid()
    assert scene.one().by == f"operator {name} (uid {uid})"


def test_the_terms_that_a_command_writes_come_back(scene: Scene) -> None:
    wish = FlattenWish("a reason", MARKET_MODE, 5_000, 17, True)
    (scene.directory / "flatten").write_text(encode_wish(wish))
    event = scene.one()
    assert (event.reason, *terms(event), event.then_stop) == ("a reason", MARKET_MODE, 5_000, 17 * SECOND, True)


@pytest.mark.parametrize(
    "text",
    [
        '{"reason": "x", "mode": "fast"}',
        '{"reason": "x", "slippage_ppm_max": -1}',
        '{"reason": "x", "slippage_ppm_max": 1000000}',
        '{"reason": "x", "within_s": 0}',
        '{"reason": "x", "within_s": 86401}',
    ],
)
def test_terms_that_make_no_sense_do_not_make_an_emergency_wait(text: str, scene: Scene) -> None:
    (scene.directory / "panic").write_text(text)
    event = scene.one()
    assert (event.reason, terms(event), event.kill) == ("x", ORDINARY, True)


@pytest.mark.parametrize("body", [b"{", b'{"mode": 1}', b"\xff\xfe{", b'{"reason": "\x00"}', b"\x00" * 5_000])
def test_whatever_lies_there_flattens(body: bytes, scene: Scene) -> None:
    (scene.directory / "flatten").write_bytes(body)
    event = scene.one()
    assert terms(event) == ORDINARY
    assert event.reason.isprintable()
    assert event.reason


def test_both_at_once_and_panic_first(scene: Scene) -> None:
    (scene.directory / "flatten").write_text("a")
    (scene.directory / "panic").write_text("b")
    events = scene.look()
    assert [event.reason for event in events if isinstance(event, Flatten)] == ["b", "a"]


def test_a_pipe_or_a_link_does_not_keep_anybody_waiting(scene: Scene) -> None:
    os.mkfifo(scene.directory / "panic")
    assert scene.one().kill
    (scene.directory / "flatten").symlink_to("/etc/hostname")
    assert scene.one().reason == "flatten file present", "nothing is read through a link"


def test_one_that_cannot_be_taken_away_counts_once(scene: Scene) -> None:
    (scene.directory / "flatten").mkdir()
    assert len(scene.look()) == 1
    assert scene.look() == []
    (scene.directory / "flatten").rmdir()
    assert scene.look() == []
    (scene.directory / "flatten").touch()
    assert len(scene.look()) == 1
