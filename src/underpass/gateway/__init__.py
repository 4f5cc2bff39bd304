"""The OpenAI-compatible door: the one way to a model, for programs and for our own chat.

- `routes`: GatewayApp, the ASGI app of `/v1`: route, caller, answer or error
- `client`: the ASGI client: takes its body, notices when it goes away
- `door`: Door, which checks the limits, picks the provider and makes a Call
- `call`: Call (a request on its way to a model server) and DoorAnswer (what comes back)
- `body`: reads a request until its model is known, then passes it on with that name changed;
  `jsonscan` and `multipart` find the name, `spool` keeps what came before it
- `relay`: the hot path, chunk → client; `sse`: keep-alive comments and the last error event
- `errors`, `headers`: OpenAI's error shape, which headers pass
- `models`: what `/v1/models` says; `responses`: which provider holds a response id
- `limits`, `usage`: the numbers that bound it, the numbers that count it
"""
