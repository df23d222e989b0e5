"""Zaif (spot), as its public documents and clients describe it."""
