"""The daemon: it composes the rooms below, and owns the only asyncio loop."""
