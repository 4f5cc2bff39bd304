"""The network as packets: one TUN device at each end of a wire that is a loop in this process.

One end is in the namespace of the agent, the other in the one of the hub. Delay, loss and packets
that vanish are decided for each packet, so the kernels' own TCP meets them as it would on a real
line. Needs root and /dev/net/tun; no kernel module for network emulation.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import random
import struct
import subprocess
from types import TracebackType

_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_MTU = 1500
_NUMBERS = itertools.count(1)
_TRIES = 64


def why_not() -> str:
    """Why this machine cannot do it; empty if it can."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    if not os.path.exists("/dev/net/tun"):
        return "needs /dev/net/tun"
    probe = f"up-{os.getpid()}-probe"
    made = subprocess.run(
        ["ip", "netns", "add", probe], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        return f"no network namespaces here: {made.stderr.strip()}"
    _ip("netns", "del", probe)
    return ""


class Wire:
    """A namespace for an agent and the wire from it to this machine, where the hub listens.

    The hub's address is `hub_ip`; it exists while the wire does. `delay_s` is one way.
    """

    def __init__(self, rng: random.Random) -> None:
        number = next(_NUMBERS)
        self.namespace = f"up-{os.getpid()}-{number}"
        self._device = f"upc{os.getpid() % 100_000}x{number}"
        base = (os.getpid() * 7 + number) % 16_000
        self._net = f"10.{64 + base // 256}.{base % 256}"
        self.hub_ip = f"{self._net}.1"
        self.agent_ips = [f"{self._net}.{host}" for host in (2, 3, 4)]
        self.delay_s = 0.0
        self.loss = 0.0
        self.is_open = True
        self.dropped = 0
        self.packets = 0
        self._rng = rng
        self._ends: list[int] = []
        self._moves = 0

    async def __aenter__(self) -> Wire:
        _ip("netns", "add", self.namespace)
        near, far = self._device + "a", self._device + "h"
        self._ends = [_open_tun(near), _open_tun(far)]
        _ip("link", "set", near, "netns", self.namespace)
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "link", "set", near, "up")
        self._take_address(near, self.agent_ips[0])
        _ip("addr", "add", f"{self.hub_ip}/24", "dev", far)
        _ip("link", "set", far, "up")
        loop = asyncio.get_running_loop()
        for end, other in ((0, 1), (1, 0)):
            loop.add_reader(self._ends[end], self._pass, self._ends[end], self._ends[other])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        for end in self._ends:
            loop.remove_reader(end)
            os.close(end)  # the device goes with it
        self._ends = []
        _ip("netns", "del", self.namespace)

    def command(self, *words: str) -> list[str]:
        """The command, to be run in the namespace."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def inside(self, *words: str) -> None:
        """Runs it there."""
        subprocess.run(self.command(*words), check=True, capture_output=True)

    def change_address(self) -> None:
        """The agent's end has another address from now on; the old one is gone."""
        device = self._device + "a"
        old = self.agent_ips[self._moves % len(self.agent_ips)]
        self._moves += 1
        new = self.agent_ips[self._moves % len(self.agent_ips)]
        self.inside("ip", "addr", "del", f"{old}/24", "dev", device)
        self._take_address(device, new)

    # --- inside ------------------------------------------------------------------------------

    def _take_address(self, device: str, address: str) -> None:
        self.inside("ip", "addr", "add", f"{address}/24", "dev", device)
        # All of one run's wires lead to this machine, whichever of its addresses the hub has.
        self.inside("ip", "route", "replace", "default", "dev", device)

    def _pass(self, source: int, target: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_TRIES):
            try:
                packet = os.read(source, _MTU + 100)
            except BlockingIOError:
                return
            self.packets += 1
            if not self.is_open or (self.loss and self._rng.random() < self.loss):
                self.dropped += 1
            elif self.delay_s:
                loop.call_later(self.delay_s, self._deliver, target, packet)
            else:
                self._deliver(target, packet)

    def _deliver(self, target: int, packet: bytes) -> None:
        if target not in self._ends or not self.is_open:
            return
        try:
            os.write(target, packet)
        except OSError:
            self.dropped += 1  # the device's queue is full, as a router's can be


def _open_tun(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN_NO_PI))
    return end


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
