"""A real OpenSSH server on a loopback port, without systemd: the benchmark's peer, a fake login node."""

import getpass
import os
import subprocess
from pathlib import Path

from tests.rig.needs import find_program
from tests.rig.processes import Process, free_port


class Sshd:
    """The daemon with its own keys; `ssh_command()` is a client's command line that signs in to it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        for name in ("host_key", "user_key"):
            _make_key(folder / name)
        public = (folder / "user_key.pub").read_text()
        (folder / "authorized_keys").write_text(public)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        config = folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\n"
            f"PidFile {folder}/sshd.pid\nAuthorizedKeysFile {folder}/authorized_keys\n"
            "UsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        )
        command = [find_program("sshd"), "-D", "-e", "-f", str(config)]
        self.process = Process(command, folder / "sshd.log")
        self.process.wait_until_listening(self.port)

    def ssh_command(self, *arguments: str, port: int | None = None) -> list[str]:
        """`ssh` with this server's port (or that of a line to it) and key, and the caller's options."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        options += ["BatchMode=yes", "IdentitiesOnly=yes"]
        flags = [part for option in options for part in ("-o", option)]
        target = f"{getpass.getuser()}@127.0.0.1"
        key = str(self.folder / "user_key")
        where = ["-F", "none", "-p", str(port or self.port), "-i", key]
        return [find_program("ssh"), *where, *flags, *arguments, target]

    def stop(self) -> None:
        self.process.stop()


def _make_key(path: Path) -> None:
    command = [find_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True)
