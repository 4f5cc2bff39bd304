"""A real forward proxy (tinyproxy) that asks for a name and a password."""

from pathlib import Path

from tests.rig.needs import find_program
from tests.rig.processes import Process, free_port


class Tinyproxy:
    """Answers CONNECT on a loopback port; its log says what went through it."""

    user = "proxy-user"
    password = "proxy-pass"

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        config = folder / "tinyproxy.conf"
        config.write_text(
            f"Port {self.port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 600\n"
            f"MaxClients 50\nLogLevel Connect\nBasicAuth {self.user} {self.password}\n"
        )
        command = [find_program("tinyproxy"), "-d", "-c", str(config)]
        self.process = Process(command, folder / "tinyproxy.log")
        self.process.wait_until_listening(self.port)

    @property
    def url(self) -> str:
        return f"http://{self.user}:{self.password}@127.0.0.1:{self.port}"

    @property
    def url_without_password(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connects(self) -> list[str]:
        """The CONNECT lines of its log."""
        return [line for line in self.process.output().splitlines() if "CONNECT" in line]

    def stop(self) -> None:
        self.process.stop()
