"""ztb: a trading appliance for one Debian host."""

__version__ = "0.1.0"
