"""Truth: the deterministic trading engine.

Standard library only, and ``msgspec.Struct`` for what is made by the million. No clock, no input or output, no
randomness, no float, no asyncio, no logging: what happens here is a function of the state and the event alone, so that
the same journal gives the same orders on any machine.
"""
