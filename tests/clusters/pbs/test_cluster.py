"""PBS as a cluster, over played commands with recorded answers: the table of tests that Slurm has."""

import subprocess
from typing import Any

import pytest

from tests.clusters.pbs.conftest import Site
from tests.rig.waiting import eventually
from underpass.clusters.base import JobPhase, JobRef, Resources
from underpass.clusters.places import checked_kind
from underpass.core.errors import LaunchRejected, SchedulerSilent
from underpass.core.states import EndReason


async def test_a_job_from_its_submit_to_its_end(site: Site) -> None:
    """Queued with the reason in plain words, running on its machine, over with its exit code."""
    cluster = site.cluster()
    job_id = await cluster.submit(site.order())
    assert job_id == "4101.pbs01"
    queued = await site.look(cluster)
    assert queued is not None
    assert (queued.phase, queued.raw_state) == (JobPhase.PENDING, "QUEUED")
    assert queued.text == "for machines to become free"
    site.change(job_state="R", exec_host="gpu17.site/0*8+gpu18/0*8", comment="Job run at …")
    running = await site.look(cluster)
    assert running is not None
    assert (running.phase, running.host, running.job_id) == (JobPhase.RUNNING, "gpu17", job_id)
    site.change(job_state="F", Exit_status=3)
    ended = await site.look(cluster)
    assert ended is not None
    assert (ended.phase, ended.exit_code, ended.end_reason) == (JobPhase.ENDED, 3, None)
    assert not (site.job / "token").exists()


@pytest.mark.parametrize(
    ("fields", "reason", "code"),
    [
        ({"Exit_status": 0}, None, 0),
        ({"Exit_status": 271}, EndReason.CANCELLED, 143),
        ({"Exit_status": -29}, EndReason.WALLTIME, None),
        ({"Exit_status": -27}, EndReason.OUT_OF_MEMORY, None),
        ({"Exit_status": -1}, EndReason.NODE_FAILURE, None),
        ({"Exit_status": -77}, EndReason.NODE_FAILURE, None),
        (
            {"Exit_status": 271, "resources_used": {"walltime": "01:00:03"}},
            EndReason.WALLTIME,
            None,
        ),
        ({}, None, None),
    ],
)
async def test_each_end_has_its_reason(
    site: Site, fields: dict[str, Any], reason: EndReason | None, code: int | None
) -> None:
    """From PBS's own codes, and from the time that was used."""
    cluster = site.cluster()
    await cluster.submit(site.order())
    site.change(job_state="F", **fields)
    ended = await site.look(cluster)
    assert ended is not None
    assert (ended.end_reason, ended.exit_code) == (reason, code)


async def test_the_agent_s_own_word_on_its_end(site: Site) -> None:
    """Where PBS knows a code alone, and where it knows the job no more."""
    cluster = site.cluster()
    await cluster.submit(site.order())
    said = '{"reason": "server_exited", "exit_code": 7, "message": "The server ended."}'
    (site.job / "ended.json").write_text(said)
    (site.job / "exit").write_text("7\n")
    site.jobs({})
    ended = await site.look(cluster)
    assert ended is not None
    assert (ended.phase, ended.end_reason, ended.text) == (
        JobPhase.ENDED,
        EndReason.SERVER_EXITED,
        "The server ended.",
    )


async def test_the_same_tag_gives_the_same_job(site: Site) -> None:
    """Also from a login node that was restarted."""
    first = await site.cluster().submit(site.order())
    assert await site.cluster().submit(site.order()) == first
    assert len(site.jobs()) == 1


async def test_a_submit_whose_answer_was_lost(site: Site) -> None:
    """It is found by its tag, and there is one job."""
    site.say(qsub={"err": "qsub: timed out\n", "goes_on": True})
    cluster = site.cluster()
    with pytest.raises(SchedulerSilent):
        await cluster.submit(site.order())
    site.say()
    found = await site.look(cluster)
    assert found is not None
    assert found.job_id == "4101.pbs01"
    assert await cluster.submit(site.order()) == "4101.pbs01"
    assert len(site.jobs()) == 1


async def test_silence_is_unknown(site: Site) -> None:
    """No verb takes it for an end."""
    cluster = site.cluster()
    job_id = await cluster.submit(site.order())
    site.silent()
    for verb in (
        cluster.poll([site.tag]),
        cluster.cancel(JobRef(site.tag, job_id)),
        cluster.capabilities(()),
        cluster.submit(site.order(f"{site.tag}9")),
    ):
        with pytest.raises(SchedulerSilent):
            await verb
    site.say()
    back = await site.look(cluster)
    assert back is not None
    assert back.phase is JobPhase.PENDING


async def test_a_job_that_nobody_remembers_is_unknown(site: Site) -> None:
    """PBS without history, and no word of the job's own: nothing is concluded."""
    cluster = site.cluster()
    await cluster.submit(site.order())
    site.jobs({})
    assert await site.look(cluster) is None


async def test_an_answer_that_is_no_json_is_read_in_the_older_form(site: Site) -> None:
    """Some versions escape nothing in a job's variables."""
    cluster = site.cluster()
    await cluster.submit(site.order())
    site.say(qstat={"out": '{"Jobs": {"4101.pbs01": {"x": "a "quoted" word"}}}\n', "code": 0})
    with pytest.raises(SchedulerSilent):
        await cluster.poll([site.tag])
    words = "Job Id: 4101.pbs01\n    job_state = R\n    exec_host = gpu17/0*8\n"
    site.say(qstat={"out": words + "    Variable_List = A=b,\n\tUNDERPASS_JOB=x\n", "code": 0})
    found = await site.look(cluster)
    assert found is not None
    assert (found.phase, found.host) == (JobPhase.RUNNING, "gpu17")


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ("qsub: Unknown queue", "PBS says: Unknown queue.", "Choose another queue"),
        (
            "qsub: Job violates queue and/or server resource limits",
            "PBS says: Job violates queue and/or server resource limits.",
            "Ask for less",
        ),
        ("qsub: Invalid account", "PBS says: Invalid account.", "Choose another account"),
        ("qsub: Something new", "PBS says: Something new.", "ask the cluster's support"),
    ],
)
async def test_a_refusal_in_pbs_s_own_words(site: Site, said: str, message: str, hint: str) -> None:
    """With what to do, and nothing half-made: no job, no secret."""
    site.say(qsub={"err": said + "\n"})
    with pytest.raises(LaunchRejected) as caught:
        await site.cluster().submit(site.order())
    assert caught.value.message == message
    assert hint in (caught.value.hint or "")
    assert site.jobs() == {}
    assert not (site.job / "token").exists()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Resources(partition="nope"), "There is no queue named 'nope'"),
        (Resources(partition="short", time_s=86400), "The queue short allows 2 h at most."),
        (Resources(gpus=9), "has 4 of these GPUs on a machine"),
        (Resources(gpus=1, gpu_type="h100"), "no GPU type named 'h100'"),
        (Resources(memory="2T"), "of memory on a machine"),
        (Resources(cpus=64), "has 32 CPUs on a machine"),
        (Resources(nodes=9), "has 2 machines"),
        (Resources(memory="lots"), "is no amount of memory"),
        (Resources(qos="high"), "no qualities of service"),
    ],
)
async def test_what_it_can_never_give_is_refused_at_once(
    site: Site, asked: Resources, words: str
) -> None:
    """Before anything is written."""
    with pytest.raises(LaunchRejected) as caught:
        await site.cluster().submit(site.order(resources=asked))
    assert words in caught.value.sentence()
    assert site.asked("qsub") == []


@pytest.mark.parametrize("field", ["partition", "account", "gpu_type"])
@pytest.mark.parametrize(
    "value", ["a b", "x\n#PBS -q root", "$(touch /tmp/pwned)", "gpu:1", "é", "-q", "a,b=1"]
)
async def test_no_value_ends_its_line(site: Site, field: str, value: str) -> None:
    """Hostile names are refused, whichever field they come through."""
    fields: dict[str, Any] = {"gpus": 1, field: value}
    asked = Resources(**fields)
    site.say(pbsnodes={"out": "{}", "code": 0}, qstat={"out": "{}", "code": 0})
    with pytest.raises(LaunchRejected):
        await site.cluster().submit(site.order(resources=asked))
    assert site.asked("qsub") == []


async def test_the_script(site: Site) -> None:
    """What is shown is what is submitted; it holds no secret and is a shell's."""
    cluster = site.cluster()
    order = site.order(name="Ω 'box'; rm -rf /", resources=Resources(2, "a100", 2, 8, "16G", 3600))
    shown = await cluster.show(order)
    await cluster.submit(order)
    assert (site.job / "job.sh").read_text() == shown == await cluster.show(order)
    assert order.token not in shown
    assert "#PBS -l select=2:ncpus=8:mpiprocs=1:ngpus=2:gpu_type=a100:mem=16384mb" in shown
    assert "#PBS -l walltime=01:00:00" in shown
    assert "#PBS -l place=scatter" in shown
    assert "UNDERPASS_ENDS_AT=$(($(date +%s) + 3600))" in shown
    (name,) = [line for line in shown.splitlines() if line.startswith("#PBS -N")]
    assert name == "#PBS -N box-rm--rf-"
    subprocess.run(["bash", "-n"], input=shown, text=True, check=True)


async def test_the_job_runs(site: Site) -> None:
    """The very script, as PBS would run it: the agent gets its files, and its end is written down."""
    await site.cluster().submit(site.order())
    environment = site.environment() | {"PBS_JOBID": "4101.pbs01"}
    script = str(site.job / "job.sh")
    job = subprocess.Popen(["bash", script], env=environment, cwd="/")
    try:
        eventually((site.job / "seen").exists, 15, "the agent of the job")
    finally:
        job.terminate()
        job.wait(20)
    assert (site.job / "exit").exists()


async def test_cancel(site: Site) -> None:
    """By id or by tag; twice, or once it has ended, does no harm; `kill` is forced."""
    cluster = site.cluster()
    job_id = await cluster.submit(site.order())
    await cluster.cancel(JobRef(site.tag))
    assert site.asked("qdel")[-1] == ["qdel", job_id]
    await cluster.cancel(JobRef(site.tag, job_id), kill=True)
    assert site.asked("qdel")[-1] == ["qdel", "-W", "force", job_id]
    await cluster.cancel(JobRef(site.tag, "999.pbs01"))
    await cluster.cancel(JobRef(site.tag, "1; rm -rf /"))
    assert len(site.asked("qdel")) == 3


async def test_one_question_for_all(site: Site) -> None:
    """Forty sessions, one qstat."""
    cluster = site.cluster()
    tags = [f"{site.tag[:-2]}{n:02}.1" for n in range(40)]
    for tag in tags:
        await cluster.submit(site.order(tag))
    before = len(site.asked("qstat"))
    assert len(await cluster.poll(tags)) == 40
    assert len(site.asked("qstat")) == before + 1
    assert len(site.asked("qselect")) == 0


async def test_what_it_offers(site: Site) -> None:
    """Queues that take jobs, the machines that are up, their GPUs."""
    offer = await site.cluster().capabilities(())
    assert (offer.kind, offer.cpus, offer.gpus) == ("pbs", 32, ("a100 ×4",))
    names = {one["name"]: one for one in offer.extra["partitions"]}
    assert sorted(names) == ["short", "workq"]
    assert (names["workq"]["default"], names["workq"]["nodes"]) == (True, 2)
    assert names["short"]["time_limit_s"] == 7200
    assert offer.extra["scheduler"] == "PBS 23.06.06"


async def test_join_finds_it(site: Site) -> None:
    """By programs that neither Slurm's wrappers nor Grid Engine has all of."""
    alone = {"PATH": site.environment()["PATH"].split(":")[0]}  # this machine has a Slurm
    assert checked_kind(None, alone) == "pbs"
    assert checked_kind("pbs", site.environment()) == "pbs"


async def test_a_server_without_history(site: Site) -> None:
    """Its finished jobs are not shown; the job's own folder tells."""
    cluster = site.cluster()
    await cluster.submit(site.order())
    site.say(qstat={"err": "qstat: PBS is not configured to keep job history\n", "code": 1})
    with pytest.raises(SchedulerSilent):
        await cluster.poll([site.tag])
    site.say()
    assert await site.look(cluster) is not None
    assert "-x" not in site.asked("qstat")[-1]
    (site.job / "exit").write_text("0\n")
    site.jobs({})
    ended = await site.look(cluster)
    assert ended is not None
    assert (ended.phase, ended.exit_code) == (JobPhase.ENDED, 0)
