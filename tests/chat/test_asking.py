"""The one way to a model: the gateway's door."""

import pytest

from tests.fakes.door import FakeDoor
from tests.fakes.registry import ANN
from underpass.chat.asking import AdoptedAnswer, ask_through
from underpass.core.errors import ProviderTimeout, StreamReset


async def test_a_request_like_any_other() -> None:
    """Path, headers, body and request id as a program would send them."""
    door = FakeDoor()
    await ask_through(door)(ANN, b"{}", "req_1")
    request = door.requests[0]
    assert (request.method, request.path, request.body) == ("POST", "/v1/chat/completions", b"{}")
    assert ("content-type", "application/json") in request.headers
    assert request.request_id == "req_1"


async def test_an_adopted_answer() -> None:
    """Reads, cancels and releases its stream; the tunnel's errors become the provider's."""

    class Stream:
        """A stream that breaks."""

        request_id = "req_1"
        said: tuple[str, ...] = ()

        async def read(self) -> bytes:
            """Breaks."""
            raise StreamReset("gone")

        def cancel(self, reason: str) -> None:
            """Notes it."""
            self.said += (reason,)

        def release(self) -> None:
            """Notes it."""
            self.said += ("released",)

    stream = Stream()
    answer = AdoptedAnswer(stream)
    with pytest.raises(ProviderTimeout):
        await answer.read()
    answer.cancel("stopped")
    answer.release()
    assert stream.said == ("stopped", "released")
