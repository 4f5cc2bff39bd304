"""`python -m chaos`: injects faults, compares bytes, prints one table; exits 1 if anything was lost."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import shlex
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from chaos.faults import Fault, agent, client, connection, hub, server, storm
from chaos.report import as_markdown, as_page, trouble_of
from chaos.soak import soak
from chaos.tally import Row
from chaos.world import Plan

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
GROUPS = (connection, hub, storm, agent, server, client)
FAULTS: list[Fault] = [fault for group in GROUPS for fault in group.FAULTS]


def main() -> None:
    """The command."""
    arguments = _parser().parse_args()
    if arguments.list:
        for fault in FAULTS:
            print(f"{fault.name:16}{fault.times:>6} times  {fault.title}")
        return
    chosen = [] if arguments.soak and not arguments.faults else _chosen(arguments.faults)
    if arguments.soak:
        title = f"soak of {arguments.soak:g} s, all at random"
        chosen.append(Fault("soak", title, 1, partial(_soak, arguments.soak)))
    seed = arguments.seed or secrets.token_hex(4)
    print(f"seed {seed}; the same run again: --seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="underpass-chaos-") as name:
        plan = Plan(seed, Path(name), arguments.links, arguments.seconds, arguments.times)
        rows = uvloop.run(_run(chosen, plan, arguments.rows))
    print(as_markdown(rows))
    found = trouble_of(rows)
    for line in found:
        print(f"  {line}")
    if arguments.write:
        command = shlex.join(["make", "chaos", f"ARGS={shlex.join(sys.argv[1:])}"])
        parts = [f"{command}    # seed {seed}"]
        if arguments.rows:
            rows = _read_rows(arguments.rows)
            parts = _read_parts(arguments.rows)
        PAGE.write_text(as_page(rows, parts))
    sys.exit(1 if any(not row.is_clean for row in rows) else 0)


async def _soak(seconds: float, plan: Plan, row: Row, times: int) -> None:
    await soak(plan, row, seconds)


def _seconds(text: str) -> float:
    """`90`, `30m` or `2h`."""
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
    return float(text[:-1]) * unit if unit else float(text)


def _keep(file: Path | None, row: Row, seed: str) -> None:
    """Adds a row to the file of a run in parts; each line has what is needed to read it alone."""
    if file is not None:
        words = [word for word in sys.argv[1:] if word != "--write"]
        part = f"{shlex.join(['make', 'chaos', f'ARGS={shlex.join(words)}'])}    # seed {seed}"
        with file.open("a") as out:
            out.write(json.dumps({"part": part, "row": asdict(row)}) + "\n")


def _read_rows(file: Path) -> list[Row]:
    """The newest row of each fault, in the order of the faults."""
    rows = {one["row"]["fault"]: Row(**one["row"]) for one in _lines(file)}
    order = [fault.title for fault in FAULTS]
    return sorted(
        rows.values(), key=lambda row: order.index(row.fault) if row.fault in order else 999
    )


def _read_parts(file: Path) -> list[str]:
    return list(dict.fromkeys(one["part"] for one in _lines(file)))


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def _run(chosen: list[Fault], plan: Plan, file: Path | None = None) -> list[Row]:
    rows = []
    for fault in chosen:
        row = Row(fault.title)
        rows.append(row)
        if reason := fault.why_not():
            row.note(f"not run: {reason}")
            _keep(file, row, plan.seed)
            continue
        began = time.monotonic()
        try:
            await fault.run(plan, row, plan.times or fault.times)
        except Exception as error:  # noqa: BLE001 - the other faults are still to be tried
            traceback.print_exc()
            row.expect(False, f"the run broke: {type(error).__name__}: {str(error)[:300]}")
        _keep(file, row, plan.seed)
        said = "ok" if row.is_clean else "NOT CLEAN"
        took = time.monotonic() - began
        print(f"{fault.name}: {row.times:,} times in {took:.0f} s, {said}", flush=True)
        await asyncio.sleep(0)
    return rows


def _chosen(names: str) -> list[Fault]:
    known = {fault.name: fault for fault in FAULTS}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"no such fault: {', '.join(unknown)}. There are: {', '.join(known)}")
    return [known[name] for name in wanted] or FAULTS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--faults", default="", help="names, separated by commas; default: all")
    parser.add_argument("--list", action="store_true", help="name the faults and stop")
    parser.add_argument("--soak", type=_seconds, help="all at random for so long: 90, 30m, 2h")
    parser.add_argument("--times", type=int, help="injections of each fault")
    parser.add_argument("--seconds", type=float, default=600, help="at most, for each fault")
    parser.add_argument("--links", type=int, default=16, help="agents for the quick faults")
    parser.add_argument("--seed", default="", help="repeats a run's choices")
    parser.add_argument("--rows", type=Path, help="adds rows to this file; --write takes all of it")
    parser.add_argument("--write", action="store_true", help="renew docs/reliability.md")
    return parser


if __name__ == "__main__":
    main()
