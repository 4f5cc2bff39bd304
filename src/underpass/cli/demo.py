"""`underpass demo`: everything on this machine, with no set-up, and nothing left behind."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from underpass.cli.output import note, one_line
from underpass.clusters.template import Template, load
from underpass.config import HubConfig
from underpass.core.errors import AppError, ConfigError, InvalidRequest
from underpass.core.names import suggest_name
from underpass.core.principal import Principal
from underpass.core.states import SESSION_ENDS

if TYPE_CHECKING:
    from underpass.hub.app import Hub

USUAL_PORT = 8080
LOOK_S = 0.1
STOP_WITHIN_S = 20.0


class DemoEnded(AppError):
    """The demo's session did not come up."""

    code = "demo_failed"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the demo runs: a template and its parameters, and how that is called."""

    template: str
    params: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    """Said beside the model."""

    @property
    def name(self) -> str:
        """The session's name."""
        model = str(self.params.get("model", "")).rstrip("/").rsplit("/", 1)[-1]
        return suggest_name(model.removesuffix(".gguf") or "demo")


def demo(
    model: Annotated[
        str | None,
        typer.Option(help="A GGUF file, an Ollama model, a Hugging Face name or a model's folder."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The hub's port; without it 8080 or a free one."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Keep chats here; without it in a folder that is removed at the end."),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the link; open no browser.")
    ] = False,
) -> None:
    """A hub, a session with a model, its tunnel and the chat, on this machine. Ctrl-C ends it.

    Without --model a small built-in guide answers from Underpass's manual; it is not a language
    model, and says so.

    Examples:

      underpass demo

      underpass demo --model ~/models/small.gguf

      underpass demo --model llama3.2:1b --port 9000
    """
    plan = plan_for(model)
    from underpass.hub import logs

    with _data_dir(data_dir) as folder:
        settings = _settings(folder, _port(port))
        logs.set_up(level=settings.log_level, as_json=False)
        asyncio.run(_run(plan, settings, no_browser))


def plan_for(model: str | None) -> Plan:
    """What to run for `--model`. Raises InvalidRequest, ConfigError: one line that says what to do."""
    if model is None:
        text = "the built-in guide: it answers from the manual and is not a language model"
        return Plan("demo", text=text)
    path = Path(model).expanduser()
    templates = load()
    if model.endswith(".gguf") or path.is_file():
        if not path.is_file():
            raise InvalidRequest(f"There is no file {model}.", hint="Give the path of a GGUF file.")
        return _plan(templates["llama.cpp"], {"model": str(path.absolute())})
    if path.is_dir():
        return _plan(templates["vllm"], {"model": str(path.absolute())})
    if model.startswith(("/", "./", "../", "~")):
        raise InvalidRequest(f"There is no file or folder {model}.", hint="Check the path.")
    if "/" in model:
        return _plan(templates["vllm"], {"model": model})
    return _plan(templates["ollama"], {"model": model})


def _plan(template: Template, params: dict[str, Any]) -> Plan:
    program = template.program or ""
    if shutil.which(program) is None:
        raise ConfigError(
            f"{params['model']} needs {template.title}, and {program} is not installed here.",
            hint=f"{template.install_hint} Without --model the demo runs a built-in guide.",
        )
    return Plan(template.name, params, text=f"with {template.title}")


# --- where -----------------------------------------------------------------------------------------


@contextmanager
def _data_dir(given: Path | None) -> Iterator[Path]:
    """The folder that was asked for, or a new one that is removed at the end."""
    if given is not None:
        yield given.expanduser().absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="underpass-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _port(given: int | None) -> int:
    """The port that was asked for, the usual one, or any free one (0)."""
    if given is not None:
        return given
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", USUAL_PORT))
        except OSError:
            note(f"Port {USUAL_PORT} is in use, so the demo takes another one.")
            return 0
    return USUAL_PORT


def _settings(folder: Path, port: int) -> HubConfig:
    """The demo's hub: this machine only, SQLite, whatever else this user's settings say."""
    return HubConfig.load(
        {
            "host": "127.0.0.1",
            "port": port,
            "data_dir": folder,
            "database_url": f"sqlite:///{folder / 'underpass.db'}",
            "local_sessions": "admins",
            "log_level": "error",
            "drain_s": 0,
        }
    )


# --- running ---------------------------------------------------------------------------------------


async def _run(plan: Plan, settings: HubConfig, no_browser: bool) -> None:
    """Runs the hub and the session until Ctrl-C. Raises DemoEnded, ConfigError."""
    from underpass.hub.server import serve

    stop = asyncio.Event()
    shows: list[asyncio.Task[None]] = []

    async def on_ready(hub: Hub, url: str) -> None:
        show = Show(hub, url, plan, no_browser=no_browser, stop=stop)
        # The hub ends last: its own handlers would end it before its session.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, show.asked.set)
        shows.append(loop.create_task(show.run()))

    note("Underpass demo: a hub, a session, its tunnel and the chat, all on this machine.")
    await serve(settings, on_ready, stop=stop)
    for show in shows:
        await show


class Show:
    """What the demo does once its hub answers."""

    def __init__(
        self, hub: Hub, url: str, plan: Plan, *, no_browser: bool, stop: asyncio.Event
    ) -> None:
        self._hub = hub
        self._sessions = hub.services.sessions
        self._url = url
        self._plan = plan
        self._no_browser = no_browser
        self._stop = stop
        self.asked = asyncio.Event()
        """Somebody pressed Ctrl-C."""
        self._session_id: str | None = None

    async def run(self) -> None:
        """Starts the session, shows the way to the chat, waits, and ends what it started.

        Raises DemoEnded.
        """
        try:
            caller = await self._user()
            await self._tell_link(caller)
            await self._start(caller)
            if await self._until_running(caller):
                note("Ctrl-C ends everything.")
                await self.asked.wait()
        finally:
            await self._end()
            self._stop.set()

    async def _user(self) -> Principal:
        """The one user of the demo's hub, an admin; the second run finds the first one's."""
        store = self._hub.services.store
        for user in (await store.users.list()).items:
            if user.is_admin and not user.is_disabled:
                return Principal(user.id, user.name, is_admin=True)
        name = suggest_name(_login_name())
        user = await self._hub.services.auth.accounts.create(name, password=None, is_admin=True)
        return Principal(user.id, user.name, is_admin=True)

    async def _tell_link(self, caller: Principal) -> None:
        token = await self._hub.services.auth.sign_ins.new_sign_in_token(caller.user_id)
        link = f"{self._url}/api/auth/link?token={token}"
        note(f"Hub            {self._url}")
        note(f"Chat           {link}")
        note("               (this link signs one browser in, once)")
        if not self._no_browser and _has_browser():
            await asyncio.to_thread(_open_browser, link)

    async def _start(self, caller: Principal) -> None:
        """A new session; one of an earlier run is taken away first."""
        found, _ = await self._sessions.list_sessions(caller, limit=1000)
        for session in found:
            if not session["attached"] and session["name"] == self._plan.name:
                await self._stop_session(caller, session["id"])
                await self._sessions.remove(caller, session["id"])
        record = await self._sessions.start(
            caller,
            template=self._plan.template,
            params=self._plan.params,
            name=self._plan.name,
            cluster="local",
        )
        self._session_id = record.id

    async def _until_running(self, caller: Principal) -> bool:
        """Says how it goes; False when Ctrl-C came first. Raises DemoEnded."""
        said = ""
        while not self.asked.is_set():
            session = await self._sessions.show(caller, self._session_id or "")
            line = one_line(f"{session['status']}  {session['status_reason']}")
            if line != said:
                note(f"Session        {session['name']}  {line}".rstrip())
                said = line
            if session["status"] in SESSION_ENDS:
                raise DemoEnded(session["end_message"] or "The demo's session ended.")
            if session["status"] == "running":
                await self._tell_models(caller)
                return True
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self.asked.wait()
        return False

    async def _tell_models(self, caller: Principal) -> None:
        wanted = str(self._plan.params.get("model", ""))
        for provider in await self._sessions.providers(caller):
            names = [str(model["name"]) for model in provider["models"]]
            if provider["name"] == self._plan.name and names:
                note(f"Model          {', '.join(names[:5])}  {self._plan.text}")
                if self._plan.template == "ollama" and wanted not in names:
                    note(f"               {wanted} is not there yet: ollama pull {wanted}")

    async def _end(self) -> None:
        """Ends the session, however far it came; nothing that runs is left."""
        if self._session_id is None:
            return
        record = await self._hub.services.store.sessions.find(self._session_id)
        if record is not None and record.status not in SESSION_ENDS:
            note("Ending the session …")
            caller = Principal(record.owner_id, "", is_admin=True)
            await self._stop_session(caller, self._session_id)

    async def _stop_session(self, caller: Principal, session_id: str) -> None:
        await self._sessions.stop(caller, session_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_WITHIN_S):
                while True:
                    if await self._sessions.is_cleared(session_id):
                        return
                    await asyncio.sleep(LOOK_S)


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "me"


def _has_browser() -> bool:
    """Whether a window can open here: a text browser in this terminal helps nobody."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open_browser(link: str) -> None:
    with suppress(webbrowser.Error):
        if webbrowser.open(link):
            note("               opened in your browser")
