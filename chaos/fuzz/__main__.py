"""`python -m chaos.fuzz`: ten minutes of damaged bytes for both ends; exits 1 if anything broke.

With atheris installed the targets are led by coverage, else by chance. `--seconds` is for all of it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import secrets
import subprocess
import sys
import tempfile
import time
import traceback
from importlib.util import find_spec
from pathlib import Path

from chaos.fuzz.ends import fuzz_answers, fuzz_requests
from chaos.fuzz.mutate import damaged
from chaos.fuzz.targets import TARGETS, Target, named

ROOT = Path(__file__).parents[2]
ENDS = {"requests": fuzz_requests, "answers": fuzz_answers}
MOST_SHOWN = 10


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--targets", default="", help="names, separated by commas; default: all")
    parser.add_argument("--seed", default="", help="repeats what chance does")
    parser.add_argument("--blind", action="store_true", help="without atheris")
    parser.add_argument("--input", type=Path, help="one input for one target: to see it break")
    arguments = parser.parse_args()
    names = arguments.targets.split(",") if arguments.targets else [t.name for t in TARGETS]
    if not arguments.targets:
        names += list(ENDS)
    if arguments.input:
        named(names[0]).run(arguments.input.read_bytes())
        return
    seed = arguments.seed or secrets.token_hex(4)
    is_guided = find_spec("atheris") is not None and not arguments.blind
    print(
        f"seed {seed}; {'led by coverage (atheris)' if is_guided else 'by chance alone'}",
        flush=True,
    )
    each_s = arguments.seconds / len(names)
    wrong = []
    for name in names:
        if name in ENDS:
            wrong += _fuzz_end(name, seed, each_s)
        elif is_guided:
            wrong += _guided(named(name), each_s)
        else:
            wrong += by_chance(named(name), seed, each_s)
    for line in wrong[:MOST_SHOWN]:
        print(line)
    sys.exit(1 if wrong else 0)


def by_chance(target: Target, seed: str, seconds: float) -> list[str]:
    """Its corpus, then damaged inputs for so many seconds; what was wrong."""
    rng, wrong, count = random.Random(f"{seed} {target.name}"), list[str](), 0
    honest = [*target.honest(), *target.corpus()]
    deadline = time.monotonic() + seconds
    for data in honest:
        wrong += _try(target, data)
    while time.monotonic() < deadline and len(wrong) < MOST_SHOWN:
        wrong += _try(target, damaged(rng, honest))
        count += 1
    print(f"{target.name}: {count:,} inputs, {len(wrong)} wrong", flush=True)
    return wrong


def _try(target: Target, data: bytes) -> list[str]:
    try:
        target.run(data)
    except Exception:  # noqa: BLE001 - whatever it raises is what was looked for
        return [f"{target.name} broke on {data.hex()}:\n{traceback.format_exc(limit=-4)}"]
    return []


def _guided(target: Target, seconds: float) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="underpass-fuzz-") as folder:
        command = [sys.executable, "-m", "chaos.fuzz.guided", target.name, folder, f"{seconds:.0f}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        runs = re.search(r"stat::number_of_executed_units: *(\d+)", said)
        cover = re.findall(r"cov: (\d+)", said)
        broken = [path for path in Path(folder).iterdir() if path.is_file()]
        wrong = [
            f"{target.name} broke on {path.read_bytes().hex()}:\n{said[-3000:]}" for path in broken
        ]
        if done.returncode and not wrong:
            wrong.append(f"{target.name} did not run: {said[-3000:]}")
    count = int(runs[1]) if runs else 0
    reached = f", {cover[-1]} places reached" if cover else ""
    print(f"{target.name}: {count:,} inputs{reached}, {len(wrong)} wrong", flush=True)
    return wrong


def _fuzz_end(name: str, seed: str, seconds: float) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="underpass-fuzz-") as folder:
        seen, wrong = asyncio.run(ENDS[name](Path(folder), seed, seconds))
    said = ", ".join(f"{status}: {count:,}" for status, count in sorted(seen.items()))
    print(f"{name}: {sum(seen.values()):,} ({said}), {len(wrong)} wrong", flush=True)
    return wrong


if __name__ == "__main__":
    main()
