"""What an agent tells of its session's business."""

import asyncio
from pathlib import Path
from typing import Any

from tests.agent.test_gpus import NVIDIA, program
from tests.rig.waiting import eventually_async
from underpass.agent.counters import Counters
from underpass.agent.gauges import Gauges
from underpass.agent.gpus import Gpus
from underpass.agent.meter import Meter


async def count() -> Counters | None:
    return Counters(generated_tokens=10, running=1)


async def no_count() -> Counters | None:
    return None


async def test_gpus_and_counters_go_together(tmp_path: Path) -> None:
    """One message every few seconds."""
    environ = program(tmp_path, "nvidia-smi", f"cat <<E\n{NVIDIA}E")
    told: list[dict[str, Any]] = []
    gauges = Gauges(Gpus(environ), count, Meter(events_out=7), told.append, every_s=0.01)
    task = asyncio.create_task(gauges.run())
    await eventually_async(lambda: asyncio.sleep(0, len(told) > 1), 10, "two messages")
    task.cancel()
    assert told[0]["type"] == "session.gauges"
    assert [gpu["percent"] for gpu in told[0]["gpus"]] == [87, 3, None]
    assert (told[0]["server"]["generated_tokens"], told[0]["events"]) == (10, 7)


async def test_where_there_is_nothing_to_tell(tmp_path: Path) -> None:
    """No driver, no counters: the events of answers alone."""
    gauges = Gauges(Gpus({"PATH": str(tmp_path)}), no_count, Meter(), lambda message: None)
    assert await gauges.message() == {
        "type": "session.gauges",
        "gpus": [],
        "server": None,
        "events": 0,
    }
