"""The fuzzer itself: one seed gives one run, what is hidden behind several steps is found, and little is kept."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import guided
from tests.fuzz.guided import INPUT_BYTES_MAX, Defect, Mutator, checked, fuzz, smallest

PLANTED = """\
import json

def read(data):
    try:
        row = json.loads(data)
    except (ValueError, RecursionError):
        return "no JSON"
    if not isinstance(row, dict):
        return "no object"
    if row.get("kind") != "order":
        return "no order"
    size = row.get("size")
    if isinstance(size, str):
        return "size is a text"
    if size is None:
        if row.get("price") == 0:
            raise KeyError("planted")
        return "no size"
    return ""
"""
SEED = b'{"kind":"order","size":3,"price":7}'


@pytest.fixture
def planted(tmp_path: Path) -> Callable[[bytes], str]:
    path = tmp_path / "planted.py"
    path.write_text(PLANTED)
    spec = importlib.util.spec_from_file_location("planted", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    read: Callable[[bytes], str] = module.read
    return read


def test_a_defect_behind_two_steps_is_found_and_its_input_shows_it(
    planted: Callable[[bytes], str], tmp_path: Path
) -> None:
    outcome = fuzz(planted, [SEED], prefix=str(tmp_path), seed=1, runs_max=20_000, defects_max=1)
    [defect] = outcome.defects
    assert "KeyError" in str(defect)
    row = json.loads(defect.data)
    assert row["kind"] == "order"
    assert row.get("size") is None
    assert row["price"] == 0
    with pytest.raises(Defect):
        checked(planted, defect.data)


def test_without_guidance_the_same_number_of_inputs_keeps_only_the_seed(planted: Callable[[bytes], str]) -> None:
    outcome = fuzz(lambda data: planted(data) and "", [SEED], prefix="/nowhere", seed=1, runs_max=300)
    assert outcome.kept == []
    assert outcome.features == 0


def test_one_seed_gives_one_run(planted: Callable[[bytes], str], tmp_path: Path) -> None:
    first, again, other = (
        fuzz(planted, [SEED], prefix=str(tmp_path), seed=seed, runs_max=800, defects_max=100) for seed in (7, 7, 8)
    )
    assert (first.runs, first.kept, first.features) == (again.runs, again.kept, again.features)
    assert first.kept != other.kept


def test_what_is_kept_reaches_as_much_as_all_did(planted: Callable[[bytes], str], tmp_path: Path) -> None:
    inputs = [SEED, b"[]", b"[1]", b"x", b"xx", b'{"kind":"order","size":"3"}', b'{"kind":"order","size":"33"}']
    assert smallest(planted, inputs, prefix=str(tmp_path), count_max=10) == [
        b"x",
        b"[]",
        b'{"kind":"order","size":"3"}',
        SEED,
    ]
    assert smallest(planted, inputs, prefix=str(tmp_path), count_max=1) == [b"x"]


def test_an_input_that_takes_too_long_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guided, "SLOW_S_MAX", -1.0)
    with pytest.raises(Defect, match="took longer"):
        checked(lambda data: "", b"")


def test_inputs_stay_small_and_are_bytes_whatever_they_were_made_of() -> None:
    mutator = Mutator(Random(3))
    kept = [SEED, b"", b"\xff\xfe", b"[" * 5_000, b'[[1,2],{"a":[null,true,0.5,"x"]}]\n{"b":1}']
    made = [mutator.mutated(kept) for _ in range(2_000)]
    assert max(map(len, made)) <= INPUT_BYTES_MAX
    assert len(set(made)) > 1_000
