"""How the same news look on a terminal, in a file, and to a program."""

import json

import pytest

from underpass.agent.meter import Meter
from underpass.agent.readiness import Model, Readiness, Server
from underpass.agent.report import EndNews, LinkNews, LogNews, Note, ServerNews, TunnelNews
from underpass.cli.tunnel_view import (
    JsonView,
    PlainView,
    Rate,
    TerminalView,
    server_words,
    short_bytes,
    short_count,
    traffic_words,
)
from underpass.core.states import ProviderStatus as P

READY = Readiness(P.RUNNING, "Ready.", Server("vllm", "0.32"), (Model("Llama", 32768),))
LOADING = Readiness(P.LOADING, "Loading model.", Server("llama.cpp", "b1"))


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each change, none for what is said already."""
    view = PlainView("hub.example.org", "gpu-17")
    with view:
        view.say("signed_in", "Signed in as alice at hub.example.org", user="alice")
        view.show(LinkNews("connecting", "The hub refuses."))
        view.show(LinkNews("connecting", "The hub refuses still."))
        view.show(LinkNews("running"))
        view.show(ServerNews("127.0.0.1:8000", LOADING))
        view.show(ServerNews("127.0.0.1:8000", READY))
        view.show(
            TunnelNews("box", "127.0.0.1:8000", True, "https://hub.example.org/?provider=box")
        )
        view.show(LinkNews("reconnecting", "Lost."))
        view.show(LinkNews("reconnecting", "Still lost."))
        view.show(LinkNews("running"))
        view.show(Note("A note.", hint="Do this."))
        view.show(EndNews("user", "Stopped.", 0))
    assert capsys.readouterr().out.splitlines() == [
        "Signed in as alice at hub.example.org",
        "Tunnel         gpu-17 → hub.example.org   connecting: The hub refuses.",
        "Model server   llama.cpp b1 on 127.0.0.1:8000   loading: Loading model.",
        "Model server   vLLM 0.32 on 127.0.0.1:8000   Llama (32k)",
        "Tunnel         box → hub.example.org   running",
        "Chat           https://hub.example.org/?provider=box",
        "Tunnel         gpu-17 → hub.example.org   reconnecting: Lost.",
        "Tunnel         gpu-17 → hub.example.org   running again",
        "A note. Do this.",
        "Stopped.",
    ]


def test_a_commands_lines_keep_their_stream(capsys: pytest.CaptureFixture[str]) -> None:
    """So that they can be redirected as if the command ran alone."""
    view = PlainView("hub", "host")
    view.show(LogNews("stdout", "out"))
    view.show(LogNews("stderr", "err"))
    assert capsys.readouterr() == ("out\n", "err\n")


def test_names_from_elsewhere_cannot_draw(capsys: pytest.CaptureFixture[str]) -> None:
    """A model's name is shown without its control characters."""
    evil = Readiness(P.RUNNING, "Ready.", None, (Model("a\x1b[2J\nb"),))
    PlainView("hub", "host").show(ServerNews("x", evil))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("\n") == 1


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Every kind of news is one object with an event."""
    view = JsonView()
    with view:
        view.say("signed_in", "Signed in.", user="alice")
        for news in (
            ServerNews("t", READY),
            LogNews("stdout", "x"),
            LinkNews("running"),
            TunnelNews("box", "t", True, "u"),
            Note("n"),
            EndNews("user", "Stopped.", 0),
        ):
            view.show(news)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds == ["signed_in", "server", "log", "link", "tunnel", "note", "end"]
    assert events[0]["user"] == "alice"
    assert events[1]["models"][0]["max_model_len"] == 32768


def test_the_living_line() -> None:
    """A word for the state, then what matters in it: reason, traffic, time left."""
    meter = Meter(streams=3, bytes_out=1_200_000)
    view = TerminalView("hub", "host", meter=lambda: meter, ends_at=lambda: None)
    assert str(view._status()).startswith("● connecting")
    view.show(LinkNews("reconnecting", "The connection was lost."))
    assert "● reconnecting   The connection was lost." in str(view._status())
    view.show(LinkNews("running"))
    view._readiness = LOADING
    assert "● loading   Loading model." in str(view._status())
    view._readiness = READY
    line = str(view._status())
    assert line.startswith("● running   3 streams   1.2 MB out")
    assert line.endswith("Ctrl-C stops")


def test_rates() -> None:
    """Over the last two seconds."""
    now = 0.0
    rate = Rate(lambda: now)
    assert rate.of(0) == 0
    for step in range(1, 21):
        now = step * 0.5
        last = rate.of(step * 50)
    assert last == 100
    now = 20.0
    rate.of(1000)
    now = 23.0
    assert rate.of(1000) == 0


def test_words() -> None:
    """Numbers as people say them."""
    assert [short_count(n) for n in (512, 4096, 131_072, 1_048_576)] == ["512", "4k", "128k", "1M"]
    assert [short_bytes(n) for n in (0, 999, 1200, 3_400_000)] == [
        "0 B",
        "999 B",
        "1.2 kB",
        "3.4 MB",
    ]
    assert traffic_words(Meter(streams=1), 117.6) == "1 stream   118 tok/s   0 B out"
    many = Readiness(P.RUNNING, "Ready.", None, tuple(Model(f"m{n}") for n in range(5)))
    assert server_words("t", many) == "t   m0, m1, m2 and 2 more"
