"""schemathesis against the OpenAPI document of a real hub: no input is the hub's mistake."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MakeStack
from tests.rig.processes import clean_environment
from tests.rig.stack import PASSWORD

SCHEMATHESIS = [str(Path(sys.executable).with_name("schemathesis")), "run"]
LEAST_CASES = 20
# What never ends by itself, and what would end the caller's own rights in the middle.
LEFT_OUT = r"/events$|/connect$|/api/auth/sign-out$|/logs$"


def _run(url: str, report: Path, budget_s: int, *header: str) -> dict[str, Any]:
    """Valid and invalid requests to every route for a while; the report."""
    command = [*SCHEMATHESIS, f"{url}/api/openapi.json", "--checks", "not_a_server_error"]
    command += ["--phases", "coverage,fuzzing", "--max-time", str(budget_s), "--max-examples", "20"]
    command += ["--exclude-path-regex", LEFT_OUT, "--request-timeout", "10", "--workers", "1"]
    command += ["--seed", "1", "--suppress-health-check", "all", "--warnings", "off", "--no-color"]
    command += ["--generation-database", "none", "--no-shrink", "--continue-on-failure"]
    command += ["--report-json-path", str(report)]
    for one in header:
        command += ["-H", one]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=budget_s + 90,
        env=clean_environment(),
        cwd=report.parent,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(report.read_text())
    return found


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("who", "budget_s"), [("key", 25), ("browser", 20), ("nobody", 10)])
def test_nothing_that_is_sent_is_the_hubs_mistake(
    make_stack: MakeStack, tmp_path: Path, who: str, budget_s: int
) -> None:
    """No 5xx on any route: by an admin's key with every scope, an admin's browser, and nobody."""
    stack = make_stack()
    person = stack.add_person("root", is_admin=True)
    header = [f"Authorization: Bearer {person.key}"] if who == "key" else []
    if who == "browser":
        body = {"name": "root", "password": PASSWORD}
        cookie = stack.api().post("/api/auth/sign-in", body).headers["set-cookie"].split(";")[0]
        header = [f"Cookie: {cookie}", "X-Underpass-CSRF: 1", f"Origin: {stack.url}"]
    report = _run(stack.url, tmp_path / "report.json", budget_s, *header)
    # Bounded in time: how far it comes is the machine's affair, that it found something to try is not.
    assert report["operations"]["selected"] > 100
    assert report["test_cases"]["generated"] >= LEAST_CASES
    log = (stack.folder / "hub.log").read_text()
    assert "unexpected error" not in log
    assert "Traceback" not in log
    assert stack.hub.is_alive
