"""The hub's process: the rooms below put together behind one HTTP port.

- `app.py` builds everything and starts and stops it; `services.py` is what requests reach it by.
- `auth/` turns a cookie, a key or a session token into a Principal.
- `api/` has one thin file per resource: parse, authorise, call one function, shape the answer.
- `link.py` is the agents' WebSocket; `gateway` brings its own ASGI app for `/v1`.
- `problems.py` writes errors, `http.py` is what every request passes (request id, headers, log).
"""
