"""How busy the GPUs of this session are, and how full: asked of the driver's own program, seldom.

Where there is no such program there is nothing to tell, and nothing is asked again.
"""

from __future__ import annotations

import asyncio
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

ASK_TIMEOUT_S = 5.0
MIB = 1 << 20

_NVIDIA_FIELDS = "index,uuid,name,utilization.gpu,memory.used,memory.total"
_ROCM_WORDS = ("--showuse", "--showmeminfo", "vram", "--showproductname", "--json")


@dataclass(frozen=True, slots=True)
class GpuUse:
    """One GPU; what its driver does not tell is None."""

    name: str
    percent: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None

    def as_message(self) -> dict[str, Any]:
        """As it stands in `session.gauges`."""
        return asdict(self)


class Gpus:
    """Those that this process may use."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """`environ` says which are visible, and where programs are."""
        path = environ.get("PATH")
        self._cuda = environ.get("CUDA_VISIBLE_DEVICES")
        rocr = environ.get("ROCR_VISIBLE_DEVICES")
        self._rocm = environ.get("HIP_VISIBLE_DEVICES") if rocr is None else rocr
        self._nvidia_smi = None if is_none(self._cuda) else shutil.which("nvidia-smi", path=path)
        self._rocm_smi = None if is_none(self._rocm) else shutil.which("rocm-smi", path=path)

    @property
    def are_told(self) -> bool:
        """Whether there is a program to ask."""
        return self._nvidia_smi is not None or self._rocm_smi is not None

    async def use(self) -> list[GpuUse]:
        """A picture of them; empty where nobody tells."""
        if self._nvidia_smi is not None:
            query = (f"--query-gpu={_NVIDIA_FIELDS}", "--format=csv,noheader,nounits")
            return parse_nvidia(await ask(self._nvidia_smi, query), self._cuda)
        if self._rocm_smi is not None:
            return parse_rocm(await ask(self._rocm_smi, _ROCM_WORDS), self._rocm)
        return []

    async def names(self) -> list[str]:
        """Their names."""
        return [gpu.name for gpu in await self.use()]


async def ask(program: str, words: Sequence[str]) -> str:
    """What a program prints; nothing if it fails or takes too long."""
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            process = await asyncio.create_subprocess_exec(
                program,
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                out, _ = await process.communicate()
            except BaseException:
                process.kill()
                raise
    except (OSError, TimeoutError):
        return ""
    return out.decode("utf-8", "replace") if process.returncode == 0 else ""


def is_none(visible: str | None) -> bool:
    """Whether a list of visible devices says that there are none."""
    return visible is not None and visible.strip() in ("", "-1", "NoDevFiles")


def parse_nvidia(listing: str, visible: str | None) -> list[GpuUse]:
    """The visible ones of nvidia-smi's rows. Pure."""
    rows = [[word.strip() for word in line.split(",")] for line in listing.splitlines()]
    # A name may hold a comma; the numbers stand at the end.
    cut = [(r[0], r[1], ", ".join(r[2:-3]), *r[-3:]) for r in rows if len(r) >= 6]
    found = [
        (index, uuid, GpuUse(name, _number(busy), _bytes(used, MIB), _bytes(total, MIB)))
        for index, uuid, name, busy, used, total in cut
    ]
    return _visible(found, visible)


def parse_rocm(document: str, visible: str | None) -> list[GpuUse]:
    """The visible ones of rocm-smi's cards. Pure."""
    try:
        cards = json.loads(document)
    except ValueError:
        return []
    found = []
    for key, card in sorted(cards.items()) if isinstance(cards, dict) else ():
        index = key.removeprefix("card")
        if not isinstance(card, dict) or not index.isdigit():
            continue
        said = {str(name).lower(): str(value) for name, value in card.items()}
        use = GpuUse(
            said.get("card series") or said.get("card model") or "AMD GPU",
            _number(said.get("gpu use (%)", "")),
            _bytes(said.get("vram total used memory (b)", ""), 1),
            _bytes(said.get("vram total memory (b)", ""), 1),
        )
        found.append((index, said.get("unique id", ""), use))
    return _visible(found, visible)


def _visible(found: list[tuple[str, str, GpuUse]], visible: str | None) -> list[GpuUse]:
    if visible is None:
        return [use for _, _, use in found]
    wanted = [word.strip() for word in visible.split(",") if word.strip()]
    chosen = [
        use
        for index, uuid, use in found
        if any(word == index or (len(word) > 4 and uuid.startswith(word)) for word in wanted)
    ]
    # Inside a cgroup the numbers start at 0 again: then all that is seen is ours.
    return chosen or [use for _, _, use in found][: len(wanted)]


def _number(text: str) -> float | None:
    """None for `[N/A]`, which drivers say for what a card does not measure."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _bytes(text: str, unit: int) -> int | None:
    number = _number(text)
    return None if number is None else int(number * unit)
