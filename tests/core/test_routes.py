"""The list of routes is exactly SPEC §5's, and nothing that looks like one of them passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underpass.core.routes import ROUTES, ModelPlace, match

ALLOWED = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/box/meta-llama/Llama-3.1-8B"),
    ("GET", "/v1/models/alice:box/llama3:8b"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/responses"),
    ("GET", "/v1/responses/resp_1"),
    ("POST", "/v1/responses/resp_1/cancel"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("POST", "/v1/rerank"),
    ("POST", "/rerank"),
    ("POST", "/v1/score"),
    ("POST", "/score"),
    ("POST", "/v1/audio/transcriptions"),
    ("POST", "/v1/audio/translations"),
    ("POST", "/v1/audio/speech"),
    ("POST", "/tokenize"),
    ("POST", "/detokenize"),
    ("POST", "/v1/tokenize"),
    ("POST", "/v1/detokenize"),
]

REFUSED = [
    ("GET", "/metrics"), ("POST", "/pause"), ("POST", "/v1/../admin"),
    ("POST", "/v1/%2e%2e/admin"),
    ("POST", "/v1/chat%2fcompletions"), ("POST", "/v1/chat/completions/"),
    ("POST", "//v1/completions"),
    ("POST", "/V1/completions"), ("POST", "/v1/completions;x"), ("POST", "/v1/completions?x=1"),
    ("POST", "/v1/completions#x"), ("POST", "/v1/./completions"), ("POST", "/v1/completions%00"),
    ("POST", "/v1/completions\n"), ("GET", "/v1/completions"), ("DELETE", "/v1/responses/resp_1"),
    ("GET", "/v1/responses/../models"), ("GET", "/v1/responses/a/b"),
    ("POST", "/v1/responses/a/b/cancel"),
    ("GET", "/v1/models/"), ("GET", "/v1/models/../../metrics"), ("GET", "/v1/models/./x"),
    ("GET", "/v1/models//x"), ("POST", "/v1/models"), ("POST", "/v1/update_weights"),
    ("GET", "/health"), ("GET", "/props"), ("GET", "/slots"), ("POST", "/v1/load_lora_adapter"),
    ("post", "/v1/completions"), ("POST", ""), ("POST", "*"), ("GET", "http://x/v1/models"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ALLOWED)
def test_routes_of_the_list(method: str, path: str) -> None:
    """Each route that SPEC names is found."""
    assert match(method, path) is not None


@pytest.mark.parametrize(("method", "path"), REFUSED)
def test_everything_else_is_refused(method: str, path: str) -> None:
    """Admin routes, encoded forms, dot segments and wrong methods are none of ours."""
    assert match(method, path) is None


def test_every_route_of_the_list_has_an_example() -> None:
    """No entry of the table goes without a test."""
    assert {route.name for route in ROUTES} == {
        found.name for m, p in ALLOWED if (found := match(m, p))
    }


def test_the_id_of_a_response_is_found() -> None:
    """The hub needs it to know which provider made the response."""
    route = match("POST", "/v1/responses/resp_9/cancel")
    assert route is not None
    assert route.model_place is ModelPlace.NONE
    found = route.pattern.fullmatch("/v1/responses/resp_9/cancel")
    assert found is not None
    assert found["id"] == "resp_9"


@given(st.sampled_from(ALLOWED), st.sampled_from("%;?#\\ \t\n\r\0\x7fé"), st.integers(0, 30))
def test_one_odd_character_anywhere_is_refused(
    entry: tuple[str, str], odd: str, place: int
) -> None:
    """A path with a character that servers read in different ways never passes."""
    method, path = entry
    assert match(method, path[:place] + odd + path[place:]) is None
