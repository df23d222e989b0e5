"""What a policy may be told.

The rule: every parameter has a range, and a checkpoint belongs to the parameters that it was made with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ztb.core.error import ConfigError


def check_range(policy: str, parameter: str, value: int, *, low: int, high: int) -> None:
    """ConfigError naming the parameter and what it may be, unless ``low <= value <= high``."""
    # bool is an int to Python and a mistake in a profile: `fast = true` must not mean 1.
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(
            f"policy {policy}: {parameter} = {value!r} is out of range",
            remedy=f"use a whole number from {low} to {high}",
        )


def check_same(policy: str, snapshot: Mapping[str, Any], parameters: Mapping[str, int]) -> None:
    """ConfigError unless the checkpoint ``snapshot`` was made by ``policy`` with these ``parameters``."""
    saved = snapshot.get("parameters")
    if saved != dict(parameters):
        raise ConfigError(
            f"policy {policy}: the checkpoint was made with {saved!r}, the profile says {dict(parameters)!r}",
            remedy="restore the former parameters, or start without the checkpoint",
        )
