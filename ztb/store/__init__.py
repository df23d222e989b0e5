"""What must survive: the hash-chained journal, checkpoints, evidence, and tapes of market data."""
