"""`underpass doctor`: checks the way to the hub step by step, and says what to do."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any

import aiohttp
import typer

from underpass import __version__
from underpass.agent.connect import Upstream
from underpass.agent.ownership import Owners
from underpass.agent.probe import Prober
from underpass.agent.readiness import judge
from underpass.cli import options
from underpass.cli.client import connect, run
from underpass.cli.output import note, one_line, print_json
from underpass.config import AgentConfig, environment
from underpass.core.errors import AppError, LinkRefused
from underpass.core.states import ProviderStatus
from underpass.core.targets import Target
from underpass.core.times import in_words
from underpass.tunnel.address import HubAddress
from underpass.tunnel.dial import Way, dial
from underpass.tunnel.dial_errors import hub_time

STEP_TIMEOUT_S = 15.0
SKEW_WORTH_SAYING_S = 60.0
_NO_SESSIONS_TOKEN = "ups_doctor"
"""Good for nothing: the hub's refusal proves that a WebSocket's request gets there whole."""


class Verdict(StrEnum):
    """How one check went."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing has to be done."""
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    verdict: Verdict
    check: str
    text: str
    hint: str | None = None


def doctor(
    target: Annotated[
        str | None,
        typer.Argument(help="A model server on this machine to look at too: 8000, unix:/path.sock"),
    ] = None,
    hub: options.Hub = None,
    ca_file: options.CaFile = None,
    insecure_http: options.InsecureHttp = False,
    as_json: options.Json = False,
) -> None:
    """Check the way to the hub: name, proxy, TLS, WebSocket, clock, key; and a model server.

    Examples:

      underpass doctor

      underpass doctor 8000 --hub https://hub.example.org
    """
    asked = None if target is None else Target.parse(target)

    async def work() -> list[Finding]:
        found: list[Finding] = []
        async for finding in examine(hub, ca_file, asked, insecure_http=insecure_http):
            found.append(finding)
            if not as_json:
                _print(finding)
        return found

    findings = run(work())
    failures = [one for one in findings if one.verdict is Verdict.FAIL]
    if as_json:
        print_json([asdict(one) for one in findings])
    elif failures:
        note(f"{len(failures)} of {len(findings)} checks failed.")
    else:
        note("All is well.")
    if failures:
        raise typer.Exit(1)


def _print(finding: Finding) -> None:
    print(f"{finding.verdict:<5}{finding.check:<11}{one_line(finding.text)}")
    if finding.hint:
        print(f"{'':<16}{one_line(finding.hint)}")
    sys.stdout.flush()


async def examine(
    hub: str | None, ca_file: Any, target: Target | None, *, insecure_http: bool
) -> AsyncIterator[Finding]:
    """All checks, in the order in which one needs the other."""
    try:
        config = AgentConfig.of_this_user(hub=hub, ca_file=ca_file)
        way = _way(config, insecure_http=insecure_http)
    except AppError as error:
        yield _failed("settings", error)
        way = None
    if way is not None:
        yield Finding(Verdict.OK, "hub", str(way.address))
        is_reached = True
        async for finding in _reach(way):
            is_reached = finding.verdict is not Verdict.FAIL
            yield finding
        if is_reached:
            yield await _check_websocket(way)
            yield await _check_key(hub, ca_file, config, insecure_http=insecure_http)
    if target is not None:
        async for finding in _check_server(target):
            yield finding


def _way(config: AgentConfig, *, insecure_http: bool) -> Way:
    if config.hub is None:
        raise AppError(
            "No hub is named.",
            hint="Sign in with `underpass login HUB_URL`, or set UNDERPASS_HUB.",
        )
    return Way(
        HubAddress.parse(config.hub, insecure_http=insecure_http),
        environ=environment(),
        ca_file=config.ca_file,
        user_agent=f"underpass/{__version__}",
    )


# --- the way to the hub ----------------------------------------------------------------------


async def _reach(way: Way) -> AsyncIterator[Finding]:
    """Proxy, name, TLS, clock; ends after the first failure."""
    if way.proxy is not None:
        yield Finding(Verdict.OK, "proxy", f"goes through {way.proxy}")
    else:
        yield Finding(Verdict.OK, "proxy", "none is set for this hub; the way is direct")
    host = way.proxy.host if way.proxy is not None else way.address.host
    finding = await _check_name(host)
    yield finding
    if finding.verdict is Verdict.FAIL:
        return
    began = time.monotonic()
    try:
        async with (
            asyncio.timeout(STEP_TIMEOUT_S),
            way.session() as session,
            session.get(way.address.url("/healthz"), allow_redirects=False) as answer,
        ):
            status, headers = answer.status, answer.headers
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        yield _failed("connection", await way.explain(error))
        return
    took = in_ms(time.monotonic() - began)
    if way.address.is_tls:
        yield Finding(Verdict.OK, "tls", "the hub's certificate is good for this machine")
    elif way.address.is_loopback:
        yield Finding(Verdict.OK, "tls", "not needed: the hub is on this machine")
    else:
        yield Finding(Verdict.NOTE, "tls", "plain http: what you type is not encrypted on the way")
    if status == 200:
        yield Finding(Verdict.OK, "connection", f"the hub answers in {took}")
    else:
        yield Finding(
            Verdict.FAIL,
            "connection",
            f"{way.address} answers {status} for /healthz, and not as an Underpass hub does.",
            "Check the address, and what stands in front of the hub.",
        )
        return
    yield _check_clock(hub_time(headers), time.time())


async def _check_name(host: str) -> Finding:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return Finding(
            Verdict.FAIL,
            "name",
            f"'{host}' has no address here.",
            "Check its spelling, this machine's DNS, and whether it needs a VPN or a proxy "
            "(HTTPS_PROXY).",
        )
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return Finding(Verdict.OK, "name", f"{host} is {', '.join(addresses[:4])}")


def _check_clock(hub_now: float | None, now: float) -> Finding:
    if hub_now is None:
        return Finding(Verdict.NOTE, "clock", "the hub does not say what time it has")
    skew = now - hub_now
    if abs(skew) < SKEW_WORTH_SAYING_S:
        return Finding(Verdict.OK, "clock", "agrees with the hub's")
    words = f"this machine is {in_words(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the hub"
    return Finding(Verdict.FAIL, "clock", words, "Set the clock right; certificates depend on it.")


async def _check_websocket(way: Way) -> Finding:
    """The hub has to refuse a WebSocket without a session, by its own code."""
    try:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            carrier = await dial(way, _NO_SESSIONS_TOKEN)
        await carrier.close()
    except LinkRefused as error:
        if error.code == "session_token_invalid":
            return Finding(Verdict.OK, "websocket", "gets through to the hub")
        return _failed("websocket", error)
    except AppError as error:
        return _failed("websocket", error)
    except TimeoutError as error:
        return _failed("websocket", await way.explain(error))
    return Finding(Verdict.OK, "websocket", "gets through to the hub")


async def _check_key(
    hub: str | None, ca_file: Any, config: AgentConfig, *, insecure_http: bool
) -> Finding:
    if config.key is None:
        return Finding(
            Verdict.NOTE,
            "key",
            "this machine is not signed in",
            f"`underpass login {config.hub}` signs it in; `underpass tunnel` can do without.",
        )
    try:
        async with connect(hub=hub, ca_file=ca_file, insecure_http=insecure_http) as client:
            me = await client.get("/api/me")
    except AppError as error:
        return _failed("key", error)
    text = f"signed in as {me['name']} ({', '.join(me['scopes'])})"
    version = me["hub"]["version"]
    if version != __version__:
        return Finding(Verdict.NOTE, "key", f"{text}; the hub is {version}, this is {__version__}")
    return Finding(Verdict.OK, "key", text)


# --- a model server on this machine ----------------------------------------------------------


async def _check_server(target: Target) -> AsyncIterator[Finding]:
    """Is something there, whose is it, and does it answer like a model server."""
    owners = Owners()
    try:
        if not owners.is_listening(target):
            yield Finding(
                Verdict.FAIL,
                "server",
                f"nothing listens on {target}",
                "Start the model server, or give the port that it says.",
            )
            return
        owners.check(target)
    except AppError as error:
        yield _failed("owner", error)
        return
    yield Finding(Verdict.OK, "owner", f"what listens on {target} is yours")
    upstream = Upstream(target, owners)
    try:
        look = await Prober(upstream).look()
    finally:
        await upstream.close()
    found = judge(None, look, str(target))
    models = ", ".join(model.id for model in found.models)
    if look.models.status in (401, 403):
        yield Finding(
            Verdict.FAIL,
            "server",
            f"{target} wants a key of its own.",
            "Start the tunnel with --upstream-key-file FILE; the key stays on this machine.",
        )
    elif look.models.is_ok:
        kind = found.server.kind if found.server is not None else "an OpenAI-compatible server"
        yield Finding(Verdict.OK, "server", f"{kind}: {models or 'it lists no model'}")
    elif found.state is ProviderStatus.LOADING and look.models.status in (0, 503):
        yield Finding(Verdict.NOTE, "server", found.reason or "it is loading its model")
    else:
        yield Finding(
            Verdict.FAIL,
            "server",
            found.reason or f"{target} does not answer like a model server.",
            "It has to offer GET /v1/models; for anything else leave out --openai.",
        )


def _failed(check: str, error: Exception) -> Finding:
    if isinstance(error, AppError):
        return Finding(Verdict.FAIL, check, error.message, error.hint)
    return Finding(Verdict.FAIL, check, str(error))


def in_ms(seconds: float) -> str:
    """`12 ms`."""
    return f"{max(1, round(seconds * 1000))} ms"
