"""``ztb``, the operator's command: one file for each noun."""
