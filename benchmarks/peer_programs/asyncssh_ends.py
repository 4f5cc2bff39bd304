"""Both ends of an `ssh -R` made of asyncssh; run by the Python of scripts/peers.sh.

`asyncssh_ends.py server PORT`, or `asyncssh_ends.py client PORT FAR NEAR`: a listener on FAR at the
server's side is carried to NEAR at the client's.
"""

import asyncio
import sys

import asyncssh
import uvloop

HOST = "127.0.0.1"


class Server(asyncssh.SSHServer):  # type: ignore[misc]
    """Lets anybody in and forwards whatever is asked: it lives on loopback for one benchmark."""

    def begin_auth(self, username: str) -> bool:
        return False

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        return True


async def serve(port: int) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    await asyncssh.listen(HOST, port, server_host_keys=[key], server_factory=Server)
    await asyncio.Event().wait()


async def forward(port: int, far: int, near: int) -> None:
    async with asyncssh.connect(HOST, port, known_hosts=None, username="bench") as connection:
        listener = await connection.forward_remote_port(HOST, far, HOST, near)
        await listener.wait_closed()


if __name__ == "__main__":
    end, *numbers = sys.argv[1:]
    ports = [int(number) for number in numbers]
    uvloop.run(serve(*ports) if end == "server" else forward(*ports))
