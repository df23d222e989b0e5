"""Every input that was ever kept, and every recorded answer at every call: none does more than be refused."""

from __future__ import annotations

import tracemalloc

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.corpus import CORPUS, corpus_path, read_corpus, write_corpus
from tests.fuzz.guided import checked
from tests.fuzz.targets import TARGETS, Target

MEMORY_BYTES_MAX = 64 * 1024 * 1024
BY_NAME = {target.name: target for target in TARGETS}


@pytest.mark.parametrize("name", BY_NAME)
def test_kept_inputs_are_handled(name: str) -> None:
    inputs = [*read_corpus(name), *BY_NAME[name].seeds()]
    assert len(read_corpus(name)) > 0, "the corpus is kept in the repository"
    with BY_NAME[name].runner() as run:
        told = [checked(run, data) for data in inputs]
    assert any("undecodable" in text for text in told)
    if not name.endswith("stream"):
        assert any(text.endswith("taken") for text in told), "some of them are real answers"


@pytest.mark.parametrize("name", BY_NAME)
def test_memory_stays_bounded(name: str) -> None:
    inputs = read_corpus(name)
    with BY_NAME[name].runner() as run:
        tracemalloc.start()
        try:
            for data in inputs:
                checked(run, data)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < MEMORY_BYTES_MAX


def test_every_file_of_the_corpus_belongs_to_a_target() -> None:
    assert {path.relative_to(CORPUS).as_posix() for path in CORPUS.rglob("*.*")} == {
        f"{name}.jsonl" for name in BY_NAME
    }


def test_the_corpus_comes_back_as_it_was(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.corpus.CORPUS", tmp_path)
    inputs = [b"", b"\x00\xff\n", bytes(range(256)), "日本".encode()]
    write_corpus("venue/kind", inputs)
    assert sorted(read_corpus("venue/kind")) == sorted(inputs)
    assert read_corpus("venue/other") == []


def test_a_run_of_the_command_keeps_what_it_found(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.fuzz.corpus.CORPUS", tmp_path)
    assert main(["--venue", "zaif", "--target", "market_stream", "--runs", "200"]) == 0
    assert "zaif/market_stream: 200 inputs" in capsys.readouterr().out
    assert corpus_path("zaif/market_stream").exists()
    assert read_corpus("zaif/market_stream")


def test_a_defect_is_kept_told_and_an_exit_code(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.fuzz.corpus.CORPUS", tmp_path)
    monkeypatch.setattr("ztb.venues.zaif.codec.japan_time_ns", lambda text, what: int(text))
    assert main(["--venue", "zaif", "--target", "market_stream", "--runs", "200"]) == 1
    assert "ValueError" in capsys.readouterr().out
    assert any(b"timestamp" in data for data in read_corpus("zaif/market_stream"))


@pytest.mark.parametrize(
    "words", [[], ["--venue", "zaif"], ["--venue", "zaif", "--target", "account_stream", "--runs", "1"]]
)
def test_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)


def test_targets_cover_every_venue() -> None:
    assert {target.venue for target in TARGETS} == {"zaif", "gmo", "coinbase"}
    assert Target("zaif", "market") in TARGETS
