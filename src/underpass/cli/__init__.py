"""The command line: one file per command group, loaded only when its command is called.

- `main.py` has the table of commands and turns every error into one line and an exit code.
- `client.py` talks to a hub's REST API; `output.py` prints tables, JSON and errors.
- `hub`, `admin`, `demo` run on the hub's own machine; everything else goes through a hub.
"""
