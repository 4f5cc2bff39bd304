"""The five verbs against the real Slurm."""

import asyncio
import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.clusters.conftest import order
from tests.clusters.slurm.conftest import Site
from tests.rig.waiting import eventually, eventually_async
from underpass.clusters.base import JobPhase, JobRef, Resources, Software
from underpass.clusters.slurm.text import ROW_END, SEPARATOR
from underpass.core.errors import LaunchRejected, SchedulerSilent
from underpass.core.states import EndReason


async def test_a_job_runs_the_agent_with_its_resources(site: Site) -> None:
    """Submitted, running on a node with the GPUs that were asked for, its secrets in 0600 files only."""
    cluster = site.cluster()
    asked = Resources(gpus=1, gpu_type="a100", cpus=1, memory="200M", time_s=3600, account="root")
    job_id = await cluster.submit(
        site.order(resources=asked, has_key=True, env={"HF_TOKEN": "hf_x"})
    )
    running = await site.until(cluster, JobPhase.RUNNING)
    assert (running.job_id, running.host in ("node1", "node2")) == (job_id, True)
    told = site.seen()
    assert told["token"] == "ups_secret\n"
    assert told["env"]["SLURM_JOB_ID"] == job_id
    assert told["env"]["SLURM_JOB_GPUS"] == "0"
    shown = site.rig.run("scontrol", "show", "job", "-o", job_id)
    assert "TimeLimit=01:00:00" in shown
    for name in ("token", "spec.json", "server-key"):
        assert stat.S_IMODE((site.job / name).stat().st_mode) == 0o600
    script = (site.job / "job.sh").read_text()
    secrets = ("ups_secret", "hf_x", (site.job / "server-key").read_text().strip())
    for secret in secrets:
        assert secret not in shown + script
        assert secret not in json.dumps(told["env"])
    await cluster.cancel(JobRef(site.tag, job_id))
    ended = await site.until(cluster, JobPhase.ENDED)
    assert ended.end_reason is EndReason.CANCELLED
    assert not (site.job / "token").exists()


async def test_the_job_inherits_the_login_environment_but_no_key(site: Site) -> None:
    """Modules and paths of the person come along, the hub's key and a surrounding job's marks do not."""
    own = site.environment() | {
        "MY_SITE": "yes",
        "UNDERPASS_KEY": "up_secret",
        "SLURM_JOB_ID": "77",
        "SBATCH_TIMELIMIT": "1",
        "SQUEUE_FORMAT": "%A",
        "SLURM_TIME_FORMAT": "relative",
        "SACCT_FORMAT": "User",
    }
    cluster = site.cluster(environment=own)
    job_id = await cluster.submit(site.order())
    assert (await site.until(cluster, JobPhase.RUNNING)).job_id == job_id
    env = site.seen()["env"]
    assert (env["MY_SITE"], env["SLURM_JOB_ID"]) == ("yes", job_id)
    assert "UNDERPASS_KEY" not in env
    assert "TimeLimit=01:00:00" in site.rig.run("scontrol", "show", "job", "-o", job_id)


async def test_an_end_has_its_code_and_reason(site: Site) -> None:
    """The server's exit code comes through the agent, the shell and the accounting."""
    cluster = site.cluster()
    await cluster.submit(site.order(command=("sh", "-c", "exit 7")))
    ended = await site.until(cluster, JobPhase.ENDED)
    assert (ended.raw_state, ended.exit_code, ended.end_reason) == ("FAILED", 7, None)
    assert "agent of ses_" in "\n".join(await cluster.logs(JobRef(site.tag), 20))


async def test_without_accounting_the_end_is_known_as_well(site: Site) -> None:
    """The controller remembers it for a while, and the job's own folder for longer."""
    cluster = site.cluster(environment=site.environment(has_accounting=False))
    await cluster.submit(site.order(command=("sh", "-c", "exit 7")))
    ended = await site.until(cluster, JobPhase.ENDED)
    assert (ended.raw_state, ended.exit_code) == ("FAILED", 7)
    # The queue has forgotten it, and so has the controller.
    site.say("squeue", "exit 0")
    site.say("scontrol", 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1')
    again = await site.look(site.cluster(environment=site.environment(has_accounting=False)))
    assert again is not None
    assert (again.phase, again.exit_code) == (JobPhase.ENDED, 7)


async def test_missing_from_the_queue_is_looked_up(site: Site) -> None:
    """Accounting, then the controller; where nobody can say, the last known state stands."""
    cluster = site.cluster()
    await cluster.submit(site.order())
    running = await site.until(cluster, JobPhase.RUNNING)
    site.say("squeue", "exit 0")
    found = await site.look(cluster)
    assert found is not None
    assert found.phase is JobPhase.RUNNING
    down = 'echo "error: Connection refused: Problem talking to the database" >&2; exit 1'
    site.say("sacct", down)
    found = await site.look(cluster)
    assert found is not None
    assert (found.phase, found.job_id) == (JobPhase.RUNNING, running.job_id)
    site.say("scontrol", 'echo "Invalid job id specified" >&2; exit 1')
    assert await site.look(cluster) == found, "the accounting did not answer: nothing is known"
    site.mend("sacct")
    site.say("sacct", "exit 0")
    assert await site.look(cluster) is None, "all answer, and none knows it"


async def test_silence_is_silence(site: Site) -> None:
    """A queue that fails, hangs, or errs with exit code 0 never makes a job look dead."""
    cluster = site.cluster()
    await cluster.submit(site.order())
    await site.until(cluster, JobPhase.RUNNING)
    for fault in (
        'echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1',
        'echo "squeue: error: Socket timed out on send/recv operation" >&2; exit 0',
        'echo "something odd" >&2; exit 1',
    ):
        site.say("squeue", fault)
        with pytest.raises(SchedulerSilent):
            await site.look(cluster)
    cluster._commands._timeout_s = 0.2
    site.say("squeue", "exec sleep 30")
    with pytest.raises(SchedulerSilent, match=r"within 0\.2 s"):
        await site.look(cluster)
    site.mend("squeue")
    cluster._commands._timeout_s = 12
    found = await site.look(cluster)
    assert found is not None
    assert found.phase is JobPhase.RUNNING


async def test_a_lost_answer_is_one_job(site: Site) -> None:
    """sbatch made the job and its answer never came: the same launch finds it and makes no second."""
    site.say("sbatch", '"$REAL" "$@" >/dev/null; echo "error: Socket timed out" >&2; exit 1')
    cluster = site.cluster()
    with pytest.raises(SchedulerSilent):
        await cluster.submit(site.order())
    assert (site.job / "token").exists(), "the job that may have been made needs it"
    site.mend("sbatch")
    # Another process, as after a crash of the first.
    again = site.cluster()
    job_id = await again.submit(site.order())
    assert await again.submit(site.order()) == job_id
    assert (await site.until(again, JobPhase.RUNNING)).job_id == job_id
    assert [row[0] for row in site.rig.queue()] == [job_id]


async def test_a_hidden_first_job_lets_only_one_run(site: Site) -> None:
    """The queue showed nothing, so a second job was made: one of the two ends by itself."""
    site.say("sbatch", '"$REAL" --begin=now+2 "$@" >/dev/null; echo "error: timed out" >&2; exit 1')
    cluster = site.cluster()
    with pytest.raises(SchedulerSilent):
        await cluster.submit(site.order())
    site.mend("sbatch")
    site.say("squeue", "exit 0")
    second = await cluster.submit(site.order())
    site.mend("squeue")

    async def only_one() -> bool:
        return [(row[0], row[1]) for row in site.rig.queue()] == [(second, "RUNNING")]

    await eventually_async(only_one, 30, "the second job runs alone")
    assert site.seen()["env"]["SLURM_JOB_ID"] == second


async def test_two_submits_at_once_are_one_job(site: Site) -> None:
    """A call that is repeated while the first is under way waits for it."""
    cluster = site.cluster()
    found = await asyncio.gather(*(cluster.submit(site.order()) for _ in range(4)))
    assert len(set(found)) == 1
    assert len(site.rig.queue()) == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Resources(partition="nope"), "no partition"),
        (Resources(account="nope"), "no account"),
        (Resources(qos="nope"), "no quality of service"),
        (Resources(gpus=1, gpu_type="h100"), "no GPU type"),
        (Resources(gpus=9), "has 2 of these GPUs"),
        (Resources(cpus=64), "8 CPUs"),
        (Resources(nodes=9), "2 machines"),
        (Resources(memory="999G"), "memory"),
        (Resources(memory="much"), "no amount of memory"),
        (Resources(time_s=99 * 86400), "2 d at most"),
        (Resources(partition="urgent", time_s=2 * 3600), "1 h at most"),
    ],
)
async def test_what_cannot_be_given_is_refused_at_once(
    site: Site, asked: Resources, words: str
) -> None:
    """In words that name what there is; nothing is left behind, neither a job nor a folder."""
    cluster = site.cluster()
    with pytest.raises(LaunchRejected, match=words) as caught:
        await cluster.submit(site.order(resources=asked))
    assert caught.value.hint
    assert site.rig.queue() == []
    assert not site.jobs.exists() or not list(site.jobs.iterdir())


async def test_slurms_own_refusal_is_passed_on(site: Site) -> None:
    """What only Slurm knows is refused in Slurm's words, with what to do."""
    site.say("sinfo", "exit 0")  # nothing is known of the partitions beforehand
    cluster = site.cluster()
    with pytest.raises(LaunchRejected, match="Invalid partition name specified") as caught:
        await cluster.submit(site.order(resources=Resources(partition="nope")))
    assert "partition" in (caught.value.hint or "")
    assert not (site.job / "token").exists()


HOSTILE = (
    "a b",
    "it's",
    'say "hi"',
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "x\n#SBATCH --time=1\ntouch pwned",
    "ünï-模型",
    "%j",
    "--uid=0",
    "-x",
    "{port}",
    "a\\b",
)


def _with(field: str, value: Any) -> Resources:
    return replace(Resources(gpus=1), **{field: value})


@pytest.mark.parametrize("field", ["partition", "account", "qos", "gpu_type", "memory"])
async def test_a_hostile_value_is_never_an_option(site: Site, field: str) -> None:
    """No value that a person can type becomes a line, an option or a command."""
    site.say("sinfo", "exit 0")
    site.say("sacctmgr", "exit 0")
    cluster = site.cluster()
    for value in HOSTILE:
        with pytest.raises(LaunchRejected):
            await cluster.submit(site.order(resources=_with(field, value)))
    assert not list(site.folder.rglob("pwned"))
    assert site.rig.queue() == []


async def test_hostile_words_arrive_as_they_are(site: Site) -> None:
    """Command, environment, folder and name: the server gets each word whole, and no shell reads one."""
    odd = site.folder / 'a b\'ü $(touch pwned) "%j"\nx'
    odd.mkdir()
    site.jobs = odd / "jobs"
    cluster = site.cluster()
    env = {f"V{number}": value for number, value in enumerate(HOSTILE)}
    show = "import json,os,sys; json.dump([sys.argv[1:], dict(os.environ)], open('new','w'))"
    show += "; os.rename('new', 'got')"
    made = site.order(
        command=("python3", "-c", show, *HOSTILE),
        env=env,
        cwd=str(odd),
        name="x; touch pwned\n$(y)",
    )
    await cluster.submit(made)
    eventually((odd / "got").exists, 15, "the command")
    words, environment = json.loads((odd / "got").read_text())
    assert words == list(HOSTILE)
    assert {name: environment[name] for name in env} == env
    assert not list(site.folder.rglob("pwned"))
    await site.until(cluster, JobPhase.ENDED)


async def test_the_job_is_told_ahead_of_its_limit(site: Site) -> None:
    """The signal reaches the agent, not the shell alone; TERM does as well."""
    cluster = site.cluster()
    job_id = await cluster.submit(site.order(command=("sleep", "600")))
    site.seen()
    log = site.job / "job.log"
    site.rig.run("scancel", "--signal=USR1", "--batch", job_id)
    # The stand-in does not catch USR1 and dies of it: that is how one sees that it came.
    ended = await site.until(cluster, JobPhase.ENDED)
    assert ended.exit_code == 128 + 10, log.read_text()
    script = (site.job / "job.sh").read_text()
    assert "--signal=B:USR1@180" in script


async def test_modules_a_venv_and_an_image(site: Site) -> None:
    """The command runs behind all three, the agent behind none."""
    folder = site.folder / "soft ware"
    (folder / "venv" / "bin").mkdir(parents=True)
    (folder / "venv" / "bin" / "activate").write_text("export VIRTUAL_ENV=here\n")
    # There is no apptainer to install here: this one shows what it is called with, and runs the rest.
    site.say(
        "apptainer",
        'printf "%s|" "$@" >"$HERE/called"; while [ "$1" != "$IMAGE" ]; do shift; done; shift; exec "$@"',
    )
    own = site.environment() | {
        "HERE": str(folder),
        "IMAGE": str(folder / "vllm.sif"),
        "BASH_FUNC_module%%": '() { echo "$*" >> "$HERE/modules"; }',
        "SCRATCH": "/scratch/me",
    }
    cluster = site.cluster(environment=own, scratch="/scratch/me")
    (folder / "vllm.sif").touch()
    software = Software(f"{folder}/vllm.sif", ("cuda/12.4", "gcc"), f"{folder}/venv")
    show = f"echo $VIRTUAL_ENV $HF_HOME > '{folder}/got'"
    await cluster.submit(
        site.order(command=("sh", "-c", show), software=software, resources=Resources(gpus=1))
    )
    ended = await site.until(cluster, JobPhase.ENDED)
    assert ended.exit_code == 0, await cluster.logs(JobRef(site.tag), 50)
    assert (folder / "modules").read_text() == "load cuda/12.4\nload gcc\n"
    called = (folder / "called").read_text().split("|")
    assert called[:3] == ["exec", "--nv", "--bind"]
    assert str(site.job) in called[3].split(",")
    assert called[4] == f"{folder}/vllm.sif"
    assert (folder / "got").read_text() == "here /scratch/me/huggingface\n"
    assert "VIRTUAL_ENV" not in site.seen()["env"]


async def test_requeued_held_suspended(site: Site) -> None:
    """Back in the queue with the reason in plain words; a suspended job is not a dead one."""
    cluster = site.cluster()
    job_id = await cluster.submit(site.order())
    await site.until(cluster, JobPhase.RUNNING)
    site.seen()
    site.rig.run("scontrol", "suspend", job_id)
    suspended = await site.until(
        cluster, JobPhase.RUNNING, when=lambda one: one.raw_state == "SUSPENDED"
    )
    assert "suspended" in suspended.text
    site.rig.run("scontrol", "resume", job_id)
    site.rig.run("scontrol", "requeuehold", job_id)
    held = await site.until(cluster, JobPhase.PENDING, when=lambda one: "held" in one.text)
    assert held.job_id == job_id
    assert held.end_reason is None
    site.rig.run("scontrol", "release", job_id)
    assert (site.job / "token").exists(), "it is needed again"


async def test_waiting_has_its_reason_and_an_estimate(site: Site) -> None:
    """A job behind another says why in plain words, and when Slurm expects it to start."""
    cluster = site.cluster()
    whole = Resources(nodes=2, cpus=8, time_s=3600)
    await cluster.submit(site.order(resources=whole))
    await site.until(cluster, JobPhase.RUNNING)
    other = site.tag.replace(".1", ".2")
    await cluster.submit(site.order(other, resources=whole))
    reasons = ("for machines to become free", "behind jobs")
    # Slurm's two halves of it come one after the other, in either order.
    waiting = await site.until(
        cluster,
        JobPhase.PENDING,
        other,
        when=lambda one: "expects a start" in one.text and one.text.startswith(reasons),
    )
    assert "about" in waiting.text


async def test_the_controller_goes_and_comes_back(site: Site) -> None:
    """While it is away there is silence; afterwards the same job is there."""
    cluster = site.cluster()
    job_id = await cluster.submit(site.order())
    await site.until(cluster, JobPhase.RUNNING)
    cluster._commands._timeout_s = 1.0
    site.rig.stop_controller()
    try:
        with pytest.raises(SchedulerSilent):
            await site.look(cluster)
    finally:
        await asyncio.to_thread(site.rig.start_controller)
    cluster._commands._timeout_s = 12.0
    assert (await site.until(cluster, JobPhase.RUNNING)).job_id == job_id


async def test_capabilities(site: Site) -> None:
    """Partitions with their limits and GPUs, the user's accounts, and the programs that are here."""
    offer = await site.cluster().capabilities(["sh", "no-such-program"])
    assert (offer.kind, offer.user, offer.cpus, offer.gpus) == ("slurm", "root", 8, ("a100 ×2",))
    assert list(offer.programs) == ["sh"], "what is not here may come with a module or an image"
    assert offer.extra["accounts"] == ["root"]
    main, urgent = offer.extra["partitions"]
    assert (main["name"], main["default"], main["time_limit_s"]) == ("main", True, 172800)
    assert (urgent["time_limit_s"], urgent["gpus"]) == (3600, [{"type": "a100", "count": 2}])


async def test_a_file_that_is_not_there(site: Site, tmp_path: Path) -> None:
    """A model or a program by path is looked for before anything is submitted."""
    cluster = site.cluster()
    for made in (
        site.order(files=(str(tmp_path / "no.gguf"),)),
        site.order(command=(str(tmp_path / "no-server"),)),
        order(("sleep", "1"), cwd="/no/such/folder"),
    ):
        with pytest.raises(LaunchRejected, match="not there"):
            await cluster.submit(made)
    assert site.rig.queue() == []


async def test_cancel_by_tag_ends_every_job_of_it(site: Site) -> None:
    """Also one whose number is not known; twice does no harm."""
    cluster = site.cluster()
    await cluster.submit(site.order())
    os.unlink(site.job / "job")
    await cluster.cancel(JobRef(site.tag), kill=True)
    await cluster.cancel(JobRef(site.tag), kill=True)
    eventually(lambda: site.rig.queue() == [], 15, "an empty queue")


async def test_the_script_is_shown_before_and_kept_after(site: Site) -> None:
    """Byte for byte what sbatch got; showing it starts nothing, and refuses what a submit would."""
    cluster = site.cluster()
    made = site.order(resources=Resources(cpus=1, memory="100M", time_s=3600))
    before = await cluster.show(made)
    assert not site.jobs.exists()
    assert "#SBATCH --time=0-01:00:00" in before
    assert made.token not in before
    job_id = await cluster.submit(made)
    kept = site.rig.run("scontrol", "write", "batch_script", job_id, "-")
    assert kept == before == await cluster.show(made)
    with pytest.raises(LaunchRejected, match="no partition"):
        await cluster.show(site.order(site.tag + "0", resources=Resources(partition="nope")))


async def test_an_agents_own_words_about_its_end(site: Site) -> None:
    """A job that ended by itself: why is what its agent wrote, whoever was there to hear it."""
    cluster = site.cluster()
    said = '{"reason": "server_exited", "exit_code": 3, "message": "vllm ended with code 3."}'
    await cluster.submit(site.order(command=("sh", "-c", f"echo '{said}' > ended.json; exit 3")))
    ended = await site.until(cluster, JobPhase.ENDED)
    assert (ended.end_reason, ended.exit_code) == (EndReason.SERVER_EXITED, 3)
    assert ended.text == "vllm ended with code 3."


async def test_200_sessions_are_one_question(site: Site) -> None:
    """One squeue for all of them, and nothing else while all of them are in the queue."""
    tags = [f"{site.tag}{number}" for number in range(200)]
    rows = [("N", "RUNNING", "None", "node1", "N/A", "x", f"underpass:{tag}") for tag in tags]
    listed = "".join(
        SEPARATOR.join((str(number), *row[1:])) + ROW_END + "\n"
        for number, row in enumerate(rows, 1)
    )
    (site.folder / "listed").write_text(listed)
    calls = site.folder / "calls"
    for command in ("squeue", "sacct", "scontrol", "sinfo"):
        shown = f"cat {site.folder}/listed" if command == "squeue" else "exit 1"
        site.say(command, f"echo {command} >> {calls}; {shown}")
    cluster = site.cluster()
    found = await cluster.poll(tags)
    assert {report.tag for report in found} == set(tags)
    assert {report.phase for report in found} == {JobPhase.RUNNING}
    assert calls.read_text() == "squeue\n"


async def test_one_server_on_two_machines(site: Site) -> None:
    """A part on each, with its rank and the first one's address; the end of one part ends all."""
    cluster = site.cluster()
    out = site.folder / "parts"
    one = 'echo "$@" >>"$0"; sleep 600'
    order = site.order(
        command=("sh", "-c", one, str(out), "first", "{rank}", "{master}"),
        others=("sh", "-c", one, str(out), "it's other", "{rank}", "{master}"),
        resources=Resources(nodes=2, cpus=1, memory="100M", time_s=3600),
    )
    await cluster.submit(order)
    await site.until(cluster, JobPhase.RUNNING)

    def parts() -> list[str]:
        return sorted(out.read_text().splitlines()) if out.exists() else []

    eventually(lambda: len(parts()) == 2, 30, "both parts")
    first, other = parts()
    assert first.startswith("first 0 ")
    assert other.startswith("it's other 1 ")
    assert first.split()[-1] == other.split()[-1] != "{master}"
    await cluster.cancel(JobRef(site.tag))
    await site.until(cluster, JobPhase.ENDED, within_s=30)
    left = f"UNDERPASS_JOB={site.tag}"
    eventually(lambda: not site.rig.job_processes(left), 30, "nothing is left")


@pytest.mark.parametrize(
    ("software", "words"),
    [
        (Software(image="/no/such.sif"), "The image /no/such.sif is not there"),
        (Software(venv="/no/such/venv"), "/no/such/venv is no virtual environment"),
    ],
)
async def test_software_that_is_not_there(site: Site, software: Software, words: str) -> None:
    """Refused before anything is submitted; an image that is fetched is looked for by the job."""
    cluster = site.cluster()
    with pytest.raises(LaunchRejected, match=words) as caught:
        await cluster.submit(site.order(software=software))
    assert caught.value.hint
    assert not site.jobs.exists() or not list(site.jobs.iterdir())
    await cluster.show(site.order(software=Software(image="docker://org/image:1")))


async def test_a_quota_that_is_exceeded(site: Site) -> None:
    """In Slurm's own words plus what to do, with no job and no secret left."""
    said = "Batch job submission failed: Job violates accounting/QOS policy (job submit limit)"
    site.say("sbatch", f'echo "sbatch: error: {said}" >&2; exit 1')
    with pytest.raises(LaunchRejected, match="violates accounting/QOS policy") as caught:
        await site.cluster().submit(site.order())
    assert "more than you may have" in (caught.value.hint or "")
    assert not (site.job / "token").exists()
    assert site.rig.queue() == []
