"""A real PostgreSQL server in a folder of its own, reached by a Unix socket only."""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.rig.needs import missing
from tests.rig.processes import Process, clean_environment
from tests.rig.waiting import eventually

_HOMES = "/usr/lib/postgresql"


def find_binaries() -> Path:
    """The folder with `initdb` and `postgres`; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = sorted(Path(_HOMES).glob("*/bin/initdb"), key=lambda path: path.parts)
    if not versions:
        missing("PostgreSQL", "apt-get install -y --no-install-recommends postgresql")
    return versions[-1].parent


class PostgresServer:
    """One server; `url(name)` is a database of it. Nothing survives `stop`."""

    def __init__(self) -> None:
        self._binaries = find_binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="underpass-pg-"))
        self._as_user = self._become_nobody()
        data = self.folder / "data"
        self._run("initdb", "-D", str(data), "-U", "underpass", "-A", "trust", "--no-sync")
        try:
            self.go_on()
        except BaseException:
            self.stop()
            raise

    def go_on(self) -> None:
        """Starts the server; again after a `halt`."""
        data = self.folder / "data"
        command = [*self._as_user, str(self._binaries / "postgres"), "-D", str(data)]
        # Unix socket only; no care for a power cut: it lives as long as the tests.
        command += ["-k", str(self.folder), "-c", "listen_addresses=", "-c", "fsync=off"]
        command += ["-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        self._process = Process(command, self.folder / "postgres.log")
        socket = self.folder / ".s.PGSQL.5432"
        eventually(socket.exists, 15, "PostgreSQL's socket")
        eventually(self._is_ready, 15, "PostgreSQL to accept")

    def halt(self) -> None:
        """The server ends at once, with all connections; its data stays."""
        self._process.signal(signal.SIGINT)
        self._process.wait(15)

    def url(self, database: str) -> str:
        """The URL of one database."""
        return f"postgresql://underpass@/{database}?host={self.folder}"

    def create(self, database: str, template: str = "template1") -> str:
        """A new database, copied from `template`; its URL."""
        self._sql(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        self._sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def stop(self) -> None:
        """Ends the server and removes its folder."""
        self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _become_nobody(self) -> list[str]:
        """PostgreSQL refuses to run as root: then it runs as the user that Debian made for it."""
        if os.geteuid() != 0:
            return []
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
        entry = pwd.getpwnam(user)
        os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        return ["setpriv", f"--reuid={user}", f"--regid={entry.pw_gid}", "--clear-groups"]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as_user, str(self._binaries / program), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd="/",
            env=clean_environment({"LC_ALL": "C.UTF-8", "USER": getpass.getuser()}),
        )
        assert done.returncode == 0, f"{program}: {done.stdout}\n{done.stderr}"

    def _sql(self, statement: str) -> None:
        self._run(
            "psql", "-h", str(self.folder), "-U", "underpass", "-d", "postgres", "-qc", statement
        )

    def _is_ready(self) -> bool:
        try:
            self._run("pg_isready", "-h", str(self.folder), "-d", "postgres", "-q")
        except AssertionError:
            return False
        return True
