"""The text of a job: its launch file, its wrapper and the words of its command. Pure.

Words are lists and stay lists: nothing that a user typed is ever parsed by a shell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from underpass.clusters.base import JobOrder

LAUNCH_FORMAT = 1
"""The version of the launch file; `agent.spec` reads it."""

END_FILE = "ended.json"

JOB_VARIABLE = "UNDERPASS_JOB"
"""The job's tag in the environment of all its processes, so that what is left over is found."""

END_VARIABLE = "UNDERPASS_ENDS_AT"
"""When the job's time is up, in unix seconds, for an agent whose scheduler does not tell it."""

_PLACE = re.compile(r"\{(python|key_file|key)\}")

_CACHES = {
    "HF_HOME": "huggingface",
    "VLLM_CACHE_ROOT": "vllm",
    "TRITON_CACHE_DIR": "triton",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "FLASHINFER_WORKSPACE_BASE": "flashinfer",
    "APPTAINER_CACHEDIR": "apptainer",
}

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


# The same for a scheduler's job. It is copied by the scheduler, so it names its folder. The agent runs
# beside the shell, which passes on what a shell would keep for itself: TERM, and USR1 ahead of the limit.
# `job` is claimed in one step: a second job of the same launch (the answer to its submit was lost) ends.
BATCH_BODY = """\
umask 077
cd {folder} || exit 1
exec >>job.log 2>&1 </dev/null
if ! ln -s "{job_id}" job 2>/dev/null && [ "$(readlink job)" != "{job_id}" ]; then
  echo "Job {job_id} is not needed: $(readlink job) runs this session."; exit 0
fi
rm -f exit ended.json
export {variable}={tag} PYTHONUNBUFFERED=1{ends_at}
{agent} &
agent=$!
trap 'caught=1; kill -TERM "$agent" 2>/dev/null' TERM INT HUP
trap 'caught=1; kill -USR1 "$agent" 2>/dev/null' USR1
code=1
while :; do
  caught=; wait "$agent"; last=$?
  [ "$last" = 127 ] || code=$last
  [ -n "$caught" ] || break
done
echo "$code" >.exit && mv .exit exit
exit "$code"
"""

# What the command of a job runs in: modules, a virtual environment, an image. Words stay words.
SETUP = """\
venv=$1; image=$2; gpus=$3; binds=$4; shift 4
if [ "$1" != -- ] && ! command -v module >/dev/null 2>&1; then . /etc/profile; fi
while [ "$1" != -- ]; do module load "$1" || exit 72; shift; done
shift
if [ -n "$venv" ]; then . "$venv/bin/activate" || exit 72; fi
[ -n "$image" ] || exec "$@"
run=$(command -v apptainer || command -v singularity)
if [ -z "$run" ]; then echo "apptainer is not installed on this machine." >&2; exit 72; fi
exec "$run" exec $gpus --bind "$binds,${TMPDIR:-/tmp}" "$image" "$@"
"""


# One server on several machines. Whichever part of it ends first ends all of it, its whole process group
# (the agent began it with one of its own): a server's workers outlive it, and a scheduler without cgroups
# does not find them. Words stay words: the counts say where the first machine's end.
MANY = """\
nodes=$1; count=$2; shift 2
if ! command -v srun >/dev/null 2>&1 || [ -z "$SLURM_JOB_ID" ]; then
  echo "Several machines need Slurm." >&2; exit 72
fi
master=${MASTER_ADDR:-$(hostname -I 2>/dev/null | cut -d" " -f1)}
export master=${master:-$(hostname)}
first=("${@:1:count}")
rank='words=("${@//\\{master\\}/$master}"); exec "${words[@]//\\{rank\\}/$((SLURM_PROCID + 1))}"'
srun --overlap --nodes=$((nodes - 1)) --ntasks=$((nodes - 1)) --ntasks-per-node=1 \\
  --exclude="$SLURMD_NODENAME" --kill-on-bad-exit=1 /bin/bash -c "$rank" underpass-other "${@:count+1}" &
first=("${first[@]//\\{master\\}/$master}")
"${first[@]//\\{rank\\}/0}" &
end() { trap "" TERM; kill -TERM -- "-$$" $(jobs -p) 2>/dev/null; }
trap end TERM INT HUP
wait -n; code=$?
end
wait
exit "$code"
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
    relay_file: str | None = None
    """Where this machine writes down how its jobs reach the hub through it."""
    env: Mapping[str, str] = field(default_factory=dict)
    """The machine's own for model servers, such as where caches go; an order's own goes before it."""

    @property
    def spec_file(self) -> str:
        """The launch file."""
        return f"{self.job_dir}/spec.json"

    @property
    def token_file(self) -> str:
        """The session token's file."""
        return f"{self.job_dir}/token"

    @property
    def end_file(self) -> str:
        """Where the agent writes why it ended."""
        return f"{self.job_dir}/{END_FILE}"

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
    command = _in_its_software(order, around, [_fill(word, for_words) for word in order.command])
    if order.others:
        others = _in_its_software(order, around, [_fill(word, for_words) for word in order.others])
        counts = (str(order.resources.nodes or 1), str(len(command)))
        command = ("/bin/bash", "-c", MANY, "underpass-many", *counts, *command, *others)
    return replace(
        order,
        command=command,
        env={
            **around.env,
            **{name: _fill(value, for_env) for name, value in order.env.items()},
        },
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
        "serves": order.serves,
        "ca_file": around.ca_file,
        "insecure_http": around.insecure_http,
        "scheduler": around.kind,
        "relay_file": around.relay_file,
        "end_file": around.end_file,
    }


def batch_script(
    order: JobOrder,
    around: Surroundings,
    options: Sequence[str],
    *,
    job_id: str,
    ends_in_s: int | None = None,
) -> str:
    """The text of a scheduler's job, which holds no secret.

    `options` are the scheduler's own lines, ready to be written; `job_id` is how its shell finds its
    number, such as `$SLURM_JOB_ID`; `ends_in_s` is its time, where a job cannot ask its scheduler.
    """
    ends_at = "" if ends_in_s is None else f" {END_VARIABLE}=$(($(date +%s) + {int(ends_in_s)}))"
    body = BATCH_BODY.format(
        folder=_quoted(around.job_dir),
        job_id=job_id,
        variable=JOB_VARIABLE,
        tag=_quoted(order.tag),
        ends_at=ends_at,
        agent=shown_command(agent_words(around)),
    )
    return "\n".join(["#!/bin/bash", *options, "", body])


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


def cache_environment(environment: Mapping[str, str], scratch: str | None) -> dict[str, str]:
    """Where model servers keep what they fetch and compile: below `scratch`, as homes overflow.

    What the person has set already stays.
    """
    if not scratch:
        return {}
    own = {name: f"{scratch}/{folder}" for name, folder in _CACHES.items()}
    return {name: place for name, place in own.items() if not environment.get(name)}


def _in_its_software(
    order: JobOrder, around: Surroundings, words: Sequence[str]
) -> tuple[str, ...]:
    """The command behind its modules, its virtual environment and its image."""
    software = order.software
    if software.is_plain:
        return tuple(words)
    gpus = "--nv" if order.resources.gpus else ""
    shared = [
        around.job_dir,
        *(file.rpartition("/")[0] for file in order.files),
        *around.env.values(),
    ]
    # A comma or colon in a path means something else to apptainer.
    binds = dict.fromkeys(p for p in shared if p.startswith("/") and not {",", ":"} & set(p))
    own = (software.venv or "", software.image or "", gpus, ",".join(binds))
    return ("/bin/bash", "-c", SETUP, "underpass-setup", *own, *software.modules, "--", *words)


def shown_command(words: Sequence[str]) -> str:
    """A command as one line for people, quoted so that it could be pasted."""
    return " ".join(_quoted(word) for word in words)


def _fill(text: str, places: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda match: places.get(match[1], match[0]), text)


def _quoted(word: str) -> str:
    if word and re.fullmatch(r"[A-Za-z0-9_@%+=:,./{}-]+", word):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"
