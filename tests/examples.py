"""How many examples a property test tries: a share of them at a desk, all of them in continuous integration.

``ZTB_EXAMPLES`` is that share in percent. A number that a test names is what it tries at 100.
"""

from __future__ import annotations

import os
from typing import Final

PERCENT: Final = int(os.environ.get("ZTB_EXAMPLES", "30"))
LEAST: Final = 20
"""Fewer would rarely meet an edge; a test that names fewer tries what it names."""


def examples(many: int) -> int:
    """What is tried of ``many``."""
    return max(min(many, LEAST), many * PERCENT // 100)
