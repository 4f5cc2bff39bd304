"""A real Slurm of two nodes with fake GPUs, in a folder of its own: munged, slurmctld, slurmd, accounting.

Jobs belong to an unprivileged user, as on a real site. The daemons run in the foreground as children of
the test and are ended by their ids; `stop` also ends what jobs left behind, known by the folder that
stands in each job's environment.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.rig.needs import find_program, missing
from tests.rig.processes import Process, clean_environment, free_port
from tests.rig.waiting import eventually

_ROOT = Path(__file__).parents[2]
NODES = ("node1", "node2")
GPUS = 2
_WORKING = ("idle", "mix", "alloc", "comp")
_DAEMONS = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd")


class SlurmRig:
    """One cluster. `user` owns its jobs; `environment` is what finds it."""

    def __init__(self) -> None:
        for daemon in _DAEMONS:
            find_program(daemon)
        if os.geteuid() != 0:
            missing("a Slurm that runs jobs as another user", "run the tests as root")
        self.folder = Path(tempfile.mkdtemp(prefix="underpass-slurm-"))
        self.folder.chmod(0o755)
        self.user = pwd.getpwnam("nobody")
        self.home = self.folder / "home"
        self.home.mkdir()
        os.chown(self.home, self.user.pw_uid, self.user.pw_gid)
        self.log = self.folder / "log"
        self._ports = {name: free_port() for name in ("ctl", "dbd", *NODES)}
        self._write_files()
        self.daemons: dict[str, Process] = {}
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    # -- what a test does with it

    def environment(
        self, more: Mapping[str, str] | None = None, *, has_accounting: bool = True
    ) -> dict[str, str]:
        """Of a process that is to find this cluster; without accounting as sites without slurmdbd."""
        file = "slurm.conf" if has_accounting else "no-accounting.conf"
        return clean_environment(
            {
                "SLURM_CONF": str(self.folder / file),
                "HOME": str(self.home),
                "USER": self.user.pw_name,
                "LOGNAME": self.user.pw_name,
                **(more or {}),
            }
        )

    def as_user(self, words: Sequence[str]) -> list[str]:
        """The words of a command that runs as the unprivileged user."""
        who = [f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups"]
        return [find_program("setpriv"), *who, *words]

    def python(self) -> tuple[str, dict[str, str]]:
        """An interpreter that the user can run, and the variables by which it finds Underpass."""
        paths = [site for site in sys.path if site.endswith("site-packages")]
        found = {"PYTHONPATH": os.pathsep.join([str(_ROOT), str(_ROOT / "src"), *paths])}
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        # Started by a shell: setpriv itself may still see what the user may not.
        for program in (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
            check = "exec \"$0\" -c 'import underpass.cli.main, aiohttp'"
            words = self.as_user(["/bin/sh", "-c", check, program])
            done = subprocess.run(words, capture_output=True, env=self.environment(found), cwd="/")
            if done.returncode == 0:
                return program, found
        missing("an interpreter that another user can run", f"apt-get install {name}")
        raise AssertionError("unreachable: missing() always raises")

    def share(self, file: Path) -> Path:
        """A copy of a file where the user can read and run it."""
        copy = self.folder / "shared" / file.name
        copy.parent.mkdir(exist_ok=True)
        if not copy.exists():
            shutil.copy(file, copy)
            copy.chmod(0o755)
        return copy

    def run(self, *words: str, check: bool = True) -> str:
        """A command as the administrator; its standard output."""
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=60, env=self.environment()
        )
        assert done.returncode == 0 or not check, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def queue(self) -> list[list[str]]:
        """Id, state and comment of each job that has not ended."""
        listed = self.run("squeue", "-h", "-o", "%i|%T|%k").splitlines()
        return [line.split("|") for line in listed]

    def state_of(self, job_id: str) -> str:
        """The controller's word for a job."""
        for word in self.run("scontrol", "show", "job", "-o", job_id).split():
            if word.startswith("JobState="):
                return word.removeprefix("JobState=")
        return ""

    def job_processes(self, marker: str = "") -> list[int]:
        """Processes of this cluster's jobs, or those whose environment has `marker` too."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                environ = entry.read_bytes()
                is_job = b"SLURM_JOB_ID=" in environ and str(self.folder).encode() in environ
                if is_job and marker.encode() in environ:
                    found.append(int(entry.parent.name))
        return found

    def restart_controller(self) -> None:
        """slurmctld goes without a word and comes back with its saved state."""
        self.stop_controller()
        self.start_controller()

    def stop_controller(self) -> None:
        self.daemons["slurmctld"].stop()

    def start_controller(self) -> None:
        self._daemon("slurmctld", "-D", "-f", str(self.folder / "slurm.conf"))
        eventually(lambda: self._are_nodes(_WORKING), 30, "both nodes of Slurm are there")

    def start_node(self, node: str) -> None:
        """A node whose slurmd was killed comes back, empty."""
        for pid in self.job_processes(f"SLURMD_NODENAME={node}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._start_slurmd(node)
        self.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        eventually(lambda: self._are_nodes(_WORKING), 30, f"{node} is back")

    def clear(self) -> None:
        """Cancels every job and waits until the nodes are free."""
        self._cancel_all()
        eventually(lambda: not self.queue(), 30, "an empty queue")

    def stop(self) -> None:
        """Ends jobs and daemons and removes the folder."""
        if "slurmctld" in self.daemons and self.daemons["slurmctld"].is_alive:
            self._cancel_all()
        for pid in self.job_processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for daemon in reversed(self.daemons.values()):
            daemon.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- bringing it up

    def _start(self) -> None:
        run = self.folder / "run"
        self._daemon(
            *("munged", "--foreground", "--force", f"--key-file={run / 'munge.key'}"),
            *(f"--socket={run / 'munge.sock'}", f"--pid-file={run / 'munged.pid'}"),
            *(f"--log-file={self.log / 'munged.log'}", f"--seed-file={run / 'munge.seed'}"),
        )
        self._start_accounting()
        eventually((run / "munge.sock").exists, 10, "munged's socket")
        self._add_accounts()
        for node in NODES:
            self._start_slurmd(node)
        self.start_controller()

    def _add_accounts(self) -> None:
        """One process for all: each start of sacctmgr costs half a second."""
        user = self.user.pw_name
        lines = ["add cluster test", "add account physics cluster=test"]
        lines += [f"add user {user} cluster=test account=physics defaultaccount=physics", "quit"]
        done = subprocess.run(
            ["sacctmgr", "--immediate"],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment(),
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _start_accounting(self) -> None:
        data, socket = self.folder / "mysql", self.folder / "run" / "mysql.sock"
        data.mkdir()
        plain = ["--no-defaults", f"--datadir={data}"]
        owner = [] if os.geteuid() else ["--user=root"]
        # By hand, as mariadb-install-db takes seconds for help texts and users; slurmdbd needs the
        # tables of stored procedures.
        tables = Path("/usr/share/mysql/mysql_system_tables.sql").read_text()
        done = subprocess.run(
            [find_program("mariadbd"), *plain, *owner, "--bootstrap", "--skip-grant-tables"],
            input=f"CREATE DATABASE mysql;\nUSE mysql;\n{tables}\nCREATE DATABASE slurm_acct_db;\n",
            capture_output=True,
            text=True,
            timeout=60,
            env=clean_environment(),
        )
        assert done.returncode == 0, done.stderr
        self._daemon(
            *("mariadbd", *plain, *owner, f"--socket={socket}", "--skip-networking"),
            *("--skip-grant-tables", f"--pid-file={self.folder / 'run' / 'mariadbd.pid'}"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"),
        )
        eventually(socket.exists, 20, "MariaDB's socket")
        self._daemon("slurmdbd", "-D", environment={"MYSQL_UNIX_PORT": str(socket)})
        self.daemons["slurmdbd"].wait_until_listening(self._ports["dbd"], 20)

    def _cancel_all(self) -> None:
        for user in (self.user.pw_name, "root"):
            self.run("scancel", "--quiet", f"--user={user}", check=False)

    def _daemon(
        self, program: str, *words: str, name: str = "", environment: dict[str, str] | None = None
    ) -> None:
        conf = {"SLURM_CONF": str(self.folder / "slurm.conf"), **(environment or {})}
        self.daemons[name or program] = Process(
            [find_program(program), *words], self.log / f"{name or program}.out", conf
        )

    def _start_slurmd(self, node: str) -> None:
        conf = str(self.folder / "slurm.conf")
        self._daemon("slurmd", "-D", "-f", conf, "-N", node, name=node)

    def _are_nodes(self, states: tuple[str, ...]) -> bool:
        listed = self.run("sinfo", "-h", "-N", "-o", "%t", check=False).split()
        return bool(listed) and set(listed) <= set(states)

    # -- its files

    def _write_files(self) -> None:
        for name in ("run", "log", "state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir()
        key = self.folder / "run" / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        for number in range(GPUS):
            os.mknod(self.folder / "run" / f"gpu{number}", 0o20666, os.makedev(1, 3))
        (self.folder / "gres.conf").write_text(
            f"NodeName=node[1-2] Name=gpu Type=a100 File={self.folder}/run/gpu[0-{GPUS - 1}]\n"
        )
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        dbd = self.folder / "slurmdbd.conf"
        dbd.write_text(_DBD_CONF.format(folder=self.folder, **self._ports))
        dbd.chmod(0o600)
        (self.folder / "log" / "jobcomp.txt").touch()
        conf = _CONF.format(folder=self.folder, **self._ports)
        for number, node in enumerate(NODES, 1):
            conf += _NODE.format(node=node, port=self._ports[node], gpus=GPUS, number=number)
        conf += _PARTITIONS
        accounting = _ACCOUNTING.format(folder=self.folder, **self._ports)
        (self.folder / "slurm.conf").write_text(conf + accounting)
        (self.folder / "no-accounting.conf").write_text(
            conf + "AccountingStorageType=accounting_storage/none\n"
        )


_CONF = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
CredType=cred/munge
SlurmctldPort={ctl}
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,sched_min_interval=0
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=60
KillWait=2
MinJobAge=60
InactiveLimit=0
Waittime=0
PropagateResourceLimits=NONE
MailProg=/bin/true
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobcomp.txt
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
"""
_NODE = """\
NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=8 Boards=1 \
SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=4000 Gres=gpu:a100:{gpus} State=UNKNOWN
"""
_PARTITIONS = """\
PartitionName=main Nodes=node[1-2] Default=YES MaxTime=2-00:00:00 DefaultTime=01:00:00 \
DefMemPerCPU=100 PriorityTier=1 State=UP
PartitionName=urgent Nodes=node[1-2] MaxTime=01:00:00 DefMemPerCPU=100 PriorityTier=10 State=UP
"""
_ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={dbd}
AccountingStoragePass={folder}/run/munge.sock
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations
"""
_DBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={dbd}
SlurmUser=root
PidFile={folder}/run/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
"""
