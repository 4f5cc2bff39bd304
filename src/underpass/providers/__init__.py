"""Custom providers (type `openai`): endpoints that somebody added, and may share.

- `networks`: which addresses the hub may connect to; pure
- `base_url`: the address of an endpoint, and where each route is under it; pure
- `sealing`: keys and headers, encrypted at rest under a key that is kept outside the database
- `endpoint`: Endpoint, the way to one; the gateway opens streams on it as on a tunnel's link
- `faults`: what goes wrong on that way, as one sentence with a stable code
- `look`: asks an endpoint for its models
- `watch`: looks at each one in the background; status and models follow
- `service`: CustomProviders: add, change, share, remove; what the API calls
- `shapes`: the API's shapes

The registry gets a picture of each provider and its Endpoint; from there on the gateway's door
treats it like any other: the same pick, limits, cancel, streaming and headers.
"""
