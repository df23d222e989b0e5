"""What the README and the changelogs say about the repository is true of it."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.house.floors import FLOORS
from tests.house.source import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
ROOMS = [room for floor in FLOORS for room in sorted(floor)]


@pytest.mark.parametrize("room", ROOMS)
def test_the_map_shows_the_rooms_that_exist_and_no_others(room: str) -> None:
    listed = re.search(rf"^  {room}/ ", README, re.MULTILINE) is not None
    assert listed == (ROOT / "ztb" / room / "__init__.py").exists()


def test_every_link_leads_to_a_file() -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_policy_shown_is_the_one_that_its_own_page_has_tested() -> None:
    page = (ROOT / "docs" / "own-policy.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert f"```python\n{shown}```" in page
    for line in re.findall(r"^```toml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[0].splitlines():
        assert line in page.splitlines()


def test_every_make_target_that_is_named_exists() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)\b", " ".join(re.findall(r"`[^`]+`|^    .*$", README, re.MULTILINE))))
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert {"run", "test"} <= named
    assert named <= targets


def test_make_help_lists_every_target_for_people() -> None:
    done = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    shown = re.findall(r"^  make (\S+)", done.stdout, re.MULTILINE)
    assert shown == ["help", "run", "test", "bench", "lint", "lock", "clean"]
