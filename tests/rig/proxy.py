"""A real forward proxy (tinyproxy) that asks for a name and a password."""

import re
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
        """What clients asked for, `CONNECT host:port HTTP/1.1`, by its log."""
        return re.findall(r"CONNECT \S+:\d+ HTTP/\S+", self.process.output())

    def stop(self) -> None:
        self.process.stop()
