"""GMO Coin's protocol on top of the exchange: public and private REST, public and private WebSocket."""
