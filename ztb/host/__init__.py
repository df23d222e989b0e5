"""The shore towards this machine: configuration, secrets, clock, logs, locks."""
