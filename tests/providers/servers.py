"""Small real servers that misbehave as endpoints can: each path is one kind of trouble."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

ENDLESS_PIECE = b"x" * 65536


class Odd:
    """What came in, and how the server is reached."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[web.BaseRequest] = []
        self.sent_bytes = 0


@asynccontextmanager
async def odd_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[Odd]:
    """`/ok/v1/models`, `/redirect/…`, `/endless/…`, `/html/…`, `/empty/…`, `/wants-key/…`, `/slow/…`."""
    odd = Odd("")

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        odd.seen.append(request)
        kind = request.path.split("/")[1]
        if kind == "redirect":
            return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/secret"})
        if kind == "endless":
            return await _endless(odd, request)
        if kind == "html":
            return web.Response(text="<html>", content_type="text/html")
        if kind == "wants-key" and request.headers.get("Authorization") != "Bearer sk-right":
            return web.json_response({"error": {"message": "no"}}, status=401)
        if kind == "slow":
            await asyncio.Event().wait()
        if kind == "gone" or (kind == "bare" and not request.path.startswith("/bare/v1/")):
            return web.Response(status=404)
        if request.path.endswith("/models"):
            listed = [] if kind == "empty" else [{"id": "m1", "context_length": 8192}, {"id": "m2"}]
            return web.json_response({"data": listed})
        return web.json_response(
            {"headers": dict(request.headers), "path": request.path_qs},
            headers={"x-underpass-error": "model_loading", "set-cookie": "a=b"},
        )

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    odd.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield odd
    finally:
        await runner.cleanup()


async def _endless(odd: Odd, request: web.BaseRequest) -> web.StreamResponse:
    """Ten gigabytes, announced and sent for as long as they are taken."""
    response = web.StreamResponse(headers={"Content-Length": str(10 << 30)})
    await response.prepare(request)
    while odd.sent_bytes < 10 << 30:
        await response.write(ENDLESS_PIECE)
        odd.sent_bytes += len(ENDLESS_PIECE)
    return response
