"""What ``make bench`` runs: the specified ticks, whole figures, and a failure that is not passed over."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

import tests.bench.__main__ as bench
from tests.bench import gen_ticks


def test_the_random_numbers_are_splitmix64() -> None:
    # The published first outputs of SplitMix64 with seed 1234567.
    numbers = gen_ticks.splitmix64(1234567)
    assert [next(numbers) for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_the_file_has_the_columns_and_steps_of_the_job(tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    digest = gen_ticks.write(path, count=2000)
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest
    heading, *lines = data.decode().splitlines()
    assert heading == "ts_ns,price,qty,side"
    assert len(lines) == 2000
    rows = [line.split(",") for line in lines]
    times = [int(row[0]) for row in rows]
    assert times == sorted(set(times))
    assert all(int(row[1]) % 5 == 0 for row in rows)
    assert all(len(row[2]) == 5 and "0.010" <= row[2] <= "0.109" for row in rows)
    assert {row[3] for row in rows} == {"b", "s"}


def test_the_million_rows_have_the_specified_digest(tmp_path: Path) -> None:
    assert gen_ticks.write(tmp_path / "ticks.csv") == "8ae858b8ecb84db90963f28b553230dddd9ab1c736298018b9a723b171d18c82"


def test_a_damaged_ticks_file_is_made_again_and_a_wrong_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(gen_ticks.rows(10))
    monkeypatch.setattr(gen_ticks, "SHA256_1M", hashlib.sha256(text.encode()).hexdigest())
    monkeypatch.setattr(gen_ticks.write, "__kwdefaults__", {"count": 10, "seed": gen_ticks.SEED})
    (tmp_path / "ticks.csv").write_text(text[:-1])
    assert gen_ticks.ticks_file(tmp_path).read_text() == text
    monkeypatch.setattr(gen_ticks, "SHA256_1M", "0" * 64)
    with pytest.raises(SystemExit, match="no longer makes the specified file"):
        gen_ticks.ticks_file(tmp_path)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package tests.bench of its own, holding one benchmark that the caller writes as planted.py."""
    package = tmp_path / "tests" / "bench"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    return package / "planted.py"


BENCHMARK = bench.Benchmark("planted", "planted", ("--csv", bench.TICKS))


def test_a_benchmark_gets_its_arguments_and_gives_its_figures(planted: Path) -> None:
    planted.write_text("import json, sys\nprint('warming up')\nprint(json.dumps({'got': sys.argv[1:]}))\n")
    assert bench.run(BENCHMARK, ticks="/t.csv") == {"got": ["--csv", "/t.csv", "--json"]}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise ValueError('broken')", "exit code 1: ValueError: broken"),
        ("import sys; sys.exit(3)", "exit code 3: no output"),
        ("print('no figures')", "printed no JSON object"),
        ("print('[1]')", "printed no JSON object"),
        ("print('{}')", "printed no JSON object"),
    ],
)
def test_a_benchmark_that_fails_says_why(planted: Path, code: str, error: str) -> None:
    planted.write_text(code)
    assert bench.run(BENCHMARK, ticks="") == {"error": error}


def test_a_benchmark_that_hangs_is_ended(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.write_text("import time\ntime.sleep(60)")
    monkeypatch.setattr(bench, "TIMEOUT_SECONDS", 1)
    assert bench.run(BENCHMARK, ticks="") == {"error": "no result after 1 s"}


def test_the_exit_code_tells_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "BENCHMARKS", (bench.Benchmark("one", "gen_ticks"), bench.Benchmark("two", "absent")))
    monkeypatch.setattr(bench, "run", lambda benchmark, *, ticks: {"ratio": 2.5})
    assert bench.main([]) == 0
    assert capsys.readouterr().out == "one  ratio  2.5\n"
    assert bench.main(["--only", "two"]) == 1
    assert "tests/bench/absent.py is not there yet" in capsys.readouterr().out
    monkeypatch.setattr(bench, "run", lambda benchmark, *, ticks: {"error": "broken"})
    assert bench.main([]) == 1
    with pytest.raises(SystemExit, match="2"):
        bench.main(["--only", "three"])


def test_figures_are_named_by_their_path_and_readable() -> None:
    figures = {"orders": 38627, "group": {"64": 51234.7, "ratio": 0.123456}, "journal": "memory", "ok": True}
    assert list(bench.flatten(figures)) == [
        ("orders", "38,627"),
        ("group.64", "51,235"),
        ("group.ratio", "0.1235"),
        ("journal", "memory"),
        ("ok", "True"),
    ]


def test_every_benchmark_on_the_list_has_its_own_name() -> None:
    names = [benchmark.name for benchmark in bench.BENCHMARKS]
    assert len(names) == len(set(names))
    assert sys.modules["tests.bench"].__file__
