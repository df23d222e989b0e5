"""Answers and frames that are nearly right, as hypothesis draws them: only the errors of the port come out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.fuzz.guided import checked
from tests.fuzz.targets import TARGETS, Target

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _places(document: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - any JSON
    """Holder and name or number of every value inside."""
    names = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    found: list[tuple[Any, Any]] = []
    for name in names:
        found += [(document, name), *_places(document[name])]
    return found


@st.composite
def near_answers(draw: st.DrawFn, target: Target) -> bytes:
    """A recorded answer or frame with one to three values replaced, left out or doubled."""
    seed = draw(st.sampled_from(sorted(set(target.seeds()))))
    head, separator, text = seed.rpartition(b"\n")  # a call, or the frames before the last one
    document = [json.loads(text)]
    for _ in range(draw(st.integers(1, 3))):
        holder, name = draw(st.sampled_from(_places(document)))
        action = draw(st.sampled_from(("replace", "leave out", "double")))
        if action == "leave out" and isinstance(holder, dict):
            del holder[name]
        elif action == "double" and isinstance(holder, list):
            holder.append(holder[name])
        else:
            holder[name] = draw(VALUES)
        if not document:
            break
    return head + separator + json.dumps(document[0] if document else None).encode()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nearly_right(target: Target) -> None:
    with target.runner() as run:

        @settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
        @given(near_answers(target))
        def attack(data: bytes) -> None:
            checked(run, data)

        attack()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_anything(target: Target) -> None:
    calls = sorted({seed.split(b"\n")[0] for seed in target.seeds() if b"\n" in seed}) or [b""]
    with target.runner() as run:

        @settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(calls), st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
        def attack(call: bytes, body: bytes) -> None:
            checked(run, call + b"\n" + body if call else body)

        attack()
