"""Which headers pass: secrets and connections stay where they belong, the rest is untouched."""

from underpass.gateway import headers


def upstream(*pairs: tuple[str, str], is_stream: bool = False) -> dict[str, str]:
    """What the model server gets of these."""
    passed = headers.for_upstream(pairs, request_id="req_1", body_bytes=7, is_stream=is_stream)
    assert len({name for name, _ in passed}) == len(passed)
    return dict(passed)


def client(*pairs: tuple[str, str], is_event_stream: bool = False) -> dict[str, str]:
    """What the client gets of these."""
    passed = headers.for_client(pairs, request_id="req_1", is_event_stream=is_event_stream)
    assert len({name for name, _ in passed}) == len(passed)
    return {name.decode(): value.decode("latin-1") for name, value in passed}


SAFE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}


def test_no_secret_of_the_hub_goes_to_a_model_server() -> None:
    """Neither key nor cookie, in any spelling of the name."""
    passed = upstream(
        ("Authorization", "Bearer up_x"),
        ("X-Api-Key", "up_x"),
        ("api-key", "up_x"),
        ("Cookie", "underpass_session=x"),
        ("Proxy-Authorization", "x"),
    )
    assert passed == {"x-request-id": "req_1", "content-length": "7"}


def test_what_belongs_to_a_connection_stays_there() -> None:
    """Hop-by-hop headers and those that Connection names, in both directions."""
    pairs = (
        ("Connection", "close, X-Mine"),
        ("X-Mine", "1"),
        ("Keep-Alive", "5"),
        ("TE", "trailers"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("X-Other", "1"),
    )
    assert upstream(*pairs) == {"x-other": "1", "x-request-id": "req_1", "content-length": "7"}
    assert client(*pairs) == {
        "x-other": "1",
        "x-request-id": "req_1",
        **SAFE,
    }


def test_ours_replace_the_callers() -> None:
    """Length, request id and Underpass's own headers cannot be given from outside."""
    passed = upstream(
        ("Content-Length", "99"), ("X-Request-Id", "theirs"), ("X-Underpass-Error", "x")
    )
    assert passed == {"x-request-id": "req_1", "content-length": "7"}


def test_where_the_caller_sits_is_private() -> None:
    """Addresses and pages of the caller do not reach the session."""
    passed = upstream(
        ("X-Forwarded-For", "10.0.0.1"),
        ("Forwarded", "for=x"),
        ("Origin", "https://hub"),
        ("Referer", "https://hub/chat/1"),
        ("Sec-Fetch-Site", "same-origin"),
    )
    assert set(passed) == {"x-request-id", "content-length"}


def test_what_the_apis_need_passes() -> None:
    """Versions, betas, types and agents' names."""
    pairs = (
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "x"),
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
        ("accept-encoding", "gzip"),
        ("user-agent", "openai"),
    )
    assert upstream(*pairs).items() >= dict(pairs).items()
    assert upstream(*pairs, is_stream=True)["accept-encoding"] == "identity"


def test_an_answer_sets_nothing_at_the_hubs_origin() -> None:
    """No cookie, no CORS, no policy of a model server counts for the hub."""
    passed = client(
        ("Set-Cookie", "a=b"),
        ("Access-Control-Allow-Origin", "*"),
        ("Strict-Transport-Security", "max-age=1"),
        ("Content-Security-Policy", "default-src *"),
        ("Clear-Site-Data", "*"),
        ("Alt-Svc", "h3"),
        ("X-Underpass-Error", "x"),
        ("Server", "vllm"),
        ("Date", "x"),
        ("Openai-Processing-Ms", "3"),
    )
    assert passed == {
        "openai-processing-ms": "3",
        "x-request-id": "req_1",
        **SAFE,
    }


def test_event_streams_ask_proxies_not_to_buffer() -> None:
    """Unless the server said something of its own about caching."""
    passed = client(("Content-Type", "text/event-stream"), is_event_stream=True)
    assert (passed["cache-control"], passed["x-accel-buffering"]) == ("no-cache", "no")
    passed = client(("Cache-Control", "no-store"), is_event_stream=True)
    assert passed["cache-control"] == "no-store"


def test_what_counts_as_an_event_stream() -> None:
    """By its type with any parameters, and only while nothing is compressed."""
    kind = ("Content-Type", "Text/Event-Stream; charset=utf-8")
    assert headers.is_event_stream([kind])
    assert headers.is_event_stream([kind, ("Content-Encoding", "identity")])
    assert not headers.is_event_stream([kind, ("Content-Encoding", "gzip")])
    assert not headers.is_event_stream([("content-type", "application/json")])
    assert headers.value_of([], "x") == ""
    assert dict(headers.event_stream("req_1"))[b"x-request-id"] == b"req_1"


def test_a_page_of_a_model_server_runs_no_script_at_the_hubs_origin() -> None:
    """Whatever it calls itself: a link in an answer may lead to it, with the reader's cookie."""
    for kind in ("text/html", "image/svg+xml", "text/javascript", "application/json"):
        passed = client(("Content-Type", kind))
        assert passed.items() >= SAFE.items()
