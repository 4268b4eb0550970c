"""What the tests share: servers, stores, databases, a second host, the real Litestream."""
