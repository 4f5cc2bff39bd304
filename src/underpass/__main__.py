"""`python -m underpass`: the same as the command `underpass`, where its script is not on the PATH."""

from __future__ import annotations

from underpass.cli.main import main

if __name__ == "__main__":
    main()
