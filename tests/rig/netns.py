"""A site in network namespaces: a hub outside, a login node that reaches both, a compute node that does not.

hub (10.91.1.1) ── (10.91.1.2) login (10.91.2.1) ── (10.91.2.2) compute
"""

import os
import subprocess
from collections.abc import Sequence

from tests.rig.needs import find_program, missing

HUB_ADDRESS, LOGIN_ADDRESS = "10.91.1.1", "10.91.2.1"


class SiteNetwork:
    """Three namespaces of this process; `close` takes them away."""

    def __init__(self) -> None:
        self._ip = find_program("ip")
        if os.geteuid() != 0:
            missing("network namespaces", "run the tests as root")
        self.hub, self.login, self.compute = (
            f"up{os.getpid()}{place}" for place in ("hub", "login", "compute")
        )
        try:
            for name in (self.hub, self.login, self.compute):
                self._run("netns", "add", name)
                self._run("-n", name, "link", "set", "lo", "up")
            self._join(self.hub, "10.91.1.1/24", self.login, "10.91.1.2/24")
            self._join(self.login, "10.91.2.1/24", self.compute, "10.91.2.2/24")
        except BaseException:
            self.close()
            raise

    def inside(self, place: str, words: Sequence[str]) -> list[str]:
        """The words of a command that runs in one of the namespaces."""
        return [self._ip, "netns", "exec", place, *words]

    def let_out(self) -> None:
        """From now on the login node routes, and the compute node has a way out of its own."""
        words = ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]
        subprocess.run(self.inside(self.login, words), check=True)
        self._run("-n", self.compute, "route", "add", "default", "via", LOGIN_ADDRESS)
        self._run("-n", self.hub, "route", "add", "10.91.2.0/24", "via", "10.91.1.2")

    def close(self) -> None:
        """With all that is in them."""
        for name in (self.hub, self.login, self.compute):
            subprocess.run([self._ip, "netns", "del", name], check=False, capture_output=True)

    def _join(self, one: str, its: str, other: str, others: str) -> None:
        near, far = f"{one[-6:]}a", f"{other[-6:]}b"
        self._run(
            "link", "add", near, "netns", one, "type", "veth", "peer", "name", far, "netns", other
        )
        for place, link, address in ((one, near, its), (other, far, others)):
            self._run("-n", place, "addr", "add", address, "dev", link)
            self._run("-n", place, "link", "set", link, "up")

    def _run(self, *words: str) -> None:
        done = subprocess.run([self._ip, *words], capture_output=True, text=True)
        assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
