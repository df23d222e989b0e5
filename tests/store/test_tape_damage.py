"""Cut and damaged tapes: always a TapeError with a place, never an event that was not recorded."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.store.tape_samples import START_NS, small_recording, write_tape
from ztb.core.error import TapeError
from ztb.core.event import Market, Trade
from ztb.store.tape import TapeReader

EVENTS = small_recording(40)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_tape(tmp_path_factory.mktemp("whole") / "a.tape", EVENTS, flush_every=10).read_bytes()


def read_until_error(path: Path, *, allow_cut: bool = False) -> tuple[list[Market], TapeError | None]:
    """What came out, and what was complained about; any other exception fails the test."""
    events: list[Market] = []
    caught: TapeError | None = None
    try:
        events.extend(TapeReader(path, allow_cut=allow_cut).events())
    except TapeError as error:
        caught = error
    if caught is not None:
        assert caught.message.startswith(f"{path}: byte ")
        assert caught.remedy
        assert caught.exit_code == 2
    return events, caught


def test_a_tape_cut_anywhere_is_recognised_before_its_first_event(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.tape"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        events, error = read_until_error(path)
        assert error is not None, f"cut at {length}"
        assert events == []


def test_a_tape_cut_anywhere_yields_its_complete_blocks_when_that_is_allowed(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.tape"
    header_end = whole.index(b"BLCK")
    starts = [offset for offset in range(len(whole)) if whole[offset : offset + 4] in (b"BLCK", b"TEND")]
    assert len(starts) == 5
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        events, error = read_until_error(path, allow_cut=True)
        if length < header_end:
            assert error is not None
            continue
        assert error is None, f"cut at {length}: {error}"
        complete = sum(start <= length for start in starts[1:])
        assert events == EVENTS[: 10 * complete]
        reader = TapeReader(path, allow_cut=True)
        assert reader.cut is not None
        assert reader.cut.offset == starts[complete]
        assert reader.cut.lost_bytes == length - starts[complete]
        assert reader.counts.total == len(events)


def test_a_flipped_bit_anywhere_is_recognised(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "flipped.tape"
    for offset in range(len(whole)):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 8
        path.write_bytes(damaged)
        events, error = read_until_error(path)
        assert error is not None, f"bit {offset % 8} of byte {offset}"
        assert events == EVENTS[: len(events)]


def test_a_flipped_bit_never_becomes_an_event_when_a_cut_is_allowed(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "flipped.tape"
    last_block = whole.rindex(b"BLCK")
    end = whole.index(b"TEND")
    for offset in range(end):
        damaged = bytearray(whole[:end])
        damaged[offset] ^= 1 << (offset * 5) % 8
        path.write_bytes(damaged)
        events, error = read_until_error(path, allow_cut=True)
        assert events == EVENTS[: len(events)]
        # Only the last block may be lost as a cut; damage before it is damage.
        assert error is not None or (offset >= last_block and len(events) == 30), f"byte {offset}"


@settings(max_examples=examples(200))
@given(data=st.data())
def test_random_damage_never_becomes_an_event(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start, len(whole)))
    damaged = whole[:start] + data.draw(st.binary(max_size=80)) + whole[stop:]
    path = tmp_path_factory.getbasetemp() / "random.tape"
    path.write_bytes(damaged)
    for allow_cut in (False, True):
        events, error = read_until_error(path, allow_cut=allow_cut)
        assert events == EVENTS[: len(events)]
        if damaged != whole and not allow_cut:
            assert error is not None


def test_something_after_the_end_is_recognised(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "longer.tape"
    for more in (b"\0", b"x" * 100, whole):
        path.write_bytes(whole + more)
        _events, error = read_until_error(path)
        assert error is not None


def test_blocks_that_changed_places_are_recognised(whole: bytes, tmp_path: Path) -> None:
    starts = [offset for offset in range(len(whole)) if whole[offset : offset + 4] in (b"BLCK", b"TEND")]
    first, second = whole[starts[0] : starts[1]], whole[starts[1] : starts[2]]
    path = tmp_path / "swapped.tape"
    path.write_bytes(whole[: starts[0]] + second + first + whole[starts[2] :])
    _events, error = read_until_error(path)
    assert error is not None
    path.write_bytes(whole[: starts[1]] + whole[starts[2] :])
    _events, error = read_until_error(path)
    assert error is not None


def test_zeros_after_a_power_loss_are_a_cut_but_noise_is_damage(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "torn.tape"
    end = whole.index(b"TEND")
    path.write_bytes(whole[:end] + b"\0" * 4096)
    events, error = read_until_error(path, allow_cut=True)
    assert error is None
    assert events == EVENTS
    path.write_bytes(whole[:end] + b"\0" * 4000 + b"noise" * 20)
    _events, error = read_until_error(path, allow_cut=True)
    assert error is not None


@pytest.mark.parametrize("name", ["missing.tape", ".", "file/below.tape"])
def test_what_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TapeError, match="tape that exists") as caught:
        TapeReader(tmp_path / name)
    assert str(tmp_path) in caught.value.message


def test_a_pipe_is_no_tape(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    keeper = os.open(pipe, os.O_RDWR)  # so that the reader's open does not wait for a writer
    try:
        with pytest.raises(TapeError, match="is no regular file"):
            TapeReader(pipe)
    finally:
        os.close(keeper)


def test_a_tape_that_shrinks_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    # Blocks of more than what the file object reads ahead
    noise = random.Random(7)
    recorded: list[Market] = [
        Trade(START_NS + noise.randrange(10**9), "btc_jpy", noise.randrange(1, 10**9), noise.randrange(1, 10**9), 1)
        for _ in range(12_000)
    ]
    path = write_tape(tmp_path / "a.tape", recorded, flush_every=4000)
    whole = path.read_bytes()
    second = whole.index(b"BLCK", whole.index(b"BLCK") + 4)
    for length in (second, second + 20, second + 60, second + 20_000):
        path.write_bytes(whole)
        events = TapeReader(path).events()
        assert [next(events) for _ in range(4000)] == recorded[:4000]
        os.truncate(path, length)
        found: list[Market] = []
        with pytest.raises(TapeError, match=f"{path}: byte {second}: "):
            found.extend(events)
        assert found == []
