"""The OpenID provider as a process, and what a test tells it and asks of it."""

import sys
from pathlib import Path
from typing import Any

from tests.rig.api import Api
from tests.rig.openid_provider import CLIENT_ID, CLIENT_SECRET
from tests.rig.processes import Process, free_port

ROOT = Path(__file__).parents[2]


class OpenIdProvider:
    """`python -m tests.rig.openid_provider`; stop it in the end."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "tests.rig.openid_provider", "--port", str(self.port)]
        self.process = Process(command, log, cwd=ROOT)
        self.process.wait_until_listening(self.port, 30)
        self._api = Api(self.url)

    @property
    def url(self) -> str:
        """The issuer's address."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.process.stop()

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a hub needs to know of it."""
        return {
            "issuer": self.url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "label": "Campus",
            **more,
        }

    def set_person(self, sub: str, **claims: Any) -> None:
        """What it says about somebody; `info:` before a name: at its user-info endpoint only."""
        assert self._api.call("PUT", f"/rig/people/{sub}", claims).status == 200

    def set_mistakes(self, **mistakes: Any) -> None:
        """What it does wrong from now on; nothing given: nothing."""
        assert self._api.call("PUT", "/rig/mistakes", mistakes).status == 200

    def seen(self) -> list[dict[str, str]]:
        """What it was asked, oldest first: queries of /authorize and forms of /token."""
        found: list[dict[str, str]] = self._api.get("/rig/seen").json()
        return found
