"""The collector of a process that runs for long."""

import gc

from underpass.core import collector


def test_what_is_loaded_is_left_out() -> None:
    """While it loads nothing is collected; afterwards only what came later is."""
    before = gc.get_freeze_count()
    try:
        collector.rest()
        assert not gc.isenabled()
        loaded = [[number] for number in range(1000)]
        collector.settle()
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(loaded)
    finally:
        gc.enable()
        gc.unfreeze()
