"""`underpass tunnel`, and the hidden `underpass agent` that hub-launched sessions run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from underpass import __version__
from underpass.cli import options
from underpass.config import AgentConfig, environment
from underpass.core.errors import AppError, Conflict, InvalidRequest, NotAuthenticated
from underpass.core.names import checked_name
from underpass.core.targets import Target
from underpass.core.times import in_words

if TYPE_CHECKING:
    from underpass.agent.api import Grant
    from underpass.agent.run import Plan
    from underpass.cli.tunnel_view import View
    from underpass.tunnel.dial import Way

T = TypeVar("T")

_COMMAND = "underpass.command"


class CommandAfterDashes(TyperCommand):
    """What follows `--` is somebody else's command line: it is taken as it stands."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """As shown in the help."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND…]"]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keeps the rest in the context, away from our own words."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)


class WrongUsage(Exception):
    """What was typed makes no sense: one line and exit code 2, as for Typer's own."""

    exit_code = 2

    def format_message(self) -> str:
        """The line."""
        return str(self)


app = typer.Typer(add_completion=False)
agent_app = typer.Typer(add_completion=False)


@app.command(cls=CommandAfterDashes)
def tunnel(
    ctx: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(help="8000, 127.0.0.1:8000 or unix:/path.sock. Without it: what is found."),
    ] = None,
    openai: Annotated[
        bool, typer.Option("--openai/--no-openai", help="Its models become a provider of yours.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it. [the host's name]")
    ] = None,
    hub: options.Hub = None,
    upstream_key_file: Annotated[
        Path | None,
        typer.Option("--upstream-key-file", help="The model server's own key; it stays here."),
    ] = None,
    ca_file: options.CaFile = None,
    insecure_http: options.InsecureHttp = False,
    replace_: Annotated[
        bool, typer.Option("--replace", help="Take over a name that is in use by you.")
    ] = False,
    trust_owner: Annotated[
        list[str] | None,
        typer.Option("--trust-owner", help="A service's account whose port may be served."),
    ] = None,
    allow_hub_targets: Annotated[
        bool, typer.Option("--allow-hub-targets", help="Let the hub open further loopback ports.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """From inside a session: dial out to the hub and serve a port or socket of yours.

    With `-- COMMAND`: start that server too, watch it, and stop when it stops. `{port}` and
    `{socket}` in it stand for a port or socket that is held for it.

    Examples:

      underpass tunnel 8000 --openai

      underpass tunnel --openai -- vllm serve Qwen/Qwen3-8B --uds {socket}

      underpass tunnel unix:/run/me/llama.sock --openai --name box --hub https://hub.example.org
    """
    wish = Wish(
        target=target,
        command=ctx.meta.get(_COMMAND, ()),
        openai=openai,
        name=name,
        upstream_key_file=upstream_key_file,
        replaces=replace_,
        trust_owner=tuple(trust_owner or ()),
        allow_hub_targets=allow_hub_targets,
        as_json=as_json,
    )
    config = AgentConfig.of_this_user(hub=hub, ca_file=ca_file)
    raise typer.Exit(run_agent(_tunnel(wish, config, insecure_http, environment())))


@agent_app.command(hidden=True)
def agent(
    spec: Annotated[Path, typer.Option("--spec", help="The session's file, mode 0600.")],
) -> None:
    """Run the agent of a session that was started through the hub. Clusters call it.

    Example:

      underpass agent --spec /run/user/1000/underpass/ses_1/spec.json
    """
    raise typer.Exit(run_agent(_hub_launched(spec, environment())))


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed."""

    target: str | None
    command: tuple[str, ...]
    openai: bool
    name: str | None
    upstream_key_file: Path | None
    replaces: bool
    trust_owner: tuple[str, ...]
    allow_hub_targets: bool
    as_json: bool


# --- underpass tunnel ------------------------------------------------------------------------


async def _tunnel(
    wish: Wish, config: AgentConfig, insecure_http: bool, environ: Mapping[str, str]
) -> int:
    from underpass.agent.host import host_name
    from underpass.agent.run import Agent

    wish = _checked(wish)
    way = _way(config, insecure_http, environ)
    plan = await _plan(wish)
    agents: list[Agent] = []
    view = _view(wish, way, host_name(), agents)
    grant = await _sign_in(wish, config, way, view)
    plan = replace(plan, token=grant.token, session_id=grant.session_id)
    agents.append(Agent(plan, way, environ=environ, report=view.show))
    with view:
        return await agents[0].run()


def _checked(wish: Wish) -> Wish:
    """The wish, if it makes sense as it was typed. Raises WrongUsage."""
    try:
        if wish.name is not None:
            checked_name(wish.name)
        if wish.target is not None:
            Target.parse(wish.target)
    except InvalidRequest as error:
        raise WrongUsage(error.sentence()) from None
    words = " ".join(wish.command)
    if wish.command and wish.target is None and "{port}" not in words and "{socket}" not in words:
        raise WrongUsage(
            "Where does that command listen? Give its port (underpass tunnel 8000 -- …), or write "
            "{port} or {socket} where it takes one."
        )
    return wish


def _way(config: AgentConfig, insecure_http: bool, environ: Mapping[str, str]) -> Way:
    from underpass.tunnel.address import HubAddress
    from underpass.tunnel.dial import Way

    if config.hub is None:
        raise WrongUsage(
            "Which hub? Add --hub https://hub.example.org, set UNDERPASS_HUB, or sign in once with "
            "`underpass login`."
        )
    return Way(
        HubAddress.parse(config.hub, insecure_http=insecure_http),
        environ=environ,
        ca_file=config.ca_file,
        user_agent=f"underpass/{__version__}",
    )


async def _plan(wish: Wish) -> Plan:
    """What the agent will do, but for the token. Raises AppError for a target that is not ours."""
    from underpass.agent.command import CommandPlan
    from underpass.agent.ownership import Owners, trusted_uid
    from underpass.agent.run import Plan
    from underpass.agent.serve import Offer
    from underpass.agent.spec import read_secret

    key = None
    if wish.upstream_key_file is not None:
        key = read_secret(wish.upstream_key_file.expanduser(), what="key file")
    trusted = tuple(trusted_uid(owner) for owner in wish.trust_owner)
    owners = Owners(also=trusted)
    common = Plan(
        token="",
        upstream_key=key,
        allow_hub_targets=wish.allow_hub_targets,
        trusted_uids=trusted,
    )
    if wish.command:
        template, command = command_target(wish.target, wish.command)
        return replace(
            common,
            command=CommandPlan(command, template),
            command_openai=wish.openai,
            command_tunnel=wish.name,
        )
    if wish.target is None:
        target, openai = await _found(owners, key), True
    else:
        target, openai = Target.parse(wish.target), wish.openai
    owners.check(target)
    return replace(common, offers=(Offer("target", target, openai, wish.name),))


def command_target(target: str | None, command: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Where a command will listen, and its words. A port that was named fills in `{port}`."""
    if target is None:
        return ("{socket}" if "{socket}" in " ".join(command) else "{port}"), command
    parsed = Target.parse(target)
    values = {"{port}": str(parsed.port), "{socket}": parsed.socket_path or "{socket}"}
    filled = command
    for mark, value in values.items():
        if mark == "{port}" and parsed.socket_path is not None:
            continue
        filled = tuple(word.replace(mark, value) for word in filled)
    return str(parsed), filled


async def _found(owners: Any, key: str | None) -> Target:
    """The one model server of this user on this machine, or the one that they choose."""
    from underpass.agent.discover import discover
    from underpass.cli.tunnel_view import server_words

    found = await discover(owners, key=key)
    if not found:
        raise AppError(
            "No model server of yours listens on this machine.",
            code="no_server_found",
            hint="Start one and say its port: underpass tunnel 8000 --openai",
        )
    lines = [server_words(str(one.target), one.readiness) for one in found]
    if len(found) == 1:
        typer.echo(f"Found          {lines[0]}")
        return found[0].target
    typer.echo("These model servers of yours listen on this machine:")
    for number, (one, line) in enumerate(zip(found, lines, strict=True), 1):
        typer.echo(f"  {number}  {line}\n     underpass tunnel {one.target.port} --openai")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise AppError(
            "Several were found.", code="several_servers", hint="Choose one by its port."
        )
    choice: int = await asyncio.to_thread(typer.prompt, "Which one", type=int, default=1)
    if not 1 <= choice <= len(found):
        raise AppError(f"There is no number {choice} in the list.", code="no_such_choice")
    return found[choice - 1].target


async def _sign_in(wish: Wish, config: AgentConfig, way: Way, view: View) -> Grant:
    """A session of this user's: with their key, or with a code that they approve."""
    from underpass.agent.api import HubApi
    from underpass.agent.host import host_name, user_name

    api, hub = HubApi(way), way.address.netloc
    if config.key is None:
        device = await api.start_device(name=wish.name, host=host_name(), user=user_name())
        expiry = in_words(device.expires_in_s)
        view.say(
            "sign_in",
            f"This machine is not signed in at {hub}. Open this page and approve it:",
            url=device.url,
            code=device.user_code,
            expires_in_s=device.expires_in_s,
        )
        view.say("sign_in_page", f"  {device.url}", url=device.url)
        view.say("sign_in_code", f"  Code {device.user_code}   (works for {expiry})")
        grant = await api.wait_for_approval(device)
        view.say(
            "signed_in", f"Signed in as {grant.user} at {hub}, for this session", user=grant.user
        )
        return grant
    key = config.key.get_secret_value()
    try:
        grant = await api.attach(key, name=wish.name, host=host_name(), replace=wish.replaces)
    except NotAuthenticated as error:
        hint = error.hint or f"Sign in again with `underpass login {way.address}`."
        raise NotAuthenticated(error.message, code=error.code, hint=hint) from error
    except Conflict as error:
        hint = error.hint or "Add --replace to take it over, or --name for another name."
        raise Conflict(error.message, code=error.code, hint=hint) from error
    view.say("signed_in", f"Signed in as {grant.user} at {hub}", user=grant.user)
    return grant


def _view(wish: Wish, way: Way, host: str, agents: list[Any]) -> View:
    from underpass.cli.tunnel_view import JsonView, PlainView, TerminalView

    if wish.as_json:
        return JsonView()
    if not sys.stdout.isatty():
        return PlainView(way.address.netloc, host)
    return TerminalView(
        way.address.netloc,
        host,
        meter=lambda: agents[0].meter if agents else None,
        ends_at=lambda: agents[0].wall_time_ends_at if agents else None,
    )


# --- underpass agent -------------------------------------------------------------------------


async def _hub_launched(file: Path, environ: Mapping[str, str]) -> int:
    from underpass.agent.command import CommandPlan
    from underpass.agent.host import host_name
    from underpass.agent.run import Agent, Plan
    from underpass.agent.serve import Offer
    from underpass.agent.spec import AgentSpec, read_secret
    from underpass.cli.tunnel_view import PlainView
    from underpass.tunnel.address import HubAddress
    from underpass.tunnel.dial import Way
    from underpass.tunnel.ways import Ways

    spec = AgentSpec.load(file)
    way = Way(
        HubAddress.parse(spec.hub, insecure_http=spec.insecure_http),
        environ=environ,
        ca_file=spec.ca_file,
        user_agent=f"underpass/{__version__}",
    )
    plan = Plan(
        token=read_secret(spec.token_file, what="token file"),
        upstream_key=spec.upstream_key,
        allow_hub_targets=spec.allow_hub_targets,
        session_id=spec.session_id,
        scheduler=spec.scheduler,
        end_file=spec.end_file,
    )
    if spec.command:
        command = CommandPlan(
            spec.command, spec.target, dict(spec.env), spec.cwd, spec.stop_grace_s
        )
        plan = replace(
            plan,
            command=command,
            command_openai=spec.openai,
            command_tunnel=spec.tunnel,
            command_serves=spec.serves,
        )
    else:
        offer = Offer("target", Target.parse(spec.target), spec.openai, spec.tunnel)
        plan = replace(plan, offers=(offer,))
    view = PlainView(way.address.netloc, host_name())
    ways = Ways.of_job(way, environ, spec.relay_file, spec.ca_file)
    return await Agent(plan, ways, environ=environ, report=view.show).run()


def run_agent(work: Coroutine[Any, Any, T]) -> T:
    """Runs it on the fastest event loop that is installed: the hot path is mostly the loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
