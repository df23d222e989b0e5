"""Whatever a profile file or the environment holds, loading ends in a profile or in an error of ours."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.host_room.profiles import SMALL, load
from ztb.core.error import ConfigError, UsageError
from ztb.host import schema

LINES = SMALL.splitlines()
KEYS = [schema.dotted(key) for key in schema.fields()]
VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "1e999999999",
            "-0",
            "nan",
            "inf",
            "0x10",
            "1_000",
            "true",
            "[[1]]",
            "{ a = 1 }",
            "07:32:00",
            '"',
            "9" * 50,
            "",
        ]
    ),
    st.integers().map(str),
    st.decimals().map(str),
)
SETTINGS = settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])


def ends_well(text: str, overrides: list[str], environ: dict[str, str]) -> None:
    """Loads; a refusal must name something and have a remedy."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            loaded = load(Path(directory), text, overrides=overrides, environ=environ)
        except (ConfigError, UsageError) as error:
            assert error.message
            assert error.remedy
            assert len(error.message) < 20_000
        else:
            assert loaded.digest == load(Path(directory), text, overrides=overrides, environ=environ).digest
            assert loaded.profile.limits.order_size_max >= loaded.profile.sizing.order_size > 0


@given(st.integers(0, len(LINES) - 1), st.one_of(VALUES, st.sampled_from(LINES)))
@SETTINGS
def test_any_line_replaced(index: int, line: str) -> None:
    ends_well("\n".join([*LINES[:index], line, *LINES[index + 1 :]]), [], {})


@given(st.sampled_from([index for index, line in enumerate(LINES) if "=" in line]), VALUES)
@SETTINGS
def test_any_value_replaced(index: int, value: str) -> None:
    key = LINES[index].split("=")[0]
    ends_well("\n".join([*LINES[:index], f"{key}= {value}", *LINES[index + 1 :]]), [], {})


@given(st.sampled_from(KEYS), VALUES, st.booleans())
@SETTINGS
def test_any_value_from_outside(key: str, value: str, by_option: bool) -> None:
    if by_option:
        ends_well(SMALL, [f"{key}={value}"], {})
    else:
        ends_well(SMALL, [], {"ZTB_" + key.upper().replace(".", "__"): value})


@given(st.text(max_size=30))
@SETTINGS
def test_any_name_from_outside(name: str) -> None:
    ends_well(SMALL, [f"{name}=1"], {f"ZTB_{name}": "1"})
