"""No policy at all: it never wants anything. What closes positions without a trader runs with it."""

from __future__ import annotations

from typing import Final

from ztb.core.policy import Policy

NONE: Final = "none"


class NoPolicy(Policy):
    """Never decides."""

    name = NONE
