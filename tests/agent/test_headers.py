"""Which headers cross the agent."""

from underpass.agent.headers import to_hub, to_server, value_of


def test_the_server_learns_nothing_of_the_hub() -> None:
    """Credentials, cookies, hop-by-hop headers and where the request came from stay behind."""
    headers = (
        ("Host", "hub.example.org"),
        ("Authorization", "Bearer up_secret"),
        ("X-Api-Key", "up_secret"),
        ("Cookie", "underpass_session=secret"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=10.0.0.1"),
        ("X-Real-IP", "10.0.0.1"),
        ("Origin", "https://hub.example.org"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "websocket"),
        ("X-Underpass-Something", "1"),
        ("X-Request-Id", "theirs"),
        ("Content-Type", "application/json"),
        ("anthropic-version", "2023-06-01"),
        ("X-Mine", "é".encode().decode("latin-1")),
        ("X-Odd", "\xff"),
    )
    assert to_server(headers, key=None, request_id="req_1") == (
        ("Content-Type", "application/json"),
        ("anthropic-version", "2023-06-01"),
        ("X-Mine", "é"),
        ("X-Request-Id", "req_1"),
    )


def test_the_servers_own_key_is_added() -> None:
    """And replaces whatever the client sent."""
    sent = to_server((("authorization", "Bearer up_x"),), key="own", request_id="r")
    assert value_of(sent, "authorization") == "Bearer own"


def test_the_hub_gets_what_the_server_said() -> None:
    """Less cookies, hop-by-hop headers, and anything that looks like the agent's own word."""
    raw = (
        (b"Content-Type", b"text/event-stream; charset=utf-8"),
        (b"Set-Cookie", b"a=b"),
        (b"Connection", b"close, X-Hop"),
        (b"X-Hop", b"1"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"X-Underpass-Error", b"forged"),
        (b"Strict-Transport-Security", b"max-age=1"),
        (b"X-Name", b"caf\xe9"),
        (b"X-Twice", b"1"),
        (b"X-Twice", b"2"),
    )
    assert to_hub(raw) == (
        ("Content-Type", "text/event-stream; charset=utf-8"),
        ("X-Name", "café"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),
    )
