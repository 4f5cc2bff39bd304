"""A request's body: read until its model is known, then passed on with the model's name changed.

A small body is read wholly and checked wholly. Of a large one nothing is kept but what came
before the model, and the rest flows on as it comes: with back-pressure, because the next piece
is taken only when the tunnel took the last one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from underpass.core.errors import InvalidRequest, TooLarge
from underpass.core.routes import ModelPlace
from underpass.gateway.jsonscan import JsonScanner
from underpass.gateway.limits import MIB, GatewayLimits
from underpass.gateway.multipart import MultipartScanner
from underpass.gateway.scan import Scanner
from underpass.gateway.spool import Spool


def scanner_for(place: ModelPlace, content_type: str) -> Scanner:
    """The scanner for a route's bodies. Raises InvalidRequest for a wrong content type."""
    media_type = content_type.partition(";")[0].strip().lower()
    if place is ModelPlace.MULTIPART_BODY:
        if media_type != "multipart/form-data":
            raise _wrong_type(media_type, "multipart/form-data")
        return MultipartScanner(content_type)
    # No content type at all is what simple programs send; the model server may still refuse it.
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise _wrong_type(media_type, "application/json")
    return JsonScanner()


class Body:
    """One request's body. Call `read_ahead` first, then `chunks` once, and `close` in the end."""

    def __init__(
        self,
        source: AsyncIterator[bytes],
        scanner: Scanner,
        limits: GatewayLimits,
        declared_bytes: int | None,
    ) -> None:
        self.is_whole = False
        """Whether all of it was read (and checked) ahead."""
        self._source = source
        self._scanner = scanner
        self._limits = limits
        self._declared_bytes = declared_bytes
        self._held = Spool(limits.whole_body_bytes, limits.spool_dir)
        self._received = 0

    @property
    def model(self) -> str:
        """The model's name as the caller wrote it; known after `read_ahead`."""
        assert self._scanner.model is not None
        return self._scanner.model

    @property
    def is_stream(self) -> bool:
        """Whether the caller asked for a stream, as far as the body was seen."""
        return self._scanner.is_stream

    async def read_ahead(self) -> None:
        """Reads until the model is known, and on to the end of a small body.

        Raises InvalidRequest, TooLarge, StorageError.
        """
        limits = self._limits
        if (self._declared_bytes or 0) > limits.max_body_bytes:
            raise self._too_large()
        # Of a body that says it is large there is nothing to wait for once the model is known.
        is_large = (self._declared_bytes or 0) > limits.whole_body_bytes
        while self._scanner.model is None or not is_large:
            data = await self._next()
            if not data:
                self.is_whole = True
                break
            await self._held.add(data)
            is_large = is_large or self._received > limits.whole_body_bytes
        if self.is_whole and self._received <= limits.whole_body_bytes:
            self._check_whole()

    def passed_bytes(self, upstream_model: str) -> int | None:
        """How long the body is on its way on; None where only its end will tell."""
        size = self._received if self.is_whole else self._declared_bytes
        if size is None:
            return None
        start, end, replacement = self._edit(upstream_model)
        return size - (end - start) + len(replacement)

    async def chunks(self, upstream_model: str) -> AsyncGenerator[bytes, None]:
        """The body with the model's name changed and every other byte as it came.

        Raises InvalidRequest or TooLarge when a later part of a large body turns out bad.
        """
        start, end, replacement = self._edit(upstream_model)
        offset = 0
        async with aclosing(self._held.read()) as held:
            async for data in held:
                before = data[: max(0, start - offset)]
                after = data[max(0, end - offset) :]
                has_start = offset <= start < offset + len(data)
                offset += len(data)
                if piece := before + (replacement if has_start else b"") + after:
                    yield piece
        self._held.close()
        while not self.is_whole:
            data = await self._next()
            if data:
                yield data
            else:
                self.is_whole = True

    def close(self) -> None:
        """Forgets what is still held."""
        self._held.close()

    async def _next(self) -> bytes:
        """The next bytes after the scanner has seen them; empty at the end."""
        data = await anext(self._source, b"")
        if not data:
            self._scanner.finish()
            return data
        self._received += len(data)
        if self._received > self._limits.max_body_bytes:
            raise self._too_large()
        self._scanner.feed(data)
        return data

    def _check_whole(self) -> None:
        if not isinstance(self._scanner, JsonScanner):
            return
        try:
            json.loads(self._held.in_memory().decode("utf-8-sig"))
        except RecursionError:
            raise InvalidRequest("The body is nested too deeply.", code="invalid_json") from None
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"The body is not valid JSON: not UTF-8 at byte {error.start}.",
                code="invalid_json",
            ) from None
        except json.JSONDecodeError as error:
            # Only what is wrong and where: the error's own text could carry a part of the body.
            raise InvalidRequest(
                f"The body is not valid JSON: {error.msg} (line {error.lineno}, "
                f"column {error.colno}).",
                code="invalid_json",
            ) from None

    def _edit(self, upstream_model: str) -> tuple[int, int, bytes]:
        """Where the name begins and ends, and what stands there instead."""
        if upstream_model == self._scanner.model:
            return 0, 0, b""  # the caller's own spelling, escapes and all
        assert self._scanner.span is not None
        return *self._scanner.span, self._scanner.encode(upstream_model)

    def _too_large(self) -> TooLarge:
        limit = self._limits.max_body_bytes
        size = f"{limit // MIB} MiB" if limit >= MIB else f"{limit} bytes"
        return TooLarge(
            f"The request body is larger than the hub's limit of {size}.",
            hint="Send less at once, or ask the hub's admin to raise the limit.",
        )


def _wrong_type(given: str, wanted: str) -> InvalidRequest:
    return InvalidRequest(
        f"The content type is '{given[:80]}'; this route takes {wanted}.",
        hint=f"Send the header 'Content-Type: {wanted}'.",
        code="content_type",
    )
