"""What this machine is, for the hub's pages: its name, its user, the folder that one is in."""

from __future__ import annotations

import getpass
import os
import socket


def host_name() -> str:
    """The machine's short name, as people call a node."""
    return socket.gethostname().split(".")[0] or "localhost"


def user_name() -> str:
    """The account's name, or its number where it has none (as in some containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.geteuid()}"


def working_folder() -> str:
    """Where the agent was started; "" when that folder was removed meanwhile."""
    try:
        return os.getcwd()
    except OSError:
        return ""
