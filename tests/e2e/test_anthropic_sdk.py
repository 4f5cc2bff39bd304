"""The anthropic SDK on `/v1/messages`, which llama-server speaks itself."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.e2e.conftest import World

HELLO: Any = [{"role": "user", "content": "Say hello."}]


@pytest.fixture
def client(world: World) -> Iterator[anthropic.Anthropic]:
    """Signs in with `x-api-key`; its base URL is the hub without `/v1`."""
    with anthropic.Anthropic(
        base_url=world.stack.url, api_key=world.alice.key, max_retries=0
    ) as made:
        yield made


def test_answers(client: anthropic.Anthropic) -> None:
    """A message comes back whole."""
    answer = client.messages.create(model="llama/tiny", max_tokens=12, messages=HELLO)
    assert answer.usage.output_tokens == 12
    assert answer.content[0].type == "text"


def test_streams(client: anthropic.Anthropic) -> None:
    """The streamed text is the final message's text."""
    with client.messages.stream(model="llama/tiny", max_tokens=40, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.content[0].type == "text"
    assert text == final.content[0].text
    assert len(text) > 40


def test_counts_tokens(client: anthropic.Anthropic) -> None:
    """`count_tokens` is answered by the model server."""
    counted = client.messages.count_tokens(model="llama/tiny", messages=HELLO)
    assert counted.input_tokens > 5


def test_signs_in_with_a_bearer_token_too(world: World) -> None:
    """Tools that send `Authorization` instead of `x-api-key` get the same answer."""
    with anthropic.Anthropic(base_url=world.stack.url, auth_token=world.alice.key) as client:
        answer = client.messages.create(model="llama/tiny", max_tokens=3, messages=HELLO)
    assert answer.usage.output_tokens == 3


def test_a_wrong_key_is_an_authentication_error(world: World) -> None:
    """The SDK raises what its users catch."""
    with anthropic.Anthropic(base_url=world.stack.url, api_key="up_wrong", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.create(model="llama/tiny", max_tokens=3, messages=HELLO)
