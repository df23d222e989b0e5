"""Coinbase Advanced Trade, spot: its wire format, signing, rules, streams and private calls."""
