"""What a scanner of request bodies is: it finds where a body names its model."""

from __future__ import annotations

from typing import Protocol

from underpass.core.errors import InvalidRequest

MAX_MODEL_BYTES = 4096
"""The longest name of a model that is looked at, as it is written in the body."""


class Scanner(Protocol):
    """Is fed the body in pieces of any size; the result does not depend on the cuts."""

    model: str | None
    """The name, once it was found."""
    span: tuple[int, int] | None
    """Where it stands: offsets of its first byte and of the byte after it."""
    is_stream: bool
    """Whether the body asks for a stream, as far as it was seen."""

    def feed(self, data: bytes) -> None:
        """Looks at the next bytes. Raises InvalidRequest."""

    def finish(self) -> None:
        """Says that this was all. Raises InvalidRequest."""

    @staticmethod
    def encode(model: str) -> bytes:
        """What stands in the span for `model`."""
        ...


def model_error(message: str) -> InvalidRequest:
    """Something is wrong with the body's `model`."""
    return InvalidRequest(message, param="model", code="model_invalid")


def missing_model() -> InvalidRequest:
    """The body has no `model`."""
    return InvalidRequest(
        "The body has no 'model'.",
        hint="GET /v1/models lists the models that you can use.",
        param="model",
        code="model_missing",
    )
