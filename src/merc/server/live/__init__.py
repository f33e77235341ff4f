"""Live analysis over a WebSocket: messages, sessions that outlive a connection, and the route."""
