"""Opinion: pure trading policies and their indicators, found by the entry point group ``ztb.policies``."""
