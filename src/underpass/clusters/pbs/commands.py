"""What is PBS's own about its commands."""

from __future__ import annotations

from underpass.clusters.commands import Dialect

PBS = Dialect(
    name="PBS",
    silence=(
        "cannot connect to server",
        "connection refused",
        "connection reset",
        "timed out",
        "timeout",
        "no route to host",
        "communication failure",
        "end of file",
        "server could not connect",
        "access from host not allowed",
        "invalid credential",
        "munge",
        "pbs_iff",
        "errno=15007 unauthorized request",
        "try again",
    ),
    dropped=("PBS_", "QSUB_", "UNDERPASS_"),
    kept=("PBS_SERVER", "PBS_CONF_FILE", "PBS_EXEC", "PBS_HOME", "PBS_AUTH_METHOD"),
    # qstat writes times of the machine's zone; in UTC none has to be guessed.
    formatting={"TZ": "UTC", "LC_ALL": "C.UTF-8"},
)
