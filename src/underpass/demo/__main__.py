"""`python -m underpass.demo --port 8000` or `--socket /path.sock`: the guide in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from underpass.demo.server import Guide, start

DEFAULT_PACE = 45.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT. Exit code 1 when it cannot listen."""
    parser = argparse.ArgumentParser(prog="python -m underpass.demo", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int, help="listen on 127.0.0.1 (0: any free port)")
    where.add_argument("--socket", help="listen on this Unix socket")
    parser.add_argument(
        "--pace", type=float, default=DEFAULT_PACE, help="words per second; 0: as fast as it can"
    )
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_serve(options.port, options.socket, options.pace))
    except OSError as error:
        place = options.socket or f"127.0.0.1:{options.port}"
        print(f"Cannot listen on {place}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


async def _serve(port: int | None, socket: str | None, pace: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = await start(Guide(pace), port=port, socket=socket)
    try:
        # A line that says where it listens, flushed: who started it on port 0 reads it here.
        print(f"underpass-guide listens on {_place(runner.addresses)}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()
        if socket is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(socket)


def _place(addresses: Sequence[object]) -> str:
    address = addresses[0]
    return f"unix:{address}" if isinstance(address, str) else "{}:{}".format(*_pair(address))


def _pair(address: object) -> tuple[object, object]:
    assert isinstance(address, tuple)
    return address[0], address[1]


if __name__ == "__main__":
    sys.exit(main())
