"""How a client speaks with the sandbox: REST, WebSocket API and streams; keys, signatures, rate limits."""
