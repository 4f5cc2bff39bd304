"""Real components: found, or the test says so.

At a person's desk a test whose component is missing is skipped, with the command that installs it.
With `CI` set nothing may be skipped: the test fails with the same sentence. So no test calls
`pytest.skip` itself (tests/test_structure.py).
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

_PACKAGES = {
    "chromium": "chromium",
    "tinyproxy": "tinyproxy",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nginx": "nginx-light",
    "curl": "curl",
    "setpriv": "util-linux",
    "munged": "munge",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "slurmdbd": "slurmdbd slurm-wlm-mysql-plugin",
    "mariadbd": "mariadb-server",
}
_ALSO_IN = ["/usr/sbin", "/sbin", "/usr/local/sbin"]


def is_ci() -> bool:
    """True where every component must be there."""
    return bool(os.environ.get("CI"))


def missing(what: str, fix: str) -> NoReturn:
    """Skips the test (a person's desk) or fails it (CI), naming what to do."""
    cannot_here(f"{what} is not installed; to run this test: {fix}")


def cannot_here(reason: str) -> NoReturn:
    """Skips what this machine cannot try (a person's desk) or fails it (CI), for this reason."""
    if is_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def opted_in(variable: str, how: str) -> str:
    """The value of the variable that asks for tests no machine runs by default; fails without it."""
    value = os.environ.get(variable, "")
    if not value:
        pytest.fail(f"{variable} is not set; these tests run by: {how}", pytrace=False)
    return value


def find_program(name: str) -> str:
    """The path of a program, also where a plain user's PATH does not look."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_ALSO_IN])
    found = shutil.which(name, path=path)
    if found is None:
        package = _PACKAGES.get(name, name)
        missing(name, f"apt-get install -y --no-install-recommends {package}")
    return found


def find_llama_server() -> str:
    """The llama-server that `scripts/llama_server.sh` built, kept outside the tree by version."""
    root = Path(__file__).parents[2]
    lock = (root / "requirements" / "llama-server.lock").read_text()
    version = lock.split("llama-cpp-python==")[1].split()[0]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "underpass"
    server = cache / f"llama-server-{version}" / "llama-server"
    if not server.is_file():
        missing("llama-server", "scripts/llama_server.sh (builds it once, about five minutes)")
    return str(server)
