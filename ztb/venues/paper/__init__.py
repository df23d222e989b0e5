"""Orders that are matched here against the live market of another venue: nothing of it can reach a private call."""
