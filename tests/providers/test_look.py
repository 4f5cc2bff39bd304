"""What an endpoint says of its models, and what of that is believed."""

from collections.abc import AsyncIterator

import pytest

from tests.providers.servers import Odd, odd_server
from tests.rig.waiting import eventually_async
from underpass.providers import look as looks
from underpass.providers.base_url import BaseUrl
from underpass.providers.endpoint import Endpoint
from underpass.providers.faults import EndpointFault
from underpass.providers.look import chosen, look
from underpass.providers.networks import Networks
from underpass.providers.sealing import EndpointSecrets


@pytest.fixture
async def odd() -> AsyncIterator[Odd]:
    async with odd_server() as server:
        yield server


async def fault_of(odd: Odd, kind: str, key: str | None = None) -> str:
    one = Endpoint(
        BaseUrl.parse(f"{odd.url}/{kind}/v1"),
        Networks.parse("127.0.0.1"),
        secrets=EndpointSecrets(key),
    )
    try:
        with pytest.raises(EndpointFault) as caught:
            await look(one, has_key=key is not None)
    finally:
        await one.close()
    return f"{caught.value.reason}: {caught.value.fault.predicate}"


async def test_a_list(odd: Odd) -> None:
    """Names, and the context window under any of its names."""
    one = Endpoint(BaseUrl.parse(f"{odd.url}/ok/v1"), Networks.parse("127.0.0.1"))
    found = await look(one, has_key=False)
    assert [(model["id"], model["max_model_len"]) for model in found] == [
        ("m1", 8192),
        ("m2", None),
    ]
    await one.close()


async def test_what_can_be_wrong(odd: Odd) -> None:
    """A wrong key, none, another kind of server, no such place: each has its own word."""
    assert await fault_of(odd, "wants-key", "sk-wrong") == "key_refused: refuses the key"
    assert await fault_of(odd, "wants-key") == "key_refused: wants a key"
    assert (await fault_of(odd, "html")).startswith("not_openai")
    assert (await fault_of(odd, "gone")).startswith("models_missing")
    assert (await fault_of(odd, "redirect")).startswith("endpoint_redirects")


async def test_ten_gigabytes_in_the_place_of_a_list(odd: Odd) -> None:
    """Given up after a few MiB, and the connection is closed."""
    assert (await fault_of(odd, "endless")).startswith("answer_too_large")
    sent = odd.sent_bytes
    assert sent < 64 << 20
    await eventually_async(lambda: odd.seen[0].transport is None, 5)


async def test_silence(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not waited for without end."""
    monkeypatch.setattr(looks, "LOOK_TIMEOUT_S", 0.05)
    assert (await fault_of(odd, "slow")).startswith("endpoint_silent")


def test_an_allow_list() -> None:
    """Patterns choose among what is listed; a plain name is offered whether it is listed or not."""
    listed = [{"id": "gpt-a"}, {"id": "gpt-b"}, {"id": "other"}]
    assert chosen(listed, None) == listed
    assert [one["id"] for one in chosen(listed, ("gpt-*",))] == ["gpt-a", "gpt-b"]
    assert [one["id"] for one in chosen(listed, ("other", "unlisted"))] == ["other", "unlisted"]
    assert chosen([], ("gpt-*",)) == []
