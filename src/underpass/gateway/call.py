"""One request on its way to a model server, and its answer on the way back.

Whoever holds a Call closes it, whatever happens: closing an unfinished one cancels the stream,
which closes the upstream connection and frees the GPU.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from underpass.core.clock import Clock
from underpass.core.errors import AppError, ProviderError, TunnelError
from underpass.core.principal import Principal
from underpass.core.routes import Route
from underpass.gateway import errors, headers, tokens
from underpass.gateway.body import Body
from underpass.gateway.responses import Holder, IdSniffer, ResponseHolders
from underpass.gateway.usage import Usage
from underpass.registry.live import LinkLike, ProviderView, StreamLike
from underpass.registry.pick import Pick
from underpass.tunnel.link import Head, OpenHead, Sink, StreamKind

if TYPE_CHECKING:
    from underpass.gateway.door import DoorRequest

logger = logging.getLogger(__name__)

AGENT_ERROR = "x-underpass-error"
"""On answers that the agent made itself; it strips it from those of the model server."""
SMALL_UPLOAD_BYTES = 16 * 1024
"""A body up to this size fits the tunnel's first credit, so writing it never waits."""
MAX_ERROR_BYTES = 64 * 1024
_STREAM_IN_QUERY = re.compile(r"[?&]stream=(?:true|1)(?:&|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Errand:
    """What a Call has to do, as the door decided it."""

    request: DoorRequest
    route: Route
    path: str
    principal: Principal
    pick: Pick
    link: LinkLike
    body: Body | None
    usage: Usage
    holders: ResponseHolders
    spend: Callable[[int], None]
    """Told the tokens that it used, when it is over."""


class Call:
    """Prepared → sent → finished or closed. `send` once, `close` always."""

    def __init__(self, errand: Errand, clock: Clock, leave_place: Callable[[], None]) -> None:
        self._errand = errand
        self._clock = clock
        self._leave_place = leave_place
        self._began_at = self._first_byte_at = clock.monotonic()
        self._stream: StreamLike | None = None
        self._answer: DoorAnswer | None = None
        self._uploading: asyncio.Task[None] | None = None
        self._fault: AppError | None = None
        self._is_over = False
        errand.usage.requests += 1
        errand.usage.active += 1

    def __repr__(self) -> str:
        state = "over" if self._is_over else "sent" if self._stream else "prepared"
        return f"Call({self._errand.request.request_id}, {self._errand.route.name}, {state})"

    @property
    def provider(self) -> ProviderView:
        """Where it goes."""
        return self._errand.pick.provider

    @property
    def upstream_model(self) -> str:
        """What the model is called there."""
        return self._errand.pick.upstream_model

    @property
    def route_name(self) -> str:
        """The route's stable name."""
        return self._errand.route.name

    @property
    def is_stream(self) -> bool:
        """Whether the caller asked for a streamed answer, as far as its body was seen."""
        if self._errand.body is None:
            return _STREAM_IN_QUERY.search(self._errand.path) is not None
        return self._errand.body.is_stream

    async def send(self) -> DoorAnswer:
        """Sends the request; returns when the answer's head is there.

        Raises the AppErrors of an answer that never came. The body of a large request goes on
        being sent while the answer is read.
        """
        try:
            if self._fault is not None:
                raise self._fault
            stream = self._stream = await self._errand.link.open(self._open_head())
            head = await self._exchange(stream)
            if code := headers.value_of(head.headers, AGENT_ERROR):
                raise await self._agent_error(code, head, stream)
        except TunnelError as error:
            raise self.failed(error, has_begun=False) from error
        except AppError:
            self.close("failed", is_error=True)
            raise
        except BaseException:
            self.close()
            raise
        self._answer = DoorAnswer(self, head, stream, self._sniffer(head))
        return self._answer

    def close(self, reason: str = "client_gone", *, is_error: bool = False) -> None:
        """Ends the call now, if it has not ended; may be called any number of times."""
        if self._is_over:
            return
        if self._stream is not None:
            self._stream.cancel(reason)
        if is_error:
            self._errand.usage.errors += 1
        else:
            self._errand.usage.cancelled += 1
        self._free()

    def fail(self, fault: AppError) -> None:
        """Ends the call now; whoever waits for its answer, or reads it, is told `fault`."""
        if self._is_over:
            return
        self._fault = fault
        if self._stream is not None:
            self._stream.cancel(fault.code)

    # --- for DoorAnswer ----------------------------------------------------------------------

    def first_byte(self) -> None:
        """Notes how long the answer's first byte took."""
        usage = self._errand.usage
        self._first_byte_at = self._clock.monotonic()
        usage.first_bytes += 1
        usage.first_byte_s += self._first_byte_at - self._began_at

    def finished(self, status: int, passed_bytes: int) -> None:
        """The answer is complete."""
        if self._is_over:
            return
        self._errand.usage.bytes_out += passed_bytes
        self._errand.usage.errors += status >= 400
        self._free()

    def failed(self, error: TunnelError, *, has_begun: bool, passed_bytes: int = 0) -> AppError:
        """Ends the call for an error of its stream; returns what the caller is told."""
        if self._is_over:
            return ProviderError("The request was stopped.", code="cancelled")
        self._errand.usage.bytes_out += passed_bytes
        self.close("failed", is_error=True)
        if self._fault is not None:
            return self._fault
        return errors.from_tunnel(error, self.provider, has_begun=has_begun)

    def remember(self, response_id: str) -> None:
        """Notes that this provider holds the response."""
        holder = Holder(self.provider.id, self.upstream_model)
        self._errand.holders.remember(self._errand.principal.user_id, response_id, holder)

    # --- sending -----------------------------------------------------------------------------

    def _open_head(self) -> OpenHead:
        request = self._errand.request
        return OpenHead(
            kind=StreamKind.HTTP,
            tunnel=self.provider.tunnel_id or "",
            request_id=request.request_id,
            method=request.method,
            path=self._errand.path,
            headers=headers.for_upstream(
                request.headers,
                request_id=request.request_id,
                body_bytes=self._body_bytes(),
                is_stream=self.is_stream,
            ),
            durable=request.durable,
        )

    def _body_bytes(self) -> int | None:
        body = self._errand.body
        if body is not None:
            return body.passed_bytes(self.upstream_model)
        return None if self._errand.request.method == "GET" else 0

    async def _exchange(self, stream: StreamLike) -> Head:
        size = self._body_bytes()
        if self._errand.body is None or (
            self._errand.body.is_whole and size is not None and size <= SMALL_UPLOAD_BYTES
        ):
            await self._upload(stream)
        else:
            # A server may answer before it has read everything (413, for instance).
            self._uploading = asyncio.create_task(self._upload(stream))
            self._uploading.add_done_callback(self._upload_ended)
        return await stream.response()

    async def _upload(self, stream: StreamLike) -> None:
        if self._errand.body is not None:
            async with aclosing(self._errand.body.chunks(self.upstream_model)) as pieces:
                async for piece in pieces:
                    await stream.write(piece)
                    self._errand.usage.bytes_in += len(piece)
        await stream.write_end()

    def _upload_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        # An error of the stream itself is met, and told, by whoever reads the answer.
        if error is not None and not isinstance(error, TunnelError):
            if not isinstance(error, AppError):
                logger.error("%s: the upload failed", self, exc_info=error)
                error = AppError("The hub failed to pass the request on.")
            self._fault = error
            if not self._is_over and self._stream is not None:
                self._stream.cancel("request_failed")

    async def _agent_error(self, code: str, head: Head, stream: StreamLike) -> AppError:
        text = await read_up_to(stream.read, MAX_ERROR_BYTES)
        try:
            message = str(json.loads(text)["message"])
        except (ValueError, KeyError, TypeError):
            message = f"The agent answered {head.status} ({code})."
        return errors.from_agent(code, message, head.status, self.provider)

    def _sniffer(self, head: Head) -> IdSniffer | None:
        is_new_response = self.route_name == "responses" and head.status < 300
        return IdSniffer() if is_new_response else None

    def _free(self) -> None:
        self._is_over = True
        self._errand.usage.active -= 1
        if self._answer is not None:
            self._count(self._answer)
        if self._uploading is not None:
            self._uploading.cancel()
        if self._errand.body is not None:
            self._errand.body.close()
        self._leave_place()

    def _count(self, answer: DoorAnswer) -> None:
        usage, found = self._errand.usage, tokens.find(answer.last_chunks)
        if found is None:
            self._errand.spend(tokens.estimate(answer.passed_bytes))
            return
        usage.tokens_in += found.read
        usage.tokens_out += found.written
        usage.answer_s += self._clock.monotonic() - self._first_byte_at
        self._errand.spend(found.total)


class DoorAnswer:
    """A model server's answer: its head, then its bytes as they come.

    `read` until b"" (the end) or an AppError; or iterate over `chunks`; or `pour`; or `cancel`.
    """

    def __init__(
        self, call: Call, head: Head, stream: StreamLike, sniffer: IdSniffer | None
    ) -> None:
        self.status = head.status
        self.headers = head.headers
        self.provider = call.provider
        self.upstream_model = call.upstream_model
        self.passed_bytes = 0
        self.last_chunks: deque[bytes] = deque(maxlen=tokens.KEPT_CHUNKS)
        self._call = call
        self._stream = stream
        self._stream_read = stream.read
        self._sniffer = sniffer

    async def read(self) -> bytes:
        """The next bytes; b"" at the end. What was returned counts as taken at the next read.

        Raises AppError when the answer breaks off: it is incomplete then.
        """
        try:
            chunk: bytes = await self._stream_read()
        except TunnelError as error:
            raise self._broken(error) from error
        if chunk:
            self.count(chunk)
        else:
            self._end()
        return chunk

    async def pour(self, sink: Sink) -> None:
        """Gives `sink` the whole body as it comes, which costs less than reading.

        Raises AppError when the answer breaks off.
        """
        try:
            await self._stream.pour(_Counting(self, sink))
        except TunnelError as error:
            raise self._broken(error) from error
        self._end()

    @property
    def is_sniffed(self) -> bool:
        """Whether an id is still looked for in what passes."""
        return self._sniffer is not None

    @property
    def chunks(self) -> AsyncIterator[bytes]:
        """The same as an iterator."""
        return self._chunks()

    def cancel(self, reason: str = "stopped") -> None:
        """Closes the upstream connection now; does nothing after the end."""
        self._call.close(reason)

    def release(self) -> None:
        """Of a durable answer: it is stored, or need not be, so the agent may forget it."""
        self._stream.release()

    async def _chunks(self) -> AsyncIterator[bytes]:
        while chunk := await self.read():
            yield chunk

    def count(self, chunk: bytes) -> None:
        """Notes what has passed; for those who pass it on."""
        if not self.passed_bytes:
            self._call.first_byte()
        self.passed_bytes += len(chunk)
        self.last_chunks.append(chunk)
        if self._sniffer is not None:
            self._remember(self._sniffer.feed(chunk))
            if self._sniffer.is_done:
                self._sniffer = None

    def _end(self) -> None:
        if self._sniffer is not None:
            self._remember(self._sniffer.finish())
        self._call.finished(self.status, self.passed_bytes)

    def _broken(self, error: TunnelError) -> AppError:
        return self._call.failed(error, has_begun=True, passed_bytes=self.passed_bytes)

    def _remember(self, response_id: str | None) -> None:
        if response_id:
            self._call.remember(response_id)


class _Counting:
    """The caller's sink, with the answer's count before it."""

    __slots__ = ("_answer", "_keep", "_take", "ready")

    def __init__(self, answer: DoorAnswer, sink: Sink) -> None:
        self._answer = answer
        self._keep = answer.last_chunks.append
        self._take = sink.take
        self.ready = sink.ready

    def take(self, data: bytes) -> bool:
        answer = self._answer
        if answer.passed_bytes and not answer.is_sniffed:
            answer.passed_bytes += len(data)
            self._keep(data)
        else:
            answer.count(data)
        return self._take(data)


async def read_up_to(read: Callable[[], Any], most_bytes: int) -> bytes:
    """What `read` gives until its end, or until there is more than `most_bytes` of it."""
    taken = bytearray()
    while len(taken) <= most_bytes and (chunk := await read()):
        taken += chunk
    return bytes(taken[:most_bytes])
