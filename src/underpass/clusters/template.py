"""Templates: what a session can be started from, as TOML files that a site can add to and override.

A template says which program runs, with which words, where it will listen, and what a person may
choose. `launch` turns a template and a person's choices into a command. It is pure; only `load`
reads files.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any

from underpass.clusters.base import Resources, Software
from underpass.core.errors import ConfigError, InvalidRequest
from underpass.core.targets import Target

MAX_WORDS = 500
MAX_WORD_CHARS = 8192


class ParamType(StrEnum):
    """How a parameter is asked for and checked."""

    TEXT = "text"
    FILE = "file"
    """A path that must exist on the machine where the session runs."""
    NUMBER = "number"
    FLAG = "flag"
    WORDS = "words"
    """A list of words, or one text that is split like a shell would and then not run by one."""
    TABLE = "table"
    """Names and values (environment variables)."""


@dataclass(frozen=True, slots=True)
class Param:
    """One thing that a person may choose."""

    name: str
    label: str
    type: ParamType = ParamType.TEXT
    default: Any = None
    required: bool = False
    help: str = ""
    words: tuple[str, ...] = ()
    """Added to the command when the parameter is given."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment when the parameter is given."""
    default_from: str | None = None
    """Another number, which counts where this one is not given and that one is more than 1."""


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of session."""

    name: str
    title: str
    description: str
    params: tuple[Param, ...]
    command: tuple[str, ...] = ()
    """The words of the command; empty: the person gives it (`custom`)."""
    program: str | None = None
    """What has to be installed; None: nothing."""
    install_hint: str = ""
    target: str = ""
    """`{socket}` or `{port}`; empty: taken from the command."""
    env: Mapping[str, str] = field(default_factory=dict)
    has_key: bool = False
    serves: str = ""
    """What the server calls its one model, where its own list is no use: `{model}`."""
    first: tuple[str, ...] = ()
    """Added to the command on the first of several machines."""
    others: tuple[str, ...] = ()
    """Added to it on each further one, where it runs as well; empty: it spans one machine only."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What a session does by itself in the course of its life; only what its user chose."""

    idle_s: float | None = None
    """It stops when nobody has used it for so long; None: it does not."""
    wakes: bool = False
    """Whether a message starts it again after that."""
    renews: bool = False
    """Whether a successor is asked for ahead of its end, and takes over."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What a template and a person's choices come to."""

    command: tuple[str, ...]
    target: str
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    files: tuple[str, ...] = ()
    has_key: bool = False
    serves: str | None = None
    """The model's name at the server, where its own list is no use."""
    resources: Resources = field(default_factory=Resources)
    software: Software = field(default_factory=Software)
    habits: Habits = field(default_factory=Habits)
    others: tuple[str, ...] = ()
    """The command on each further machine."""


# What every template takes beside its own parameters.
_T = ParamType
COMMON_PARAMS = (
    Param("args", "Further arguments", _T.WORDS, help="Added at the end of the command."),
    Param("env", "Environment", _T.TABLE, help="Further variables for the model server."),
    Param("cwd", "Working folder", _T.TEXT, help="Where the command starts."),
    Param("time", "Time", _T.TEXT, help="When the session ends by itself, such as 4:00:00."),
    Param("idle", "Stop when unused for", _T.TEXT, help="Such as 30m; it warns before."),
    Param("wake", "Wake on a message", _T.FLAG, help="After it stopped because nobody used it."),
    Param("renew", "Renew", _T.FLAG, help="A new job takes over before the time of this one ends."),
    Param("gpus", "GPUs", _T.NUMBER, help="On each machine, for clusters with a scheduler."),
    Param("nodes", "Machines", _T.NUMBER, help="For a model that one machine cannot hold."),
    Param("gpu_type", "GPU type", _T.TEXT, help="As the cluster names it, such as a100."),
    Param("cpus", "CPUs", _T.NUMBER, help="For clusters with a scheduler."),
    Param("memory", "Memory", _T.TEXT, help="For clusters with a scheduler, such as 64G."),
    Param("partition", "Partition", _T.TEXT, help="For clusters with a scheduler."),
    Param("account", "Account", _T.TEXT, help="For clusters with a scheduler."),
    Param("qos", "Quality of service", _T.TEXT, help="For clusters with a scheduler."),
    Param("image", "Image", _T.TEXT, help="An apptainer image in which the command runs."),
    Param("modules", "Modules", _T.WORDS, help="Loaded before the command, such as cuda/12.4."),
    Param("venv", "Virtual environment", _T.TEXT, help="A folder, activated before the command."),
)

_PLACE = re.compile(r"\{([a-z_]+)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Filled in later: by the agent (a held port, a private socket) or by the machine.
_LATER = frozenset({"port", "socket", "python", "key_file", "key", "rank", "master"})
_TIME = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d\d)|(\d+)([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def load(folder: Path | None = None) -> dict[str, Template]:
    """The shipped templates, then those of a site's folder, which win by name.

    Raises ConfigError, which names the file and what is wrong in it.
    """
    found: dict[str, Template] = {}
    for file in sorted(files("underpass.clusters").joinpath("templates").iterdir(), key=str):
        if file.name.endswith(".toml"):
            template = read(file.read_text(encoding="utf-8"), source=file.name)
            found[template.name] = template
    for path in sorted(folder.glob("*.toml")) if folder is not None else ():
        template = read(path.read_text(encoding="utf-8"), source=str(path))
        found[template.name] = template
    return found


def read(text: str, *, source: str) -> Template:
    """One template's TOML. Raises ConfigError."""
    try:
        document = tomllib.loads(text)
        params = [
            Param(
                **{
                    **p,
                    "type": ParamType(p.get("type", "text")),
                    "words": tuple(p.get("words", ())),
                }
            )
            for p in document.pop("params", [])
        ]
        command, first, others = (
            tuple(document.pop(name, ())) for name in ("command", "first", "others")
        )
        template = Template(
            **document,
            command=command,
            first=first,
            others=others,
            params=(*params, *COMMON_PARAMS),
        )
    except (tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise ConfigError(f"The template {source} is wrong: {error}.") from error
    known = {param.name for param in template.params} | _LATER | {"served_name"}
    texts = [
        *template.command,
        *template.first,
        *template.others,
        template.serves,
        *(w for p in template.params for w in p.words),
    ]
    unknown = {name for text in texts for name in _PLACE.findall(text)} - known
    if unknown:
        raise ConfigError(
            f"The template {source} uses {sorted(unknown)}, which it does not ask for."
        )
    return template


def launch(template: Template, given: Mapping[str, Any]) -> Launch:
    """The command for these choices. Raises InvalidRequest, which names the parameter."""
    values = _checked(template, given)
    nodes = values.get("nodes") or 1
    if nodes > 1 and template.command and not template.others:
        raise _wrong("nodes", f"{template.title} runs on one machine")
    command = _own_command(values) if not template.command else _words(template, values)
    command = (*command, *values.get("args", ()))
    others: tuple[str, ...] = ()
    if nodes > 1 and template.others:
        places = {name: str(value) for name, value in values.items()}
        others = (*command, *(_fill(word, places) for word in template.others))
        command = (*command, *(_fill(word, places) for word in template.first))
    if len(command) > MAX_WORDS or any(len(word) > MAX_WORD_CHARS for word in command):
        raise _wrong("args", "the command is too long")
    env = {**template.env, **_switches(template, values), **values.get("env", {})}
    return Launch(
        command=command,
        target=template.target or _target(command, env, values),
        env=env,
        cwd=values.get("cwd"),
        files=tuple(
            str(values[p.name])
            for p in template.params
            if p.type is ParamType.FILE and values.get(p.name)
        ),
        has_key=template.has_key,
        serves=_fill(template.serves, {n: str(v) for n, v in values.items()}) or None,
        resources=_resources(values),
        software=Software(values.get("image"), values.get("modules", ()), values.get("venv")),
        habits=_habits(values),
        others=others,
    )


def seconds_of(text: str, name: str = "time") -> int:
    """`4:00:00`, `1-12:00:00`, `30:00` (minutes and seconds), `90m`, `4h`.

    Raises InvalidRequest, which names the parameter `name`.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise _wrong(name, f"'{text[:40]}' is no time; write 4:00:00, 90m or 4h")
    days, hours, minutes, seconds, amount, unit = match.groups()
    if amount:
        total = int(amount) * _UNIT_S[unit]
    else:
        total = ((int(days or 0) * 24 + int(hours or 0)) * 60 + int(minutes)) * 60 + int(seconds)
    if not 1 <= total <= 366 * 86400:
        raise _wrong(name, "a session lasts from a second to a year")
    return total


# --- the choices, checked ----------------------------------------------------------------------


def _checked(template: Template, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter's value in its own type; what was not given and has no default is absent."""
    params = {param.name: param for param in template.params}
    unknown = sorted(set(given) - set(params))
    if unknown:
        known = ", ".join(params)
        raise InvalidRequest(
            f"The template '{template.name}' has no parameter '{unknown[0][:60]}'.",
            code="param_unknown",
            hint=f"It takes: {known}.",
            param=unknown[0][:60],
        )
    values: dict[str, Any] = {}
    for param in template.params:
        value = given.get(param.name, param.default)
        if value is None or value == "":
            if param.required:
                raise InvalidRequest(
                    f"The template '{template.name}' needs '{param.name}' ({param.label}).",
                    code="param_missing",
                    param=param.name,
                )
            continue
        values[param.name] = _typed(param, value)
    for param in template.params:
        source = values.get(param.default_from or "")
        if param.name not in values and isinstance(source, int) and source > 1:
            values[param.name] = source
    return values


def _typed(param: Param, value: Any) -> Any:
    if param.type in (ParamType.TEXT, ParamType.FILE):
        return _text(param.name, value)
    if param.type is ParamType.NUMBER:
        return _number(param.name, value)
    if param.type is ParamType.FLAG:
        # The command line knows words only.
        value = (
            {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
        )
        if not isinstance(value, bool):
            raise _wrong(param.name, "true or false is meant")
        return value
    if param.type is ParamType.WORDS:
        return _split(param.name, value)
    if not isinstance(value, Mapping):
        raise _wrong(param.name, "a table of names and values is meant")
    for name in value:
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise _wrong(param.name, f"'{str(name)[:60]}' cannot name an environment variable")
        if name.startswith("UNDERPASS_"):
            raise _wrong(param.name, f"{name[:60]} is Underpass's own")
    return {name: _text(param.name, text) for name, text in value.items()}


def _text(name: str, value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _wrong(name, "a text is meant")
    # A newline in an argument is legal and never meant here; a zero byte ends a C string.
    if "\0" in value or len(value) > MAX_WORD_CHARS:
        raise _wrong(name, "the text is too long or holds a zero byte")
    return value


def _number(name: str, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise _wrong(name, f"'{str(value)[:40]}' is no whole number") from None
    if isinstance(value, bool) or not 0 <= number <= 10**9:
        raise _wrong(name, "the number is out of range")
    return number


def _split(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise _wrong(name, f"it cannot be split into words ({error})") from error
    if isinstance(value, Sequence):
        return tuple(_text(name, word) for word in value)
    raise _wrong(name, "a list of words is meant")


def _wrong(name: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"'{name}' cannot be used: {why}.", code="param_invalid", param=name)


# --- the command -------------------------------------------------------------------------------


def _words(template: Template, values: Mapping[str, Any]) -> tuple[str, ...]:
    places = {name: str(value) for name, value in values.items()}
    if "model" in values:
        places["served_name"] = _served_name(str(values["model"]))
    words = [_fill(word, places) for word in template.command]
    for param in template.params:
        value = values.get(param.name)
        if param.words and value is not None and value is not False:
            words += [_fill(word, places) for word in param.words]
    return tuple(words)


def _switches(template: Template, values: Mapping[str, Any]) -> dict[str, str]:
    """The variables of the parameters that were chosen."""
    chosen = [param for param in template.params if values.get(param.name) not in (None, False)]
    return {name: text for param in chosen for name, text in param.env.items()}


def _fill(text: str, places: Mapping[str, str]) -> str:
    """Each place becomes its value; a value is never read again, whatever braces it holds."""
    return _PLACE.sub(lambda match: places.get(match[1], match[0]), text)


def _served_name(model: str) -> str:
    """`/models/Llama-3.gguf` → `Llama-3`; `org/name` → `name`."""
    last = model.rstrip("/").rsplit("/", 1)[-1]
    return last.removesuffix(".gguf") or model


def _own_command(values: Mapping[str, Any]) -> tuple[str, ...]:
    """`custom`: a whole command line, or a program with its model."""
    if values.get("shell"):
        if "command" not in values:
            raise _wrong("shell", "there is no command to run with it")
        return ("/bin/sh", "-c", str(values["command"]))
    if "command" in values:
        command = _split("command", values["command"])
    elif "program" in values:
        command = (str(values["program"]),)
    else:
        raise InvalidRequest(
            "The template 'custom' needs a command.",
            code="param_missing",
            hint="For instance --command 'my-server --port {port}'.",
            param="command",
        )
    if not command:
        raise _wrong("command", "it is empty")
    places = {"model": str(values["model"])} if "model" in values else {}
    return tuple(_fill(word, places) for word in command)


def _target(command: Sequence[str], env: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """Where the server will listen: as `target` says, else the place that the command names."""
    if "target" in values:
        if values["target"] in ("{port}", "{socket}"):
            return str(values["target"])
        target = Target.parse(str(values["target"]))
        if not target.is_loopback:
            raise _wrong("target", "a session serves its own machine only")
        return str(target)
    texts = [*command, *env.values()]
    for place in ("{socket}", "{port}"):
        if any(place in text for text in texts):
            return place
    raise InvalidRequest(
        "It is not said where the server listens.",
        code="param_missing",
        hint="Write {port} or {socket} in the command, or give a target such as 8000.",
        param="target",
    )


def _resources(values: Mapping[str, Any]) -> Resources:
    return Resources(
        gpus=values.get("gpus"),
        nodes=values.get("nodes"),
        cpus=values.get("cpus"),
        memory=values.get("memory"),
        time_s=seconds_of(values["time"]) if "time" in values else None,
        partition=values.get("partition"),
        account=values.get("account"),
        gpu_type=values.get("gpu_type"),
        qos=values.get("qos"),
    )


def _habits(values: Mapping[str, Any]) -> Habits:
    idle_s = seconds_of(values["idle"], "idle") if "idle" in values else None
    wakes = bool(values.get("wake"))
    if wakes and idle_s is None:
        raise _wrong("wake", "it is for sessions that stop when unused; say `idle` too")
    return Habits(idle_s, wakes, bool(values.get("renew")))
