"""Coinbase Advanced Trade on top of the exchange: v3 brokerage REST, ES256 tokens, one WebSocket for every channel."""
