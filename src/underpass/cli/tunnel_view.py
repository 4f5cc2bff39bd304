"""What `underpass tunnel` shows: a few calm lines, then one that lives (docs: the CLI's voice).

Three ways of saying the same news: for a terminal (`TerminalView`, with a live status line), for
a file or a pipe (`PlainView`, a line for each change), for programs (`JsonView`, JSON lines).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from underpass.agent.meter import Meter
from underpass.agent.readiness import Readiness
from underpass.agent.report import (
    EndNews,
    LinkNews,
    LogNews,
    News,
    Note,
    ServerNews,
    TunnelNews,
)
from underpass.cli.output import one_line
from underpass.core.states import ProviderStatus
from underpass.core.times import in_words

_LABEL_CHARS = 15
_RATE_OVER_S = 2.0


class View(Protocol):
    """Where news goes; used as a context manager around the agent's run."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, news: News) -> None:
        """One piece of news; returns at once."""
        ...

    def say(self, event: str, text: str, **fields: Any) -> None:
        """A line of the sign-in; `fields` are for programs."""
        ...


class PlainView:
    """One line for each change, nothing that moves."""

    def __init__(self, hub: str, host: str) -> None:
        """`hub` and `host`: the two ends, as a person says them."""
        self._hub = hub
        self._host = host
        self._link = ""
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def say(self, event: str, text: str, **fields: Any) -> None:
        """The text; what programs get besides is left out."""
        del event, fields
        self._line(text)

    def show(self, news: News) -> None:
        """The lines for one piece of news, if there is something to say."""
        match news:
            case LogNews():
                self._log(news)
            case ServerNews():
                self._server(news)
            case TunnelNews():
                self._tunnel(news)
            case LinkNews():
                self._on_link(news)
            case Note():
                self._line(f"{news.text} {news.hint}" if news.hint else news.text)
            case EndNews():
                self._line(f"{news.message} {news.hint}" if news.hint else news.message)

    # --- lines -------------------------------------------------------------------------------

    def _server(self, news: ServerNews) -> None:
        self._labelled("Model server", server_words(news.target, news.readiness))

    def _tunnel(self, news: TunnelNews) -> None:
        kind = "" if news.openai else "   (bytes only: --openai makes it a provider)"
        self._labelled("Tunnel", f"{news.name} → {self._hub}   running{kind}")
        if news.openai and news.chat_url:
            self._labelled("Chat", news.chat_url)

    def _on_link(self, news: LinkNews) -> None:
        before, self._link = self._link, news.status
        if news.status == "running":
            if before == "reconnecting":
                self._labelled("Tunnel", f"{self._host} → {self._hub}   running again")
            return
        if before != news.status:
            self._labelled("Tunnel", f"{self._host} → {self._hub}   {news.status}: {news.detail}")

    def _log(self, news: LogNews) -> None:
        stream = sys.stderr if news.source == "stderr" else sys.stdout
        print(news.text, file=stream, flush=True)

    def _labelled(self, label: str, text: str) -> None:
        self._line(f"{label:<{_LABEL_CHARS}}{text}")

    def _line(self, text: str) -> None:
        # The same sentence twice in a row is no news.
        if text != self._last:
            self._last = text
            print(one_line_kept(text), flush=True)


class TerminalView(PlainView):
    """The calm lines above, one living line below."""

    def __init__(
        self,
        hub: str,
        host: str,
        meter: Callable[[], Meter | None],
        ends_at: Callable[[], float | None],
    ) -> None:
        """`meter` and `ends_at` are asked four times a second for what the line shows."""
        # Rich is loaded here only: an agent in a batch job needs none of it.
        from rich.console import Console
        from rich.live import Live

        super().__init__(hub, host)
        self._meter = meter
        self._ends_at = ends_at
        self._readiness: Readiness | None = None
        self._detail = ""
        self._rate = Rate()
        self._console = Console(highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._status,
            refresh_per_second=4,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def _server(self, news: ServerNews) -> None:
        self._readiness = news.readiness
        # Waiting and loading live in the status line; what has settled is worth a line.
        if news.readiness.state in (ProviderStatus.RUNNING, ProviderStatus.UNREACHABLE):
            super()._server(news)

    def _on_link(self, news: LinkNews) -> None:
        self._link = news.status
        self._detail = news.detail

    def _log(self, news: LogNews) -> None:
        self._console.print(news.text, markup=False, soft_wrap=True)

    def _line(self, text: str) -> None:
        if text != self._last:
            self._last = text
            self._console.print(one_line_kept(text), markup=False, soft_wrap=True)

    def _status(self) -> Any:
        from rich.text import Text

        meter = self._meter()
        word, style = self._word()
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"● {word}", style=style)
        if self._link != "running" and self._detail:
            line.append(f"   {one_line(self._detail)}")
        elif self._readiness is not None and word in ("starting", "loading"):
            line.append(f"   {one_line(self._readiness.reason)}")
        elif meter is not None:
            line.append(f"   {traffic_words(meter, self._rate.of(meter.events_out))}")
        ends_at = self._ends_at()
        if ends_at is not None:
            line.append(f"   {in_words(ends_at - time.time())} left")
        line.append("      Ctrl-C stops", style="dim")
        return line

    def _word(self) -> tuple[str, str]:
        if self._link != "running":
            return self._link or "connecting", "yellow"
        state = self._readiness.state if self._readiness else ProviderStatus.STARTING
        colour = {ProviderStatus.RUNNING: "green", ProviderStatus.UNREACHABLE: "red"}
        return str(state), colour.get(state, "yellow")


class JsonView:
    """JSON lines: one object with `event` for each piece of news."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def say(self, event: str, text: str, **fields: Any) -> None:
        """The event and its fields; the text as `message`."""
        self._print({"event": event, "message": text, **fields})

    def show(self, news: News) -> None:
        """One line."""
        match news:
            case ServerNews(target, readiness):
                message = readiness.as_message("")
                del message["type"], message["tunnel_id"]
                self._print({"event": "server", "target": target, **message})
            case LogNews():
                self._print({"event": "log", **_fields(news)})
            case LinkNews():
                self._print({"event": "link", **_fields(news)})
            case TunnelNews():
                self._print({"event": "tunnel", **_fields(news)})
            case Note():
                self._print({"event": "note", **_fields(news)})
            case EndNews():
                self._print({"event": "end", **_fields(news)})

    def _print(self, value: dict[str, Any]) -> None:
        print(json.dumps(value, ensure_ascii=False), flush=True)


class Rate:
    """How many per second, over the last moments."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: list[tuple[float, int]] = []

    def of(self, total: int) -> float:
        """The rate, given the total as it stands now."""
        now = self._clock()
        self._samples.append((now, total))
        while len(self._samples) > 2 and now - self._samples[1][0] >= _RATE_OVER_S:
            self._samples.pop(0)
        began, before = self._samples[0]
        return (total - before) / (now - began) if now > began else 0.0


# --- words -----------------------------------------------------------------------------------


def server_words(target: str, readiness: Readiness) -> str:
    """`vLLM 0.32 on 127.0.0.1:8000   Llama-3.1-8B-Instruct (32k)`, or why not yet."""
    kind = f"{readiness.server} on {target}" if readiness.server else target
    if readiness.state is not ProviderStatus.RUNNING:
        return f"{kind}   {readiness.state}: {readiness.reason}"
    models = [
        f"{model.id} ({short_count(model.max_model_len)})" if model.max_model_len else model.id
        for model in readiness.models[:3]
    ]
    more = len(readiness.models) - 3
    return f"{kind}   {', '.join(models)}{f' and {more} more' if more > 0 else ''}".rstrip()


def traffic_words(meter: Meter, events_per_s: float) -> str:
    """`3 streams   118 tok/s   1.2 MB out`."""
    streams = "1 stream" if meter.streams == 1 else f"{meter.streams} streams"
    speed = f"   {events_per_s:.0f} tok/s" if events_per_s >= 0.5 else ""
    return f"{streams}{speed}   {short_bytes(meter.bytes_out)} out"


def short_count(number: int) -> str:
    """A context window as people say it: 32768 is 32k."""
    if number >= 1024 * 1024:
        return f"{number / (1024 * 1024):.3g}M"
    return f"{number // 1024}k" if number >= 1024 else str(number)


def short_bytes(number: int) -> str:
    """`950 B`, `1.2 MB`."""
    size = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def one_line_kept(text: str) -> str:
    """Without control characters, with its columns: names and reasons come from elsewhere."""
    return "".join(c if c.isprintable() else " " for c in text)


def _fields(news: News) -> dict[str, Any]:
    assert is_dataclass(news)
    return asdict(news)
