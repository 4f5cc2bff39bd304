"""The arguments of `underpass sessions`, as Typer takes them."""

from __future__ import annotations

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="The session's name or id.")]
Names = Annotated[list[str], typer.Argument(help="Names or ids of sessions.")]

Template = Annotated[
    str | None,
    typer.Option(
        help="demo, llama.cpp, ollama, vllm, sglang, tgi, transformers, custom, or your site's."
    ),
]
Model = Annotated[str | None, typer.Option(help="The model: a name, a file or a folder.")]
Command = Annotated[
    str | None, typer.Option(help="Your server, with {port} or {socket} filled in.")
]
NewName = Annotated[
    str | None, typer.Option("--name", help="The session's and its provider's name.")
]
Cluster = Annotated[str | None, typer.Option(help="Where it runs; without it on the hub's own.")]
Gpus = Annotated[int | None, typer.Option(help="GPUs, on a cluster with a scheduler.")]
Partition = Annotated[str | None, typer.Option(help="The scheduler's partition or queue.")]
Account = Annotated[str | None, typer.Option(help="The account that pays, on a cluster.")]
Memory = Annotated[str | None, typer.Option(help="Memory, on a cluster with a scheduler: 64G.")]
Time = Annotated[str | None, typer.Option(help="When it ends by itself: 4:00:00, 90m.")]
Idle = Annotated[str | None, typer.Option(help="Stop it when nobody has used it for so long: 30m.")]
Wake = Annotated[
    bool, typer.Option("--wake", help="Start it again on the next message after such a stop.")
]
Renew = Annotated[
    bool, typer.Option("--renew", help="A new job takes over before the time of this one ends.")
]
Target = Annotated[
    str | None, typer.Option(help="Where your server listens, if the command does not say.")
]
Arg = Annotated[
    list[str] | None, typer.Option("--arg", help="One more word of the command; repeat it.")
]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", help="NAME=VALUE, or NAME to pass your own value on; repeat it."),
]
Cwd = Annotated[str | None, typer.Option(help="Where the command starts.")]
Param = Annotated[
    list[str] | None, typer.Option("--param", help="Another NAME=VALUE of the template.")
]
OpenAi = Annotated[
    bool, typer.Option("--openai/--no-openai", help="Whether its models become a provider.")
]
Here = Annotated[
    bool, typer.Option("--here", help="Submit it on this login node, which need not have joined.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until its model answers.")]
