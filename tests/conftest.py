"""How property tests run, for every room: new examples each time at a desk, the same ones each time in CI.

No example has a deadline: how fast a machine is says nothing about what is right.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("desk", deadline=None, print_blob=True)
# A build must fail for what was changed, not for the dice; the database of a machine that is thrown away is of no use.
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
