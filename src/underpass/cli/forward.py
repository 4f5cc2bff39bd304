"""`underpass forward`: a tunnel's port on this machine, for its owner."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import aiohttp
import typer

from underpass.cli import options
from underpass.cli.client import HubClient, connect, run
from underpass.cli.output import note
from underpass.core.errors import AppError, Conflict, NotFound
from underpass.core.targets import Target

READ_BYTES = 64 * 1024


def forward(
    tunnel: Annotated[str, typer.Argument(help="The tunnel's name or id.")],
    port: Annotated[
        int | None,
        typer.Argument(min=0, max=65535, help="On this machine. Default: the same, or a free one."),
    ] = None,
    hub: options.Hub = None,
    ca_file: options.CaFile = None,
    insecure_http: options.InsecureHttp = False,
) -> None:
    """Bring a tunnel's port to this machine: 127.0.0.1:PORT, until Ctrl-C.

    For tunnels of yours that were opened without --openai: notebooks, dashboards, anything.

    Examples:

      underpass forward notebook

      underpass forward notebook 9000
    """

    async def work() -> None:
        async with connect(hub=hub, ca_file=ca_file, insecure_http=insecure_http) as client:
            found = choose(await client.items("/api/tunnels"), tunnel)
            server = await _listen(client, found, port)
            here = server.sockets[0].getsockname()[1]
            note(f"127.0.0.1:{here} → {found['name']} ({found['target']}). Ctrl-C ends.")
            print(f"127.0.0.1:{here}", flush=True)
            async with server:
                await server.serve_forever()

    run(work())


def choose(tunnels: list[dict[str, Any]], words: str) -> dict[str, Any]:
    """The tunnel that is meant. Raises NotFound, Conflict (it is a provider's, or stopped)."""
    fitting = [one for one in tunnels if words in (one["id"], one["name"])]
    if not fitting:
        raise NotFound(
            f"You have no tunnel '{words}'.", hint="`underpass sessions ls` shows what you have."
        )
    found = next((one for one in fitting if one["status"] != "stopped"), fitting[0])
    if found["openai"]:
        raise Conflict(
            f"'{words}' carries OpenAI requests only.",
            hint="Use it through the hub (`underpass connect`), or open a tunnel without --openai.",
        )
    if found["status"] == "stopped":
        raise Conflict(f"The tunnel '{words}' is stopped.", hint="Restart its session and tunnel.")
    return found


async def _listen(client: HubClient, tunnel: dict[str, Any], port: int | None) -> asyncio.Server:
    """Listens on loopback; without a port on the target's own, or on a free one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await carry(client, tunnel["id"], reader, writer)
        except AppError as error:
            note(f"underpass: {error.sentence()}")
        except (OSError, aiohttp.ClientError):
            pass  # whoever connected here has gone, which is their way to end it
        finally:
            writer.close()

    wanted = port if port is not None else Target.parse(tunnel["target"]).port or 0
    try:
        return await asyncio.start_server(serve, "127.0.0.1", wanted)
    except OSError as error:
        if port is not None:
            raise Conflict(
                f"Port {port} of this machine is taken.", hint="Name another one, or none."
            ) from error
    return await asyncio.start_server(serve, "127.0.0.1", 0)


async def carry(
    client: HubClient, tunnel_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One connection, both ways. An empty message says that its direction has ended."""
    async with client.websocket(f"/api/tunnels/{tunnel_id}/connect") as socket:

        async def up() -> None:
            try:
                while chunk := await reader.read(READ_BYTES):
                    await socket.send_bytes(chunk)
                await socket.send_bytes(b"")
            except OSError:
                # The local program broke off: there is nobody left to read the other direction.
                await socket.close()

        sending = asyncio.ensure_future(up())
        try:
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.BINARY:
                    break
                if not message.data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    continue
                writer.write(message.data)
                await writer.drain()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
