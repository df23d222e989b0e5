"""GMO Coin (spot and leverage), as its public documents and clients describe it."""
