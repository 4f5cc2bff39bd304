"""The guide's HTTP server: aiohttp, streaming, at the pace of a model that one can read along."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from underpass import __version__
from underpass.core.errors import AppError, InvalidRequest, NotFound, TooLarge
from underpass.demo import shapes
from underpass.demo.answer import answer
from underpass.demo.pages import read_manual
from underpass.demo.search import Index

MAX_BODY_BYTES = 4 * 1024 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guide:
    """One demo server: the index and how fast it writes (pieces per second; 0: at once)."""

    def __init__(self, pace: float) -> None:
        self._pause_s = 1 / pace if pace > 0 else 0.0
        self._index = Index(read_manual())
        self._created = int(time.time())
        self.active = 0
        """Answers that are being written now."""

    def app(self) -> web.Application:
        """The routes; errors come in OpenAI's shape."""
        app = web.Application(middlewares=[_errors], client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{model}", self._model)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._completions)
        return app

    async def _health(self, request: web.Request) -> web.Response:
        status = {"status": "ok", "server": f"underpass-guide {__version__}", "active": self.active}
        return web.json_response(status)

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response(shapes.models(self._created))

    async def _model(self, request: web.Request) -> web.Response:
        if request.match_info["model"] != shapes.MODEL:
            raise NotFound("No such model here.", code="model_not_found")
        return web.json_response(shapes.models(self._created)["data"][0])

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._generate(request, is_chat=True)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        return await self._generate(request, is_chat=False)

    async def _generate(self, request: web.Request, *, is_chat: bool) -> web.StreamResponse:
        asked = shapes.read_request(await request.read(), is_chat=is_chat)
        reply = shapes.shorten(answer(self._index, asked.questions), asked)
        answer_id = ("chatcmpl-" if is_chat else "cmpl-") + secrets.token_hex(12)
        self.active += 1
        try:
            if asked.is_stream:
                return await self._stream(request, asked, reply, answer_id)
            return web.json_response(shapes.whole(asked, reply, answer_id, int(time.time())))
        finally:
            self.active -= 1

    async def _stream(
        self, request: web.Request, asked: shapes.Asked, reply: shapes.Reply, answer_id: str
    ) -> web.StreamResponse:
        created = int(time.time())
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        # A client that goes away cancels this handler (see `run`), so there is no loop to leave.
        if asked.is_chat:
            await response.write(shapes.first_chunk(asked, answer_id, created))
        for piece in reply.pieces:
            await response.write(shapes.chunk(asked, answer_id, created, piece, None))
            if self._pause_s:
                await asyncio.sleep(self._pause_s)
        await response.write(shapes.chunk(asked, answer_id, created, None, reply.finish_reason))
        if asked.wants_usage:
            await response.write(shapes.usage_chunk(asked, answer_id, created, len(reply.pieces)))
        await response.write(shapes.DONE)
        await response.write_eof()
        return response


async def start(
    guide: Guide, *, port: int | None = None, socket: str | None = None
) -> web.AppRunner:
    """Begins to listen on 127.0.0.1:`port` or on a Unix socket. Raises OSError when it cannot."""
    runner = web.AppRunner(
        guide.app(), access_log=None, handler_cancellation=True, shutdown_timeout=1.0
    )
    await runner.setup()
    site: web.BaseSite
    if socket is not None:
        site = web.UnixSite(runner, socket)
    else:
        site = web.TCPSite(runner, "127.0.0.1", port or 0)
    try:
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except AppError as error:
        return _error(error)
    except web.HTTPRequestEntityTooLarge:
        return _error(TooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes."))
    except web.HTTPNotFound:
        return _error(NotFound(f"This server has no route {request.path[:100]}."))
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return _error(InvalidRequest(f"{request.path[:100]} takes {allowed} only."))


def _error(error: AppError) -> web.Response:
    body = json.dumps(shapes.error_body(error))
    return web.Response(status=error.http_status, text=body, content_type="application/json")
