"""The tunnel: an agent dials out, the hub sends requests back along the same connection.

- `protocol`: the wire and its rules, without I/O (docs/protocol.md is its spec).
- `link`: one `Link` drives one protocol object over any number of carriers, in asyncio.
- `dial`: the agent's way to a hub: WebSocket, proxies, CA.
"""
