"""Underpass itself, as its users run it: `underpass hub`, `underpass admin`, `underpass tunnel`."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.api import Api
from tests.rig.processes import Process, clean_environment, free_port
from tests.rig.waiting import eventually

UNDERPASS = [str(Path(sys.executable).with_name("underpass"))]
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Person:
    """A user of the hub under test, with a key."""

    name: str
    password: str
    key: str


class Stack:
    """One hub with its data folder, and the agents that were started for it.

    Everything it starts is ended by `stop()`. Agents read nothing of the developer's own settings.
    """

    def __init__(
        self,
        folder: Path,
        hub_options: Sequence[str] = (),
        host: str = "127.0.0.1",
        hub_environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.host = host
        self.port = free_port()
        self.hub_options = list(hub_options)
        self.hub_prefix: list[str] = []
        """Words before the hub's command: a wrapper that changes its clock, for instance."""
        self.hub_environment: dict[str, str] = dict(hub_environment or {})
        self.agents: list[Process] = []
        self.people: dict[str, Person] = {}
        self.hub: Process
        try:
            self.start_hub()
        except BaseException:
            self.hub.stop()
            raise

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    # -- the hub

    def start_hub(self) -> None:
        """Starts (again) on the same port and data folder, and waits until it is ready."""
        command = [*self.hub_prefix, *UNDERPASS, "hub", "--host", self.host]
        command += ["--port", str(self.port), "--data-dir", str(self.data_dir), *self.hub_options]
        environment = self.environment(**self.hub_environment)
        self.hub = Process(command, self.folder / "hub.log", environment)
        self.hub.wait_until_listening(self.port, 30, self.host)
        eventually(lambda: Api(self.url).get("/readyz").status == 200, 15, "the hub's /readyz")

    def stop(self) -> None:
        for agent in self.agents:
            agent.signal(signal.SIGTERM)  # all of them at once: each says its goodbyes
        for agent in self.agents:
            agent.stop()
        self.hub.stop()
        self._end_jobs()

    def _end_jobs(self) -> None:
        """Sessions on the hub's own machine outlive their hub; a test's must not outlive the test."""
        for file in self.data_dir.glob("jobs/*/pid"):
            pid = int(file.read_text())
            try:
                words = Path("/proc", str(pid), "cmdline").read_bytes()
                if os.fsencode(file.parent) in words:  # the number may be another's by now
                    os.killpg(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended

    def environment(self, **more: str) -> dict[str, str]:
        """Of each process of this stack."""
        return {"XDG_CONFIG_HOME": str(self.folder / "config"), "COLUMNS": "200", **more}

    def cli(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        """Runs one command to its end; its standard output. Fails with all it said."""
        done = self.try_cli(*arguments, stdin=stdin, **environment)
        assert done.returncode == 0, f"underpass {arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def try_cli(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """As `cli`, whatever the exit code."""
        return subprocess.run(
            [*UNDERPASS, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env=clean_environment(self.environment(**environment)),
        )

    # -- people

    def add_person(self, name: str, is_admin: bool = False) -> Person:
        """A user with a password and a key, made on the hub's own machine as an admin would."""
        where = ["--data-dir", str(self.data_dir)]
        if "--database-url" in self.hub_options:
            at = self.hub_options.index("--database-url")
            where = self.hub_options[at : at + 2]
        flags = ["--admin"] if is_admin else []
        self.cli(
            "admin", "users", "add", name, *flags, "--password-stdin", *where, stdin=PASSWORD + "\n"
        )
        key = self.cli("admin", "keys", "add", name, *where).strip()
        assert key.startswith("up_"), key
        self.people[name] = Person(name, PASSWORD, key)
        return self.people[name]

    def api(self, person: Person | None = None) -> Api:
        return Api(self.url, person.key if person else None)

    # -- tunnels

    def start_tunnel(
        self,
        person: Person,
        target: str,
        name: str,
        *options: str,
        hub_url: str = "",
        environment: dict[str, str] | None = None,
    ) -> Process:
        """`underpass tunnel TARGET --openai --name NAME`, as from inside a session."""
        signed_in = {"UNDERPASS_HUB": hub_url or self.url, "UNDERPASS_KEY": person.key}
        words = ["tunnel", target, "--openai", "--name", name, *options]
        return self.start_agent(*words, **signed_in, **(environment or {}))

    def start_agent(self, *words: str, **environment: str) -> Process:
        """Any command that goes on running; ended with the stack."""
        log = self.folder / f"agent-{len(self.agents)}.log"
        agent = Process([*UNDERPASS, *words], log, self.environment(**environment))
        self.agents.append(agent)
        return agent

    def open_tunnel(
        self, person: Person, target: str, name: str, *options: str, **more: Any
    ) -> Process:
        """As `start_tunnel`, and waits until its provider is `running`."""
        agent = self.start_tunnel(person, target, name, *options, **more)
        self.wait_provider(person, name, "running", agent=agent)
        return agent

    def provider(self, person: Person, name: str) -> dict[str, Any] | None:
        """The person's provider of that name, as the API shows it."""
        for found in self.api(person).items("/api/providers"):
            if found["name"] == name:
                return found
        return None

    def wait_provider(
        self,
        person: Person,
        name: str,
        status: str,
        within_s: float = 20.0,
        agent: Process | None = None,
    ) -> dict[str, Any]:
        """Until the provider has this status; fails with what the agent said."""

        def has_status() -> dict[str, Any] | None:
            if agent is not None and not agent.is_alive:
                raise RuntimeError(f"the agent ended:\n{agent.tail()}")
            found = self.provider(person, name)
            return found if found and found["status"] == status else None

        try:
            found = eventually(has_status, within_s, f"provider {name} {status}")
        except AssertionError as error:
            said = agent.tail() if agent else ""
            now = self.provider(person, name)
            raise AssertionError(f"{error}\nprovider: {now}\nagent: {said}") from None
        assert found is not None
        return found
