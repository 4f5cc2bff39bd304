"""One target under atheris: `python -m chaos.fuzz.guided TARGET FOLDER SECONDS`.

A process of its own, because libFuzzer ends the process it runs in. What it finds on its way is put
into FOLDER; an input that breaks a promise is left there as `crash-…`.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """The command."""
    import atheris

    name, folder, seconds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    with atheris.instrument_imports(include=["underpass.tunnel.protocol", "underpass.agent.http1"]):
        import underpass.agent.http1
        import underpass.tunnel.protocol.hub
    with atheris.instrument_imports(include=["underpass.gateway"]):
        import underpass.gateway.jsonscan
        import underpass.gateway.multipart  # noqa: F401
    from chaos.fuzz.targets import named

    target = named(name)
    seeds = folder / "seeds"
    seeds.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate([*target.honest(), *target.corpus()]):
        (seeds / f"{number:04}").write_bytes(data)
    found = folder / "found"
    found.mkdir(exist_ok=True)
    options = [f"-max_total_time={seconds}", "-max_len=4096", f"-artifact_prefix={folder}/"]
    options += ["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=1"]
    atheris.Setup([sys.argv[0], *options, str(found), str(seeds)], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
