"""What is Slurm's own about its commands."""

from __future__ import annotations

from underpass.clusters.commands import Answer as Answer
from underpass.clusters.commands import Commands as Commands
from underpass.clusters.commands import Dialect

SLURM = Dialect(
    name="Slurm",
    silence=(
        "unable to contact",
        "timed out",
        "connection refused",
        "connection reset",
        "temporarily",
        "try again",
        "communication",
        "problem talking to the database",
        "persist",
        "zero bytes",
        "transport endpoint",
        "standby mode",
        "munge",
        "credential",
        "not responding",
        "no route to host",
        "unexpected message received",
    ),
    # Settings of the person that would change what the commands print or what a job asks for.
    dropped=(
        *("SQUEUE_", "SINFO_", "SACCT_", "SCONTROL_", "SCANCEL_", "SBATCH_", "SLURM_"),
        "UNDERPASS_",
    ),
    kept=("SBATCH_ACCOUNT", "SBATCH_PARTITION", "SBATCH_QOS", "SBATCH_RESERVATION", "SLURM_CONF"),
    # Times come in UTC, so that neither a time zone nor its summer time has to be guessed.
    formatting={"SLURM_TIME_FORMAT": "standard", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
)
