"""``python -m ztb``: the same as the command ``ztb``."""

import sys

from ztb.cli.main import main

sys.exit(main())
