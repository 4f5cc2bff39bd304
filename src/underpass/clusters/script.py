"""The text of a job: its launch file, its wrapper and the words of its command. Pure.

Words are lists and stay lists: nothing that a user typed is ever parsed by a shell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from underpass.clusters.base import JobOrder

LAUNCH_FORMAT = 1
"""The version of the launch file; `agent.spec` reads it."""

JOB_VARIABLE = "UNDERPASS_JOB"
"""The job's tag in the environment of all its processes, so that what is left over is found."""

_PLACE = re.compile(r"\{(python|key_file|key)\}")

# The shell stays beside the agent to write its exit code: after a restart of the hub nobody else
# could. It outlives the TERM that its group gets, or the code would be lost. `"$@"` is the
# agent's argv, untouched by the shell.
WRAPPER = """\
umask 077
cd "$1" || exit 1
echo $$ >.pid && mv .pid pid
shift
trap : TERM INT HUP
"$@"
echo $? >.exit && mv .exit exit
"""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What only the machine knows where the job runs."""

    hub_url: str
    job_dir: str
    python: str
    kind: str = "local"
    ca_file: str | None = None
    insecure_http: bool = False

    @property
    def spec_file(self) -> str:
        """The launch file."""
        return f"{self.job_dir}/spec.json"

    @property
    def token_file(self) -> str:
        """The session token's file."""
        return f"{self.job_dir}/token"

    @property
    def key_file(self) -> str:
        """The file with the model server's key, for servers that read one."""
        return f"{self.job_dir}/server-key"


def filled(order: JobOrder, around: Surroundings, key: str | None) -> JobOrder:
    """The order with `{python}`, `{key_file}` and `{key}` filled in.

    `{key}` only in values of `env`: a command line can be read by everybody on the machine.
    """
    for_words = {"python": around.python, "key_file": around.key_file}
    for_env = for_words | ({"key": key} if key else {})
    return replace(
        order,
        command=tuple(_fill(word, for_words) for word in order.command),
        env={name: _fill(value, for_env) for name, value in order.env.items()},
    )


def launch_file(order: JobOrder, around: Surroundings, key: str | None) -> dict[str, Any]:
    """The content of the launch file, as `agent.spec` reads it."""
    full = filled(order, around, key)
    return {
        "format": LAUNCH_FORMAT,
        "hub": around.hub_url,
        "token_file": around.token_file,
        "session_id": order.session_id,
        "target": order.target,
        "command": list(full.command),
        "env": dict(full.env),
        "cwd": order.cwd,
        "openai": order.openai,
        "tunnel": order.tunnel,
        "stop_grace_s": order.stop_grace_s,
        "upstream_key": key,
        "ca_file": around.ca_file,
        "insecure_http": around.insecure_http,
        "scheduler": around.kind,
    }


def agent_words(around: Surroundings) -> list[str]:
    """The agent's argv. It names the launch file, which names the tag: a process is known by it."""
    return [around.python, "-m", "underpass", "agent", "--spec", around.spec_file]


def wrapper_words(around: Surroundings) -> list[str]:
    """The argv of the shell that runs the agent and writes its exit code."""
    return ["/bin/sh", "-c", WRAPPER, "underpass-job", around.job_dir, *agent_words(around)]


def child_environment(environment: Mapping[str, str], tag: str) -> dict[str, str]:
    """What a job inherits: everything but the hub's own settings, which may hold its secrets."""
    kept = {name: v for name, v in environment.items() if not name.startswith("UNDERPASS_")}
    return kept | {JOB_VARIABLE: tag, "PYTHONUNBUFFERED": "1"}


def shown_command(words: Sequence[str]) -> str:
    """A command as one line for people, quoted so that it could be pasted."""
    return " ".join(_quoted(word) for word in words)


def _fill(text: str, places: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda match: places.get(match[1], match[0]), text)


def _quoted(word: str) -> str:
    if word and re.fullmatch(r"[A-Za-z0-9_@%+=:,./{}-]+", word):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"
