"""The order for a hub-launched session: one JSON file, mode 0600, read by `underpass agent --spec FILE`.

Written by a cluster adapter, read once by the agent. It may hold the model server's key, so it is
never passed on a command line and is refused when another user could read it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from underpass.core.errors import ConfigError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """What one agent has to do.

    `{port}` and `{socket}` in `command`, in the values of `env` and in `target` are filled in by
    the agent: with a port of 127.0.0.1 that it holds until the start, or with a Unix socket's path
    in a directory of mode 0700.
    """

    hub: str
    """The hub's address, `https://hub.example.org` (or `http://127.0.0.1:8080`)."""

    token_file: str
    """A 0600 file that holds the session token (`ups_…`) and nothing else."""

    session_id: str
    """`ses_…`; also exported to the command as UNDERPASS_SESSION."""

    target: str
    """`{port}`, `{socket}`, or a fixed target such as `8000` or `unix:/run/me/s.sock`."""

    command: tuple[str, ...] = ()
    """The model server's argv; empty: something else starts it."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the agent's own environment for the command (never shown, never sent)."""

    cwd: str | None = None
    """The command's working folder; None: the agent's."""

    openai: bool = True
    """The tunnel's OpenAI flag."""

    tunnel: str | None = None
    """The tunnel's name; None: the hub chooses."""

    serves: str | None = None
    """What the server calls its one model, where its own list is no use; None: it is asked."""

    stop_grace_s: float = 30.0
    """Seconds between asking the command to stop and killing it."""

    upstream_key: str | None = None
    """The model server's own key; added to requests inside the session, never sent to the hub."""

    ca_file: str | None = None
    """A PEM file to trust beside the system's store."""

    insecure_http: bool = False
    """Allow plain http to a hub that is not on this machine."""

    allow_hub_targets: bool = True
    """Let the hub open further tunnels to loopback ports of this session."""

    scheduler: str | None = None
    """The kind of cluster (`slurm`, `local`); None: found out from the environment."""

    relay_file: str | None = None
    """Where the login node writes down how to reach the hub through it, for nodes without a way out."""

    end_file: str | None = None
    """Where the agent writes why it ended, for a hub that was not there to hear it."""

    def save(self, path: str | Path) -> None:
        """Write the file with mode 0600; an existing one is replaced in one step.

        Raises OSError.
        """
        target = Path(path)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        document = {"format": FORMAT, **asdict(self), "command": list(self.command)}
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)
                json.dump(document, file, indent=1)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | Path) -> AgentSpec:
        """Read a file that `save` wrote. Raises ConfigError, which names what is wrong."""
        return cls.from_document(_read_private(Path(path), what="session file"), source=str(path))

    @classmethod
    def from_document(cls, text: str, *, source: str) -> AgentSpec:
        """Parse the file's text; `source` names it in errors. Raises ConfigError."""
        try:
            document: Any = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"{source} is not valid JSON ({error}).") from error
        if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
            raise ConfigError(f"{source} was written for another version of Underpass.")
        # A newer hub may say more than this agent knows; what it must know is checked below.
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in document.items() if name in known}
        missing = [n for n in ("hub", "token_file", "session_id", "target") if not values.get(n)]
        if missing:
            raise ConfigError(f"{source} lacks {', '.join(missing)}.")
        command = values.get("command", [])
        env = values.get("env", {})
        if not _is_strings(command):
            raise ConfigError(f"{source}: `command` is not a list of words.")
        if not isinstance(env, dict) or not _is_strings(list(env.values())):
            raise ConfigError(f"{source}: `env` is not a table of strings.")
        return cls(**{**values, "command": tuple(command)})


def read_secret(path: str | Path, *, what: str) -> str:
    """The one line in a private file (a token, a key). Raises ConfigError."""
    secret = _read_private(Path(path), what=what).strip()
    if not secret or any(c.isspace() for c in secret):
        raise ConfigError(f"The {what} {path} does not hold exactly one line with a secret.")
    return secret


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _read_private(path: Path, *, what: str) -> str:
    """The file's text, if nobody else can read or write it."""
    try:
        with path.open(encoding="utf-8") as file:
            # The open file is judged, not the name: the name could be exchanged in between.
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
                raise ConfigError(
                    f"The {what} {path} can be read by other users.", hint=f"chmod 600 {path}"
                )
            return file.read()
    except OSError as error:
        raise ConfigError(f"The {what} {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"The {what} {path} is not text.") from error
