"""`python -m underpass` is the same as `underpass`."""

from underpass.cli.main import main

main()
