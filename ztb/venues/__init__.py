"""The shore towards exchanges: one port, and an adapter for each venue."""
