"""openai-python, as its users write it, against a hub whose model runs behind a tunnel."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest

from tests.e2e.conftest import World

HELLO: Any = [{"role": "user", "content": "Say hello."}]
# With this bias the tiny model begins a tool call; the server's grammar then shapes it.
CALLS_A_TOOL: Any = {"3": 100}
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather in a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "enum": ["Oslo", "Paris"]}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
]


@pytest.fixture
def client(world: World) -> Iterator[openai.OpenAI]:
    """Set up with nothing but a base URL and a key."""
    with openai.OpenAI(base_url=world.v1, api_key=world.alice.key, max_retries=0) as made:
        yield made


@pytest.fixture
async def async_client(world: World) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same, for asyncio."""
    async with openai.AsyncOpenAI(
        base_url=world.v1, api_key=world.alice.key, max_retries=0
    ) as made:
        yield made


def test_lists_models(client: openai.OpenAI) -> None:
    """The models of both tunnels are listed under their provider's name."""
    assert {"llama/tiny", "stub/stub"} <= {model.id for model in client.models.list()}


@pytest.mark.parametrize("model", ["llama/tiny", "tiny", "alice:llama/tiny"])
def test_answers_under_each_form_of_the_model_id(client: openai.OpenAI, model: str) -> None:
    """PROVIDER/MODEL, a bare MODEL and OWNER:PROVIDER/MODEL reach the same model."""
    answer = client.chat.completions.create(model=model, messages=HELLO, max_tokens=8)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8


def test_streams(client: openai.OpenAI) -> None:
    """A stream has a piece per token and its usage at the end."""
    stream = client.chat.completions.create(
        model="llama/tiny",
        messages=HELLO,
        max_tokens=50,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert len(text) > 20
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 50


async def test_streams_in_asyncio(async_client: openai.AsyncOpenAI) -> None:
    """The asynchronous client gets the same stream as the synchronous one."""
    stream = await async_client.chat.completions.create(
        model="llama/tiny", messages=HELLO, max_tokens=30, stream=True, temperature=0
    )
    pieces = [c.choices[0].delta.content or "" async for c in stream if c.choices]
    whole = await async_client.chat.completions.create(
        model="llama/tiny", messages=HELLO, max_tokens=30, temperature=0
    )
    assert "".join(pieces) == whole.choices[0].message.content


def test_calls_tools(client: openai.OpenAI) -> None:
    """A tool call comes back whole, with arguments that its schema allows."""
    answer = client.chat.completions.create(
        model="llama/tiny",
        messages=HELLO,
        tools=TOOLS,
        tool_choice="required",
        logit_bias=CALLS_A_TOOL,
        max_tokens=120,
    )
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"
    assert json.loads(calls[0].function.arguments)["city"] in ("Oslo", "Paris")


def test_streams_a_tool_call(client: openai.OpenAI) -> None:
    """The pieces of a streamed tool call join to valid arguments."""
    stream = client.chat.completions.create(
        model="llama/tiny",
        messages=HELLO,
        tools=TOOLS,
        tool_choice="required",
        logit_bias=CALLS_A_TOOL,
        max_tokens=120,
        stream=True,
    )
    arguments = ""
    for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            if call.index == 0 and call.function:
                arguments += call.function.arguments or ""
    assert json.loads(arguments)["city"] in ("Oslo", "Paris")


def test_completes_text(client: openai.OpenAI) -> None:
    """The older completions route works, streaming and not."""
    whole = client.completions.create(
        model="llama/tiny", prompt="One", max_tokens=12, temperature=0
    )
    stream = client.completions.create(
        model="llama/tiny", prompt="One", max_tokens=12, temperature=0, stream=True
    )
    assert "".join(c.choices[0].text for c in stream if c.choices) == whole.choices[0].text


def test_answers_on_responses(client: openai.OpenAI) -> None:
    """The responses route works, streaming and not."""
    whole = client.responses.create(model="llama/tiny", input="One", max_output_tokens=12)
    assert whole.usage is not None
    assert whole.usage.output_tokens == 12
    events = list(
        client.responses.create(model="llama/tiny", input="One", max_output_tokens=12, stream=True)
    )
    assert events[-1].type == "response.completed"


def test_embeds(client: openai.OpenAI) -> None:
    """Embeddings come back with the model's width, in both encodings of the client."""
    answer = client.embeddings.create(model="llama/tiny", input=["one", "two"])
    assert [len(item.embedding) for item in answer.data] == [128, 128]
    plain = client.embeddings.create(model="llama/tiny", input="one", encoding_format="float")
    assert len(plain.data[0].embedding) == 128


def test_raises_its_own_errors(client: openai.OpenAI, world: World) -> None:
    """Each fault becomes the exception that a program would catch."""
    no_list: Any = "not a list"
    with pytest.raises(openai.NotFoundError, match="llama/tiny"):
        client.chat.completions.create(model="llama/tinny", messages=HELLO)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="up_wrong").models.list()
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="llama/tiny", messages=no_list)
    stub_error: Any = {"stub": {"status": 429}}
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="stub/stub", messages=HELLO, extra_body=stub_error)
    assert caught.value.body == {
        "message": "as the test asked",
        "type": "stub_error",
        "param": None,
        "code": 429,
    }
