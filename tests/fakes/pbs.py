#!/usr/bin/env python3
"""The commands of a played PBS: qsub, qstat, qselect, qdel, pbsnodes, by the name they are called with.

Answers have the form that OpenPBS 23 was recorded with. The state is a folder (`PBS_HOME`): `jobs.json`, and
`say.json` for what a test lets a command say in place of its answer.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

Jobs = dict[str, dict[str, Any]]
HOME = Path(os.environ["PBS_HOME"])
NODE = {
    "state": "free",
    "resources_available": {
        "arch": "linux",
        "host": "gpu17",
        "mem": "263974436kb",
        "ncpus": 32,
        "ngpus": 4,
        "gpu_type": "a100",
    },
}
QUEUES = {
    "workq": {"queue_type": "Execution", "enabled": "True", "started": "True"},
    "short": {
        "queue_type": "Execution",
        "enabled": "True",
        "started": "True",
        "resources_max": {"walltime": "02:00:00"},
    },
    "routeq": {"queue_type": "Route", "enabled": "True", "started": "True"},
}


def main() -> int:
    name, words = Path(sys.argv[0]).name, sys.argv[1:]
    with (HOME / "asked").open("a") as log:
        log.write(json.dumps([name, *words]) + "\n")
    said = json.loads((HOME / "say.json").read_text()).get(name)
    if said is not None:
        sys.stdout.write(said.get("out", ""))
        sys.stderr.write(said.get("err", ""))
        if not said.get("goes_on"):
            return int(said.get("code", 1))
    jobs = json.loads((HOME / "jobs.json").read_text())
    code: int = {"qsub": qsub, "qstat": qstat, "qselect": qselect, "qdel": qdel}.get(name, nodes)(
        jobs, words
    )
    (HOME / "jobs.json").write_text(json.dumps(jobs))
    return int(said.get("code", code)) if said else code


def qsub(jobs: Jobs, words: list[str]) -> int:
    script = Path(words[-1]).read_text()
    tag = re.search(r"#PBS -v UNDERPASS_JOB=(\S+)", script)
    name = re.search(r"#PBS -N (\S+)", script)
    assert tag is not None
    assert name is not None
    job_id = f"{len(jobs) + 4101}.pbs01"
    jobs[job_id] = {
        "Job_Name": name[1],
        "job_state": "Q",
        "comment": "Not Running: Insufficient amount of resource: ngpus ",
        "Resource_List": {"ncpus": 8, "walltime": "01:00:00"},
        "Variable_List": {"PBS_O_HOME": "/home/u", "UNDERPASS_JOB": tag[1]},
    }
    if not json.loads((HOME / "say.json").read_text()).get("qsub"):
        print(job_id)
    return 0


def qstat(jobs: Jobs, words: list[str]) -> int:
    if "-Q" in words:
        print(json.dumps({"pbs_version": "23.06.06", "Queue": QUEUES}))
        return 0
    if "-B" in words:
        print(json.dumps({"Server": {"pbs01": {"default_queue": "workq"}}}))
        return 0
    ids = [word for word in words if word[:1].isdigit()]
    found = {one: jobs[one] for one in ids if one in jobs}
    for one in ids:
        if one not in jobs:
            sys.stderr.write(f"qstat: Unknown Job Id {one}\n")
    if "json" in words:
        shown: dict[str, Any] = {
            "timestamp": 1795680000,
            "pbs_version": "23.06.06",
            "pbs_server": "pbs01",
        }
        if found:
            shown["Jobs"] = found
        print(json.dumps(shown))
    else:
        for one, fields in found.items():
            print(f"Job Id: {one}")
            print(f"    job_state = {fields['job_state']}")
            print("    Variable_List = PBS_O_HOME=/home/u,")
            print(f"\tUNDERPASS_JOB={fields['Variable_List']['UNDERPASS_JOB']}")
    return 0 if len(found) == len(ids) else 153


def qselect(jobs: Jobs, words: list[str]) -> int:
    print("\n".join(jobs))
    return 0


def qdel(jobs: Jobs, words: list[str]) -> int:
    for one in [word for word in words if word[:1].isdigit()]:
        if one not in jobs:
            sys.stderr.write(f"qdel: Unknown Job Id {one}\n")
            return 170
        jobs[one] |= {"job_state": "F", "Exit_status": 271}
    return 0


def nodes(jobs: Jobs, words: list[str]) -> int:
    down = NODE | {"state": "down,offline"}
    print(json.dumps({"nodes": {"gpu17": NODE, "gpu18": NODE, "gpu19": down}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
